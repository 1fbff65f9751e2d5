//! What every environment on this machine does alike; `ssh` and `docker` run the same checks from
//! their own modules.

use std::path::Path;
use std::time::{Duration, Instant};

use canon_exec::local::LocalOptions;
use canon_exec::process::DEFAULT_GRACE;
use canon_exec::{
    EnvPolicy, ExecCommand, ExecutionEnvironment as _, Inherit, LocalExecutionEnvironment,
};

use crate::elsewhere;
use crate::sandbox::{workspace_write, world};
use crate::support::{BACKENDS, options, sandboxed, sh};

#[tokio::test]
async fn loop_9_4_local_does_all_file_search_and_command_operations() {
    let world = world();
    let env = LocalExecutionEnvironment::new(&world.workspace).unwrap();
    env.initialize().await.unwrap();
    elsewhere::files(&env, &world.workspace).await;
    let other = crate::sandbox::world();
    let env = LocalExecutionEnvironment::new(&other.workspace).unwrap();
    elsewhere::searches(&env, &other.workspace).await;
    let said = sh(&env, "echo out; echo err >&2; exit 3").await;
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("out\n", "err\n"));
    assert_eq!((said.exit_code, said.timed_out), (Some(3), false));
    let mut there = ExecCommand::new("pwd; echo $GIVEN; echo ${BASH_VERSION:+bash}");
    there.working_dir = Some(other.outside.clone());
    there.env.insert("GIVEN".into(), "yes".into());
    let said = env.exec_command(there).await.unwrap();
    assert_eq!(said.stdout, format!("{}\nyes\nbash\n", other.outside.display()));
    env.cleanup().await.unwrap();
}

#[tokio::test]
async fn loop_9_4_sandboxes_do_the_same_with_the_same_results() {
    for backend in BACKENDS {
        for search in [false, true] {
            let world = world();
            let policy = workspace_write(&world);
            let Some(env) = sandboxed("contract", policy, &world.workspace, options(backend)).await
            else {
                continue;
            };
            match search {
                true => elsewhere::searches(&env, &world.workspace).await,
                false => elsewhere::files(&env, &world.workspace).await,
            }
        }
    }
}

#[tokio::test]
async fn loop_9_4_a_command_out_of_time_gets_term_then_kill_after_two_seconds() {
    let world = world();
    let env = LocalExecutionEnvironment::new(&world.workspace).unwrap();
    assert_eq!(DEFAULT_GRACE, Duration::from_secs(2));
    let mut stubborn =
        ExecCommand::new("trap 'echo term' TERM; echo up; while :; do sleep 0.05; done");
    stubborn.timeout = Some(Duration::from_millis(300));
    let started = Instant::now();
    let result = env.exec_command(stubborn).await.unwrap();
    let took = started.elapsed();
    assert_eq!((result.exit_code, result.signal), (None, Some(9)));
    assert!(result.timed_out && result.stdout == "up\nterm\n", "{result:?}");
    assert!(took >= Duration::from_millis(2300) && took < Duration::from_secs(20), "{took:?}");
}

/// The environment of this test's process holds no secret, so the policy gives one a name.
#[tokio::test]
async fn loop_9_4_the_policy_of_variables_holds_for_commands() {
    let world = world();
    let names = async |inherit: Inherit| {
        let env = EnvPolicy { inherit, ..EnvPolicy::default() };
        let env = env.with("BASE", "given").with("MY_API_KEY", "s3cret").without("my_api_key");
        let options = LocalOptions { env, ..LocalOptions::default() };
        let env = LocalExecutionEnvironment::with_options(&world.workspace, options).unwrap();
        sh(&env, "/usr/bin/env | cut -d= -f1").await.stdout
    };
    let has = |names: &str, name: &str| names.lines().any(|line| line == name);
    let (all, core, none) = (
        names(Inherit::AllButSecrets).await,
        names(Inherit::Core).await,
        names(Inherit::None).await,
    );
    for said in [&all, &core, &none] {
        assert!(has(said, "BASE") && !has(said, "MY_API_KEY"), "{said}");
    }
    // Cargo sets this one for every test.
    assert!(has(&all, "CARGO_MANIFEST_DIR") && !has(&core, "CARGO_MANIFEST_DIR"), "{all}{core}");
    assert!(has(&all, "PATH") && has(&core, "PATH") && has(&core, "HOME"), "{core}");
    assert!(!has(&none, "HOME"), "{none}");
    assert!(env_is_here(), "the test says nothing without it");
}

fn env_is_here() -> bool {
    std::env::var_os("HOME").is_some() && Path::new("/usr/bin/env").is_file()
}
