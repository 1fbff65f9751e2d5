//! `GET /api/v1/state`: the shape of Symphony §13.7.2, with more fields.

use canon_orchestrator::dispatch::{
    BlockedRow, HeldRow, QuestionRow, RetryRow, RunningRow, Snapshot, Usage,
};
use canon_runtime::clock::rfc3339;
use serde_json::{Map, Value, json};

use super::daemon::{FinishedRow, LiveRow, Overview};

/// The whole answer.
pub(super) fn state(overview: &Overview) -> Value {
    let Overview { now_ms, snapshot, live, finished, .. } = overview;
    let totals = &snapshot.totals;
    let blocked = |row: &BlockedRow| blocked_row(row, live.get(&row.attempt.issue_id));
    let running = |row: &RunningRow| Value::Object(running_row(row, live.get(&row.issue_id)));
    json!({
        "v": super::VERSION,
        "generated_at": rfc3339(*now_ms),
        "counts": {
            "running": snapshot.running.len(),
            "retrying": snapshot.retrying.len(),
            "blocked": snapshot.blocked.len(),
            "held": snapshot.held.len(),
        },
        "running": snapshot.running.iter().map(running).collect::<Vec<_>>(),
        "retrying": snapshot.retrying.iter().map(retry_row).collect::<Vec<_>>(),
        "blocked": snapshot.blocked.iter().map(blocked).collect::<Vec<_>>(),
        "held": snapshot.held.iter().map(held_row).collect::<Vec<_>>(),
        "waiting": snapshot.waiting,
        "finished": finished.iter().map(finished_row).collect::<Vec<_>>(),
        "codex_totals": {
            "input_tokens": totals.usage.input_tokens,
            "output_tokens": totals.usage.output_tokens,
            "total_tokens": totals.usage.total_tokens,
            "seconds_running": totals.seconds_running,
            "cached_input_tokens": totals.usage.cached_input_tokens,
            "reasoning_output_tokens": totals.usage.reasoning_output_tokens,
            "attempts": totals.attempts,
            "completed": totals.completed,
            "failed": totals.failed,
            "stopped": totals.stopped,
        },
        "rate_limits": snapshot.rate_limits,
        "slots": { "used": snapshot.slots_used, "total": snapshot.slots },
        "paused": snapshot.paused,
        "shutdown": snapshot.shutdown,
        "health": health(overview),
        "workflow": overview.workflow.display().to_string(),
    })
}

fn health(overview: &Overview) -> Value {
    let Snapshot { workflow_error, last_poll_ms, next_poll_ms, .. } = &overview.snapshot;
    let problems: Vec<Value> = overview
        .problems
        .iter()
        .map(|problem| {
            json!({
                "place": problem.place.display().to_string(),
                "line": problem.line,
                "message": problem.message,
            })
        })
        .collect();
    json!({
        "ok": is_healthy(overview),
        "poll_error": overview.snapshot.tracker_error(),
        "workflow_error": workflow_error,
        "config_error": overview.config_error,
        "problems": problems,
        "last_poll_at": last_poll_ms.map(rfc3339),
        "next_poll_at": next_poll_ms.map(rfc3339),
    })
}

/// Whether nothing needs a person, as far as the daemon itself goes.
pub(super) fn is_healthy(overview: &Overview) -> bool {
    overview.snapshot.tracker_error().is_none()
        && overview.snapshot.workflow_error.is_none()
        && overview.config_error.is_none()
        && overview.problems.is_empty()
}

/// A live attempt: decisions from the machine, everything that moves between them from the session.
pub(super) fn running_row(row: &RunningRow, live: Option<&LiveRow>) -> Map<String, Value> {
    let now = Now::of(row, live);
    let mut out = Map::new();
    let fields = [
        ("issue_id", json!(row.issue_id)),
        ("issue_identifier", json!(row.identifier)),
        ("issue_url", json!(row.url)),
        ("state", json!(row.state)),
        ("session_id", json!(now.session_id)),
        ("turn_count", json!(now.turns)),
        ("last_event", json!(now.last_event)),
        ("last_message", json!(now.last_message)),
        ("started_at", json!(rfc3339(row.started_at_ms))),
        ("last_event_at", json!(rfc3339(now.last_event_at_ms))),
        ("tokens", tokens(&now.usage)),
        ("title", json!(row.title)),
        ("attempt_id", json!(row.attempt_id)),
        ("attempt", json!(row.attempt)),
        ("phase", json!(row.phase)),
        ("stage", json!(live.map(|live| live.phase))),
        ("stopping", json!(row.stopping)),
        ("thread_id", json!(row.thread_id)),
        ("model", json!(row.model)),
        ("pid", json!(row.pid)),
        ("silent_ms", json!(live.map(|live| live.silent_ms))),
    ];
    out.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    out
}

/// What a running row shows at this moment.
pub(super) struct Now<'a> {
    pub(super) session_id: Option<&'a str>,
    pub(super) turns: u32,
    pub(super) last_event: &'a str,
    pub(super) last_message: &'a str,
    pub(super) last_event_at_ms: u64,
    pub(super) usage: Usage,
}

impl<'a> Now<'a> {
    pub(super) fn of(row: &'a RunningRow, live: Option<&'a LiveRow>) -> Self {
        let last = live.and_then(|live| live.last.as_ref());
        let (last_event_at_ms, last_event, last_message) = match last {
            Some((at_ms, event, message)) => (*at_ms, event.as_str(), message.as_str()),
            None => (row.last_event_at_ms, row.last_event.as_str(), ""),
        };
        // After a restart the session's counters are there only once its journal has been read.
        let usage = match live {
            Some(live) if live.usage.total_tokens >= row.usage.total_tokens => live.usage,
            _ => row.usage,
        };
        Self {
            session_id: live.and_then(|l| l.session_id.as_deref()).or(row.session_id.as_deref()),
            turns: live.map_or(0, |live| live.turns).max(row.turn_count),
            last_event,
            last_message,
            last_event_at_ms,
            usage,
        }
    }
}

/// Token counts by their names in Symphony §13.5, and the parts of them that are known.
pub(super) fn tokens(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "reasoning_output_tokens": usage.reasoning_output_tokens,
    })
}

/// A claim that waits.
pub(super) fn retry_row(row: &RetryRow) -> Value {
    json!({
        "issue_id": row.issue_id,
        "issue_identifier": row.identifier,
        "issue_url": row.url,
        "attempt": row.attempt,
        "due_at": rfc3339(row.due_at_ms),
        "error": row.error,
        "state": row.state,
        "kind": row.kind,
        "waiting_for_slot": row.waiting_for_slot,
    })
}

/// An attempt that waits for an operator (ruling 7), with its questions.
pub(super) fn blocked_row(row: &BlockedRow, live: Option<&LiveRow>) -> Value {
    let mut out = running_row(&row.attempt, live);
    let questions = row.questions.iter().map(|(request, asked)| question(request, asked)).collect();
    out.insert("questions".to_owned(), Value::Array(questions));
    out.insert("waiting_for_slot".to_owned(), row.waiting_for_slot.into());
    Value::Object(out)
}

fn question(request: &str, asked: &QuestionRow) -> Value {
    json!({
        "request": request,
        "kind": asked.question.kind,
        "text": asked.question.text,
        "payload": asked.question.payload,
        "asked_at": rfc3339(asked.asked_at_ms),
        "answered": asked.answered,
    })
}

/// An issue that is parked.
pub(super) fn held_row(row: &HeldRow) -> Value {
    json!({
        "issue_id": row.issue_id,
        "issue_identifier": row.identifier,
        "issue_url": row.url,
        "reason": row.reason,
        "since": rfc3339(row.since_ms),
    })
}

fn finished_row(row: &FinishedRow) -> Value {
    json!({
        "issue_id": row.issue_id,
        "issue_identifier": row.identifier,
        "state": row.state,
        "attempts": row.attempts,
        "result": row.result,
        "last_error": row.last_error,
        "total_tokens": row.total_tokens,
        "ran_ms": row.ran_ms,
    })
}
