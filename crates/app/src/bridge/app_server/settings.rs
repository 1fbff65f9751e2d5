//! What a thread runs under, from the server's defaults, the store and the client's wishes.

use std::path::{Path, PathBuf};

use canon_exec::sandbox::SandboxPolicy;
use canon_llm::ModelRef;
use canon_protocol::codex::client::SandboxMode;
use canon_protocol::codex::server::call::{CollaborationMode, DynamicTool, ThreadStart, TurnStart};
use canon_protocol::codex::server::outgoing;
use canon_protocol::jsonrpc::RpcError;
use serde_json::{Map, Value, json};

use super::history::SETTINGS;
use super::policy::Policy;
use super::servers::MEMBER;
use super::{Setup, invalid, refusal};
use crate::bridge::agent::{self, Model, model_name};
use crate::threads::{Entry, Stored};

/// Values of Codex's configuration that mean something here.
const EFFORT: &str = "model_reasoning_effort";

/// In force in a thread.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) cwd: PathBuf,
    pub(super) model: Model,
    pub(super) sandbox: SandboxPolicy,
    pub(super) policy: Policy,
    pub(super) effort: Option<String>,
    pub(super) instructions: Option<String>,
    pub(super) tools: Vec<DynamicTool>,
    /// MCP servers, as the client gave them; they may hold secrets and are kept nowhere.
    pub(super) servers: Option<Value>,
}

impl Settings {
    /// For a thread that begins.
    pub(super) fn new(setup: &Setup, wish: &ThreadStart) -> Result<Self, RpcError> {
        refuse_what_cannot_be(wish)?;
        let model = Model::connect(wanted_model(setup, wish)?.as_deref()).map_err(refusal)?;
        Ok(Self {
            cwd: working_directory(wish.cwd.as_deref())?,
            model,
            sandbox: policy_of(wish.sandbox.unwrap_or_default()),
            policy: Policy::read(wish.approval_policy.as_ref())?.unwrap_or_default(),
            effort: effort_of(wish),
            instructions: instructions_of(wish),
            tools: wish.dynamic_tools.clone().unwrap_or_default(),
            servers: servers_of(wish),
        })
    }

    /// For a thread that goes on: as it was, and as is wished now.
    pub(super) fn stored(
        setup: &Setup,
        stored: &Stored,
        wish: &ThreadStart,
    ) -> Result<Self, RpcError> {
        refuse_what_cannot_be(wish)?;
        if wish.dynamic_tools.is_some() {
            return Err(invalid("dynamicTools are given to thread/start; the thread keeps them"));
        }
        let meta = &stored.meta;
        let name = match (&wish.model_provider, &wish.model) {
            (None, None) => model_name(Some(&meta.provider), Some(&meta.model)).map_err(refusal)?,
            _ => wanted_model(setup, wish)?,
        };
        let cwd = wish.cwd.clone().unwrap_or_else(|| meta.cwd.to_string_lossy().into_owned());
        let cwd = working_directory(Some(&cwd))?;
        let kept = stored.entries.iter().rev().find_map(|entry| match entry {
            Entry::Mark { label, data } if label == SETTINGS => Some(data.clone()),
            _ => None,
        });
        let kept = kept.unwrap_or_default();
        let sandbox = match (wish.sandbox, &kept["sandboxPolicy"]) {
            (Some(mode), _) => policy_of(mode),
            (None, Value::Null) => policy_of(SandboxMode::default()),
            (None, policy) => agent::policy_of_wire(policy, &cwd).map_err(invalid)?,
        };
        let policy = match Policy::read(wish.approval_policy.as_ref())? {
            Some(policy) => policy,
            None => Policy::read(kept.get("approvalPolicy"))?.unwrap_or_default(),
        };
        let tools = serde_json::from_value(kept["dynamicTools"].clone()).unwrap_or_default();
        let effort = effort_of(wish).or_else(|| kept["effort"].as_str().map(str::to_owned));
        let instructions = instructions_of(wish).or_else(|| meta.instructions.clone());
        let model = Model::connect(name.as_deref()).map_err(refusal)?;
        let servers = servers_of(wish);
        Ok(Self { cwd, model, sandbox, policy, effort, instructions, tools, servers })
    }

    /// The same with what a turn wants otherwise, from then on.
    pub(super) fn with(&self, setup: &Setup, start: &TurnStart) -> Result<Self, RpcError> {
        refuse("permissions", start.permissions.is_some())?;
        refuse("environments", start.environments.as_ref().is_some_and(|all| !all.is_empty()))?;
        refuse_context(start.additional_context.as_ref())?;
        refuse("toolOutput", start.tool_output.as_ref().is_some_and(|output| !output.is_null()))?;
        refuse_reviewer(start.approvals_reviewer.as_deref())?;
        let mut settings = self.clone();
        if let Some(cwd) = &start.cwd {
            settings.cwd = working_directory(Some(cwd))?;
        }
        let mode = start.collaboration_mode.as_ref();
        refuse_mode(mode)?;
        let roots = start.runtime_workspace_roots.iter().flatten();
        let elsewhere = roots.clone().any(|root| Path::new(root) != settings.cwd);
        refuse("runtimeWorkspaceRoots beside `cwd`", elsewhere)?;
        let mode = mode.map(|mode| &mode.settings);
        let model = mode.and_then(|mode| mode.model.as_ref()).or(start.model.as_ref());
        if let Some(name) = model
            && name != settings.model.id()
        {
            let bare = name.as_str();
            let wish = ThreadStart { model: Some(name.clone()), ..ThreadStart::default() };
            let mut name = wanted_model(setup, &wish)?;
            // A bare name is one of the provider that the thread has.
            if ModelRef::parse(bare).provider.is_none() {
                name = model_name(Some(settings.model.provider()), Some(bare)).map_err(refusal)?;
            }
            settings.model = Model::connect(name.as_deref()).map_err(refusal)?;
        }
        if let Some(policy) = &start.sandbox_policy {
            settings.sandbox = agent::policy_of_wire(policy, &settings.cwd).map_err(invalid)?;
        }
        if let Some(policy) = Policy::read(start.approval_policy.as_ref())? {
            settings.policy = policy;
        }
        let effort = mode.and_then(|mode| mode.reasoning_effort.as_ref()).or(start.effort.as_ref());
        if let Some(effort) = effort {
            settings.effort = Some(effort.clone());
        }
        Ok(settings)
    }

    /// Whether a session that runs under these can go on under `other`.
    pub(super) fn same_session(&self, other: &Self) -> bool {
        self.cwd == other.cwd
            && self.sandbox == other.sandbox
            && self.policy.lets_out() == other.policy.lets_out()
            && self.model.provider() == other.model.provider()
            && self.model.id() == other.model.id()
    }

    /// As kept in the thread's file.
    pub(super) fn mark(&self) -> Value {
        json!({
            "sandboxPolicy": agent::policy_to_wire(&self.sandbox),
            "approvalPolicy": self.policy.wire(),
            "effort": self.effort,
            "dynamicTools": self.tools,
        })
    }

    pub(super) fn wire(&self) -> outgoing::Settings {
        outgoing::Settings {
            approval_policy: self.policy.wire(),
            sandbox_policy: agent::policy_to_wire(&self.sandbox),
            effort: self.effort.clone(),
        }
    }
}

/// Members of a thread's `config` that nothing here reads.
pub(super) fn unread_config(wish: &ThreadStart) -> Vec<&str> {
    let config = wish.config.iter().flatten();
    config.map(|(key, _)| key.as_str()).filter(|key| ![EFFORT, MEMBER].contains(key)).collect()
}

/// Whether a client wishes something of a thread that would change it.
pub(super) fn wishes(wish: &ThreadStart) -> bool {
    wish.cwd.is_some()
        || wish.model.is_some()
        || wish.model_provider.is_some()
        || wish.sandbox.is_some()
        || wish.approval_policy.as_ref().is_some_and(|policy| !policy.is_null())
        || instructions_of(wish).is_some()
        || wish.config.as_ref().is_some_and(|config| !config.is_empty())
}

/// What this agent cannot do is refused, never dropped.
pub(super) fn refuse_what_cannot_be(wish: &ThreadStart) -> Result<(), RpcError> {
    refuse("permissions", wish.permissions.is_some())?;
    refuse("environments", wish.environments.as_ref().is_some_and(|all| !all.is_empty()))?;
    refuse("history", wish.history.is_some())?;
    refuse("path", wish.path.is_some())?;
    refuse_reviewer(wish.approvals_reviewer.as_deref())
}

fn refuse(what: &str, given: bool) -> Result<(), RpcError> {
    match given {
        true => Err(invalid(format!("{what} is not supported by this agent; leave it out"))),
        false => Ok(()),
    }
}

/// Texts beside the input would be lost.
pub(super) fn refuse_context(context: Option<&Map<String, Value>>) -> Result<(), RpcError> {
    refuse("additionalContext", context.is_some_and(|context| !context.is_empty()))
}

/// The default mode is what there is; what goes with it is heeded.
fn refuse_mode(mode: Option<&CollaborationMode>) -> Result<(), RpcError> {
    let Some(mode) = mode else { return Ok(()) };
    refuse("collaborationMode other than `default`", mode.mode != "default")?;
    let instructions = mode.settings.developer_instructions.is_some();
    refuse("collaborationMode.settings.developer_instructions", instructions)
}

fn refuse_reviewer(reviewer: Option<&str>) -> Result<(), RpcError> {
    refuse("approvalsReviewer other than `user`", reviewer.is_some_and(|name| name != "user"))
}

/// The thread's own wish, else the server's; the server's model serves who only names its provider.
fn wanted_model(setup: &Setup, wish: &ThreadStart) -> Result<Option<String>, RpcError> {
    let own = setup.model.as_deref().and_then(|name| ModelRef::parse(name).provider);
    match (wish.model_provider.as_deref(), wish.model.as_deref()) {
        (Some(provider), None) if own.as_deref() == Some(provider) => Ok(setup.model.clone()),
        (None, None) => Ok(setup.model.clone()),
        (provider, model) => model_name(provider, model).map_err(refusal),
    }
}

fn working_directory(cwd: Option<&str>) -> Result<PathBuf, RpcError> {
    let cwd = match cwd {
        Some(cwd) => PathBuf::from(cwd),
        None => std::env::current_dir().map_err(|error| invalid(error.to_string()))?,
    };
    let bad = |why: &str| invalid(format!("cwd {}: {why}", cwd.display()));
    if !cwd.is_absolute() {
        return Err(bad("must be absolute"));
    }
    directory(&cwd).map_err(|why| bad(&why))
}

fn directory(cwd: &Path) -> Result<PathBuf, String> {
    match cwd.canonicalize() {
        Ok(path) if path.is_dir() => Ok(path),
        Ok(_) => Err("is not a directory".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn policy_of(mode: SandboxMode) -> SandboxPolicy {
    match mode {
        SandboxMode::ReadOnly => SandboxPolicy::read_only(),
        SandboxMode::WorkspaceWrite => SandboxPolicy::workspace_write(),
        SandboxMode::DangerFullAccess => SandboxPolicy::DangerFullAccess,
    }
}

fn servers_of(wish: &ThreadStart) -> Option<Value> {
    wish.config.as_ref().and_then(|config| config.get(MEMBER)).cloned()
}

fn effort_of(wish: &ThreadStart) -> Option<String> {
    let effort = wish.config.as_ref().and_then(|config| config.get(EFFORT));
    effort.and_then(Value::as_str).map(str::to_owned)
}

fn instructions_of(wish: &ThreadStart) -> Option<String> {
    let parts: Vec<&str> = [&wish.base_instructions, &wish.developer_instructions]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}
