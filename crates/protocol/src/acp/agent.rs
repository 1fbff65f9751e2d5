//! What an agent is asked, and what it answers.

mod capabilities;
mod options;

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::content::ContentBlock;
use super::or_default;
use crate::jsonrpc::{INVALID_PARAMS, Id, METHOD_NOT_FOUND, Raw, RpcError};

pub use capabilities::{
    AgentCapabilities, AuthMethod, ClientCapabilities, ClientSessionCapabilities, FileSystem,
    Implementation, Initialize, Initialized, McpCapabilities, PromptCapabilities,
    SessionCapabilities, Yes,
};
pub use options::{ConfigOption, ConfigValue, Mode, Modes};

/// `authenticate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authenticate {
    /// One of [`Initialized::auth_methods`].
    pub method_id: String,
}

/// `session/new`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewSession {
    /// Where the agent works; absolute.
    pub cwd: PathBuf,
    /// More directories that it may work in; absolute.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub additional_directories: Vec<PathBuf>,
    /// Servers with more tools.
    #[serde(default, deserialize_with = "or_default")]
    pub mcp_servers: Vec<McpServer>,
}

/// `session/load` and `session/resume`: a session that was there before. The first replays what
/// was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadSession {
    /// The session.
    pub session_id: String,
    /// As for a new one.
    #[serde(flatten)]
    pub session: NewSession,
}

/// A server of the Model Context Protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpServer {
    /// `http` or `sse`; absent for a program.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// What people call it.
    pub name: String,
    /// The program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Its arguments.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Its environment.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<NameValue>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Headers of its requests.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<NameValue>,
}

/// A variable or a header. Its value may be a secret and does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameValue {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl std::fmt::Debug for NameValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NameValue").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Result of `session/new`, `session/load` and `session/resume`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionOpened {
    /// Of a new session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Modes; superseded by `config_options`, which has them as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modes: Option<Modes>,
    /// What the user may set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_options: Option<Vec<ConfigOption>>,
}

/// `session/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSessions {
    /// Only those of this directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// [`Sessions::next_cursor`] of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Result of `session/list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sessions {
    /// One page.
    pub sessions: Vec<SessionInfo>,
    /// There is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One session of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// Its id.
    pub session_id: String,
    /// Where it works.
    pub cwd: PathBuf,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
}

/// `session/prompt`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prompt {
    /// The session.
    pub session_id: String,
    /// What the user says.
    pub prompt: Vec<ContentBlock>,
}

/// Result of `session/prompt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prompted {
    /// Why the agent stopped.
    pub stop_reason: StopReason,
}

/// Why an agent stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It is done.
    EndTurn,
    /// No tokens are left.
    MaxTokens,
    /// No model calls are left.
    MaxTurnRequests,
    /// The model will not.
    Refusal,
    /// The client cancelled.
    Cancelled,
}

/// `session/set_mode`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetMode {
    /// The session.
    pub session_id: String,
    /// The mode.
    pub mode_id: String,
}

/// `session/set_config_option`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetConfigOption {
    /// The session.
    pub session_id: String,
    /// The option.
    pub config_id: String,
    /// One of its values.
    pub value: String,
}

/// Result of `session/set_config_option`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigOptions {
    /// All of them, as they are now.
    pub config_options: Vec<ConfigOption>,
}

/// Parameters that name a session and no more: `session/cancel`, `session/close`,
/// `session/delete`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfSession {
    /// The session.
    pub session_id: String,
}

/// `$/cancel_request`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelRequest {
    /// The request.
    pub request_id: Id,
}

/// A request of a client, read.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentCall {
    /// `initialize`
    Initialize(Box<Initialize>),
    /// `authenticate`
    Authenticate(Authenticate),
    /// `session/new`
    New(Box<NewSession>),
    /// `session/load`
    Load(Box<LoadSession>),
    /// `session/resume`
    Resume(Box<LoadSession>),
    /// `session/list`
    List(ListSessions),
    /// `session/delete`
    Delete(OfSession),
    /// `session/close`
    Close(OfSession),
    /// `session/prompt`
    Prompt(Prompt),
    /// `session/set_mode`
    SetMode(SetMode),
    /// `session/set_config_option`
    SetConfigOption(SetConfigOption),
}

/// Reads a request.
///
/// # Errors
/// [`METHOD_NOT_FOUND`], or [`INVALID_PARAMS`] with what is wrong with them.
pub fn parse(method: &str, params: &Raw) -> Result<AgentCall, RpcError> {
    Ok(match method {
        "initialize" => AgentCall::Initialize(read(method, params)?),
        "authenticate" => AgentCall::Authenticate(read(method, params)?),
        "session/new" => AgentCall::New(read(method, params)?),
        "session/load" => AgentCall::Load(read(method, params)?),
        "session/resume" => AgentCall::Resume(read(method, params)?),
        // All of its parameters may be left out, and so may they.
        "session/list" if params.text() == "null" => AgentCall::List(ListSessions::default()),
        "session/list" => AgentCall::List(read(method, params)?),
        "session/delete" => AgentCall::Delete(read(method, params)?),
        "session/close" => AgentCall::Close(read(method, params)?),
        "session/prompt" => AgentCall::Prompt(read(method, params)?),
        "session/set_mode" => AgentCall::SetMode(read(method, params)?),
        "session/set_config_option" => AgentCall::SetConfigOption(read(method, params)?),
        _ => return Err(RpcError::new(METHOD_NOT_FOUND, format!("no method `{method}`"))),
    })
}

/// Reads the parameters of a message.
///
/// # Errors
/// [`INVALID_PARAMS`] with what is wrong with them.
pub fn read<T: DeserializeOwned>(method: &str, params: &Raw) -> Result<T, RpcError> {
    params
        .read()
        .map_err(|error| RpcError::new(INVALID_PARAMS, format!("{method}: params: {error}")))
}
