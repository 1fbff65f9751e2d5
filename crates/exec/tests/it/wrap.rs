//! Environments around others.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use canon_exec::{
    ExecCommand, ExecError, ExecutionEnvironment, FileError, GrepOptions,
    LocalExecutionEnvironment, Logging, Operation, ReadOnly, Record, RecordSink, SandboxPolicy,
};

use crate::sandbox::world;
use crate::support::{BACKENDS, options, sandboxed, sh};

async fn refuses_writes(env: &impl ExecutionEnvironment) {
    let file = Path::new("file");
    for error in [
        env.write_file(file, b"x").await.map(|_| ()),
        env.remove_file(file).await,
        env.rename(file, Path::new("other")).await,
    ] {
        assert!(
            matches!(&error, Err(FileError::OutsidePolicy { why, .. }) if why.contains("read-only")),
            "{error:?}"
        );
    }
    assert_eq!(env.read_text(file, 10).await.unwrap(), "old\n");
    assert!(env.file_exists(file).await.unwrap());
    assert_eq!(env.list_directory(Path::new(""), 1).await.unwrap().len(), 1);
    assert_eq!(
        env.grep("old", Path::new(""), &GrepOptions::default()).await.unwrap().lines.len(),
        1
    );
}

#[tokio::test]
async fn read_only_refuses_what_it_cannot_confine() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "old\n").unwrap();
    let env = ReadOnly::new(LocalExecutionEnvironment::new(dir.path()).unwrap());
    refuses_writes(&env).await;
    let error = env.exec_command(ExecCommand::new("echo x > file")).await.unwrap_err();
    assert!(
        matches!(&error, ExecError::Spawn { .. }) && error.to_string().contains("read-only"),
        "{error}"
    );
    assert_eq!(std::fs::read(dir.path().join("file")).unwrap(), b"old\n");
    assert_eq!(env.sandbox().mode, "read-only");
    assert_eq!(env.sandbox().limits, ["commands are refused"]);
}

#[tokio::test]
async fn read_only_runs_commands_in_a_read_only_sandbox_alone() {
    for backend in BACKENDS {
        let world = world();
        std::fs::write(world.workspace.join("file"), "old\n").unwrap();
        let name = "read_only_runs_commands";
        let Some(inner) =
            sandboxed(name, SandboxPolicy::read_only(), &world.workspace, options(backend)).await
        else {
            continue;
        };
        let env = ReadOnly::new(inner);
        refuses_writes(&env).await;
        assert_eq!(sh(&env, "cat file").await.stdout, "old\n");
        assert_ne!(sh(&env, "echo x > file").await.exit_code, Some(0), "{backend}");
        let Some(writing) =
            sandboxed(name, SandboxPolicy::workspace_write(), &world.workspace, options(backend))
                .await
        else {
            continue;
        };
        let env = ReadOnly::new(writing);
        assert!(env.exec_command(ExecCommand::new("cat file")).await.is_err(), "{backend}");
    }
}

#[tokio::test]
async fn every_operation_is_recorded_once_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let records: Arc<Mutex<Vec<Record>>> = Arc::default();
    let to = Arc::clone(&records);
    let sink = RecordSink::new(
        move |record| to.lock().unwrap().push(record),
        |text| text.replace("hunter2", "[redacted]"),
    );
    let env = Logging::new(LocalExecutionEnvironment::new(dir.path()).unwrap(), sink);
    let last = || records.lock().unwrap().last().cloned().unwrap();
    env.initialize().await.unwrap();
    env.write_file(Path::new("hunter2"), b"hunter2").await.unwrap();
    assert_eq!(last().operation, Operation::Write { path: "[redacted]".into() });
    assert_eq!((last().outcome.as_str(), last().bytes), ("ok", Some(7)));
    env.read_file(Path::new("missing-hunter2"), 10).await.unwrap_err();
    assert!(last().outcome.starts_with("error: ") && last().bytes.is_none(), "{:?}", last());
    let mut run = ExecCommand::new("echo hunter2; exit 3");
    run.env.insert("X".into(), "hunter2".into());
    run.stdin = Some(b"hunter2".to_vec());
    env.exec_command(run).await.unwrap();
    assert_eq!((last().outcome.as_str(), last().bytes), ("exit 3", Some(8)));
    let mut slow = ExecCommand::new("sleep 60");
    slow.timeout = Some(Duration::from_millis(50));
    env.exec_command(slow).await.unwrap();
    assert_eq!(last().outcome, "timed out");
    // Cut inside the secret: it must have been taken out before.
    let long = format!("#{}hunter2", "a".repeat(1995));
    env.exec_command(ExecCommand::new(long)).await.unwrap();
    tokio::select! {
        biased;
        _ = env.exec_command(ExecCommand::new("sleep 60")) => panic!("it cannot end"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(last().outcome, "abandoned");
    env.cleanup().await.unwrap();
    let records = records.lock().unwrap();
    assert_eq!(records.len(), 8);
    let json = serde_json::to_string(&*records).unwrap();
    assert!(!json.contains("hunter") && json.contains(r#""operation":"exec""#), "{json}");
}
