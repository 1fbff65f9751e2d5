//! What a client is told before it starts.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::usage::Usage;

/// A tool that the host executes and the agent may call (Symphony §10.5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// The name that the agent calls.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of its arguments.
    pub input_schema: Value,
}

/// The sandbox of a thread; the spelling on the wire is kebab case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// Reads anything, writes nothing.
    ReadOnly,
    /// Writes only in the workspace.
    #[default]
    WorkspaceWrite,
    /// No sandbox at all.
    DangerFullAccess,
}

/// What happens when the agent asks something that policy does not answer (ruling 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInputRequired {
    /// The turn ends with the category `turn_input_required`.
    Fail,
    /// The request waits for [`super::Client::answer`]; no silence limit runs meanwhile.
    #[default]
    Block,
}

/// A thread to go on with, in a new agent process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// The thread's id, as an earlier session reported it.
    pub thread_id: String,
    /// The thread's total when that session ended, so that no token is counted twice. Without
    /// it, what the agent reports before the first turn here is taken as the base.
    pub usage: Option<Usage>,
}

/// Everything that a [`super::Client`] needs to know; one snapshot per session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Sent as `clientInfo.name`.
    pub client_name: String,
    /// Sent as `clientInfo.version`.
    pub client_version: String,
    /// Absolute path of the workspace, sent wherever the protocol takes a `cwd`.
    pub cwd: String,
    /// `"untrusted" | "on-request" | "never" | {"granular": …}`, passed through.
    pub approval_policy: Value,
    /// Sandbox of the thread.
    pub sandbox: SandboxMode,
    /// `sandboxPolicy` of each turn, passed through; the thread's sandbox holds without it.
    pub turn_sandbox_policy: Option<Value>,
    /// Model; the agent's own choice without it.
    pub model: Option<String>,
    /// Tools to advertise. A call of any other name is refused and the session goes on.
    pub tools: Vec<ToolSpec>,
    /// Name of the thread, `"<issue.identifier>: <issue.title>"`.
    pub thread_name: Option<String>,
    /// Limit on each answer of the agent to a request of ours, in milliseconds (Symphony §10.6).
    pub read_timeout_ms: u64,
    /// Limit on silence while a turn runs, in milliseconds; 0 for none (Symphony §10.6).
    pub turn_timeout_ms: u64,
    /// Limit on the host's answer to a tool call, in milliseconds; 0 for none. After it the
    /// agent gets a failure result (ruling 4) and a later answer is refused.
    pub tool_timeout_ms: u64,
    /// Approve every command, file change and permission for the session, and say so.
    pub auto_approve: bool,
    /// What to do with a question that policy does not answer.
    pub on_input_required: OnInputRequired,
    /// Go on with this thread instead of starting one.
    pub resume: Option<Resume>,
}

impl Options {
    /// The defaults of ruling 13 and Symphony §6.4: approvals `never`, sandbox
    /// `workspace-write`, 5 s for an answer, 1 h of silence, 5 s for a tool.
    pub fn new(cwd: impl Into<String>) -> Self {
        Self {
            client_name: "canon".to_owned(),
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            cwd: cwd.into(),
            approval_policy: json!("never"),
            sandbox: SandboxMode::default(),
            turn_sandbox_policy: None,
            model: None,
            tools: Vec::new(),
            thread_name: None,
            read_timeout_ms: 5_000,
            turn_timeout_ms: 3_600_000,
            tool_timeout_ms: 5_000,
            auto_approve: false,
            on_input_required: OnInputRequired::default(),
            resume: None,
        }
    }
}
