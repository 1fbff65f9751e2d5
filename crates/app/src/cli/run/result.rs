//! The end of a run: the result as data, a report for people, and the exit code.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use canon_pipeline::Status;
use canon_pipeline::engine::FrameId;
use canon_pipeline::run::{End, RunDirectory};
use serde_json::{Map, Value, json};

use crate::cli::print;
use crate::cli::words::{duration, grouped, plural};
use crate::error::{Error, Kind};

/// What came of it, beside what the engine says.
pub(super) struct Ended {
    pub(super) run: String,
    pub(super) end: End,
    pub(super) interrupted: bool,
    pub(super) time: Duration,
    /// Attempts that were made again.
    pub(super) retries: u64,
    /// Whether the words of models came from a file, or from nowhere.
    pub(super) made_up: Option<&'static str>,
}

/// The last line of `--json`.
pub(super) fn json(ended: &Ended) -> Value {
    let End { finish, path, outcomes, context, usage, logs } = &ended.end;
    let outcomes: Map<String, Value> = outcomes
        .iter()
        .map(|(node, outcome)| {
            let mut value = json!({ "status": outcome.status, "notes": outcome.notes });
            if !outcome.failure_reason.is_empty() {
                value["failure_reason"] = json!(outcome.failure_reason);
            }
            if let Some(approval) = &outcome.approval {
                value["approval"] = json!(approval);
            }
            (node.clone(), value)
        })
        .collect();
    json!({
        "v": 1, "kind": "result", "run": ended.run, "status": word(finish.status),
        "reason": finish.reason, "path": path, "outcomes": outcomes, "context": context,
        "usage": {
            "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens(),
        },
        "cost_usd": usage.cost_usd, "logs": logs, "interrupted": ended.interrupted,
        "duration_ms": u64::try_from(ended.time.as_millis()).unwrap_or(u64::MAX),
        "scripted": ended.made_up == Some(SCRIPTED), "simulated": ended.made_up == Some(SIMULATED),
    })
}

/// Where words of models come from if not from models.
pub(super) const SCRIPTED: &str = "scripted";
pub(super) const SIMULATED: &str = "simulated";

fn word(status: Status) -> &'static str {
    if status == Status::Success { "success" } else { "fail" }
}

/// What people read last.
pub(super) fn summary(ended: &Ended) -> String {
    let End { finish, outcomes, usage, logs, .. } = &ended.end;
    let how = match finish.status {
        _ if ended.interrupted => "interrupted after",
        Status::Success => "succeeded in",
        _ => "failed after",
    };
    let mut text = format!(
        "{how} {}: {}",
        duration(ended.time),
        plural(ended.end.path.len() as u64, "stage", "stages")
    );
    if ended.retries > 0 {
        let _ = write!(text, ", {}", plural(ended.retries, "retry", "retries"));
    }
    if usage.total_tokens() > 0 {
        let _ = write!(text, ", {} tokens", grouped(usage.total_tokens()));
    }
    if usage.cost_usd > 0.0 {
        let _ = write!(text, ", $ {:.4}", usage.cost_usd);
    }
    if let Some(made_up) = ended.made_up {
        let _ = write!(text, " ({made_up}: no model was asked)");
    }
    if finish.status != Status::Success {
        for (node, outcome) in outcomes.iter().filter(|(_, outcome)| outcome.status == Status::Fail)
        {
            let why = print::one_line(&outcome.failure_reason, 160);
            let _ = write!(text, "\n  {node} failed: {why}");
        }
    }
    let _ = write!(text, "\nrun {}, kept in {}", ended.run, logs.display());
    text
}

/// Success, or the error that ends the program.
pub(super) fn code(ended: &Ended) -> Result<ExitCode, Error> {
    let finish = &ended.end.finish;
    let hint = format!("`canon run --resume {}` goes on with it", name(ended));
    if ended.interrupted && finish.status != Status::Success {
        let error = Error::new(Kind::Interrupted, "interrupted; its processes are ended");
        return Err(error.hint(hint));
    }
    if finish.status == Status::Success {
        return Ok(ExitCode::SUCCESS);
    }
    let reason = finish.reason.as_deref().unwrap_or("no reason is known");
    let cite = finish.rule.cite();
    Err(Error::work(format!("the run failed ({cite}): {reason}")).hint(hint))
}

/// How the run is named on the command line.
fn name(ended: &Ended) -> String {
    let own = super::kept::home().is_ok_and(|home| ended.end.logs.parent() == Some(&home));
    if own { ended.run.clone() } else { ended.end.logs.display().to_string() }
}

/// The whole text of the last answer of a model.
pub(super) fn last_response(directory: &RunDirectory, path: &[String]) -> Option<String> {
    let root = directory.logs_root(0, &FrameId::root());
    let mut restarts: Vec<_> = std::fs::read_dir(&root)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            entry.file_name().to_str()?.strip_prefix("restart-")?.parse::<u32>().ok()
        })
        .collect();
    restarts.sort_unstable();
    let restart = restarts.last().copied().unwrap_or(0);
    path.iter().rev().find_map(|node| {
        let attempt = canon_pipeline::engine::AttemptId {
            restart,
            frame: FrameId::root(),
            node: node.clone(),
            visit: 1,
            attempt: 1,
        };
        std::fs::read_to_string(directory.stage(&attempt).join("response.md")).ok()
    })
}
