//! Starting a session's supervisor, from the daemon.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::SESSION_VARIABLE;
use super::dir::{DirError, SessionDir, Spec};
use super::run::Report;

/// A supervisor that has not reported by then will not.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(20);

/// How sessions are started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// This program.
    pub program: PathBuf,
    /// Its arguments that reach [`super::launcher_main`]; the session's directory is appended.
    pub arguments: Vec<OsString>,
}

/// A supervisor that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launched {
    /// Its process id.
    pub pid: u32,
    /// What holds the agent's processes together: `pid_namespace`, `user_pid_namespace` or
    /// `subreaper`.
    pub containment: String,
}

/// Why a session could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Its directory could not be made.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// The process could not be started.
    #[error("the supervisor {} cannot be started: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It reported a failure.
    #[error("the supervisor reports: {0}")]
    Refused(String),
    /// It said nothing in time, or ended without a word.
    #[error("the supervisor did not report; see {}", log.display())]
    Silent {
        /// What it may have written.
        log: PathBuf,
    },
}

/// Makes the session's directory, starts its supervisor with exactly the environment `env`, and
/// returns once the agent runs and the socket listens.
pub async fn launch(
    how: &Launch,
    dir: &SessionDir,
    spec: &Spec,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Launched, LaunchError> {
    dir.create(spec)?;
    let spawn_error = |source| LaunchError::Spawn { program: how.program.clone(), source };
    let log = std::fs::File::create(dir.supervisor_log()).map_err(spawn_error)?;
    let mut child = tokio::process::Command::new(&how.program)
        .args(&how.arguments)
        .arg(dir.path())
        .env_clear()
        .envs(env)
        .env(SESSION_VARIABLE, &spec.attempt_id)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .current_dir("/")
        .spawn()
        .map_err(spawn_error)?;
    let silent = || LaunchError::Silent { log: dir.supervisor_log() };
    let stdout = child.stdout.take().ok_or_else(silent)?;
    let launched = tokio::time::timeout(LAUNCH_TIMEOUT, read_reports(stdout)).await;
    // The launcher has ended by now, or hangs and is of no use.
    let _ = child.start_kill();
    let _ = child.wait().await;
    match launched {
        Ok(Some(Ok(launched))) => Ok(launched),
        Ok(Some(Err(reason))) => Err(LaunchError::Refused(reason)),
        Ok(None) | Err(_) => Err(silent()),
    }
}

/// Reads until the supervisor is ready (with what the launcher said of it) or something failed.
async fn read_reports(stdout: tokio::process::ChildStdout) -> Option<Result<Launched, String>> {
    let mut lines = BufReader::new(stdout).lines();
    let mut launched = None;
    let mut ready = false;
    // Two processes write here, in either order.
    while !(ready && launched.is_some()) {
        match serde_json::from_str(&lines.next_line().await.ok()??).ok()? {
            Report::Launched { pid, containment } => launched = Some(Launched { pid, containment }),
            Report::Ready => ready = true,
            Report::Failed(reason) => return Some(Err(reason)),
        }
    }
    launched.map(Ok)
}

impl Launch {
    /// `program supervise DIR`, as the `canon` binary has it.
    pub fn with(program: &Path, arguments: &[&str]) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments.iter().map(OsString::from).collect(),
        }
    }
}
