//! Requests of a client, read.

mod place;

use serde::{Deserialize, Serialize};
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

/// A dynamic tool of the client: a function, or a named group of them. Older clients give functions
/// without a `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DynamicTool {
    /// A group; calls of its tools carry its name as `namespace`.
    Namespace {
        /// Name of the group.
        name: String,
        /// For the model.
        description: String,
        /// Its tools.
        tools: Vec<DynamicTool>,
    },
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
}

/// What a client wishes for a thread: `thread/start`, and a part of `thread/resume` and
/// `thread/fork`.
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
    /// Who decides about approvals; only `user` is somebody here.
    pub approvals_reviewer: Option<String>,
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
    /// Values of Codex's configuration file.
    pub config: Option<serde_json::Map<String, Value>>,
    /// A named profile of permissions.
    pub permissions: Option<String>,
    /// Other places to work in.
    pub environments: Option<Vec<Value>>,
    /// A conversation in place of the stored one (`thread/resume`).
    pub history: Option<Vec<Value>>,
    /// A file of Codex in place of a thread's id (`thread/resume`, `thread/fork`).
    pub path: Option<String>,
    /// Leave the turns out of the answer (`thread/resume`, `thread/fork`).
    pub exclude_turns: bool,
}

/// `thread/resume`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThreadResume {
    /// The thread.
    pub thread_id: String,
    /// What is to be other than it was.
    #[serde(flatten)]
    pub settings: ThreadStart,
}

/// `thread/fork`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThreadFork {
    /// The thread to copy.
    pub thread_id: String,
    /// The last turn of the copy.
    #[serde(default)]
    pub last_turn_id: Option<String>,
    /// The first turn that the copy does not have.
    #[serde(default)]
    pub before_turn_id: Option<String>,
    /// What is to be other than in the original.
    #[serde(flatten)]
    pub settings: ThreadStart,
}

/// A request about one thread.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThreadOf {
    /// The thread.
    pub thread_id: String,
}

/// `thread/read`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRead {
    /// The thread.
    pub thread_id: String,
    /// With its turns.
    #[serde(default)]
    pub include_turns: bool,
}

/// `thread/revert`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRevert {
    /// The thread.
    pub thread_id: String,
    /// The first turn that is given up.
    pub before_turn_id: String,
}

/// Order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SortDirection {
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

/// `thread/turns/list`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThreadTurnsList {
    /// The thread.
    pub thread_id: String,
    /// Where the page before ended.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Most turns of a page.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Newest first without it.
    #[serde(default)]
    pub sort_direction: Option<SortDirection>,
}

/// Working directories that a list is limited to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum CwdFilter {
    /// One.
    One(String),
    /// Any of these.
    Any(Vec<String>),
}

/// `thread/list`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ThreadList {
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Most threads of a page.
    pub limit: Option<u32>,
    /// Those that are put away instead of those that are not.
    pub archived: Option<bool>,
    /// Only of these directories.
    pub cwd: Option<CwdFilter>,
    /// Only of these providers.
    pub model_providers: Option<Vec<String>>,
    /// Only those whose name or preview contains this.
    pub search_term: Option<String>,
    /// Newest first without it.
    pub sort_direction: Option<SortDirection>,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PageOf {
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Most entries.
    pub limit: Option<u32>,
    /// `model/list`: only of this provider.
    pub model_provider: Option<String>,
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
    pub effort: Option<String>,
    /// JSON Schema of the final message.
    #[serde(default)]
    pub output_schema: Option<Value>,
    /// A named profile of permissions.
    #[serde(default)]
    pub permissions: Option<String>,
    /// Other places to work in.
    #[serde(default)]
    pub environments: Option<Vec<Value>>,
    /// Who decides about approvals; only `user` is somebody here.
    #[serde(default)]
    pub approvals_reviewer: Option<String>,
    /// A mode, with settings that go before those of the turn.
    #[serde(default)]
    pub collaboration_mode: Option<CollaborationMode>,
    /// What the client calls the prompt.
    #[serde(default)]
    pub client_user_message_id: Option<String>,
    /// Texts beside the prompt.
    #[serde(default)]
    pub additional_context: Option<serde_json::Map<String, Value>>,
    /// The output of a tool in place of a prompt.
    #[serde(default)]
    pub tool_output: Option<Value>,
    /// Directories to work in, beside `cwd`.
    #[serde(default)]
    pub runtime_workspace_roots: Option<Vec<String>>,
}

/// How agent and user work together.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CollaborationMode {
    /// `default`, or `plan`.
    pub mode: String,
    /// What goes with it.
    pub settings: CollaborationSettings,
}

/// Settings of a mode.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CollaborationSettings {
    /// Model.
    #[serde(default)]
    pub model: Option<String>,
    /// Reasoning effort.
    #[serde(default)]
    pub reasoning_effort: Option<String>,
    /// Instructions; those of the mode without them.
    #[serde(default)]
    pub developer_instructions: Option<String>,
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
    /// What the client calls it.
    #[serde(default)]
    pub client_user_message_id: Option<String>,
    /// Texts beside the input.
    #[serde(default)]
    pub additional_context: Option<serde_json::Map<String, Value>>,
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
    ThreadResume(Box<ThreadResume>),
    /// `thread/fork`.
    ThreadFork(Box<ThreadFork>),
    /// `thread/read`.
    ThreadRead(ThreadRead),
    /// `thread/list`.
    ThreadList(ThreadList),
    /// `thread/loaded/list`.
    ThreadLoadedList,
    /// `thread/turns/list`.
    ThreadTurnsList(ThreadTurnsList),
    /// `thread/name/set`.
    ThreadNameSet(ThreadNameSet),
    /// `thread/archive`.
    ThreadArchive(ThreadOf),
    /// `thread/unarchive`.
    ThreadUnarchive(ThreadOf),
    /// `thread/unsubscribe`.
    ThreadUnsubscribe(ThreadOf),
    /// `thread/delete`.
    ThreadDelete(ThreadOf),
    /// `thread/revert`.
    ThreadRevert(ThreadRevert),
    /// `turn/start`.
    TurnStart(Box<TurnStart>),
    /// `turn/steer`.
    TurnSteer(TurnSteer),
    /// `turn/interrupt`.
    TurnInterrupt(TurnInterrupt),
    /// `model/list`.
    ModelList(PageOf),
    /// `config/read`.
    ConfigRead,
    /// `configRequirements/read`.
    ConfigRequirementsRead,
    /// `account/read`.
    AccountRead,
    /// `account/rateLimits/read`.
    AccountRateLimitsRead,
    /// A list of something that this kind of agent never has: MCP servers, skills, modes, features.
    EmptyList,
}

/// Reads a request. An unknown method and unreadable parameters give the error to answer with,
/// -32600 as Codex does.
pub fn parse(method: &str, params: &Raw) -> Result<ClientCall, RpcError> {
    Ok(match method {
        "initialize" => ClientCall::Initialize(read(params)?),
        "thread/start" => ClientCall::ThreadStart(read(params)?),
        "thread/resume" => ClientCall::ThreadResume(read(params)?),
        "thread/fork" => ClientCall::ThreadFork(read(params)?),
        "thread/read" => ClientCall::ThreadRead(read(params)?),
        "thread/list" => ClientCall::ThreadList(read(params)?),
        "thread/loaded/list" => ClientCall::ThreadLoadedList,
        "thread/turns/list" => ClientCall::ThreadTurnsList(read(params)?),
        "thread/name/set" => ClientCall::ThreadNameSet(read(params)?),
        "thread/archive" => ClientCall::ThreadArchive(read(params)?),
        "thread/unarchive" => ClientCall::ThreadUnarchive(read(params)?),
        "thread/unsubscribe" => ClientCall::ThreadUnsubscribe(read(params)?),
        "thread/delete" => ClientCall::ThreadDelete(read(params)?),
        "thread/revert" => ClientCall::ThreadRevert(read(params)?),
        "turn/start" => ClientCall::TurnStart(read(params)?),
        "turn/steer" => ClientCall::TurnSteer(read(params)?),
        "turn/interrupt" => ClientCall::TurnInterrupt(read(params)?),
        "model/list" => ClientCall::ModelList(read(params)?),
        "config/read" => ClientCall::ConfigRead,
        "configRequirements/read" => ClientCall::ConfigRequirementsRead,
        "account/read" => ClientCall::AccountRead,
        "account/rateLimits/read" => ClientCall::AccountRateLimitsRead,
        "mcpServerStatus/list"
        | "skills/list"
        | "collaborationMode/list"
        | "experimentalFeature/list" => ClientCall::EmptyList,
        _ => {
            let message = format!("Invalid request: unknown method `{method}`");
            return Err(RpcError::new(INVALID_REQUEST, message));
        }
    })
}

/// Parameters that are absent are read as none.
fn read<T: serde::de::DeserializeOwned>(params: &Raw) -> Result<T, RpcError> {
    let text = if params.text() == "null" { "{}" } else { params.text() };
    serde_json::from_str(text).map_err(|error| {
        let at = place::place(text, error.line(), error.column());
        let at = at.map(|place| format!("{place}: ")).unwrap_or_default();
        RpcError::new(INVALID_REQUEST, format!("Invalid request: {at}{error}"))
    })
}

#[cfg(test)]
mod tests;
