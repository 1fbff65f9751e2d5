//! What people see of a run while it runs: one line when a stage begins and one when it ends, and
//! between them what its agent does. Pure: events in, lines out.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use canon_agent::{EventData, SessionEvent};
use canon_pipeline::Status;
use canon_pipeline::engine::{AttemptId, EventKind, Rule};
use canon_pipeline::outcome::Usage;
use canon_pipeline::run::Event;
use serde::Deserialize as _;

use crate::cli::exec::progress as exec;
use crate::cli::words::{cut, duration, grouped, plural};

/// What a line is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Dim,
    Good,
    Bad,
    Warning,
}

/// One line, without its end; may hold characters that a terminal acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// What was seen so far.
pub(super) struct Progress {
    width: usize,
    retries: u64,
    /// What agents do, by frame and stage.
    agents: HashMap<(String, String), exec::Progress>,
}

impl Progress {
    /// Lines of at most `width` characters.
    pub(super) fn new(width: usize) -> Self {
        Self { width: width.max(40), retries: 0, agents: HashMap::new() }
    }

    /// Attempts that were made again.
    pub(super) fn retries(&self) -> u64 {
        self.retries
    }

    pub(super) fn event(&mut self, event: &Event) -> Vec<Line> {
        if let EventKind::StageProgress { stage, detail } = &event.what
            && detail["kind"] == "agent"
        {
            return self.agent(stage, detail);
        }
        self.line(event).into_iter().collect()
    }

    /// What Canon's agent does, as `canon exec` shows it.
    fn agent(&mut self, stage: &str, detail: &serde_json::Value) -> Vec<Line> {
        let Ok(event) = SessionEvent::deserialize(&detail["event"]) else { return Vec::new() };
        let frame = detail["frame"].as_str().unwrap_or_default();
        let key = (frame.to_owned(), stage.to_owned());
        let width = self.width.saturating_sub(stage.len() + 5);
        if let EventData::SessionStart { .. } = &event.data {
            self.agents.remove(&key);
        }
        let agent = self.agents.entry(key);
        let agent = agent.or_insert_with(|| exec::Progress::new(Path::new(""), width));
        let tone = |tone| match tone {
            exec::Tone::Plain | exec::Tone::Dim => Tone::Dim,
            exec::Tone::Bad => Tone::Bad,
            exec::Tone::Warning => Tone::Warning,
        };
        let line = |line: exec::Line| Line {
            tone: tone(line.tone),
            text: format!("    {stage} {}", line.text),
        };
        agent.event(&event).into_iter().map(line).collect()
    }

    fn line(&mut self, event: &Event) -> Option<Line> {
        let (tone, text) = match &event.what {
            EventKind::PipelineStarted { name, id } => {
                (Tone::Plain, format!("run {id}{}", of(name)))
            }
            EventKind::PipelineResumed { name, id, stages } => {
                let stages = plural(*stages, "stage", "stages");
                (Tone::Plain, format!("run {id}{} goes on; {stages} ended before", of(name)))
            }
            EventKind::PipelineWarning { message } => (Tone::Warning, message.clone()),
            EventKind::PipelineRestarted { restart } => {
                (Tone::Warning, format!("the run begins anew, for time {}", restart + 1))
            }
            EventKind::StageStarted { attempt, .. } => (Tone::Dim, format!("▸ {}", title(attempt))),
            EventKind::StageCompleted {
                attempt,
                status,
                notes,
                duration_ms,
                usage,
                next,
                rule,
            } => {
                let mut text = done(attempt, status.as_str(), *duration_ms, usage);
                text.push_str(&way(next.as_deref(), *rule));
                if !notes.trim().is_empty() {
                    let _ = write!(text, ": {}", notes.trim());
                }
                let good = matches!(status, Status::Success | Status::Skipped);
                (if good { Tone::Good } else { Tone::Warning }, text)
            }
            EventKind::StageFailed {
                attempt,
                error,
                will_retry,
                duration_ms,
                usage,
                next,
                rule,
            } => {
                let mut text = done(attempt, "fail", *duration_ms, usage);
                if !will_retry {
                    text.push_str(&way(next.as_deref(), *rule));
                }
                let _ = write!(text, ": {}", error.trim());
                (if *will_retry { Tone::Warning } else { Tone::Bad }, text)
            }
            EventKind::StageRetrying { attempt, delay_ms } => {
                self.retries += 1;
                let pause = duration(Duration::from_millis(*delay_ms));
                (Tone::Warning, format!("↻ {} again in {pause}", title(attempt)))
            }
            EventKind::ParallelStarted { node, branch_count } => {
                let branches = plural(*branch_count as u64, "branch", "branches");
                (Tone::Dim, format!("⑂ {node}: {branches}"))
            }
            EventKind::ParallelBranchCompleted { branch, duration_ms, success, .. } => {
                let how = if *success { "done" } else { "failed" };
                let time = duration(Duration::from_millis(*duration_ms));
                let tone = if *success { Tone::Dim } else { Tone::Warning };
                (tone, format!("⑂ {branch} {how} in {time}"))
            }
            EventKind::ParallelCompleted { node, success_count, failure_count, .. } => {
                let text = format!("⑂ {node}: {success_count} done, {failure_count} failed");
                (Tone::Dim, text)
            }
            EventKind::InterviewStarted { stage, question } => {
                (Tone::Plain, format!("? {stage} asks: {}", question.trim()))
            }
            EventKind::InterviewCompleted { stage, answer, by, .. } => {
                (Tone::Plain, format!("? {stage}: {} (by {by})", answer.trim()))
            }
            EventKind::InterviewTimeout { stage, .. } => {
                (Tone::Warning, format!("? {stage}: nobody answered in time"))
            }
            EventKind::StageProgress { stage, detail } => {
                let text = detail.get("text").and_then(|text| text.as_str())?;
                let tone = match detail.get("tone").and_then(|tone| tone.as_str()) {
                    Some("bad") => Tone::Bad,
                    Some("warning") => Tone::Warning,
                    _ => Tone::Dim,
                };
                (tone, format!("    {stage} {text}"))
            }
            EventKind::PipelineCompleted { .. }
            | EventKind::PipelineFailed { .. }
            | EventKind::ParallelBranchStarted { .. }
            | EventKind::CheckpointSaved { .. } => return None,
        };
        Some(Line { tone, text: cut(&text, self.width) })
    }
}

fn of(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" of {name}") }
}

/// `plan`, `fan/a plan (visit 2, attempt 3)`.
fn title(attempt: &AttemptId) -> String {
    let mut text = String::new();
    if !attempt.frame.is_root() {
        let _ = write!(text, "{} ", attempt.frame);
    }
    text.push_str(&attempt.node);
    match (attempt.visit, attempt.attempt) {
        (1, 1) => {}
        (visit, 1) => {
            let _ = write!(text, " (visit {visit})");
        }
        (1, attempt) => {
            let _ = write!(text, " (attempt {attempt})");
        }
        (visit, attempt) => {
            let _ = write!(text, " (visit {visit}, attempt {attempt})");
        }
    }
    text
}

/// The stage, how it ended, and what it took.
fn done(attempt: &AttemptId, status: &str, ms: u64, usage: &Usage) -> String {
    let mark = if status == "fail" { "✗" } else { "✓" };
    let time = duration(Duration::from_millis(ms));
    let mut text = format!("{mark} {} {status} in {time}", title(attempt));
    if usage.total_tokens() > 0 {
        let _ = write!(text, ", {} tokens", grouped(usage.total_tokens()));
    }
    if usage.cost_usd > 0.0 {
        let _ = write!(text, ", $ {:.4}", usage.cost_usd);
    }
    text
}

/// Where it goes on, and why in a few words.
fn way(next: Option<&str>, rule: Rule) -> String {
    match (next, why(rule)) {
        (Some(next), "") => format!(" → {next}"),
        (Some(next), why) => format!(" → {next} ({why})"),
        (None, _) => String::new(),
    }
}

fn why(rule: Rule) -> &'static str {
    match rule {
        Rule::Answer => "as answered",
        Rule::Condition => "its condition holds",
        Rule::PreferredLabel => "its label was preferred",
        Rule::SuggestedId => "it was suggested",
        Rule::Random => "by chance",
        Rule::AnyEdge => "any edge, dialect 2026-02",
        Rule::RetryTarget => "retry_target",
        Rule::FallbackRetryTarget => "fallback_retry_target",
        Rule::CarriedFailure => "carrying the failure",
        Rule::GoalGate => "back, for an unsatisfied goal gate",
        Rule::StaleGate => "back, for a gate that judged an earlier state",
        Rule::Rechecked => "the gate holds again",
        Rule::Join => "where the branches meet",
        Rule::Retry
        | Rule::Weight
        | Rule::Lexical
        | Rule::BranchEnd
        | Rule::Exit
        | Rule::End
        | Rule::Failed
        | Rule::NoMatchingEdge
        | Rule::GateUnsatisfied
        | Rule::Limit
        | Rule::Stopped => "",
    }
}
