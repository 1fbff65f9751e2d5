//! One run of an agent.

use std::process::Command;
use std::time::Duration;

use super::CALLS;
use super::model::Model;
use crate::bench::watch::watch;
use crate::failure::Failure;

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
pub(super) fn measure(command: Command, model: &Model) -> Result<Taken, Failure> {
    let told = format!("{command:?}");
    let run = watch(command, LIMIT)?;
    let seen = model.seen();
    if let Some(wrong) = &seen.wrong {
        return Err(Failure::work(format!("{told}: {wrong}")));
    }
    let first = seen.first_result.filter(|_| run.status.success() && seen.results == CALLS);
    let first = first.ok_or_else(|| {
        let (status, results) = (run.status, seen.results);
        Failure::work(format!("{told} ended with {status} after {results} commands"))
    })?;
    Ok(Taken {
        wall_s: run.wall.as_secs_f64(),
        cpu_s: run.cpu.as_secs_f64(),
        peak_mb: run.peak_mb,
        first_s: first.duration_since(run.started).as_secs_f64(),
    })
}
