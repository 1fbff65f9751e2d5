//! What is seen of a running attempt between decisions: counters and a bounded tail of events.
//!
//! This is telemetry. It never reaches the ledger or a decision (but for the time of the last
//! activity), and after a restart it is rebuilt from the session's journal.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use canon_protocol::codex::client::{Event, ItemKind, ItemPhase};
use canon_runtime::clock;
use serde::Serialize;
use serde_json::Value;

use crate::dispatch::Usage;

/// Events kept for display.
const TAIL: usize = 40;
/// Characters kept of one event's message.
const MESSAGE_CHARS: usize = 200;

/// Where an attempt stands (Symphony §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The directory is made, hooks and the first verification run.
    #[default]
    PreparingWorkspace,
    /// The template is rendered.
    BuildingPrompt,
    /// The supervisor and the agent start.
    LaunchingAgentProcess,
    /// The handshake with the agent.
    InitializingSession,
    /// A turn runs, or the next one is being decided on.
    StreamingTurn,
    /// The session ends; `after_run` and the last verification run.
    Finishing,
}

/// One event as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct TailEntry {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Name of Symphony §10.4, or ours.
    pub event: String,
    /// A short summary; may be empty.
    pub message: String,
}

/// A view of one attempt.
#[derive(Debug, Clone)]
pub struct Live {
    /// Where it stands.
    pub phase: Phase,
    /// When the attempt began, milliseconds since the Unix epoch.
    pub started_at_ms: u64,
    /// `<thread_id>-<turn_id>` of the newest turn.
    pub session_id: Option<String>,
    /// Turns started so far.
    pub turns: u32,
    /// Absolute totals of the session.
    pub usage: Usage,
    /// Latest rate limits.
    pub rate_limits: Option<Value>,
    /// Newest last.
    pub tail: VecDeque<TailEntry>,
    last_activity: Instant,
}

impl Live {
    /// Milliseconds since the agent, or our own preparation, last did something.
    pub fn silence_ms(&self) -> u64 {
        millis(self.last_activity.elapsed())
    }

    /// The newest event with a name and a time.
    pub fn last(&self) -> Option<&TailEntry> {
        self.tail.back()
    }
}

/// The shared cell that the attempt's task writes and surfaces read. Held for moments only.
#[derive(Debug, Clone)]
pub struct LiveCell(Arc<Mutex<Live>>);

impl LiveCell {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Live {
            phase: Phase::default(),
            started_at_ms: clock::now_ms(),
            session_id: None,
            turns: 0,
            usage: Usage::default(),
            rate_limits: None,
            tail: VecDeque::new(),
            last_activity: Instant::now(),
        })))
    }

    /// A copy of the view.
    pub fn get(&self) -> Live {
        self.lock().clone()
    }

    /// Milliseconds since the last activity, without a copy.
    pub fn silence_ms(&self) -> u64 {
        self.lock().silence_ms()
    }

    pub(super) fn set_started(&self, at_ms: u64) {
        self.lock().started_at_ms = at_ms;
    }

    pub(super) fn phase(&self, phase: Phase) {
        let mut live = self.lock();
        live.phase = phase;
        live.last_activity = Instant::now();
    }

    /// Bytes came from the agent: it is alive, whatever they mean.
    pub(super) fn touch(&self) {
        self.lock().last_activity = Instant::now();
    }

    pub(super) fn note(&self, event: &str, message: &str) {
        push(&mut self.lock(), event, message);
    }

    /// Folds one protocol event in.
    pub(super) fn fold(&self, event: &Event) {
        let mut live = self.lock();
        match event {
            Event::TurnStarted { turn, session_id, .. } => {
                live.turns = *turn;
                live.session_id = Some(session_id.clone());
            }
            Event::Usage { total, .. } => {
                live.usage = usage(total);
                return;
            }
            Event::RateLimits { limits } => {
                live.rate_limits = Some(limits.clone());
                return;
            }
            Event::Delta { .. } => return,
            _ => {}
        }
        push(&mut live, event.name(), &summary(event));
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Token totals as the machine takes them.
pub(super) fn usage(total: &canon_protocol::codex::client::Usage) -> Usage {
    Usage {
        input_tokens: total.input_tokens,
        cached_input_tokens: total.cached_input_tokens,
        output_tokens: total.output_tokens,
        reasoning_output_tokens: total.reasoning_output_tokens,
        total_tokens: total.total_tokens,
    }
}

fn push(live: &mut Live, event: &str, message: &str) {
    if live.tail.len() == TAIL {
        live.tail.pop_front();
    }
    let message = one_line(message);
    live.tail.push_back(TailEntry { at_ms: clock::now_ms(), event: event.to_owned(), message });
}

/// The first line, cut to a length that fits a row.
pub(crate) fn one_line(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let mut out: String = line.chars().take(MESSAGE_CHARS).collect();
    if out.len() < line.len() {
        out.push('…');
    }
    out
}

/// A summary for people (Symphony §13.6); nothing depends on it.
fn summary(event: &Event) -> String {
    match event {
        Event::StartupFailed { message, .. }
        | Event::AgentError { message, .. }
        | Event::RequestFailed { message, .. } => message.clone(),
        Event::TurnEnded(end) => {
            end.message.clone().or_else(|| end.last_message.clone()).unwrap_or_default()
        }
        Event::InputRequired(input) => input.question.clone(),
        Event::ToolCall(call) => call.tool.clone(),
        Event::ApprovalAutoApproved { what, .. } | Event::ApprovalDeclined { what, .. } => {
            what.clone()
        }
        Event::UnsupportedToolCall { tool } => tool.clone(),
        Event::UnsupportedRequest { method, .. } | Event::Notification { method, .. } => {
            method.clone()
        }
        Event::Model { model } => model.clone(),
        Event::Item { phase, item } => {
            let when = match phase {
                ItemPhase::Started => "",
                _ => "done: ",
            };
            format!("{when}{}", item_summary(&item.kind))
        }
        Event::Malformed { reason, .. } => reason.clone(),
        Event::OtherMessage { raw } => raw.clone(),
        Event::Exited(exit) => exit.to_string(),
        _ => String::new(),
    }
}

fn item_summary(kind: &ItemKind) -> String {
    match kind {
        ItemKind::AgentMessage { text } => text.clone(),
        ItemKind::CommandExecution { command, exit_code: Some(code), .. } => {
            format!("{command} (exit {code})")
        }
        ItemKind::CommandExecution { command, .. } => command.clone(),
        ItemKind::FileChange { paths, .. } => format!("changed {}", paths.join(", ")),
        ItemKind::ToolCall { tool, status, .. } => format!("{tool} ({status})"),
        ItemKind::Reasoning { summary } => summary.clone(),
        ItemKind::UserMessage => String::new(),
        ItemKind::Other { kind, .. } => kind.clone(),
    }
}
