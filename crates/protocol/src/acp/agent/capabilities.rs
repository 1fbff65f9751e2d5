//! What the two sides can do: `initialize`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::or_default;

/// `initialize`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Initialize {
    /// The newest version that the client speaks.
    pub protocol_version: u64,
    /// What it can do.
    #[serde(default, deserialize_with = "or_default")]
    pub client_capabilities: ClientCapabilities,
    /// Who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_info: Option<Implementation>,
}

/// Name and version of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Implementation {
    /// For programs.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its version.
    pub version: String,
}

/// What a client can do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientCapabilities {
    /// Its files.
    #[serde(default, deserialize_with = "or_default")]
    pub fs: FileSystem,
    /// Whether it has terminals.
    #[serde(default, deserialize_with = "or_default")]
    pub terminal: bool,
    /// What it shows of a session.
    #[serde(default, deserialize_with = "or_default")]
    pub session: ClientSessionCapabilities,
    /// What clients agree on with agents beside the protocol.
    #[serde(default, rename = "_meta", skip_serializing_if = "Value::is_null")]
    pub meta: Value,
}

/// Which requests about files a client answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSystem {
    /// `fs/read_text_file`
    #[serde(default, deserialize_with = "or_default")]
    pub read_text_file: bool,
    /// `fs/write_text_file`
    #[serde(default, deserialize_with = "or_default")]
    pub write_text_file: bool,
}

/// What a client shows of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientSessionCapabilities {
    /// Notices, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notices: Option<Value>,
}

/// Result of `initialize`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Initialized {
    /// The version that is spoken from now on.
    pub protocol_version: u64,
    /// What the agent can do.
    #[serde(default)]
    pub agent_capabilities: AgentCapabilities,
    /// Ways to a key.
    #[serde(default)]
    pub auth_methods: Vec<AuthMethod>,
    /// Who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_info: Option<Implementation>,
}

/// What an agent can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentCapabilities {
    /// `session/load`
    pub load_session: bool,
    /// What prompts may hold.
    pub prompt_capabilities: PromptCapabilities,
    /// Which MCP servers it connects beside programs.
    pub mcp_capabilities: McpCapabilities,
    /// What it does about sessions.
    pub session_capabilities: SessionCapabilities,
}

/// What prompts may hold beside text and links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PromptCapabilities {
    /// Pictures.
    pub image: bool,
    /// Sound.
    pub audio: bool,
    /// Resources with their content.
    pub embedded_context: bool,
}

/// Which MCP servers an agent connects beside programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct McpCapabilities {
    /// Over streamable HTTP.
    pub http: bool,
    /// Over server-sent events.
    pub sse: bool,
}

/// Which methods about sessions an agent has beside the required ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionCapabilities {
    /// `session/list`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<Yes>,
    /// `session/delete`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<Yes>,
    /// `additionalDirectories`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_directories: Option<Yes>,
    /// `session/resume`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<Yes>,
    /// `session/close`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<Yes>,
}

/// An object that says "yes" by being there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yes {}

/// A way to a key, handled by the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthMethod {
    /// For `authenticate`.
    pub id: String,
    /// For people.
    pub name: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
