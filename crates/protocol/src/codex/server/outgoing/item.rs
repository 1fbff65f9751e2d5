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
        /// What the client calls it.
        client_id: Option<String>,
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
    /// A call of a tool of an MCP server.
    McpToolCall {
        /// Its id.
        id: String,
        /// Name of the server.
        server: String,
        /// Name of the tool.
        tool: String,
        /// Its arguments.
        arguments: Value,
        /// Its state.
        status: ItemStatus,
        /// What the server said, once it did: its text, or why it failed.
        result: Option<Result<String, String>>,
        /// Run time in milliseconds, once it ended.
        duration_ms: Option<u64>,
    },
    /// A call with which the agent directs agents of its own.
    CollabAgentToolCall {
        /// Its id.
        id: String,
        /// What it does.
        tool: CollabTool,
        /// Its state.
        status: ItemStatus,
        /// The thread of the agent that calls.
        sender: String,
        /// The agents that it is about.
        receivers: Vec<CollabAgent>,
        /// What they are told.
        prompt: Option<String>,
        /// The model that is wanted for a new one.
        model: Option<String>,
    },
}

/// What an agent does with agents of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CollabTool {
    /// Begins one.
    SpawnAgent,
    /// Sends one a message.
    SendInput,
    /// Waits for some.
    Wait,
    /// Ends one.
    CloseAgent,
}

/// Where an agent of an agent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CollabStatus {
    /// At work.
    Running,
    /// Done.
    Completed,
    /// Failed.
    Errored,
    /// Ended.
    Shutdown,
}

/// An agent of an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct CollabAgent {
    /// What it is called.
    pub id: String,
    /// Where it stands, as far as is known.
    pub status: Option<CollabStatus>,
    /// Its last words.
    pub message: Option<String>,
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
            ThreadItem::UserMessage { id, client_id, content } => json!({
                "type": "userMessage", "id": id, "clientId": client_id, "content": content,
            }),
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
            ThreadItem::McpToolCall {
                id,
                server,
                tool,
                arguments,
                status,
                result,
                duration_ms,
            } => {
                let said = |text: &String| json!({ "content": [{ "type": "text", "text": text }] });
                let (ok, failed) = match result {
                    None => (None, None),
                    Some(Ok(text)) => (Some(said(text)), None),
                    Some(Err(why)) => (None, Some(json!({ "message": why }))),
                };
                json!({
                    "type": "mcpToolCall", "id": id, "server": server, "tool": tool,
                    "arguments": arguments, "status": status, "durationMs": duration_ms,
                    "result": ok, "error": failed,
                })
            }
            ThreadItem::CollabAgentToolCall {
                id,
                tool,
                status,
                sender,
                receivers,
                prompt,
                model,
            } => {
                let states = receivers.iter().filter_map(|agent| {
                    let state = json!({ "status": agent.status?, "message": agent.message });
                    Some((agent.id.clone(), state))
                });
                json!({
                    "type": "collabAgentToolCall", "id": id, "tool": tool, "status": status,
                    "senderThreadId": sender, "prompt": prompt, "model": model,
                    "receiverThreadIds": receivers.iter().map(|agent| &agent.id).collect::<Vec<_>>(),
                    "agentsStates": states.collect::<serde_json::Map<_, _>>(),
                })
            }
        }
    }
}

/// A text as a part of a user's message.
pub fn text_part(text: &str) -> Value {
    json!({ "type": "text", "text": text, "text_elements": [] })
}
