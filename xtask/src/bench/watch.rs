//! One run of a program, watched from outside.

use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::proc;
use crate::failure::Failure;
use crate::workspace::cannot_run;

/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What a run took.
pub(crate) struct Watched {
    pub(crate) started: Instant,
    pub(crate) wall: Duration,
    /// Of the whole tree of processes.
    pub(crate) cpu: Duration,
    /// Resident memory of the program's own process at its highest.
    pub(crate) peak_mb: f64,
    pub(crate) status: ExitStatus,
}

/// Runs a program to its end; what it says goes nowhere.
pub(crate) fn watch(mut command: Command, limit: Duration) -> Result<Watched, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let before = proc::waited_time();
    let started = Instant::now();
    let mut child = command.spawn().map_err(|error| cannot_run(&command, &error))?;
    let mut peak_kib = 0;
    while !is_over(child.id()) {
        if started.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Failure::work(format!("{command:?} was not done after {limit:?}")));
        }
        peak_kib = proc::kib(child.id(), "status", "VmHWM").unwrap_or(0).max(peak_kib);
        std::thread::sleep(LOOK_EVERY);
    }
    let wall = started.elapsed();
    let status = child
        .wait()
        .map_err(|error| Failure::work(format!("cannot wait for {command:?}: {error}")))?;
    Ok(Watched {
        started,
        wall,
        cpu: proc::waited_time().saturating_sub(before),
        peak_mb: peak_kib as f64 * 1024.0 / 1e6,
        status,
    })
}

fn is_over(pid: u32) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None)))
}
