//! What a session's events mean to the client.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use canon_agent::{EventData, SessionEvent, WarningCode};
use canon_protocol::acp::content::ContentBlock;
use canon_protocol::acp::tool::{ToolCall, ToolContent, ToolKind, ToolStatus};
use canon_protocol::acp::update::{ContentChunk, Cost, SessionUpdate};
use canon_runtime::id;
use serde_json::Value;

use super::calls::{self, Ending};
use super::permission::Gate;
use super::places::Places;
use super::terminal;

/// Milliseconds between two looks at the output of a tool that runs.
const LIVE_EVERY_MS: u64 = 500;
/// Bytes of such a look, the last of the output.
const LIVE_LIMIT: usize = 8_000;

/// Messages and calls that are open.
pub(super) struct Progress {
    places: Places,
    /// Where subagents work, by their names.
    agents: HashMap<String, Places>,
    gate: Arc<Gate>,
    /// Whether the client shows notices; others are told in the conversation.
    shows: Shows,
    message: Option<String>,
    thought: Option<String>,
    calls: HashMap<String, Open>,
}

struct Open {
    tool: String,
    arguments: Value,
    /// The subagent that makes it.
    agent: Option<String>,
    /// What the client was not shown yet, or, without terminals, the end of all output.
    live: String,
    /// Something of its output was shown in a terminal.
    has_output: bool,
    shown_at: u64,
}

/// What the client shows beyond what every client does.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shows {
    /// Notices; others are told in the conversation.
    pub(super) notices: bool,
    /// The output of commands as that of terminals, although they do not run in the client.
    pub(super) terminals: bool,
}

/// The event, or the one that it says happened in a subagent, with that agent's name.
pub(super) fn inner(event: &SessionEvent) -> (Option<String>, &SessionEvent) {
    let mut names: Vec<&str> = Vec::new();
    let mut event = event;
    while let EventData::Subagent { agent_id, event: within } = &event.data {
        names.push(agent_id);
        event = within;
    }
    ((!names.is_empty()).then(|| names.join("/")), event)
}

impl Progress {
    pub(super) fn new(places: Places, gate: Arc<Gate>, shows: Shows) -> Self {
        let (agents, calls) = (HashMap::new(), HashMap::new());
        Self { places, agents, gate, shows, message: None, thought: None, calls }
    }

    /// The updates that an event is worth. Of subagents only their calls are shown: what they say is
    /// for the agent that they work for.
    pub(super) fn take(&mut self, event: &SessionEvent) -> Vec<SessionUpdate> {
        let (agent, event) = inner(event);
        match &event.data {
            EventData::ToolCallStart { tool_name, call_id, arguments } => {
                vec![self.begin(tool_name, call_id, arguments, agent)]
            }
            EventData::ToolCallOutputDelta { call_id, delta } => {
                self.live(call_id, delta, event.timestamp).into_iter().collect()
            }
            EventData::ToolCallEnd { call_id, output, is_error, details, .. } => {
                self.end(call_id, &Ending { output, is_error: *is_error, details })
            }
            EventData::SessionStart { working_directory, .. } => {
                let places = self.places.from(Path::new(working_directory));
                agent.map(|agent| self.agents.insert(agent, places));
                Vec::new()
            }
            _ if agent.is_some() => Vec::new(),
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
            EventData::LoopDetection { message, .. } if self.shows.notices => {
                vec![self.word("warning", message)]
            }
            EventData::TurnLimit { message, .. } => vec![self.word("error", message)],
            _ => Vec::new(),
        }
    }

    /// A warning that explains nothing of what is seen: for notices, else for the log.
    pub(super) fn warning(&self, message: &str) -> Option<SessionUpdate> {
        if self.shows.notices {
            return Some(self.word("warning", message));
        }
        tracing::warn!(message, "session");
        None
    }

    /// Ends what a prompt that broke off left open; calls of subagents may outlast it.
    pub(super) fn close(&mut self) -> Vec<SessionUpdate> {
        self.break_off(|open| open.agent.is_none())
    }

    /// Ends everything that is open.
    pub(super) fn close_all(&mut self) -> Vec<SessionUpdate> {
        self.break_off(|_| true)
    }

    fn break_off(&mut self, which: impl Fn(&Open) -> bool) -> Vec<SessionUpdate> {
        (self.message, self.thought) = (None, None);
        let open = self.calls.iter().filter(|(_, open)| which(open));
        let ids: Vec<String> = open.map(|(id, _)| id.clone()).collect();
        let ending = Ending { output: "", is_error: true, details: &Value::Null };
        ids.iter().flat_map(|id| self.end(id, &ending)).collect()
    }

    fn begin(
        &mut self,
        tool: &str,
        id: &str,
        arguments: &Value,
        agent: Option<String>,
    ) -> SessionUpdate {
        let call = calls::begun(id, tool, arguments, self.places_of(agent.as_deref()), None);
        let mut call = calls::of_agent(call, agent.as_deref());
        if self.gate.asks(tool, arguments) {
            call.status = Some(ToolStatus::Pending);
        }
        if self.has_terminal(tool) {
            terminal::open(&mut call, self.places.given_cwd());
        }
        let open = Open {
            tool: tool.to_owned(),
            arguments: arguments.clone(),
            agent,
            live: String::new(),
            has_output: false,
            shown_at: 0,
        };
        self.calls.insert(id.to_owned(), open);
        SessionUpdate::ToolCall(call)
    }

    fn places_of(&self, agent: Option<&str>) -> &Places {
        agent.and_then(|agent| self.agents.get(agent)).unwrap_or(&self.places)
    }

    fn has_terminal(&self, tool: &str) -> bool {
        self.shows.terminals && calls::kind(tool) == ToolKind::Execute
    }

    fn live(&mut self, id: &str, delta: &str, now: u64) -> Option<SessionUpdate> {
        let terminals = self.shows.terminals;
        let open = self.calls.get_mut(id)?;
        let is_terminal = terminals && calls::kind(&open.tool) == ToolKind::Execute;
        open.live.push_str(delta);
        if !is_terminal && open.live.len() > LIVE_LIMIT {
            let cut = (open.live.len() - LIVE_LIMIT..).find(|at| open.live.is_char_boundary(*at));
            open.live.drain(..cut.unwrap_or(0));
        }
        // The clock may have been set back; the end shows everything anyway.
        if now.saturating_sub(open.shown_at) < LIVE_EVERY_MS {
            return None;
        }
        open.shown_at = now;
        if is_terminal {
            open.has_output = true;
            return Some(terminal::output(id, &std::mem::take(&mut open.live)));
        }
        let content = Some(vec![ToolContent::text(calls::fenced(&open.live))]);
        Some(SessionUpdate::ToolCallUpdate(ToolCall { content, ..ToolCall::new(id) }))
    }

    fn end(&mut self, id: &str, ending: &Ending<'_>) -> Vec<SessionUpdate> {
        let before = self.gate.forget(id);
        let Some(open) = self.calls.remove(id) else { return Vec::new() };
        let places = self.places_of(open.agent.as_deref());
        let call = calls::begun(id, &open.tool, &open.arguments, places, before.as_deref());
        let mut ended = calls::ended(call, ending);
        let mut updates = Vec::new();
        if self.has_terminal(&open.tool) {
            // Of what ran, what was not shown yet; of what did not, why.
            let rest = if open.has_output { &open.live } else { ending.output };
            if !rest.is_empty() {
                updates.push(terminal::output(id, rest));
            }
            terminal::close(&mut ended, ending.details);
        }
        updates.push(SessionUpdate::ToolCallUpdate(ended));
        updates
    }

    /// A word of the session's, not of the model's.
    fn word(&self, severity: &str, message: &str) -> SessionUpdate {
        if self.shows.notices {
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
        WarningCode::ReplyDiscarded
            | WarningCode::ReplyFiltered
            | WarningCode::UndeliveredMessages
            | WarningCode::SubagentsRunning
    )
}

fn chunk(text: &str, message_id: String) -> ContentChunk {
    ContentChunk { content: ContentBlock::text(text), message_id: Some(message_id) }
}

#[cfg(test)]
mod tests;
