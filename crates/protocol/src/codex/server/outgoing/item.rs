//! Items of a turn.

use serde::Serialize;
use serde_json::{Value, json};

/// State of an item on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ItemStatus {
    /// It runs.
    InProgress,
    /// It ended well.
    Completed,
    /// It ended badly.
    Failed,
    /// It did not run: the client did not allow it.
    Declined,
}

/// How a file was changed.
#[derive(Clone, Debug, PartialEq)]
pub enum FileChangeKind {
    /// Made.
    Add,
    /// Removed.
    Delete,
    /// Changed, and perhaps moved to this path.
    Update(Option<String>),
}

/// One changed file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileChange {
    /// Its path.
    pub path: String,
    /// What happened to it.
    pub kind: FileChangeKind,
    /// Unified diff.
    pub diff: String,
}

/// An item of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum ThreadItem {
    /// The prompt.
    UserMessage {
        /// Its id.
        id: String,
        /// Its parts, as on the wire.
        content: Vec<Value>,
    },
    /// Text of the agent.
    AgentMessage {
        /// Its id.
        id: String,
        /// Its text so far.
        text: String,
    },
    /// What the model says it thinks.
    Reasoning {
        /// Its id.
        id: String,
        /// Its summary, part by part.
        summary: Vec<String>,
    },
    /// A command.
    CommandExecution {
        /// Its id.
        id: String,
        /// The command line.
        command: String,
        /// Where it runs.
        cwd: String,
        /// Its state.
        status: ItemStatus,
        /// Exit status, once it ended.
        exit_code: Option<i32>,
        /// Run time in milliseconds, once it ended.
        duration_ms: Option<u64>,
        /// What it printed, once it ended.
        output: Option<String>,
    },
    /// Changed files.
    FileChange {
        /// Its id.
        id: String,
        /// The files.
        changes: Vec<FileChange>,
        /// Its state.
        status: ItemStatus,
    },
    /// A call of a tool of the client.
    DynamicToolCall {
        /// Its id, the `callId` of the call.
        id: String,
        /// Name of the tool.
        tool: String,
        /// Group of the tool.
        namespace: Option<String>,
        /// Its arguments.
        arguments: Value,
        /// Its state.
        status: ItemStatus,
        /// What the client said, once it did: success, and `contentItems`.
        result: Option<(bool, Value)>,
        /// Run time in milliseconds, once it ended.
        duration_ms: Option<u64>,
    },
}

impl FileChange {
    fn json(&self) -> Value {
        let kind = match &self.kind {
            FileChangeKind::Add => json!({ "type": "add" }),
            FileChangeKind::Delete => json!({ "type": "delete" }),
            FileChangeKind::Update(moved) => json!({ "type": "update", "move_path": moved }),
        };
        json!({ "path": self.path, "kind": kind, "diff": self.diff })
    }
}

impl ThreadItem {
    /// The item as it goes on the wire.
    pub fn json(&self) -> Value {
        match self {
            ThreadItem::UserMessage { id, content } => {
                json!({ "type": "userMessage", "id": id, "content": content })
            }
            ThreadItem::AgentMessage { id, text } => {
                json!({ "type": "agentMessage", "id": id, "text": text })
            }
            ThreadItem::Reasoning { id, summary } => {
                json!({ "type": "reasoning", "id": id, "summary": summary, "content": [] })
            }
            ThreadItem::CommandExecution {
                id,
                command,
                cwd,
                status,
                exit_code,
                duration_ms,
                output,
            } => json!({
                "type": "commandExecution", "id": id, "command": command, "cwd": cwd,
                "status": status, "source": "agent", "commandActions": [{ "type": "unknown", "command": command }],
                "exitCode": exit_code, "durationMs": duration_ms, "aggregatedOutput": output,
            }),
            ThreadItem::FileChange { id, changes, status } => json!({
                "type": "fileChange", "id": id, "status": status,
                "changes": changes.iter().map(FileChange::json).collect::<Vec<_>>(),
            }),
            ThreadItem::DynamicToolCall {
                id,
                tool,
                namespace,
                arguments,
                status,
                result,
                duration_ms,
            } => json!({
                "type": "dynamicToolCall", "id": id, "tool": tool, "namespace": namespace,
                "arguments": arguments, "status": status, "durationMs": duration_ms,
                "success": result.as_ref().map(|(success, _)| success),
                "contentItems": result.as_ref().map(|(_, items)| items),
            }),
        }
    }
}

/// A text as a part of a user's message.
pub fn text_part(text: &str) -> Value {
    json!({ "type": "text", "text": text, "text_elements": [] })
}
