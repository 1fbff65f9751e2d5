//! Results, notifications and requests of a server, in the shapes of the Codex schema.

use serde::Serialize;
use serde_json::{Value, json};

use crate::codex::client::Usage;

/// A notification, or a request to the client: a method and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// The method.
    pub method: &'static str,
    /// Its parameters.
    pub params: Value,
}

/// What a server says about a thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Thread {
    /// Its id.
    pub id: String,
    /// Absolute working directory.
    pub cwd: String,
    /// Model in use.
    pub model: String,
    /// Provider of the model.
    pub model_provider: String,
    /// Version of the agent.
    pub agent_version: String,
    /// Creation time, Unix seconds.
    pub created_at: i64,
    /// Nothing of it is kept on disk.
    pub ephemeral: bool,
    /// In force, as on the wire.
    pub approval_policy: Value,
    /// In force, `{type: readOnly | workspaceWrite | …}`.
    pub sandbox_policy: Value,
}

/// State of a turn on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TurnStatus {
    /// It runs.
    InProgress,
    /// It ended well.
    Completed,
    /// It was stopped.
    Interrupted,
    /// It ended badly.
    Failed,
}

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
}

/// Why a turn failed.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TurnError {
    /// In words.
    pub message: String,
    /// One of the schema's `CodexErrorInfo` values, such as `"usageLimitExceeded"`.
    pub info: Option<Value>,
    /// More words.
    pub details: Option<String>,
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
        /// Its text.
        text: String,
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

/// A turn on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Its id.
    pub id: String,
    /// Its state.
    pub status: TurnStatus,
    /// Why it failed.
    pub error: Option<TurnError>,
    /// Unix seconds.
    pub started_at: Option<i64>,
    /// Unix seconds.
    pub completed_at: Option<i64>,
    /// In milliseconds.
    pub duration_ms: Option<u64>,
}

impl Turn {
    /// A turn that has just started.
    pub fn started(id: impl Into<String>, at: i64) -> Self {
        Self {
            id: id.into(),
            status: TurnStatus::InProgress,
            error: None,
            started_at: Some(at),
            completed_at: None,
            duration_ms: None,
        }
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "items": [],
            "itemsView": "notLoaded",
            "status": self.status,
            "error": self.error.as_ref().map(TurnError::json),
            "startedAt": self.started_at,
            "completedAt": self.completed_at,
            "durationMs": self.duration_ms,
        })
    }
}

impl TurnError {
    fn json(&self) -> Value {
        json!({
            "message": self.message,
            "codexErrorInfo": self.info,
            "additionalDetails": self.details,
        })
    }
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
            ThreadItem::UserMessage { id, text } => {
                json!({ "type": "userMessage", "id": id, "content": [text_input(text)] })
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
                "status": status, "commandActions": [{ "type": "unknown", "command": command }],
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

fn text_input(text: &str) -> Value {
    json!({ "type": "text", "text": text, "text_elements": [] })
}

/// Result of `initialize`. `home` is the absolute path of the agent's state.
pub fn initialize_result(user_agent: &str, home: &str) -> Value {
    json!({
        "userAgent": user_agent,
        "codexHome": home,
        "platformFamily": std::env::consts::FAMILY,
        "platformOs": std::env::consts::OS,
    })
}

fn thread_json(thread: &Thread) -> Value {
    json!({
        "id": thread.id,
        "sessionId": thread.id,
        "cliVersion": thread.agent_version,
        "createdAt": thread.created_at,
        "updatedAt": thread.created_at,
        "cwd": thread.cwd,
        "ephemeral": thread.ephemeral,
        "modelProvider": thread.model_provider,
        "preview": "",
        "projectId": null,
        "source": "appServer",
        "status": { "type": "idle" },
        "turns": [],
    })
}

/// Result of `thread/start` and of `thread/resume`.
pub fn thread_result(thread: &Thread) -> Value {
    json!({
        "thread": thread_json(thread),
        "model": thread.model,
        "modelProvider": thread.model_provider,
        "cwd": thread.cwd,
        "approvalPolicy": thread.approval_policy,
        "approvalsReviewer": "user",
        "sandbox": thread.sandbox_policy,
    })
}

/// Result of `turn/start`.
pub fn turn_result(turn: &Turn) -> Value {
    json!({ "turn": turn.json() })
}

/// Result of `turn/steer`.
pub fn steer_result(turn_id: &str) -> Value {
    json!({ "turnId": turn_id })
}

/// Result of `thread/name/set` and `turn/interrupt`.
pub fn empty_result() -> Value {
    json!({})
}

/// `thread/started`; comes after the result of `thread/start`.
pub fn thread_started(thread: &Thread) -> Outgoing {
    Outgoing { method: "thread/started", params: json!({ "thread": thread_json(thread) }) }
}

/// `thread/name/updated`; comes after the result of `thread/name/set`.
pub fn thread_name_updated(thread_id: &str, name: &str) -> Outgoing {
    Outgoing {
        method: "thread/name/updated",
        params: json!({ "threadId": thread_id, "threadName": name }),
    }
}

/// Notifications of one turn of one thread.
#[derive(Clone, Copy, Debug)]
pub struct TurnScope<'a> {
    /// The thread.
    pub thread_id: &'a str,
    /// The turn.
    pub turn_id: &'a str,
}

impl TurnScope<'_> {
    fn outgoing(&self, method: &'static str, rest: Value) -> Outgoing {
        let mut params = json!({ "threadId": self.thread_id, "turnId": self.turn_id });
        if let (Some(all), Value::Object(rest)) = (params.as_object_mut(), rest) {
            all.extend(rest);
        }
        Outgoing { method, params }
    }

    /// `turn/started`.
    pub fn started(&self, turn: &Turn) -> Outgoing {
        let params = json!({ "threadId": self.thread_id, "turn": turn.json() });
        Outgoing { method: "turn/started", params }
    }

    /// `turn/completed`: the end, whatever the status.
    pub fn completed(&self, turn: &Turn) -> Outgoing {
        let params = json!({ "threadId": self.thread_id, "turn": turn.json() });
        Outgoing { method: "turn/completed", params }
    }

    /// `item/started`; `at_ms` is Unix time in milliseconds.
    pub fn item_started(&self, item: &ThreadItem, at_ms: u64) -> Outgoing {
        self.outgoing("item/started", json!({ "item": item.json(), "startedAtMs": at_ms }))
    }

    /// `item/completed`; `at_ms` is Unix time in milliseconds.
    pub fn item_completed(&self, item: &ThreadItem, at_ms: u64) -> Outgoing {
        self.outgoing("item/completed", json!({ "item": item.json(), "completedAtMs": at_ms }))
    }

    /// `item/agentMessage/delta`.
    pub fn message_delta(&self, item_id: &str, delta: &str) -> Outgoing {
        self.outgoing("item/agentMessage/delta", json!({ "itemId": item_id, "delta": delta }))
    }

    /// `item/reasoning/summaryTextDelta`.
    pub fn reasoning_delta(&self, item_id: &str, delta: &str, summary_index: u32) -> Outgoing {
        self.outgoing(
            "item/reasoning/summaryTextDelta",
            json!({ "itemId": item_id, "delta": delta, "summaryIndex": summary_index }),
        )
    }

    /// `item/commandExecution/outputDelta`.
    pub fn output_delta(&self, item_id: &str, delta: &str) -> Outgoing {
        let rest = json!({ "itemId": item_id, "delta": delta });
        self.outgoing("item/commandExecution/outputDelta", rest)
    }

    /// `thread/tokenUsage/updated`: the thread's total, and the last reply's own.
    pub fn token_usage(&self, total: Usage, last: Usage, window: Option<u64>) -> Outgoing {
        let usage = json!({
            "total": usage_json(total), "last": usage_json(last), "modelContextWindow": window,
        });
        self.outgoing("thread/tokenUsage/updated", json!({ "tokenUsage": usage }))
    }

    /// `error`; the end of the turn is said apart from it.
    pub fn error(&self, error: &TurnError, will_retry: bool) -> Outgoing {
        self.outgoing("error", json!({ "error": error.json(), "willRetry": will_retry }))
    }

    /// The request `item/tool/call`.
    pub fn tool_call(
        &self,
        call_id: &str,
        tool: &str,
        namespace: Option<&str>,
        arguments: &Value,
    ) -> Outgoing {
        self.outgoing(
            "item/tool/call",
            json!({
                "callId": call_id, "tool": tool, "namespace": namespace, "arguments": arguments,
            }),
        )
    }
}

fn usage_json(usage: Usage) -> Value {
    json!({
        "inputTokens": usage.input_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
        "outputTokens": usage.output_tokens,
        "reasoningOutputTokens": usage.reasoning_output_tokens,
        "totalTokens": usage.total_tokens,
    })
}
