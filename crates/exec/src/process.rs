//! Running one program: its own process group, bounded output, time limit, cancellation.

mod capture;
mod companion;
mod env;
mod leftovers;
mod pump;
mod run;
pub(crate) mod spawner;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub(crate) use capture::Capture;
pub use companion::{Companion, CompanionCommand, CompanionPipes};
pub use env::{EnvPolicy, Inherit, is_secret_name};
pub use run::run;
pub(crate) use run::{Invocation, run_invocation, run_invocation_then};

/// Bytes kept of each stream unless a caller says otherwise: 1 MiB.
pub const DEFAULT_OUTPUT_LIMIT: usize = 1024 * 1024;

/// Time between TERM and KILL unless a caller says otherwise (coding agent loop §4.2).
pub const DEFAULT_GRACE: Duration = Duration::from_secs(2);

/// Which shell interprets a [`Script`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shell {
    /// `bash -c`
    #[default]
    Bash,
    /// `bash -lc`: reads the login profile
    BashLogin,
    /// `sh -c`, for places without bash
    Sh,
    /// `sh -lc`: reads the login profile (Symphony's hooks)
    ShLogin,
}

impl Shell {
    /// Program and flags, to be followed by the script text.
    pub fn argv(self) -> [&'static str; 2] {
        match self {
            Self::Bash => ["bash", "-c"],
            Self::BashLogin => ["bash", "-lc"],
            Self::Sh => ["sh", "-c"],
            Self::ShLogin => ["sh", "-lc"],
        }
    }
}

/// What a program reads on its standard input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Stdin {
    /// `/dev/null`
    #[default]
    None,
    /// These bytes, then end of file.
    Bytes(Vec<u8>),
}

/// Which stream a chunk of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    /// standard output
    Stdout,
    /// standard error
    Stderr,
}

/// Some output as it arrived; chunk borders mean nothing and may split a character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputChunk {
    /// where it came from
    pub stream: OutputStream,
    /// raw bytes, never empty
    pub bytes: Vec<u8>,
}

/// Called with every chunk of output, from the task that reads the pipes; it must not block.
#[derive(Clone)]
pub struct OutputSink(Arc<dyn Fn(OutputChunk) + Send + Sync>);

impl OutputSink {
    /// Wraps a callback.
    pub fn new(sink: impl Fn(OutputChunk) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Hands over what a command wrote, for environments that run it themselves. Never waits.
    pub fn send(&self, chunk: OutputChunk) {
        (self.0)(chunk);
    }
}

impl fmt::Debug for OutputSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutputSink")
    }
}

/// A shell script to run once, with its limits.
#[derive(Debug, Clone)]
pub struct Script {
    /// text handed to the shell
    pub command: String,
    /// interpreter
    pub shell: Shell,
    /// working directory; must exist
    pub cwd: PathBuf,
    /// which variables the program sees
    pub env: EnvPolicy,
    /// wall-clock limit; `None` is unlimited
    pub timeout: Option<Duration>,
    /// time between TERM and KILL
    pub grace: Duration,
    /// bytes kept of stdout, of stderr and of the combined text: half head, half tail
    pub output_limit: usize,
    /// standard input
    pub stdin: Stdin,
    /// ends the script early when cancelled
    pub cancel: CancellationToken,
    /// live output
    pub on_output: Option<OutputSink>,
}

impl Script {
    /// A `bash -c` script with default limits, no time limit, and the filtered environment.
    pub fn new(command: impl Into<String>, cwd: impl Into<PathBuf>) -> Self {
        Self {
            command: command.into(),
            shell: Shell::default(),
            cwd: cwd.into(),
            env: EnvPolicy::default(),
            timeout: None,
            grace: DEFAULT_GRACE,
            output_limit: DEFAULT_OUTPUT_LIMIT,
            stdin: Stdin::None,
            cancel: CancellationToken::new(),
            on_output: None,
        }
    }

    pub(crate) fn argv(&self) -> Vec<OsString> {
        let [program, flag] = self.shell.argv();
        vec![program.into(), flag.into(), self.command.clone().into()]
    }
}

/// What became of a program. A failure of the program is a result, not an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecResult {
    /// standard output, invalid UTF-8 replaced; a marker line stands where bytes were dropped
    pub stdout: String,
    /// standard error, likewise
    pub stderr: String,
    /// both in order of arrival, likewise
    pub combined: String,
    /// exit status; `None` when a signal ended the program
    pub exit_code: Option<i32>,
    /// number of the signal that ended the program
    pub signal: Option<i32>,
    /// the time limit was reached
    pub timed_out: bool,
    /// the caller cancelled
    pub cancelled: bool,
    /// wall-clock milliseconds from start to end
    pub duration_ms: u64,
    /// bytes of stdout and stderr that were dropped between head and tail
    pub truncated_bytes: u64,
}

impl ExecResult {
    /// Exit status zero, within the time limit, not cancelled.
    pub fn success(&self) -> bool {
        self.exit_code == Some(0) && !self.timed_out && !self.cancelled
    }
}

/// Why a program could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The program could not be started.
    #[error("cannot start `{program}`: {source}{}", hint(.source))]
    Spawn {
        /// program name as given
        program: String,
        /// operating system's reason
        source: io::Error,
    },
    /// An argument holds a NUL byte, which the operating system cannot carry.
    #[error("cannot run a command with a NUL byte in it (at byte {at})")]
    NulByte {
        /// where in the argument, in bytes
        at: usize,
    },
    /// A command changed what makes git run programs outside the sandbox, and it could not be put
    /// back. Nothing more runs in this environment: the session should end.
    #[error("a command changed {}, from which git runs programs outside the sandbox, and it cannot be put back: {why}; nothing more runs here", path.display())]
    NotRestored {
        /// the place
        path: PathBuf,
        /// what went wrong
        why: String,
    },
    /// The working directory is missing or not a directory.
    #[error("cannot use working directory {}: {source}", path.display())]
    WorkingDirectory {
        /// directory as given
        path: PathBuf,
        /// operating system's reason
        source: io::Error,
    },
    /// The working directory is not one that the policy lets commands run in.
    #[error("working directory {} is outside the sandbox: {why}", path.display())]
    OutsidePolicy {
        /// directory as given
        path: PathBuf,
        /// which rule refused it
        why: String,
    },
    /// The place where the command should run, or ran, cannot be reached. Whether the command had
    /// an effect is not known; where it was begun, the other side ends it.
    #[error("no connection to {place}: {why}{}", until_then(.output))]
    Unreachable {
        /// the place
        place: String,
        /// what the connection said
        why: String,
        /// what had arrived; `None` when the command was not begun
        output: Option<Box<ExecResult>>,
    },
    /// The program's state could not be learned after it started; its group was killed.
    #[error("lost track of a started program: {source}; its process group was killed")]
    Wait {
        /// operating system's reason
        source: io::Error,
    },
}

fn until_then(output: &Option<Box<ExecResult>>) -> String {
    match output {
        None => "; the command was not begun".to_owned(),
        Some(output) if output.combined.is_empty() => {
            "; the command was begun, and its outcome is not known".to_owned()
        }
        Some(output) => format!(
            "; the command was begun, and its outcome is not known; its output until then:\n{}",
            output.combined
        ),
    }
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "; is it installed and on PATH?",
        io::ErrorKind::ArgumentListTooLong => {
            "; hand long text over in a file or on standard input"
        }
        _ => "",
    }
}
