//! Everything before the agent starts: workspace, hooks, verification, prompt, command.

use std::path::Path;

use canon_protocol::codex::client as codex;
use tokio_util::sync::CancellationToken;

use super::attempt::Kept;
use super::converse::failure;
use super::live::{LiveCell, Phase};
use super::record::Origin;
use super::verify::{self, Verification};
use super::{Host, git};
use crate::config::{AgentKind, OnInputRequired};
use crate::dispatch::{Failure, IssueRef};
use crate::settings::Settings;
use crate::template::Template;
use crate::tracker::Tracker;
use crate::workspace::{IssueContext, Workspace, Workspaces};

/// A tool may take this long at least: the agent would call one again whose result came too late,
/// and a tracker would be changed twice.
const TOOL_TIMEOUT_MS: u64 = 60_000;

/// An attempt that is ready to start its agent.
pub(super) struct Prepared {
    pub(super) workspace: Workspace,
    pub(super) prompt: String,
    pub(super) base_commit: Option<String>,
    pub(super) tests_before: Option<Verification>,
}

/// Makes the workspace ready and renders the prompt. `kept` is set once there is a workspace.
pub(super) async fn prepare(
    host: &Host,
    settings: &Settings,
    origin: &Origin,
    live: &LiveCell,
    cancel: &CancellationToken,
    kept: &mut Option<Kept>,
) -> Result<Prepared, Failure> {
    let workspaces = workspaces(settings);
    let context = context(origin);
    let failed = |error: &dyn std::fmt::Display| failure("workspace_error", &error.to_string());
    let workspace = workspaces.ensure(&context, cancel).await.map_err(|error| failed(&error))?;
    *kept = Some(Kept { workspace: workspace.clone(), record: None });
    live.note("workspace_ready", &workspace.path.to_string_lossy());
    workspaces
        .before_run(&workspace, &context, cancel)
        .await
        .map_err(|error| failure("hook_error", &error.to_string()))?;
    let tests_before = match &settings.config.agent.verify {
        Some(command) => Some(verify::verify(command, &workspace.path, &origin.issue, host).await),
        None => None,
    };
    live.phase(Phase::BuildingPrompt);
    let prompt = render(settings, origin)?;
    workspaces
        .check_launch(&origin.issue.identifier, &workspace.path)
        .await
        .map_err(|error| failure("invalid_workspace_cwd", &error.to_string()))?;
    let base_commit = git::head(&workspace.path).await;
    Ok(Prepared { workspace, prompt, base_commit, tests_before })
}

fn render(settings: &Settings, origin: &Origin) -> Result<String, Failure> {
    let workflow = &settings.workflow;
    Template::parse(&workflow.prompt_template, workflow.template_line)
        .and_then(|template| template.render(&origin.issue, origin.attempt))
        .map_err(|error| failure(error.class(), &error.to_string()))
}

/// The workspaces of these settings.
pub(super) fn workspaces(settings: &Settings) -> Workspaces {
    let secrets = settings.tracker.secret_environment_names();
    Workspaces::new(&settings.config, settings.workflow.dir(), secrets)
}

/// What hooks are told of the issue.
pub(super) fn context(origin: &Origin) -> IssueContext {
    IssueContext {
        id: origin.issue.id.clone(),
        identifier: origin.issue.identifier.clone(),
        attempt: origin.attempt,
    }
}

/// Runs `before_remove` and removes the workspace of `issue`; none is a success.
///
/// # Errors
/// Why the workspace is still there.
pub async fn remove_workspace(settings: &Settings, issue: &IssueRef) -> Result<(), String> {
    let context =
        IssueContext { id: issue.id.clone(), identifier: issue.identifier.clone(), attempt: None };
    let removed = workspaces(settings).remove(&context, &CancellationToken::new()).await;
    removed.map(|_| ()).map_err(|error| error.to_string())
}

/// The shell command that starts the agent (Symphony §10.1).
pub(super) fn agent_command(host: &Host, settings: &Settings) -> String {
    let agent = &settings.config.agent;
    match agent.kind {
        AgentKind::Codex => settings.config.codex.command.clone(),
        AgentKind::Canon => match canon_model(host, settings) {
            Some(model) => format!("{} --model {}", host.canon_agent, quoted(&model)),
            None => host.canon_agent.clone(),
        },
    }
}

/// The model of Canon's own agent: the command line's, else the workflow's.
fn canon_model(host: &Host, settings: &Settings) -> Option<String> {
    let agent = &settings.config.agent;
    if let Some(model) = &host.model {
        return Some(model.clone());
    }
    let model = agent.model.clone()?;
    match agent.provider.as_deref() {
        // A transcript lies beside the workflow that names it.
        Some("scripted") => {
            let path = settings.workflow.dir().join(model);
            Some(format!("scripted/{}", path.display()))
        }
        Some(provider) => Some(format!("{provider}/{model}")),
        None => Some(model),
    }
}

/// `text` as one word of a POSIX shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What the agent is told at its start, all of one snapshot (Symphony §10.5).
pub(super) fn options(settings: &Settings, origin: &Origin, workspace: &Path) -> codex::Options {
    let config = &settings.config;
    let issue = &origin.issue;
    let mut options = codex::Options::new(workspace.to_string_lossy());
    options.approval_policy.clone_from(&config.codex.approval_policy);
    options.sandbox =
        serde_json::from_value(config.codex.thread_sandbox.clone()).unwrap_or_default();
    options.turn_sandbox_policy = Some(config.codex.turn_sandbox_policy_for(workspace));
    // Canon's own agent gets its model on the command line, with its provider.
    options.model = match config.agent.kind {
        AgentKind::Codex => config.agent.model.clone(),
        AgentKind::Canon => None,
    };
    options.tools = tool_specs(&*settings.tracker);
    options.thread_name = Some(format!("{}: {}", issue.identifier, issue.title));
    options.read_timeout_ms = config.codex.read_timeout_ms;
    options.turn_timeout_ms = config.codex.turn_timeout_ms;
    options.tool_timeout_ms = config.codex.read_timeout_ms.max(TOOL_TIMEOUT_MS);
    options.on_input_required = match config.agent.on_input_required {
        OnInputRequired::Fail => codex::OnInputRequired::Fail,
        OnInputRequired::Block => codex::OnInputRequired::Block,
    };
    options
}

fn tool_specs(tracker: &dyn Tracker) -> Vec<codex::ToolSpec> {
    let specs = tracker.tool_specs().into_iter();
    specs
        .map(|spec| codex::ToolSpec {
            name: spec.name,
            description: spec.description,
            input_schema: spec.input_schema,
        })
        .collect()
}

/// `agent.kind` as it stands in evidence.
pub(super) fn agent_kind(settings: &Settings) -> &'static str {
    match settings.config.agent.kind {
        AgentKind::Codex => "codex",
        AgentKind::Canon => "canon",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_one_word() {
        assert_eq!(quoted("plain"), "'plain'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
