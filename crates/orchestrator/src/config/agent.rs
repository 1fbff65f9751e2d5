//! `agent` (Symphony §5.3.5), with the extensions `kind`, `model`, `provider`, `on_input_required`, `verify`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which agent works, how many at a time, for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// What runs a session; default `codex`. Takes effect for later sessions.
    pub kind: AgentKind,
    /// Model that the agent is asked to use; the agent's own default otherwise.
    pub model: Option<String>,
    /// LLM provider of Canon's own agent.
    pub provider: Option<String>,
    /// Sessions at a time, at least 1; default 10.
    pub max_concurrent_agents: u32,
    /// Further limit per state, by [`state_key`](crate::issue::state_key); each at least 1.
    pub max_concurrent_agents_by_state: BTreeMap<String, u32>,
    /// Turns in one session, at least 1; default 20.
    pub max_turns: u32,
    /// Cap of the delay before a retry in milliseconds, at least 1; default 300 000.
    pub max_retry_backoff_ms: u64,
    /// What becomes of a session that asks for what policy does not answer (ruling 7); default `block`.
    pub on_input_required: OnInputRequired,
    /// Command that tells whether the work is good, run before the first turn and after the last.
    pub verify: Option<Verify>,
}

/// What runs a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// `codex.command`, spoken to over the Codex app-server protocol.
    #[default]
    Codex,
    /// Canon's own agent, over the same protocol.
    Canon,
}

/// Policy for a question that nobody answers (ruling 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInputRequired {
    /// The attempt fails and is retried.
    Fail,
    /// The issue stays claimed and shows its question until an operator answers.
    #[default]
    Block,
}

/// `agent.verify`: a shell command in the workspace whose exit status says red or green.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// Run by `bash -lc` like a hook; 0 is green.
    pub command: String,
    /// Time limit in milliseconds, at least 1; default `hooks.timeout_ms`.
    pub timeout_ms: u64,
}
