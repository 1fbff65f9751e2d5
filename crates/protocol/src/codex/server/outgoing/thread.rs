//! Threads and turns.

use serde::Serialize;
use serde_json::{Value, json};

use super::ThreadItem;

/// What a server says about a thread. Times are Unix seconds.
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
    /// When it began.
    pub created_at: i64,
    /// When something last happened to it.
    pub updated_at: i64,
    /// Nothing of it is kept on disk.
    pub ephemeral: bool,
    /// What people call it.
    pub name: Option<String>,
    /// The beginning of its first input.
    pub preview: String,
    /// The thread that it is a copy of.
    pub forked_from: Option<String>,
    /// `appServer`, `exec`, or another surface that began it.
    pub source: String,
    /// What it is doing.
    pub status: ThreadStatus,
    /// Its turns; empty where they were not asked for.
    pub turns: Vec<Turn>,
}

/// What is in force in a thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Approval policy, as on the wire.
    pub approval_policy: Value,
    /// `{type: readOnly | workspaceWrite | …}`.
    pub sandbox_policy: Value,
    /// Reasoning effort, where one was asked for.
    pub effort: Option<String>,
}

/// What a thread is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ThreadStatus {
    /// It is only on the disk.
    #[default]
    NotLoaded,
    /// It waits for a turn.
    Idle,
    /// Its last turn failed.
    SystemError,
    /// A turn runs.
    Active {
        /// A call waits for an approval.
        approval: bool,
        /// The model waits for an answer.
        input: bool,
    },
}

impl ThreadStatus {
    pub(super) fn json(&self) -> Value {
        match self {
            Self::NotLoaded => json!({ "type": "notLoaded" }),
            Self::Idle => json!({ "type": "idle" }),
            Self::SystemError => json!({ "type": "systemError" }),
            Self::Active { approval, input } => {
                let flags = [(approval, "waitingOnApproval"), (input, "waitingOnUserInput")];
                let flags = flags.iter().filter(|(on, _)| **on).map(|(_, flag)| *flag);
                json!({ "type": "active", "activeFlags": flags.collect::<Vec<_>>() })
            }
        }
    }
}

impl Thread {
    pub(super) fn json(&self) -> Value {
        let source = match self.source.as_str() {
            known @ ("cli" | "vscode" | "exec" | "appServer") => json!(known),
            other => json!({ "custom": other }),
        };
        json!({
            "id": self.id,
            "sessionId": self.id,
            "cliVersion": self.agent_version,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "cwd": self.cwd,
            "ephemeral": self.ephemeral,
            "forkedFromId": self.forked_from,
            "model": self.model,
            "modelProvider": self.model_provider,
            "name": self.name,
            "preview": self.preview,
            "projectId": null,
            "source": source,
            "status": self.status.json(),
            "turns": self.turns.iter().map(Turn::json).collect::<Vec<_>>(),
        })
    }
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
    /// Its items; `None` where they are not given.
    pub items: Option<Vec<ThreadItem>>,
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
            items: None,
        }
    }

    pub(super) fn json(&self) -> Value {
        let items = self.items.iter().flatten().map(ThreadItem::json).collect::<Vec<_>>();
        json!({
            "id": self.id,
            "items": items,
            "itemsView": if self.items.is_some() { "full" } else { "notLoaded" },
            "status": self.status,
            "error": self.error.as_ref().map(TurnError::json),
            "startedAt": self.started_at,
            "completedAt": self.completed_at,
            "durationMs": self.duration_ms,
        })
    }
}

impl TurnError {
    pub(super) fn json(&self) -> Value {
        json!({
            "message": self.message,
            "codexErrorInfo": self.info,
            "additionalDetails": self.details,
        })
    }
}
