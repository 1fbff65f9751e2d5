//! Programs that run beside their caller.

use std::time::Duration;

use canon_exec::process::{Companion, CompanionCommand, CompanionPipes};
use canon_exec::{EnvPolicy, ExecError};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::support::{all_gone, unique};

const KEY: &str = "CANON_TEST_COMPANION";
const GRACE: Duration = Duration::from_millis(300);

async fn start(script: &str, mark: &str) -> (Companion, CompanionPipes) {
    Companion::start(CompanionCommand {
        argv: ["bash", "-c", script].map(Into::into).to_vec(),
        cwd: "/".into(),
        env: EnvPolicy::default().with(KEY, mark),
    })
    .await
    .unwrap()
}

/// Waits until the program has said that it is ready.
async fn first_line(pipes: &mut CompanionPipes) -> String {
    let mut line = String::new();
    BufReader::new(&mut pipes.stdout).read_line(&mut line).await.unwrap();
    line
}

#[tokio::test]
async fn it_is_spoken_to_and_ends_with_its_input() {
    let mark = unique("companion");
    let (companion, mut pipes) = start("read line; echo \"got $line\"; cat; exit 3", &mark).await;
    pipes.stdin.write_all(b"a word\n").await.unwrap();
    assert_eq!(first_line(&mut pipes).await, "got a word\n");
    drop(pipes.stdin);
    assert_eq!(companion.stop(Duration::from_secs(20)).await.unwrap().code(), Some(3));
    assert!(all_gone(KEY, &mark).await);
}

#[tokio::test]
async fn one_that_does_not_end_is_killed_with_what_it_started() {
    let mark = unique("companion");
    let script = "trap '' TERM; setsid sleep 100 & echo ready; while :; do sleep 1; done";
    let (companion, mut pipes) = start(script, &mark).await;
    assert_eq!(first_line(&mut pipes).await, "ready\n");
    drop(pipes.stdin);
    companion.stop(GRACE).await;
    assert!(all_gone(KEY, &mark).await);
}

#[tokio::test]
async fn a_dropped_one_leaves_nothing_behind() {
    let mark = unique("companion");
    let (companion, mut pipes) = start("setsid sleep 100 & echo ready; sleep 100", &mark).await;
    first_line(&mut pipes).await;
    drop((companion, pipes));
    assert!(all_gone(KEY, &mark).await);
}

#[tokio::test]
async fn what_cannot_be_started_is_said() {
    let command = |program: &str, cwd: &str| CompanionCommand {
        argv: vec![program.into()],
        cwd: cwd.into(),
        env: EnvPolicy::default(),
    };
    let absent = Companion::start(command("no-such-program-here", "/")).await.unwrap_err();
    assert!(absent.to_string().contains("is it installed"), "{absent}");
    let nowhere = Companion::start(command("true", "/no/such/place")).await.unwrap_err();
    assert!(matches!(nowhere, ExecError::WorkingDirectory { .. }), "{nowhere}");
}
