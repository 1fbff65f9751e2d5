//! Events in a few words, for people (Symphony §13.6).

use super::super::item::{ItemPhase, short};
use super::{Event, TurnEnd, TurnOutcome};

impl Event {
    /// The event in one short line. Nothing depends on its wording.
    pub fn summary(&self) -> String {
        match self {
            Event::SessionStarted { model: Some(model), .. } => format!("session started, {model}"),
            Event::SessionStarted { .. } => "session started".to_owned(),
            Event::StartupFailed { category, message } => {
                format!("startup failed ({category}): {}", short(message))
            }
            Event::TurnRequested { turn } => format!("turn {turn} requested"),
            Event::TurnStarted { turn, .. } => format!("turn {turn} started"),
            Event::TurnEnded(end) => turn_end(end),
            Event::InputRequired(input) => format!("input required: {}", short(&input.question)),
            Event::ToolCall(call) => format!("tool call: {}", call.tool),
            Event::RequestClosed { key, reason } => format!("request {key} closed: {reason:?}"),
            Event::ApprovalAutoApproved { what, .. } => format!("approved: {}", short(what)),
            Event::ApprovalDeclined { what, .. } => format!("declined: {}", short(what)),
            Event::UnsupportedToolCall { tool } => format!("unsupported tool: {}", short(tool)),
            Event::UnsupportedRequest { method, .. } => format!("unsupported: {}", short(method)),
            Event::Usage { total, .. } => format!(
                "tokens: {} in, {} out, {} in all",
                total.input_tokens, total.output_tokens, total.total_tokens
            ),
            Event::RateLimits { .. } => "rate limits".to_owned(),
            Event::Model { model } => format!("model is now {}", short(model)),
            Event::Item { phase: ItemPhase::Started, item } => {
                format!("started: {}", item.summary())
            }
            Event::Item { phase: ItemPhase::Completed, item } => item.summary(),
            Event::Delta { text, .. } => short(text),
            Event::AgentError { message, will_retry: true, .. } => {
                format!("error, retrying: {}", short(message))
            }
            Event::AgentError { message, .. } => format!("error: {}", short(message)),
            Event::RequestFailed { method, message, .. } => {
                format!("{method} failed: {}", short(message))
            }
            Event::Notification { method, .. } => method.clone(),
            Event::OtherMessage { raw } => format!("other message: {}", short(raw)),
            Event::Malformed { reason, head, .. } => format!("{reason}: {}", short(head)),
            Event::Exited(exit) => format!("agent ended with {exit}"),
        }
    }
}

fn turn_end(end: &TurnEnd) -> String {
    let turn = end.turn;
    let message = end.message.as_deref().map(short).unwrap_or_default();
    match (end.outcome, end.category) {
        (TurnOutcome::Completed, _) => match &end.last_message {
            Some(text) => format!("turn {turn} completed: {}", short(text)),
            None => format!("turn {turn} completed"),
        },
        (_, Some(category)) => format!("turn {turn} ended ({category}): {message}"),
        (outcome, None) => format!("turn {turn} ended ({outcome:?}): {message}"),
    }
}
