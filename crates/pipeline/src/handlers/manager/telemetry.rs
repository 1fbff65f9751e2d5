//! What a manager knows of its child. Pure.

use serde_json::{Value, json};

use crate::engine::{AttemptId, EventKind};
use crate::outcome::{Status, Usage};
use crate::run::{End, Event, RunDirectory};

/// The state of a child, from its events.
#[derive(Debug, Clone)]
pub(super) struct Telemetry {
    directory: RunDirectory,
    status: &'static str,
    outcome: &'static str,
    reason: String,
    /// Stages under way, the latest last.
    active: Vec<AttemptId>,
    completed: u64,
    failed: u64,
    retries: u64,
    last: Option<(String, String)>,
    usage: Usage,
}

impl Telemetry {
    pub(super) fn new(directory: RunDirectory) -> Self {
        Self {
            directory,
            status: "running",
            outcome: "",
            reason: String::new(),
            active: Vec::new(),
            completed: 0,
            failed: 0,
            retries: 0,
            last: None,
            usage: Usage::default(),
        }
    }

    pub(super) fn take(&mut self, event: &Event) {
        match &event.what {
            EventKind::StageStarted { attempt, .. } => self.active.push(attempt.clone()),
            EventKind::StageCompleted { attempt, status, notes, usage, .. } => {
                self.ended(attempt, *status, notes, usage);
                self.completed += 1;
            }
            EventKind::StageFailed { attempt, error, usage, .. } => {
                self.ended(attempt, Status::Fail, error, usage);
                self.failed += 1;
            }
            EventKind::StageRetrying { .. } => self.retries += 1,
            _ => {}
        }
    }

    fn ended(&mut self, attempt: &AttemptId, status: Status, notes: &str, usage: &Usage) {
        self.active.retain(|active| active != attempt);
        self.last = Some((attempt.node.clone(), format!("{status}: {notes}")));
        self.usage.add(usage);
    }

    /// The child is over, or was stopped.
    pub(super) fn end(&mut self, end: &End, stopped: bool) {
        let success = end.finish.status == Status::Success;
        (self.status, self.outcome) = match success {
            true => ("completed", "success"),
            false if stopped => ("stopped", ""),
            false => ("failed", "fail"),
        };
        self.reason = end.finish.reason.clone().unwrap_or_default();
        self.active.clear();
    }

    /// What its stages used since it began in this process.
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// The stage that began last and runs still: its id and its directory.
    pub(super) fn active_stage(&self) -> Option<(&str, std::path::PathBuf)> {
        self.active.last().map(|attempt| (attempt.node.as_str(), self.directory.stage(attempt)))
    }

    /// Values for the context, under both names that the specification uses (ruling 25).
    pub(super) fn values(&self) -> impl Iterator<Item = (String, Value)> {
        let last = self.last.clone().unwrap_or_default();
        let active = self.active_stage().map(|(id, _)| id.to_owned()).unwrap_or_default();
        let values = [
            ("status", json!(self.status)),
            ("outcome", json!(self.outcome)),
            ("reason", json!(self.reason)),
            ("active_stage", json!(active)),
            ("stages_completed", json!(self.completed)),
            ("stages_failed", json!(self.failed)),
            ("retries", json!(self.retries)),
            ("last_stage", json!(last.0)),
            ("last_result", json!(last.1)),
            ("logs", json!(self.directory.root().to_string_lossy())),
        ];
        values.into_iter().flat_map(|(key, value)| {
            [
                (format!("stack.child.{key}"), value.clone()),
                (format!("context.stack.child.{key}"), value),
            ]
        })
    }
}
