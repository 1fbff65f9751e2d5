//! Running a program to its end, its time limit, or its cancellation.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use canon_runtime::task::{self, TaskSpec};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::leftovers::Tree;
use super::pump::Pump;
use super::{ExecError, ExecResult, OutputSink, Script, Stdin, spawner};
use crate::group::{ChildSetup, prepare_child};
use crate::limits::Limits;

/// How long output may still come after the program itself has ended.
const DRAIN: Duration = Duration::from_millis(100);
/// How long a program may take to end after KILL.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// How long after the grace a program that was told by the end of its input may still run.
const HANG_UP_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);

/// A program with all that [`run`] decides about it; sandboxes build these.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) argv: Vec<OsString>,
    pub(crate) cwd: PathBuf,
    pub(crate) env: BTreeMap<OsString, OsString>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) output_limit: usize,
    pub(crate) stdin: Stdin,
    pub(crate) cancel: CancellationToken,
    pub(crate) on_output: Option<OutputSink>,
    /// descriptors that the program inherits under their own numbers
    pub(crate) inherited: Vec<OwnedFd>,
    /// the program is a sandbox around the command
    pub(crate) is_wrapper: bool,
    /// input stays open after its last byte; closing it, instead of TERM, tells the program to end
    pub(crate) holds_input: bool,
    /// what each of its processes may use
    pub(crate) limits: Limits,
}

impl From<Script> for Invocation {
    fn from(script: Script) -> Self {
        Self {
            argv: script.argv(),
            env: script.env.resolve_current(),
            cwd: script.cwd,
            timeout: script.timeout,
            grace: script.grace,
            output_limit: script.output_limit,
            stdin: script.stdin,
            cancel: script.cancel,
            on_output: script.on_output,
            inherited: Vec::new(),
            is_wrapper: false,
            holds_input: false,
            limits: Limits::default(),
        }
    }
}

/// Runs a script to its end, its time limit, or its cancellation, in a session and group of its
/// own without a terminal. When the script itself has ended, what it left running in the
/// background is ended too (TERM, grace, KILL); a background process that holds the output open
/// does not hold up the call.
///
/// Dropping the future ends everything that the script started: TERM, grace, KILL.
///
/// # Errors
/// It could not be started; a failure of the script itself is a result.
pub async fn run(script: Script) -> Result<ExecResult, ExecError> {
    run_invocation(script.into()).await
}

/// [`run`] for any program.
pub(crate) async fn run_invocation(invocation: Invocation) -> Result<ExecResult, ExecError> {
    run_invocation_then(invocation, || Ok(())).await
}

/// [`run_invocation`], and what has to be done when everything has ended, even for a caller that
/// has gone away by then. An error of it is the outcome.
pub(crate) async fn run_invocation_then(
    invocation: Invocation,
    then: impl FnOnce() -> Result<(), ExecError> + Send + 'static,
) -> Result<ExecResult, ExecError> {
    check_directory(&invocation.cwd).await?;
    check_arguments(&invocation.argv)?;
    let abandoned = CancellationToken::new();
    let on_drop = abandoned.clone().drop_guard();
    let task = task::spawn(TaskSpec::new("exec").signalled(), async move {
        let result = drive(invocation, abandoned).await;
        let done = tokio::task::spawn_blocking(then).await;
        done.unwrap_or_else(|error| Err(ExecError::Wait { source: io::Error::other(error) }))?;
        result
    });
    let result = task.await;
    drop(on_drop);
    result.unwrap_or_else(|error| Err(ExecError::Wait { source: io::Error::other(error) }))
}

pub(super) async fn check_directory(path: &std::path::Path) -> Result<(), ExecError> {
    let not_usable = |source| ExecError::WorkingDirectory { path: path.to_owned(), source };
    let metadata = tokio::fs::metadata(path).await.map_err(not_usable)?;
    if metadata.is_dir() { Ok(()) } else { Err(not_usable(io::ErrorKind::NotADirectory.into())) }
}

pub(super) fn check_arguments(argv: &[OsString]) -> Result<(), ExecError> {
    let nul = |argument: &OsString| argument.as_bytes().iter().position(|byte| *byte == 0);
    argv.iter().find_map(nul).map_or(Ok(()), |at| Err(ExecError::NulByte { at }))
}

/// Why waiting for the program stopped.
enum End {
    Exited(io::Result<ExitStatus>),
    TimedOut,
    Cancelled,
}

async fn drive(
    mut invocation: Invocation,
    abandoned: CancellationToken,
) -> Result<ExecResult, ExecError> {
    let started = Instant::now();
    let marker = canon_runtime::id::new("exec");
    let mut child = start(&mut invocation, &marker).await?;
    let mut tree = Tree::new(child.id().unwrap_or_default(), marker, invocation.is_wrapper);
    let stdin = std::mem::take(&mut invocation.stdin);
    let mut pump =
        Pump::new(&mut child, stdin, invocation.output_limit, invocation.on_output.take());
    if invocation.holds_input {
        pump.hold_input();
    }

    let deadline = invocation.timeout.and_then(|limit| started.checked_add(limit));
    let end = pump.during(first_end(&mut child, deadline, &invocation.cancel, &abandoned)).await;
    let (timed_out, cancelled) = (matches!(end, End::TimedOut), matches!(end, End::Cancelled));
    let mut grace_end = None;
    let status = match end {
        End::Exited(status) => status,
        End::TimedOut | End::Cancelled => {
            let until = *grace_end.insert(Instant::now() + invocation.grace);
            if invocation.holds_input {
                hang_up(&mut child, &tree, &mut pump, until + HANG_UP_PATIENCE).await
            } else {
                terminate(&mut child, &tree, &mut pump, until).await
            }
        }
    };
    settle(&tree, &mut pump, grace_end, invocation.grace).await;
    let status = status.map_err(|source| ExecError::Wait { source })?;
    tree.finish();

    let output = pump.finish();
    Ok(ExecResult {
        stdout: output.stdout,
        stderr: output.stderr,
        combined: output.combined,
        exit_code: status.code(),
        signal: status.signal(),
        timed_out,
        cancelled,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        truncated_bytes: output.dropped,
    })
}

async fn start(invocation: &mut Invocation, marker: &str) -> Result<Child, ExecError> {
    let mut argv = invocation.argv.iter();
    let program = argv.next().cloned().unwrap_or_default();
    let mut command = Command::new(&program);
    command
        .args(argv)
        .current_dir(&invocation.cwd)
        .env_clear()
        .envs(&invocation.env)
        .env(Tree::MARKER, marker);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if invocation.stdin == Stdin::None { Stdio::null() } else { Stdio::piped() });
    let inherited = std::mem::take(&mut invocation.inherited);
    let numbers = inherited.iter().map(|fd| fd.as_raw_fd()).collect();
    let limits = invocation.limits.of_each_process();
    let setup = ChildSetup { session: true, die_with_parent: true, inherited: numbers, limits };
    prepare_child(command.as_std_mut(), setup);
    let child = spawner::spawn(command).await;
    drop(inherited);
    child.map_err(|source| ExecError::Spawn {
        program: program.to_string_lossy().into_owned(),
        source,
    })
}

async fn first_end(
    child: &mut Child,
    deadline: Option<Instant>,
    cancel: &CancellationToken,
    abandoned: &CancellationToken,
) -> End {
    let time_is_up = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        status = child.wait() => End::Exited(status),
        () = cancel.cancelled() => End::Cancelled,
        () = abandoned.cancelled() => End::Cancelled,
        () = time_is_up => End::TimedOut,
    }
}

/// TERM, the grace, KILL; the status of the program itself.
async fn terminate(
    child: &mut Child,
    tree: &Tree,
    pump: &mut Pump,
    until: Instant,
) -> io::Result<ExitStatus> {
    tree.terminate();
    if let Ok(status) = pump.during(timeout_at(until, child.wait())).await {
        return status;
    }
    kill(child, tree, pump).await
}

/// The end of its input, time for the other side to end the command with its own grace, KILL.
async fn hang_up(
    child: &mut Child,
    tree: &Tree,
    pump: &mut Pump,
    until: Instant,
) -> io::Result<ExitStatus> {
    pump.close_input();
    if let Ok(status) = pump.during(timeout_at(until, child.wait())).await {
        return status;
    }
    kill(child, tree, pump).await
}

async fn kill(child: &mut Child, tree: &Tree, pump: &mut Pump) -> io::Result<ExitStatus> {
    tree.kill();
    let patience = Instant::now() + KILL_PATIENCE;
    pump.during(timeout_at(patience, child.wait()))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// After the program itself has ended: takes the output that is still there, and ends what is left.
async fn settle(tree: &Tree, pump: &mut Pump, grace_end: Option<Instant>, grace: Duration) {
    pump.drain(DRAIN).await;
    if pump.is_at_end() && !tree.group_has_members() && grace_end.is_none() {
        return;
    }
    if !tree.living().is_empty() {
        tree.terminate();
        let until = grace_end.unwrap_or_else(|| Instant::now() + grace);
        let _survivors_are_killed = pump.during(timeout_at(until, all_gone(tree))).await;
        tree.kill();
    }
    pump.drain(DRAIN).await;
}

async fn all_gone(tree: &Tree) {
    while !tree.living().is_empty() {
        sleep(POLL).await;
    }
}
