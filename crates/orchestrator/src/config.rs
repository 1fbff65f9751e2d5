//! The typed view of a workflow's front matter, with every default (Symphony §4.1.3, §6).
//!
//! One file per section; each section type documents its fields, units and defaults.

mod agent;
mod codex;
mod hooks;
mod polling;
mod server;
mod tracker;
mod workspace;

pub use agent::{AgentConfig, AgentKind, OnInputRequired, Verify};
pub use codex::CodexConfig;
pub use hooks::HooksConfig;
pub use polling::PollingConfig;
pub use server::ServerConfig;
pub use tracker::TrackerConfig;
pub use workspace::WorkspaceConfig;

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
