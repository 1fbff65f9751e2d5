//! Signals to processes and groups.

use std::io;

use rustix::io::Errno;
use rustix::process as sys;

use super::KillReport;

/// A process id; a group is named by its leader's.
pub type Pid = u32;

/// The signals that ending and pausing a tree takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// hang up
    Hup,
    /// interrupt
    Int,
    /// polite end
    Term,
    /// immediate end
    Kill,
    /// pause
    Stop,
    /// go on
    Cont,
}

impl Signal {
    pub(crate) fn raw(self) -> sys::Signal {
        match self {
            Self::Hup => sys::Signal::HUP,
            Self::Int => sys::Signal::INT,
            Self::Term => sys::Signal::TERM,
            Self::Kill => sys::Signal::KILL,
            Self::Stop => sys::Signal::STOP,
            Self::Cont => sys::Signal::CONT,
        }
    }
}

/// Signals a process group. `false`: there is no such group any more.
///
/// # Errors
/// Not permitted, or `pid` is 0 or 1 (which would mean this very group, or everything).
pub fn kill_group(pid: Pid, signal: Signal) -> io::Result<bool> {
    delivered(sys::kill_process_group(checked(pid)?, signal.raw()))
}

/// Signals one process. `false`: there is no such process any more.
///
/// # Errors
/// Not permitted, or `pid` is 0 or 1.
pub fn kill_process(pid: Pid, signal: Signal) -> io::Result<bool> {
    delivered(sys::kill_process(checked(pid)?, signal.raw()))
}

/// Whether a group has a member, zombies included.
pub(crate) fn group_exists(pid: Pid) -> bool {
    checked(pid).is_ok_and(|pid| sys::test_kill_process_group(pid).is_ok())
}

/// Everything in this PID namespace but this process, which must be its pid 1.
pub(super) fn kill_namespace(signal: Signal) -> io::Result<KillReport> {
    // `kill(-1)` is spelled as group 1: the namespace's pid 1 never leads a group of others.
    match sys::Pid::from_raw(1).map(|all| sys::kill_process_group(all, signal.raw())) {
        Some(Ok(())) => Ok(KillReport { signalled: 1, survivors: 0 }),
        Some(Err(Errno::SRCH)) | None => Ok(KillReport::default()),
        Some(Err(error)) => Err(error.into()),
    }
}

fn checked(pid: Pid) -> io::Result<sys::Pid> {
    i32::try_from(pid).ok().filter(|raw| *raw > 1).and_then(sys::Pid::from_raw).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{pid} is no process to signal"))
    })
}

fn delivered(result: rustix::io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
