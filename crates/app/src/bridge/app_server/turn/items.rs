//! The items of a turn, made of the session's events.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use canon_agent::patch::{Operation, Patch};
use canon_agent::{EventData, SessionEvent, WarningCode};
use canon_protocol::codex::server::outgoing::{
    FileChange, FileChangeKind, ItemStatus, Outgoing, ThreadItem, TurnScope,
};
use canon_runtime::id;
use serde_json::{Value, json};

use super::super::gate::Gate;

/// How tools look to the client.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    /// Where commands run.
    pub(crate) cwd: PathBuf,
    /// Group and name of each tool of the client, by what the model calls it.
    pub(crate) dynamic: HashMap<String, (Option<String>, String)>,
}

/// Items that are open, and what is needed to complete them.
pub(super) struct Items {
    naming: Arc<Naming>,
    gate: Arc<Gate>,
    message: Option<String>,
    reasoning: Option<(String, String)>,
    calls: HashMap<String, (String, Value)>,
}

impl Items {
    pub(super) fn new(naming: Arc<Naming>, gate: Arc<Gate>) -> Self {
        Self { naming, gate, message: None, reasoning: None, calls: HashMap::new() }
    }

    /// Whether the client knows the item of this call.
    pub(super) fn has(&self, call_id: &str) -> bool {
        self.calls.contains_key(call_id)
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
            EventData::ToolCallStart { tool_name, call_id, arguments } => {
                self.calls.insert(call_id.clone(), (tool_name.clone(), arguments.clone()));
                let item = self.naming.item(call_id, tool_name, arguments, None);
                vec![scope.item_started(&item, at)]
            }
            EventData::ToolCallOutputDelta { call_id, delta } => {
                let is_command = self.calls.get(call_id).is_some_and(|(tool, _)| tool == "shell");
                is_command.then(|| scope.output_delta(call_id, delta)).into_iter().collect()
            }
            EventData::ToolCallEnd { call_id, output, is_error, details, duration_ms, .. } => {
                let Some((tool, arguments)) = self.calls.remove(call_id) else { return Vec::new() };
                let end = End {
                    output,
                    is_error: *is_error,
                    declined: self.gate.is_declined(call_id),
                    details,
                    duration_ms: Some(*duration_ms),
                };
                let item = self.naming.item(call_id, &tool, &arguments, Some(end));
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
        for (call_id, (tool, arguments)) in calls {
            let details = Value::Null;
            let end = End {
                output: "",
                is_error: true,
                declined: false,
                details: &details,
                duration_ms: None,
            };
            let item = self.naming.item(&call_id, &tool, &arguments, Some(end));
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

impl Naming {
    /// The item of a tool call.
    pub(crate) fn item(
        &self,
        call_id: &str,
        tool: &str,
        arguments: &Value,
        end: Option<End<'_>>,
    ) -> ThreadItem {
        let id = call_id.to_owned();
        let status = match &end {
            None => ItemStatus::InProgress,
            Some(end) if end.declined => ItemStatus::Declined,
            Some(end) if end.is_error => ItemStatus::Failed,
            Some(_) => ItemStatus::Completed,
        };
        match tool {
            "shell" => {
                let exit_code = end.as_ref().and_then(|end| end.details["exit_code"].as_i64());
                ThreadItem::CommandExecution {
                    id,
                    command: arguments["command"].as_str().unwrap_or_default().to_owned(),
                    cwd: self.cwd.to_string_lossy().into_owned(),
                    status,
                    exit_code: exit_code.and_then(|code| i32::try_from(code).ok()),
                    duration_ms: end.as_ref().and_then(|end| end.duration_ms),
                    output: end.map(|end| end.output.to_owned()),
                }
            }
            "write_file" | "edit_file" => ThreadItem::FileChange {
                id,
                changes: vec![change(arguments, end.as_ref().map(|end| end.details))],
                status,
            },
            "apply_patch" => ThreadItem::FileChange {
                id,
                changes: patch_changes(arguments["patch"].as_str().unwrap_or_default()),
                status,
            },
            _ => {
                let (namespace, tool) = match self.dynamic.get(tool) {
                    Some(named) => named.clone(),
                    None => (None, tool.to_owned()),
                };
                // Of these the protocol knows no refusal.
                let failed = status == ItemStatus::Declined;
                ThreadItem::DynamicToolCall {
                    id,
                    tool,
                    namespace,
                    arguments: arguments.clone(),
                    status: if failed { ItemStatus::Failed } else { status },
                    duration_ms: end.as_ref().and_then(|end| end.duration_ms),
                    result: end.map(|end| {
                        (!end.is_error, json!([{ "type": "inputText", "text": end.output }]))
                    }),
                }
            }
        }
    }
}

/// How a call ended.
pub(crate) struct End<'a> {
    pub(crate) output: &'a str,
    pub(crate) is_error: bool,
    pub(crate) declined: bool,
    pub(crate) details: &'a Value,
    /// Milliseconds, where they are known.
    pub(crate) duration_ms: Option<u64>,
}

/// The changes that a patch asks for; none if it cannot be read.
fn patch_changes(patch: &str) -> Vec<FileChange> {
    let operations = Patch::parse(patch).map(|patch| patch.operations).unwrap_or_default();
    let changes = operations.iter().map(|operation| {
        let (kind, diff) = match operation {
            Operation::Add { lines, .. } => {
                let lines: String = lines.iter().map(|line| format!("+{line}\n")).collect();
                (FileChangeKind::Add, format!("@@\n{lines}"))
            }
            Operation::Delete { .. } => (FileChangeKind::Delete, String::new()),
            Operation::Update { move_to, hunks, .. } => {
                let diff = hunks.iter().map(ToString::to_string).collect();
                (FileChangeKind::Update(move_to.clone()), diff)
            }
        };
        FileChange { path: operation.path().to_owned(), kind, diff }
    });
    changes.collect()
}

/// The change as far as the call tells it: what an edit takes out and puts in, or the new content.
fn change(arguments: &Value, details: Option<&Value>) -> FileChange {
    let added = details.is_some_and(|details| details["change"] == "add");
    let lines = |sign: char, text: &Value| -> String {
        let lines = text.as_str().unwrap_or_default().lines();
        lines.map(|line| format!("{sign}{line}\n")).collect()
    };
    FileChange {
        path: arguments["file_path"].as_str().unwrap_or_default().to_owned(),
        kind: if added { FileChangeKind::Add } else { FileChangeKind::Update(None) },
        diff: format!(
            "@@\n{}{}{}",
            lines('-', &arguments["old_string"]),
            lines('+', &arguments["new_string"]),
            lines('+', &arguments["content"]),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_a_change_of_each_file() {
        let changes = patch_changes(
            "*** Begin Patch\n*** Add File: a\n+x\n*** Update File: b\n*** Move to: c\n@@ d\n-e\n+f\n\
             *** Delete File: g\n*** End Patch",
        );
        let change = |path: &str, kind, diff: &str| FileChange {
            path: path.to_owned(),
            kind,
            diff: diff.to_owned(),
        };
        assert_eq!(
            changes,
            [
                change("a", FileChangeKind::Add, "@@\n+x\n"),
                change("b", FileChangeKind::Update(Some("c".to_owned())), "@@ d\n-e\n+f\n"),
                change("g", FileChangeKind::Delete, ""),
            ]
        );
        assert!(patch_changes("*** Begin Patch\n").is_empty());
    }
}
