//! Whole process trees: what a supervisor needs to own everything that it started.
//!
//! Functions here read `/proc`. They must be called in the PID namespace that `/proc` shows
//! ([`crate::namespace::mount_proc`]); where it shows another, [`kill_descendants`] notices.

mod proc_fs;
mod signals;
mod start;

use std::io;
use std::time::{Duration, Instant};

use rustix::process::{WaitOptions, WaitStatus};

pub(crate) use proc_fs::related_processes;
use proc_fs::{descendants_of, own_proc_is_right};
pub use proc_fs::{is_alive, parent_of, process_start_time, processes_with_env};
pub(crate) use signals::group_exists;
pub use signals::{Pid, Signal, kill_group, kill_process};
pub(crate) use start::{ChildSetup, close_on_exec_above_streams, prepare_child};
pub use start::{spawn_detached, spawn_in_group};

/// Longest time that [`kill_descendants`] keeps looking for survivors.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
const KILL_PAUSE: Duration = Duration::from_millis(2);

/// Makes this process the parent of every descendant whose own parent ends, so that `setsid` and
/// double forks do not get away.
///
/// # Errors
/// The operating system's; Linux has had the call since 3.4.
pub fn become_subreaper() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// What [`kill_descendants`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KillReport {
    /// signals delivered
    pub signalled: usize,
    /// processes still alive at the end
    pub survivors: usize,
}

/// Sends `signal` to every living descendant of this process. With [`Signal::Kill`] it looks again
/// until none is left (at most five seconds), so that a process that forks meanwhile does not get
/// away; with other signals it passes once. Blocks; reaps nothing ([`reap_all`]).
///
/// # Errors
/// `/proc` cannot be read.
pub fn kill_descendants(signal: Signal) -> io::Result<KillReport> {
    if !own_proc_is_right() && std::process::id() == 1 {
        return signals::kill_namespace(signal);
    }
    let deadline = Instant::now() + KILL_PATIENCE;
    let mut report = KillReport::default();
    loop {
        let alive = descendants_of(std::process::id())?;
        report.survivors = alive.len();
        if alive.is_empty() {
            return Ok(report);
        }
        // Stopping the tree first keeps it from growing while it is being read.
        if signal == Signal::Kill {
            for pid in &alive {
                let _gone = kill_process(*pid, Signal::Stop);
            }
        }
        for pid in descendants_of(std::process::id())? {
            report.signalled += usize::from(kill_process(pid, signal).unwrap_or(false));
        }
        if signal != Signal::Kill || Instant::now() > deadline {
            return Ok(report);
        }
        std::thread::sleep(KILL_PAUSE);
    }
}

/// A child that had ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// process id
    pub pid: Pid,
    /// exit status, when it exited
    pub exit_code: Option<i32>,
    /// signal number, when a signal ended it
    pub signal: Option<i32>,
}

/// Collects every child that has ended, without waiting. This takes the exit status away from any
/// `Child` handle in the same process, so it is for a supervisor's last act or for a subreaper
/// that looks up its own children in what is returned.
pub fn reap_all() -> Vec<Reaped> {
    let mut reaped = Vec::new();
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        reaped.push(describe(pid, status));
    }
    reaped
}

fn describe(pid: rustix::process::Pid, status: WaitStatus) -> Reaped {
    Reaped {
        pid: pid.as_raw_nonzero().get().unsigned_abs(),
        exit_code: status.exit_status(),
        signal: status.terminating_signal(),
    }
}
