//! What a person wants to see while the agent works: one line for each thing that was done, with
//! how it ended, and now and then what it costs. Pure: events in, lines out.

mod call;
mod subagent;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use canon_agent::{EventData, SessionEvent};
use serde_json::Value;

use crate::cli::words::{cut, duration, grouped};

/// Between two lines that say what it has cost so far, in milliseconds.
const TOTALS_EVERY: u64 = 30_000;
/// After this many milliseconds, and then after twice as many, what takes long is said.
const LONG: u64 = 30_000;

/// One line, without its end; may hold characters that a terminal acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Line {
    pub(in crate::cli) tone: Tone,
    pub(in crate::cli) text: String,
}

/// What a line is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Tone {
    Plain,
    Dim,
    Bad,
    Warning,
}

/// What was shown so far.
pub(in crate::cli) struct Progress {
    cwd: PathBuf,
    width: usize,
    begun: Option<u64>,
    /// Calls that run, in the order in which they began.
    open: Vec<Open>,
    /// Since when the model is waited for, and when that is said next.
    asked: Option<(u64, u64)>,
    /// Files that were read since the last line.
    read: Vec<String>,
    /// The text of a reply that may not be the last.
    text: Option<String>,
    totals_at: u64,
    changed: BTreeSet<String>,
    /// Of each subagent, by its id.
    subagents: BTreeMap<String, Progress>,
    /// Between an input and its end.
    at_work: bool,
}

struct Open {
    id: String,
    what: String,
    arguments: Value,
    begun: u64,
    say_at: u64,
}

impl Progress {
    /// Lines of at most `width` characters, about work in `cwd`.
    pub(in crate::cli) fn new(cwd: &Path, width: usize) -> Self {
        Self {
            cwd: cwd.to_owned(),
            width: width.max(20),
            begun: None,
            open: Vec::new(),
            asked: None,
            read: Vec::new(),
            text: None,
            totals_at: 0,
            changed: BTreeSet::new(),
            subagents: BTreeMap::new(),
            at_work: false,
        }
    }

    /// The files that tools wrote, moved or deleted, in the order of their names.
    pub(in crate::cli) fn files_changed(&self) -> Vec<String> {
        self.changed.iter().cloned().collect()
    }

    pub(in crate::cli) fn event(&mut self, event: &SessionEvent) -> Vec<Line> {
        let now = event.timestamp;
        self.begun.get_or_insert(now);
        match &event.data {
            EventData::UserInput { .. } => {
                self.at_work = true;
                self.asked = Some((now, now + LONG));
                Vec::new()
            }
            EventData::AssistantTextStart {} | EventData::ReasoningDelta { .. } => {
                self.asked = None;
                Vec::new()
            }
            EventData::AssistantTextEnd { text, .. } => {
                self.asked = None;
                self.text = Some(text.clone()).filter(|text| !text.trim().is_empty());
                self.reads()
            }
            EventData::ToolCallStart { tool_name, call_id, arguments } => {
                self.open.push(Open {
                    id: call_id.clone(),
                    what: call::what(tool_name, arguments, &self.cwd),
                    arguments: arguments.clone(),
                    begun: now,
                    say_at: now + LONG,
                });
                // With a call beside it, a text was not the last.
                let said = self.text.take().map(|text| self.line(Tone::Plain, "» ", &text, ""));
                said.into_iter().collect()
            }
            EventData::ToolCallEnd {
                tool_name,
                call_id,
                output,
                is_error,
                details,
                duration_ms,
                ..
            } => {
                let open = self.open.iter().position(|open| open.id == *call_id);
                let arguments =
                    open.map(|at| self.open.remove(at).arguments).unwrap_or(Value::Null);
                if self.open.is_empty() {
                    self.asked = Some((now, now + LONG));
                }
                self.changed.extend(call::changed(details));
                let end = call::End { output, is_error: *is_error, details, ms: *duration_ms };
                self.ended(tool_name, &arguments, &end)
            }
            EventData::TokenUsage { total, cost_usd, .. } => {
                self.totals(now, total.total_tokens, *cost_usd)
            }
            EventData::SteeringInjected { content, .. } => self.after(Tone::Plain, "> ", content),
            EventData::Warning { message, .. }
            | EventData::LoopDetection { message, .. }
            | EventData::TurnLimit { message, .. } => {
                self.after(Tone::Warning, "warning: ", message)
            }
            EventData::Subagent { agent_id, event } => self.subagent(agent_id, event),
            EventData::ProcessingEnd { .. } | EventData::SessionEnd { .. } => {
                self.at_work = false;
                self.asked = None;
                self.reads()
            }
            _ => Vec::new(),
        }
    }

    /// Says what takes long.
    pub(in crate::cli) fn tick(&mut self, now: u64) -> Vec<Line> {
        let mut waits = Vec::new();
        for open in &mut self.open {
            if now >= open.say_at {
                open.say_at = now + now.saturating_sub(open.begun);
                waits.push((open.what.clone(), now.saturating_sub(open.begun)));
            }
        }
        if let Some((since, say_at)) = &mut self.asked
            && self.open.is_empty()
            && now >= *say_at
        {
            *say_at = now + now.saturating_sub(*since);
            waits.push(("waiting for the model".to_owned(), now.saturating_sub(*since)));
        }
        let mut lines = self.reads();
        lines.extend(waits.into_iter().map(|(what, ms)| {
            let since = format!(" ({} so far)", duration(Duration::from_millis(ms)));
            self.line(Tone::Dim, "… ", &what, &since)
        }));
        lines.extend(self.subagents_tick(now));
        lines
    }

    fn ended(&mut self, tool: &str, arguments: &Value, end: &call::End<'_>) -> Vec<Line> {
        if let Some(path) = call::read(tool, arguments, end, &self.cwd) {
            self.read.push(path);
            return Vec::new();
        }
        let mut lines = self.reads();
        let (what, how) = call::done(tool, arguments, end, &self.cwd);
        let tone = if end.is_error { Tone::Bad } else { Tone::Plain };
        lines.push(self.line(tone, "· ", &what, &how));
        lines
    }

    /// The files that were read, as one line.
    fn reads(&mut self) -> Vec<Line> {
        let what = match self.read.as_slice() {
            [] => return Vec::new(),
            [one] => format!("read {one}"),
            many => format!("read {} files: {}", many.len(), many.join(", ")),
        };
        self.read.clear();
        vec![self.line(Tone::Plain, "· ", &what, "")]
    }

    fn totals(&mut self, now: u64, tokens: u64, cost_usd: Option<f64>) -> Vec<Line> {
        let begun = self.begun.unwrap_or(now);
        if now.saturating_sub(self.totals_at.max(begun)) < TOTALS_EVERY {
            return Vec::new();
        }
        self.totals_at = now;
        let cost = cost_usd.map(|cost| format!(", $ {cost:.4}")).unwrap_or_default();
        let time = duration(Duration::from_millis(now.saturating_sub(begun)));
        let text = format!("{} tokens{cost}, {time}", grouped(tokens));
        self.after(Tone::Dim, "  ", &text)
    }

    fn after(&mut self, tone: Tone, mark: &str, text: &str) -> Vec<Line> {
        let mut lines = self.reads();
        lines.push(self.line(tone, mark, text, ""));
        lines
    }

    /// As much of `what` as fits between `mark` and `end`.
    fn line(&self, tone: Tone, mark: &str, what: &str, end: &str) -> Line {
        let around = mark.chars().count() + end.chars().count();
        let what = cut(what, self.width.saturating_sub(around).max(10));
        Line { tone, text: format!("{mark}{what}{end}") }
    }
}

#[cfg(test)]
mod tests;
