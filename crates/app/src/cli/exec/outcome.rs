//! The end: the result as data, a summary for people, and the exit code.

use std::process::ExitCode;
use std::time::Duration;

use canon_agent::{Limit, Outcome, Status};
use canon_llm::{ErrorKind, LlmError};
use serde_json::{Value, json};

use super::Args;
use super::words::{duration, grouped, plural};
use crate::bridge::agent::Model;
use crate::cli::print;
use crate::error::{Error, Kind};

/// What came of it all.
pub(super) struct Report {
    pub(super) outcome: Outcome,
    /// With a schema, and a session that was done: the value, or what is wrong with it.
    pub(super) output: Option<Result<Value, Vec<String>>>,
    pub(super) interrupted: bool,
    pub(super) duration: Duration,
    /// Files that tools wrote, moved or deleted; what commands did is not known.
    pub(super) files_changed: Vec<String>,
    /// Where the conversation is kept.
    pub(super) thread_id: Option<String>,
}

/// Prints the result, and says how it ended.
pub(super) fn finish(args: &Args, model: &Model, report: &Report) -> Result<ExitCode, Error> {
    let Report { outcome, output, .. } = report;
    if args.json {
        let mut result = json!({
            "v": 1, "kind": "result", "provider": model.provider(), "model": model.id(),
            "scripted": model.provider() == "scripted", "outcome": outcome,
            "thread_id": report.thread_id, "files_changed": report.files_changed,
            "duration_ms": u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
        });
        match output {
            Some(Ok(value)) => result["output"] = value.clone(),
            Some(Err(violations)) => result["violations"] = json!(violations),
            None => {}
        }
        print::data(result);
    } else {
        match output {
            Some(Ok(value)) => print::data(value),
            // What does not fit is not the data that was asked for.
            Some(Err(_)) => {}
            None if outcome.text.is_empty() => {}
            None => print::text(&outcome.text),
        }
    }
    if !args.json && !args.quiet {
        print::note(summary(report));
    }
    let error = match (&outcome.status, output) {
        _ if report.interrupted => {
            Error::new(Kind::Interrupted, "interrupted; its processes are ended")
        }
        (Status::Completed | Status::AwaitingInput, Some(Err(violations))) => Error::work(format!(
            "the last message does not fit the schema: {}",
            violations.join("; ")
        )),
        (Status::Completed | Status::AwaitingInput, _) => return Ok(ExitCode::SUCCESS),
        (Status::Limit { limit }, _) => Error::work(reached(*limit, args)),
        (Status::Aborted, _) => Error::new(Kind::Interrupted, "the session was aborted"),
        (Status::Failed { code, message }, _) => Error::new(kind_of(code), message.clone()),
    };
    Err(match &report.thread_id {
        Some(id) => error.hint(format!("`canon exec --resume {id}` goes on with it")),
        None => error,
    })
}

fn reached(limit: Limit, args: &Args) -> String {
    match limit {
        Limit::Turns => format!("a limit was reached: --max-turns {}", args.max_turns),
        Limit::Tokens => "a limit was reached: the budget of tokens".to_owned(),
        Limit::Cost => "a limit was reached: the budget of US dollars".to_owned(),
        Limit::ToolRounds => {
            "a limit was reached: the rounds of tool calls for one task".to_owned()
        }
    }
}

/// Whose fault a failed session is, as `canon ask` has it for its one call.
fn kind_of(code: &str) -> Kind {
    if matches!(code, "journal" | "environment") {
        return Kind::Environment;
    }
    match serde_json::from_value::<ErrorKind>(json!(code)) {
        Ok(kind) => match Kind::of_model(&LlmError::new(kind, "").with_status(400)) {
            Kind::Input => Kind::Work,
            kind => kind,
        },
        Err(_) => Kind::Work,
    }
}

fn summary(report: &Report) -> String {
    let Outcome { usage, cost_usd, turns, tool_calls, status, .. } = &report.outcome;
    let how = match status {
        _ if report.interrupted => "interrupted after",
        Status::Completed => "done in",
        Status::AwaitingInput => "asks, after",
        _ => "ended after",
    };
    let mut text = format!(
        "{how} {}: {}, {}, {} tokens",
        duration(report.duration),
        plural(u64::from(*turns), "reply", "replies"),
        plural(u64::from(*tool_calls), "tool call", "tool calls"),
        grouped(usage.total_tokens),
    );
    if let Some(cached) = usage.cache_read_tokens.filter(|cached| *cached > 0) {
        text.push_str(&format!(" ({} from the cache)", grouped(cached)));
    }
    if let Some(cost) = cost_usd {
        text.push_str(&format!(", $ {cost:.4}"));
    }
    if let Some(id) = &report.thread_id {
        text.push_str(&format!("\nthread {id}; go on with it: canon exec --resume {id} \"…\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_of_a_failed_session_is_that_of_a_failed_call() {
        for code in ["authentication", "network", "quota_exceeded", "journal", "environment"] {
            assert_eq!(kind_of(code), Kind::Environment, "{code}");
        }
        for code in ["server", "rate_limit", "context_length", "invalid_request", "internal"] {
            assert_eq!(kind_of(code), Kind::Work, "{code}");
        }
    }
}
