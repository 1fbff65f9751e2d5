//! The typed view of a workflow's front matter, with every default (Symphony §4.1.3, §6).
//!
//! One file per section; each section type documents its fields, units and defaults.

mod agent;
mod codex;
pub(crate) mod complaint;
mod environment;
mod hooks;
pub(crate) mod path;
mod polling;
pub(crate) mod section;
mod server;
mod tracker;
mod workspace;

use serde_json::{Map, Value};

pub use agent::{AgentConfig, AgentKind, OnInputRequired, Verify};
pub use codex::CodexConfig;
pub use complaint::{Complaint, ConfigErrors};
pub use environment::Environment;
pub use hooks::HooksConfig;
pub use polling::PollingConfig;
pub use server::ServerConfig;
pub use tracker::TrackerConfig;
pub use workspace::WorkspaceConfig;

use crate::workflow::Workflow;
use complaint::Report;
use section::Section;

/// Effective configuration of one workflow file; immutable, replaced as a whole on reload.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `tracker`: where issues come from.
    pub tracker: TrackerConfig,
    /// `polling`: how often they are read.
    pub polling: PollingConfig,
    /// `workspace`: where the work happens.
    pub workspace: WorkspaceConfig,
    /// `hooks`: shell scripts around an attempt.
    pub hooks: HooksConfig,
    /// `agent`: which agent, how many, how long.
    pub agent: AgentConfig,
    /// `codex`: how the agent's process is launched and spoken to.
    pub codex: CodexConfig,
    /// `server`: the HTTP surface.
    pub server: ServerConfig,
}

/// A configuration that can be used, and what was ignored on the way to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The effective configuration.
    pub config: Config,
    /// Unknown keys and ignored entries.
    pub warnings: Vec<Complaint>,
}

/// Applies defaults, expands, coerces and checks the front matter of `workflow` (Symphony §6.1, §6.3).
///
/// # Errors
/// Every complaint at once, with key and line; unknown keys are warnings, never errors.
pub fn resolve(workflow: &Workflow, env: &Environment) -> Result<Resolved, ConfigErrors> {
    let mut report = Report::default();
    let config = read(&workflow.config, workflow, env, &mut report);
    let place = |mut complaint: Complaint| {
        complaint.line = workflow.line_of(&complaint.key);
        complaint
    };
    let errors: Vec<Complaint> = report.errors.into_iter().map(place).collect();
    let warnings = report.warnings.into_iter().map(place).collect();
    match errors.is_empty() {
        true => Ok(Resolved { config, warnings }),
        false => Err(ConfigErrors { path: workflow.path.clone(), errors, warnings }),
    }
}

fn read(
    map: &Map<String, Value>,
    workflow: &Workflow,
    env: &Environment,
    report: &mut Report,
) -> Config {
    let dir = workflow.dir();
    let mut root = Section::root(map, report);
    let hooks = HooksConfig::read(root.section("hooks"));
    let config = Config {
        tracker: TrackerConfig::read(root.section("tracker"), dir, env),
        polling: PollingConfig::read(root.section("polling")),
        workspace: WorkspaceConfig::read(root.section("workspace"), dir, env),
        agent: AgentConfig::read(root.section("agent"), hooks.timeout_ms),
        codex: CodexConfig::read(root.section("codex")),
        server: ServerConfig::read(root.section("server")),
        hooks,
    };
    refuse_remote_workers(root.section("worker"));
    // Settings of another implementation's terminal display.
    let _ = root.raw("observability");
    root.finish();
    config
}

/// `worker` (Symphony Appendix A) would move the work to other machines: never ignored silently.
fn refuse_remote_workers(mut section: Section<'_>) {
    let _ = section.raw("max_concurrent_agents_per_host");
    if section.texts("ssh_hosts").is_some_and(|hosts| !hosts.is_empty()) {
        let message = "workers over SSH are not supported by this version; remove `ssh_hosts` to work locally";
        let key = section.key("ssh_hosts");
        section.report.error("unsupported", key, message);
    }
    section.finish();
}

#[cfg(test)]
mod tests;
