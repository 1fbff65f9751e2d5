//! One small process per session, so that the daemon can be killed or upgraded without costing a
//! turn.
//!
//! The supervisor holds the agent's stdio and process group. Every line that the agent writes, and
//! every line that the daemon has it write to the agent, gets a number and goes to a journal on
//! disk; a daemon that attaches over the Unix socket has the journal replayed from any number on
//! and then follows it live. The supervisor knows nothing of the protocol in the lines.
//!
//! What is guaranteed:
//! - The agent and all that it started end with the supervisor, whatever ends it: where the machine
//!   allows, the supervisor is process 1 of a PID namespace of its own; elsewhere it is a subreaper,
//!   its agent dies with it, and what was left behind is found by its environment.
//! - A session has at most one supervisor in its life: whoever holds the lock on the session's
//!   directory is it. A daemon that takes the lock declares the session dead, and a supervisor that
//!   starts late finds that and goes.
//! - A session has one daemon at a time: a newer epoch fences an older one off.
//! - Without a daemon for longer than the stated grace, the supervisor ends the agent and itself.

mod attach;
mod dir;
mod end;
mod frame;
mod journal;
mod launch;
mod run;

pub use attach::{AttachError, Attached, Incoming, Lines, Link};
pub use dir::{DirError, SessionDir, SessionState, Spec};
pub use end::{end_for_certain, kill_leftovers};
pub use frame::{ExitStatus, Hello, Welcome};
pub use journal::{Direction, JournalError, Record, Records};
pub use launch::{Launch, LaunchError, Launched, launch};
pub use run::{RunError, launcher_main, supervisor_main};

/// From TERM to KILL when a session is ended, milliseconds.
pub const GRACE_MS: u64 = 2_000;

/// Name of the environment variable that marks every process of a session, its supervisor
/// included; its value is the attempt's id. It is how they are found when nothing else holds them.
pub const SESSION_VARIABLE: &str = "CANON_SESSION";
