//! What the tests share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use canon_exec::sandbox::{Backend, HelperCommand};
use canon_exec::{
    ExecCommand, ExecResult, ExecutionEnvironment, SandboxError, SandboxOptions, SandboxPolicy,
    SandboxedEnvironment,
};
use tokio::sync::mpsc;

/// The example program, which cargo builds beside the tests unless some are named.
pub(crate) fn helper_program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples/exec_helper");
    assert!(
        program.is_file(),
        "{} is missing: cargo leaves examples out when tests are named; run `cargo build -p canon-exec --example exec_helper`",
        program.display()
    );
    program
}

pub(crate) fn options(backend: Backend) -> SandboxOptions {
    SandboxOptions {
        backend: Some(backend),
        helper: Some(HelperCommand { program: helper_program(), args: vec!["sandbox".into()] }),
        grace: Duration::from_millis(300),
        ..SandboxOptions::default()
    }
}

pub(crate) const BACKENDS: [Backend; 2] = [Backend::Bubblewrap, Backend::Landlock];

/// An environment, or `None` and a line for the task runner where the machine lacks the backend.
pub(crate) async fn sandboxed(
    name: &str,
    policy: SandboxPolicy,
    cwd: &Path,
    options: SandboxOptions,
) -> Option<SandboxedEnvironment> {
    let backend = options.backend;
    match SandboxedEnvironment::new(policy, cwd, options).await {
        Ok(environment) => Some(environment),
        Err(SandboxError::Unavailable { why_not, .. }) => {
            let why = why_not.first().map_or_else(String::new, |why| why.reason.clone());
            println!("skipped: {name} ({backend:?}): {why}");
            None
        }
        Err(error) => panic!("{name}: {error}"),
    }
}

pub(crate) async fn sh(environment: &impl ExecutionEnvironment, command: &str) -> ExecResult {
    let mut command = ExecCommand::new(command);
    command.timeout = Some(Duration::from_secs(20));
    environment.exec_command(command).await.unwrap()
}

/// Whether any process still has this marker in its environment, for at most five seconds.
pub(crate) async fn all_gone(key: &str, value: &str) -> bool {
    for _ in 0..500 {
        if canon_exec::group::processes_with_env(key, value).is_empty() {
            return true;
        }
        tokio::task::yield_now().await;
        // The process table has no event to wait for; another process does the waiting.
        let _ = std::process::Command::new("sleep").arg("0.01").status();
    }
    false
}

/// Longer than any machine needs to start a shell.
pub(crate) const LIMIT: Duration = Duration::from_secs(3600);

/// Runs a command whose time is up as soon as it has said that it is ready, and not before, however
/// busy the machine is: until then its clock stands still.
pub(crate) async fn at_its_limit<T>(
    limit: Duration,
    mut ready: mpsc::UnboundedReceiver<()>,
    command: impl Future<Output = T>,
) -> T {
    tokio::time::pause();
    // A paused clock goes forward by itself when nothing runs; with this, something does.
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    let holding = tokio::task::spawn_blocking(move || held.recv());
    let up = async {
        ready.recv().await;
        tokio::time::advance(limit).await;
        tokio::time::resume();
        drop(go_on);
    };
    let (result, ()) = tokio::join!(command, up);
    assert!(holding.await.unwrap().is_err());
    result
}

pub(crate) fn unique(name: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
