//! The end: the result as data, a summary for people, and the exit code.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use canon_agent::{Limit, Outcome, Status, WarningCode};
use canon_llm::{ErrorKind, LlmError};
use serde_json::{Value, json};

use super::Args;
use crate::bridge::agent::Model;
use crate::cli::print;
use crate::cli::words::{duration, grouped, plural};
use crate::error::{Error, Kind};

/// What came of it all.
pub(super) struct Report {
    pub(super) outcome: Outcome,
    /// With a schema, and a session that was done: the value, or what is wrong with it.
    pub(super) output: Option<Result<Value, Vec<String>>>,
    /// Why the last reply is not whole, if it is not.
    pub(super) incomplete: Option<WarningCode>,
    pub(super) interrupted: bool,
    pub(super) duration: Duration,
    /// Files that tools wrote, moved or deleted; what commands did is not known.
    pub(super) files_changed: Vec<String>,
    /// Where the conversation is kept.
    pub(super) thread_id: Option<String>,
}

impl Report {
    /// What whoever asked is given; what does not fit a schema is not the data that was asked for.
    fn data(&self) -> Option<String> {
        match &self.output {
            Some(Ok(value)) => Some(value.to_string()),
            Some(Err(_)) => None,
            None => Some(&self.outcome.text).filter(|text| !text.is_empty()).cloned(),
        }
    }

    /// Why a model that was done did not give what was asked for.
    fn lacking(&self) -> Option<String> {
        match (&self.output, self.incomplete) {
            (Some(Ok(_)), _) => None,
            (Some(Err(violations)), _) => {
                let why = violations.join("; ");
                Some(format!("the last message does not fit the schema: {why}"))
            }
            (None, Some(WarningCode::ReplyFiltered)) => Some(
                "a content filter of the provider withheld a part of the last message".to_owned(),
            ),
            (None, Some(_)) => {
                Some("the last message was cut off at the model's token limit".to_owned())
            }
            (None, None) => None,
        }
    }
}

/// The file that gets the data too. Opened before the work, so that it neither fails only after it
/// nor leaves an older answer there when there is none.
pub(super) struct Copy {
    path: PathBuf,
    file: File,
}

impl Copy {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(|error| {
            Error::input(format!("--output-last-message {}: {error}", path.display()))
        })?;
        Ok(Self { path: path.to_owned(), file })
    }

    fn write(mut self, data: &str) -> Result<(), Error> {
        writeln!(self.file, "{data}").map_err(|error| {
            Error::environment(format!("--output-last-message {}: {error}", self.path.display()))
        })
    }
}

/// Prints the result, and says how it ended.
pub(super) fn finish(
    args: &Args,
    model: &Model,
    report: &Report,
    copy: Option<Copy>,
) -> Result<ExitCode, Error> {
    let Report { outcome, output, .. } = report;
    let data = report.data();
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
        if let Some(incomplete) = report.incomplete {
            result["incomplete"] = json!(incomplete);
        }
        print::data(result);
    } else if let Some(data) = &data {
        print::text(data);
    }
    if !args.json && !args.quiet {
        print::note(summary(report));
    }
    if let (Some(copy), Some(data)) = (copy, &data) {
        copy.write(data)?;
    }
    let mut error = match &outcome.status {
        _ if report.interrupted => {
            Error::new(Kind::Interrupted, "interrupted; its processes are ended")
        }
        Status::Completed | Status::AwaitingInput => match report.lacking() {
            Some(why) => Error::work(why),
            None => return Ok(ExitCode::SUCCESS),
        },
        Status::Limit { limit } => Error::work(reached(*limit, args)),
        Status::Aborted => Error::new(Kind::Interrupted, "the session was aborted"),
        Status::Failed { code, message } => Error::new(kind_of(code), message.clone()),
    };
    if matches!(&outcome.status, Status::Failed { code, .. } if code == "journal") {
        error = error
            .hint("CANON_HOME names another place for what is kept; --ephemeral keeps nothing");
    }
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
        Status::Completed if report.lacking().is_none() => "done in",
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
    // Otherwise it is the hint of the error.
    if let (Some(id), "done in" | "asks, after") = (&report.thread_id, how) {
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
