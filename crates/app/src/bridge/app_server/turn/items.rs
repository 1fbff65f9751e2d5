//! The items of a turn, made of the session's events.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use canon_agent::{EventData, SessionEvent, WarningCode};
use canon_protocol::codex::server::outgoing::{Outgoing, ThreadItem, TurnScope};
use canon_runtime::id;
use serde_json::Value;

use super::super::gate::Gate;
use super::naming::{Call, End, Naming};

/// Items that are open, and what is needed to complete them.
pub(super) struct Items {
    naming: Arc<Naming>,
    gate: Arc<Gate>,
    message: Option<String>,
    reasoning: Option<(String, String)>,
    calls: HashMap<String, Open>,
    /// Where subagents work, by the ids of their sessions.
    places: HashMap<String, PathBuf>,
}

/// A call that runs.
struct Open {
    tool: String,
    arguments: Value,
    cwd: PathBuf,
    agent: String,
}

impl Open {
    fn call<'a>(&'a self, id: &'a str) -> Call<'a> {
        let Self { tool, arguments, cwd, agent } = self;
        Call { id, tool, arguments, cwd, agent }
    }
}

impl Items {
    pub(super) fn new(naming: Arc<Naming>, gate: Arc<Gate>) -> Self {
        Self {
            naming,
            gate,
            message: None,
            reasoning: None,
            calls: HashMap::new(),
            places: HashMap::new(),
        }
    }

    /// What an event means to the client.
    pub(super) fn take(&mut self, event: &SessionEvent, scope: TurnScope<'_>) -> Vec<Outgoing> {
        let at = event.timestamp;
        match &event.data {
            EventData::AssistantTextDelta { delta } => {
                let mut out = self.end_reasoning(scope, at);
                let id = self.message.get_or_insert_with(|| {
                    let id = id::new("item");
                    let item = ThreadItem::AgentMessage { id: id.clone(), text: String::new() };
                    out.push(scope.item_started(&item, at));
                    id
                });
                out.push(scope.message_delta(id, delta));
                out
            }
            // Every reply ends with this, also one of tool calls alone; a text that broke off never.
            EventData::AssistantTextEnd { text, .. } => {
                let mut out = self.end_reasoning(scope, at);
                if let Some(id) = self.message.take() {
                    let item = ThreadItem::AgentMessage { id, text: text.clone() };
                    out.push(scope.item_completed(&item, at));
                }
                out
            }
            EventData::Warning { code: WarningCode::ReplyDiscarded, .. } => {
                self.end_message(scope, at)
            }
            EventData::ReasoningDelta { delta } => self.reasoning_delta(delta, scope, at),
            EventData::Subagent { agent_id, event } => self.take_of(agent_id, event, scope),
            _ => self.take_call("", event, scope),
        }
    }

    /// Of a subagent the client sees the calls: its words are for the agent that it works for.
    fn take_of(
        &mut self,
        agent: &str,
        event: &SessionEvent,
        scope: TurnScope<'_>,
    ) -> Vec<Outgoing> {
        match &event.data {
            EventData::Subagent { agent_id, event } => {
                self.take_of(&format!("{agent}/{agent_id}"), event, scope)
            }
            EventData::SessionStart { working_directory, .. } => {
                self.places.insert(event.session_id.clone(), working_directory.into());
                Vec::new()
            }
            _ => self.take_call(agent, event, scope),
        }
    }

    fn take_call(
        &mut self,
        agent: &str,
        event: &SessionEvent,
        scope: TurnScope<'_>,
    ) -> Vec<Outgoing> {
        let at = event.timestamp;
        match &event.data {
            EventData::ToolCallStart { tool_name, call_id, arguments } => {
                let cwd = self.places.get(&event.session_id).unwrap_or(&self.naming.cwd).clone();
                let (tool, arguments) = (tool_name.clone(), arguments.clone());
                let open = Open { tool, arguments, cwd, agent: agent.to_owned() };
                let item = self.naming.item(open.call(call_id), None);
                self.calls.insert(call_id.clone(), open);
                vec![scope.item_started(&item, at)]
            }
            EventData::ToolCallOutputDelta { call_id, delta } => {
                let is_command = self.calls.get(call_id).is_some_and(|open| open.tool == "shell");
                is_command.then(|| scope.output_delta(call_id, delta)).into_iter().collect()
            }
            EventData::ToolCallEnd { call_id, output, is_error, details, duration_ms, .. } => {
                // What began between turns has no item.
                let Some(open) = self.calls.remove(call_id) else { return Vec::new() };
                let end = End {
                    output,
                    is_error: *is_error,
                    declined: self.gate.is_declined(call_id),
                    details,
                    duration_ms: Some(*duration_ms),
                };
                let item = self.naming.item(open.call(call_id), Some(end));
                vec![scope.item_completed(&item, at)]
            }
            _ => Vec::new(),
        }
    }

    /// Completes what a turn that broke off left open.
    pub(super) fn close(&mut self, scope: TurnScope<'_>) -> Vec<Outgoing> {
        let at = canon_runtime::clock::now_ms();
        let mut out = self.end_reasoning(scope, at);
        out.extend(self.end_message(scope, at));
        let calls = std::mem::take(&mut self.calls);
        for (call_id, open) in calls {
            let details = Value::Null;
            let end = End {
                output: "",
                is_error: true,
                declined: self.gate.is_declined(&call_id),
                details: &details,
                duration_ms: None,
            };
            let item = self.naming.item(open.call(&call_id), Some(end));
            out.push(scope.item_completed(&item, at));
        }
        out
    }

    /// Completes a message that broke off: what came of it does not count.
    fn end_message(&mut self, scope: TurnScope<'_>, at: u64) -> Vec<Outgoing> {
        let ended = self.message.take().map(|id| {
            scope.item_completed(&ThreadItem::AgentMessage { id, text: String::new() }, at)
        });
        ended.into_iter().collect()
    }

    fn reasoning_delta(&mut self, delta: &str, scope: TurnScope<'_>, at: u64) -> Vec<Outgoing> {
        let mut out = Vec::new();
        let (id, text) = self.reasoning.get_or_insert_with(|| {
            let id = id::new("item");
            let item = ThreadItem::Reasoning { id: id.clone(), summary: Vec::new() };
            out.push(scope.item_started(&item, at));
            (id, String::new())
        });
        text.push_str(delta);
        out.push(scope.reasoning_delta(id, delta, 0));
        out
    }

    fn end_reasoning(&mut self, scope: TurnScope<'_>, at: u64) -> Vec<Outgoing> {
        let ended = self.reasoning.take().map(|(id, text)| {
            scope.item_completed(&ThreadItem::Reasoning { id, summary: vec![text] }, at)
        });
        ended.into_iter().collect()
    }
}
