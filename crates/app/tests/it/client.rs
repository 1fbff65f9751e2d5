//! The commands that talk to a running daemon, as processes, against a daemon made by hand.

use std::process::Stdio;

use canon::server::Action;
use canon_orchestrator::driver::Answered;
use serde_json::{Value, json};
use tokio::process::Command;

use super::api::fake::{self, Fake};
use super::api::wire::{Server, serve};

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs `canon` with nothing of this process's environment but what it needs to start.
async fn canon(args: &[&str], environment: &[(&str, &str)]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_canon"))
        .args(args)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn url(server: &Server) -> String {
    format!("--url=http://{}", server.address)
}

#[tokio::test]
async fn status_is_a_table_or_the_state_as_it_is() {
    let server = serve(Fake::new(fake::troubled()), None);
    let table = canon(&["status", &url(&server)], &[]).await;
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    let first = table.stdout.lines().next();
    assert_eq!(
        first,
        Some(
            "1 running, 1 blocked, 1 retrying, 1 held, 1 of 2 slots, 7400 tokens, 30 min 34 s of work, 4 waiting"
        )
    );
    for line in [
        "MT-649  running",
        "MT-7    blocked",
        "MT-650  retrying",
        "MT-8    held",
        "MT-1    completed",
    ] {
        assert!(table.stdout.contains(line), "{line} is missing in {}", table.stdout);
    }
    assert!(table.stderr.contains("tracker: the tracker did not answer"), "{}", table.stderr);

    let json = canon(&["status", "--json", &url(&server)], &[]).await;
    assert_eq!((json.code, json.stderr.as_str()), (Some(0), ""));
    let state: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(state, server.get("/api/v1/state").await.json());
}

#[tokio::test]
async fn each_command_asks_for_what_it_says() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    let url = url(&server);
    let held = || "h1".to_owned();
    for (args, action) in [
        (&["refresh"][..], Action::Refresh),
        (&["pause"], Action::Pause),
        (&["resume"], Action::Resume),
        (&["stop", "MT-649"], Action::Stop { issue_id: "abc123".to_owned() }),
        (&["stop", "a/b ü%2F?#"], Action::Stop { issue_id: held() }),
        (&["retry", "refresh"], Action::Retry { issue_id: held() }),
    ] {
        let args: Vec<&str> = args.iter().copied().chain([url.as_str()]).collect();
        let ended = canon(&args, &[]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{args:?} {}", ended.stderr);
        assert_eq!(fake.asked(), [action], "{args:?}");
    }
    let ended = canon(&["answer", "MT-7", "-- no, blue", "--request", "n:3", &url], &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let given = fake.answers.lock().unwrap().pop();
    let expected = ("MT-7".to_owned(), Some("n:3".to_owned()), json!("-- no, blue"));
    assert_eq!(given, Some(expected));
}

#[tokio::test]
async fn what_is_refused_ends_with_the_exit_code_of_its_cause() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    let url = url(&server);
    for (answered, args, code, says) in [
        (Answered::Taken, &["stop", "NOPE"][..], 2, "no issue \"NOPE\" is known"),
        (Answered::Taken, &["stop", "MT-1"], 1, "MT-1 is not worked on"),
        (Answered::NotAsked, &["answer", "MT-7", "x"], 1, "has no open question"),
        (Answered::Ambiguous, &["answer", "MT-7", "x"], 2, "--request"),
        (Answered::Taken, &["stop", ".."], 2, "is not the identifier of an issue"),
    ] {
        *fake.answered.lock().unwrap() = answered;
        let args: Vec<&str> = args.iter().copied().chain([url.as_str()]).collect();
        let ended = canon(&args, &[]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{args:?}");
        assert!(
            ended.stderr.starts_with("error: ") && ended.stderr.contains(says),
            "{}",
            ended.stderr
        );
    }
    fake.end();
    let ended = canon(&["status", &url], &[]).await;
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("the daemon has ended"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_token_of_the_environment_is_borne_and_never_shown() {
    let server = serve(Fake::new(fake::overview()), Some("s3cret-s3cret"));
    let right = canon(&["status", &url(&server)], &[("CANON_API_TOKEN", "s3cret-s3cret")]).await;
    assert_eq!(right.code, Some(0), "{}", right.stderr);
    for environment in [&[][..], &[("CANON_API_TOKEN", "wr0ng-wr0ng")]] {
        let wrong = canon(&["status", &url(&server)], environment).await;
        assert_eq!(wrong.code, Some(3));
        assert!(wrong.stderr.contains("set CANON_API_TOKEN"), "{}", wrong.stderr);
        assert!(!wrong.stderr.contains("wr0ng"), "{}", wrong.stderr);
    }
}

#[tokio::test]
async fn without_a_daemon_the_environment_is_wrong() {
    let home = tempfile::tempdir().unwrap();
    let workflow = home.path().join("WORKFLOW.md");
    let environment = [("CANON_HOME", home.path().to_str().unwrap())];
    let given = workflow.to_str().unwrap();
    let missing = canon(&["status", given], &environment).await;
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
    std::fs::write(&workflow, "").unwrap();
    let ended = canon(&["status", given], &environment).await;
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("no canon up is running for"), "{}", ended.stderr);
    // A port that was just free refuses.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ended = canon(&["status", &format!("--url=http://127.0.0.1:{port}")], &environment).await;
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("nothing can be reached at"), "{}", ended.stderr);
    for wrong in ["--url=nonsense", "--url=ftp://127.0.0.1"] {
        let ended = canon(&["status", wrong], &environment).await;
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn what_is_no_daemon_is_said() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("--url=http://{}", listener.local_addr().unwrap());
    let other = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello")
            .await
            .unwrap();
        stream
    };
    let args = ["status", &url];
    let (_stream, ended) = tokio::join!(other, canon(&args, &[]));
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("is no canon up"), "{}", ended.stderr);
}
