//! One run of an agent, watched from outside.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::CALLS;
use super::model::Model;
use crate::bench::proc;
use crate::failure::Failure;
use crate::workspace::cannot_run;

/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// No run takes longer, however slow the machine.
const LIMIT: Duration = Duration::from_secs(60);

/// What a run took.
pub(super) struct Taken {
    pub(super) wall_s: f64,
    /// Of the whole tree of processes.
    pub(super) cpu_s: f64,
    /// Resident memory of the agent's own process at its highest.
    pub(super) peak_mb: f64,
    /// From the start until the result of the first command reached the model.
    pub(super) first_s: f64,
}

/// Runs the agent to its end and makes sure that it did the work.
pub(super) fn measure(mut command: Command, model: &Model) -> Result<Taken, Failure> {
    let output = tempfile::tempfile()
        .map_err(|error| Failure::environment(format!("cannot make a file: {error}")))?;
    let errors = output
        .try_clone()
        .map_err(|error| Failure::environment(format!("cannot share a file: {error}")))?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let before = proc::waited_time();
    let start = Instant::now();
    let mut child = command.spawn().map_err(|error| cannot_run(&command, &error))?;
    let mut peak_kib = 0;
    while !is_over(child.id()) {
        if start.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Failure::work(format!("{command:?} was not done after {LIMIT:?}")));
        }
        peak_kib = proc::kib(child.id(), "status", "VmHWM").unwrap_or(0).max(peak_kib);
        std::thread::sleep(LOOK_EVERY);
    }
    let wall = start.elapsed();
    let status = child
        .wait()
        .map_err(|error| Failure::work(format!("cannot wait for {command:?}: {error}")))?;
    let cpu = proc::waited_time().saturating_sub(before);
    let seen = model.seen();
    if let Some(wrong) = &seen.wrong {
        return Err(Failure::work(format!("{command:?}: {wrong}")));
    }
    let first = seen.first_result.filter(|_| status.success() && seen.results == CALLS);
    let first = first.ok_or_else(|| {
        Failure::work(format!("{command:?} ended with {status} after {} commands", seen.results))
    })?;
    Ok(Taken {
        wall_s: wall.as_secs_f64(),
        cpu_s: cpu.as_secs_f64(),
        peak_mb: peak_kib as f64 * 1024.0 / 1e6,
        first_s: first.duration_since(start).as_secs_f64(),
    })
}

fn is_over(pid: u32) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None)))
}
