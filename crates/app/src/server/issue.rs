//! `GET /api/v1/<issue_identifier>`: the shape of Symphony §13.7.2, with more fields.

use canon_runtime::clock::rfc3339;
use serde_json::{Value, json};

use super::daemon::{IssueReport, SessionLog};
use super::state::{blocked_row, held_row, retry_row, running_row, tokens};

/// The whole answer.
pub(super) fn issue(report: &IssueReport) -> Value {
    let IssueReport { view, live, events, workspace, logs } = report;
    let live = live.as_ref();
    let history = view.history.as_ref();
    let attempt = view.running.as_ref().or(view.blocked.as_ref().map(|row| &row.attempt));
    let number = attempt.map(|row| row.attempt).or(view.retry.as_ref().map(|row| row.attempt));
    let started = history.map_or(0, |history| history.attempts_started);
    let retry_error = view.retry.as_ref().and_then(|row| row.error.as_ref());
    let last_error = retry_error.or(history.and_then(|history| history.last_error.as_ref()));
    let state = attempt.map(|row| &row.state).or(history.map(|history| &history.state));
    let recent: Vec<Value> = events
        .iter()
        .map(|entry| {
            json!({ "at": rfc3339(entry.at_ms), "event": entry.event, "message": entry.message })
        })
        .collect();
    json!({
        "v": super::VERSION,
        "issue_identifier": view.identifier,
        "issue_id": view.issue_id,
        "status": view.status,
        "workspace": { "path": workspace.display().to_string() },
        "attempts": {
            "restart_count": started.saturating_sub(1),
            "current_retry_attempt": number.flatten().unwrap_or(0),
            "started": started,
        },
        "running": view.running.as_ref().map(|row| running_row(row, live)),
        "retry": view.retry.as_ref().map(retry_row),
        "blocked": view.blocked.as_ref().map(|row| blocked_row(row, live)),
        "held": view.held.as_ref().map(held_row),
        "why": { "reason": view.why.reason, "detail": view.why.detail, "rule": view.why.rule },
        "logs": { "codex_session_logs": logs.iter().flat_map(session_logs).collect::<Vec<_>>() },
        "recent_events": recent,
        "last_error": last_error,
        "history": ended_attempts(report),
        "tracked": { "state": state, "completed": history.is_some_and(|history| history.completed) },
    })
}

fn session_logs(log: &SessionLog) -> [Value; 2] {
    let entry = |label: String, path: &std::path::Path| {
        let path = path.display().to_string();
        json!({ "label": label, "path": path, "url": null, "attempt_id": log.attempt_id })
    };
    [
        entry(log.label.clone(), &log.journal),
        entry(format!("{} (standard error)", log.label), &log.stderr),
    ]
}

/// The attempts that are over and remembered, oldest first, with what was recorded about each.
fn ended_attempts(report: &IssueReport) -> Vec<Value> {
    let attempts = report.view.history.iter().flat_map(|history| &history.attempts);
    attempts
        .map(|attempt| {
            json!({
                "attempt_id": attempt.attempt_id,
                "attempt": attempt.attempt,
                "thread_id": attempt.thread_id,
                "result": attempt.result,
                "failure": attempt.failure,
                "turns": attempt.turns,
                "tokens": tokens(&attempt.usage),
                "ran_ms": attempt.ran_ms,
                "evidence": attempt.evidence,
            })
        })
        .collect()
}
