//! Requests of a client, read.

use serde::Deserialize;
use serde_json::Value;

use crate::jsonrpc::{INVALID_REQUEST, Raw, RpcError};

/// `initialize`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Initialize {
    /// Who asks.
    pub client_info: ClientInfo,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Option<Capabilities>,
}

/// Name and version of a client.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ClientInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Capabilities that matter here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    /// Needed for dynamic tools.
    pub experimental_api: bool,
    /// Notifications that the client does not want.
    pub opt_out_notification_methods: Option<Vec<String>>,
}

/// A dynamic tool of the client: a function, or a named group of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum DynamicTool {
    /// One tool.
    #[serde(rename_all = "camelCase")]
    Function {
        /// Its name.
        name: String,
        /// For the model.
        description: String,
        /// JSON Schema of its arguments.
        input_schema: Value,
    },
    /// A group; calls of its tools carry its name as `namespace`.
    Namespace {
        /// Name of the group.
        name: String,
        /// For the model.
        description: String,
        /// Its tools.
        tools: Vec<DynamicTool>,
    },
}

/// `thread/start`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ThreadStart {
    /// Working directory; the server's own without it.
    pub cwd: Option<String>,
    /// Model; the server's choice without it.
    pub model: Option<String>,
    /// Provider of the model.
    pub model_provider: Option<String>,
    /// As on the wire.
    pub approval_policy: Option<Value>,
    /// `read-only | workspace-write | danger-full-access`.
    pub sandbox: Option<crate::codex::client::SandboxMode>,
    /// Tools that the client executes.
    pub dynamic_tools: Option<Vec<DynamicTool>>,
    /// Instructions in place of the agent's own.
    pub base_instructions: Option<String>,
    /// Instructions beside the agent's own.
    pub developer_instructions: Option<String>,
    /// Leave nothing on disk.
    pub ephemeral: Option<bool>,
}

/// `thread/resume`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThreadResume {
    /// The thread.
    pub thread_id: String,
    /// Working directory; the thread's own without it.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Model; the thread's own without it.
    #[serde(default)]
    pub model: Option<String>,
    /// As on the wire.
    #[serde(default)]
    pub approval_policy: Option<Value>,
    /// As in [`ThreadStart`].
    #[serde(default)]
    pub sandbox: Option<crate::codex::client::SandboxMode>,
}

/// `thread/name/set`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThreadNameSet {
    /// The thread.
    pub thread_id: String,
    /// Its name.
    pub name: String,
}

/// One piece of a turn's input.
#[derive(Clone, Debug, PartialEq)]
pub enum UserInput {
    /// Text.
    Text(String),
    /// Anything else, whole.
    Other(Value),
}

impl<'de> Deserialize<'de> for UserInput {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text = (value["type"] == "text").then(|| value["text"].as_str()).flatten();
        Ok(match text {
            Some(text) => UserInput::Text(text.to_owned()),
            None => UserInput::Other(value),
        })
    }
}

/// `turn/start`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnStart {
    /// The thread.
    pub thread_id: String,
    /// The prompt.
    pub input: Vec<UserInput>,
    /// Working directory for this turn and later ones.
    #[serde(default)]
    pub cwd: Option<String>,
    /// As on the wire: `{type: readOnly | workspaceWrite | dangerFullAccess | externalSandbox}`.
    #[serde(default)]
    pub sandbox_policy: Option<Value>,
    /// As on the wire.
    #[serde(default)]
    pub approval_policy: Option<Value>,
    /// Model for this turn and later ones.
    #[serde(default)]
    pub model: Option<String>,
    /// Reasoning effort.
    #[serde(default)]
    pub effort: Option<Value>,
    /// JSON Schema of the final message.
    #[serde(default)]
    pub output_schema: Option<Value>,
}

/// `turn/steer`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnSteer {
    /// The thread.
    pub thread_id: String,
    /// The turn that the client believes to be running.
    pub expected_turn_id: String,
    /// More input.
    pub input: Vec<UserInput>,
}

/// `turn/interrupt`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnInterrupt {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
}

/// A request of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientCall {
    /// `initialize`.
    Initialize(Initialize),
    /// `thread/start`.
    ThreadStart(Box<ThreadStart>),
    /// `thread/resume`.
    ThreadResume(ThreadResume),
    /// `thread/name/set`.
    ThreadNameSet(ThreadNameSet),
    /// `turn/start`.
    TurnStart(Box<TurnStart>),
    /// `turn/steer`.
    TurnSteer(TurnSteer),
    /// `turn/interrupt`.
    TurnInterrupt(TurnInterrupt),
}

/// Reads a request. An unknown method and unreadable parameters give the error to answer with,
/// -32600 as Codex does.
pub fn parse(method: &str, params: &Raw) -> Result<ClientCall, RpcError> {
    fn read<T: serde::de::DeserializeOwned>(params: &Raw) -> Result<T, RpcError> {
        params
            .read()
            .map_err(|error| RpcError::new(INVALID_REQUEST, format!("Invalid request: {error}")))
    }
    match method {
        "initialize" => read(params).map(ClientCall::Initialize),
        "thread/start" => read(params).map(ClientCall::ThreadStart),
        "thread/resume" => read(params).map(ClientCall::ThreadResume),
        "thread/name/set" => read(params).map(ClientCall::ThreadNameSet),
        "turn/start" => read(params).map(ClientCall::TurnStart),
        "turn/steer" => read(params).map(ClientCall::TurnSteer),
        "turn/interrupt" => read(params).map(ClientCall::TurnInterrupt),
        _ => {
            let message = format!("Invalid request: unknown method `{method}`");
            Err(RpcError::new(INVALID_REQUEST, message))
        }
    }
}

#[cfg(test)]
mod tests;
