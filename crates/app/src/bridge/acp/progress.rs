//! What a session's events mean to the client.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use canon_agent::{EventData, SessionEvent, WarningCode};
use canon_protocol::acp::content::ContentBlock;
use canon_protocol::acp::tool::{ToolCall, ToolContent, ToolStatus};
use canon_protocol::acp::update::{ContentChunk, Cost, SessionUpdate};
use canon_runtime::id;
use serde_json::Value;

use super::calls::{self, Ending};
use super::permission::Gate;

/// Milliseconds between two looks at the output of a tool that runs.
const LIVE_EVERY_MS: u64 = 500;
/// Bytes of such a look, the last of the output.
const LIVE_LIMIT: usize = 8_000;

/// Messages and calls that are open.
pub(super) struct Progress {
    cwd: PathBuf,
    gate: Arc<Gate>,
    /// Whether the client shows notices; others are told in the conversation.
    notices: bool,
    message: Option<String>,
    thought: Option<String>,
    calls: HashMap<String, Open>,
}

struct Open {
    tool: String,
    arguments: Value,
    live: String,
    shown_at: u64,
}

impl Progress {
    pub(super) fn new(cwd: PathBuf, gate: Arc<Gate>, notices: bool) -> Self {
        Self { cwd, gate, notices, message: None, thought: None, calls: HashMap::new() }
    }

    /// The updates that an event is worth.
    pub(super) fn take(&mut self, event: &SessionEvent) -> Vec<SessionUpdate> {
        match &event.data {
            EventData::AssistantTextDelta { delta } => {
                self.thought = None;
                let id = self.message.get_or_insert_with(|| id::new("message")).clone();
                vec![SessionUpdate::AgentMessageChunk(chunk(delta, id))]
            }
            EventData::ReasoningDelta { delta } => {
                let id = self.thought.get_or_insert_with(|| id::new("thought")).clone();
                vec![SessionUpdate::AgentThoughtChunk(chunk(delta, id))]
            }
            EventData::AssistantTextEnd { text, .. } => {
                self.thought = None;
                let unsaid = self.message.take().is_none() && !text.is_empty();
                let whole = || chunk(text, id::new("message"));
                unsaid.then(|| SessionUpdate::AgentMessageChunk(whole())).into_iter().collect()
            }
            EventData::ToolCallStart { tool_name, call_id, arguments } => {
                vec![self.begin(tool_name, call_id, arguments)]
            }
            EventData::ToolCallOutputDelta { call_id, delta } => {
                self.live(call_id, delta, event.timestamp).into_iter().collect()
            }
            EventData::ToolCallEnd { call_id, output, is_error, details, .. } => {
                let ending = Ending { output, is_error: *is_error, details };
                self.end(call_id, &ending).into_iter().collect()
            }
            EventData::TokenUsage { last, cost_usd, context_window: Some(size), .. } => {
                let cost = cost_usd.map(|amount| Cost { amount, currency: "USD".to_owned() });
                vec![SessionUpdate::UsageUpdate { used: last.total_tokens, size: *size, cost }]
            }
            EventData::Warning { code, message } => {
                // What was said of a reply that broke off is said once more.
                if *code == WarningCode::ReplyDiscarded {
                    (self.message, self.thought) = (None, None);
                }
                if matters(*code) {
                    return vec![self.word("warning", message)];
                }
                self.warning(message).into_iter().collect()
            }
            EventData::LoopDetection { message, .. } if self.notices => {
                vec![self.word("warning", message)]
            }
            EventData::TurnLimit { message, .. } => vec![self.word("error", message)],
            _ => Vec::new(),
        }
    }

    /// A warning that explains nothing of what is seen: for notices, else for the log.
    pub(super) fn warning(&self, message: &str) -> Option<SessionUpdate> {
        if self.notices {
            return Some(self.word("warning", message));
        }
        tracing::warn!(message, "session");
        None
    }

    /// Ends what a prompt that broke off left open.
    pub(super) fn close(&mut self) -> Vec<SessionUpdate> {
        (self.message, self.thought) = (None, None);
        let ids: Vec<String> = self.calls.keys().cloned().collect();
        let ending = Ending { output: "", is_error: true, details: &Value::Null };
        ids.iter().filter_map(|id| self.end(id, &ending)).collect()
    }

    fn begin(&mut self, tool: &str, id: &str, arguments: &Value) -> SessionUpdate {
        let open = Open {
            tool: tool.to_owned(),
            arguments: arguments.clone(),
            live: String::new(),
            shown_at: 0,
        };
        self.calls.insert(id.to_owned(), open);
        let mut call = calls::begun(id, tool, arguments, &self.cwd, None);
        if self.gate.asks(tool, arguments) {
            call.status = Some(ToolStatus::Pending);
        }
        SessionUpdate::ToolCall(call)
    }

    fn live(&mut self, id: &str, delta: &str, now: u64) -> Option<SessionUpdate> {
        let open = self.calls.get_mut(id)?;
        open.live.push_str(delta);
        if open.live.len() > LIVE_LIMIT {
            let cut = (open.live.len() - LIVE_LIMIT..).find(|at| open.live.is_char_boundary(*at));
            open.live.drain(..cut.unwrap_or(0));
        }
        // The clock may have been set back; the end shows everything anyway.
        if now.saturating_sub(open.shown_at) < LIVE_EVERY_MS {
            return None;
        }
        open.shown_at = now;
        let content = Some(vec![ToolContent::text(calls::fenced(&open.live))]);
        Some(SessionUpdate::ToolCallUpdate(ToolCall { content, ..ToolCall::new(id) }))
    }

    fn end(&mut self, id: &str, ending: &Ending<'_>) -> Option<SessionUpdate> {
        let before = self.gate.forget(id);
        let open = self.calls.remove(id)?;
        let call = calls::begun(id, &open.tool, &open.arguments, &self.cwd, before.as_deref());
        Some(SessionUpdate::ToolCallUpdate(calls::ended(call, ending)))
    }

    /// A word of the session's, not of the model's.
    fn word(&self, severity: &str, message: &str) -> SessionUpdate {
        if self.notices {
            return SessionUpdate::Notice {
                severity: severity.to_owned(),
                title: message.to_owned(),
                description: None,
            };
        }
        SessionUpdate::AgentMessageChunk(chunk(&format!("\n\n_{message}_\n\n"), id::new("notice")))
    }
}

/// What has to be said even in the middle of a conversation, since it explains what is seen there.
fn matters(code: WarningCode) -> bool {
    matches!(
        code,
        WarningCode::ReplyDiscarded | WarningCode::ReplyFiltered | WarningCode::UndeliveredMessages
    )
}

fn chunk(text: &str, message_id: String) -> ContentChunk {
    ContentChunk { content: ContentBlock::text(text), message_id: Some(message_id) }
}

#[cfg(test)]
mod tests;
