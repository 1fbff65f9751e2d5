//! A program that runs beside its caller and is spoken to through its pipes.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use super::leftovers::Tree;
use super::run::{check_arguments, check_directory};
use super::{EnvPolicy, ExecError, spawner};
use crate::group::{ChildSetup, prepare_child};

/// How long a program may take to end after KILL.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// What to start.
#[derive(Debug, Clone)]
pub struct CompanionCommand {
    /// program and arguments; a program without a slash is looked for on the caller's `PATH`
    pub argv: Vec<OsString>,
    /// working directory; must exist
    pub cwd: PathBuf,
    /// which variables the program sees
    pub env: EnvPolicy,
}

/// A running program, leader of a session and group of its own. [`Companion::stop`] ends it in
/// order; dropping it kills it at once, with everything that it started. It does not outlive this
/// process.
#[derive(Debug)]
pub struct Companion {
    child: Child,
    tree: Tree,
}

/// The caller's ends of its standard streams. A program is told to end by dropping `stdin`.
#[derive(Debug)]
pub struct CompanionPipes {
    /// its standard input
    pub stdin: ChildStdin,
    /// its standard output
    pub stdout: ChildStdout,
    /// its standard error; what is not read stops it sooner or later
    pub stderr: ChildStderr,
}

impl Companion {
    /// Starts a program without a terminal, every descriptor above 2 closed in it.
    ///
    /// # Errors
    /// It could not be started.
    pub async fn start(command: CompanionCommand) -> Result<(Self, CompanionPipes), ExecError> {
        check_directory(&command.cwd).await?;
        check_arguments(&command.argv)?;
        let marker = canon_runtime::id::new("companion");
        let mut argv = command.argv.iter();
        let program = argv.next().cloned().unwrap_or_default();
        let mut process = Command::new(&program);
        process
            .args(argv)
            .current_dir(&command.cwd)
            .env_clear()
            .envs(command.env.resolve_current())
            .env(Tree::MARKER, &marker)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let setup = ChildSetup { session: true, die_with_parent: true, ..ChildSetup::default() };
        prepare_child(process.as_std_mut(), setup);
        let not_started =
            |source| ExecError::Spawn { program: program.to_string_lossy().into_owned(), source };
        let mut child = spawner::spawn(process).await.map_err(not_started)?;
        let tree = Tree::new(child.id().unwrap_or_default(), marker, false);
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => {
                Ok((Self { child, tree }, CompanionPipes { stdin, stdout, stderr }))
            }
            _ => Err(ExecError::Wait { source: io::Error::other("a pipe is missing") }),
        }
    }

    /// Ends the program and everything that it started: `grace` to end by itself (its standard input
    /// should be closed by then), TERM, `grace` again, KILL. Its exit status, if that could be learned.
    pub async fn stop(mut self, grace: Duration) -> Option<ExitStatus> {
        let mut status = timeout(grace, self.child.wait()).await.ok();
        if !self.tree.living().is_empty() {
            self.tree.terminate();
            let _survivors_are_killed = timeout(grace, async {
                status = Some(self.child.wait().await);
                while !self.tree.living().is_empty() {
                    sleep(POLL).await;
                }
            })
            .await;
            self.tree.kill();
        }
        if status.is_none() {
            status = timeout(KILL_PATIENCE, self.child.wait()).await.ok();
        }
        let status = status.and_then(Result::ok);
        if status.is_some() {
            self.tree.finish();
        }
        status
    }
}
