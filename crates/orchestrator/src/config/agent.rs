//! `agent` (Symphony §5.3.5), with the extensions `kind`, `model`, `provider`, `on_input_required`, `verify`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::section::{Section, as_integer, shown};
use crate::issue::state_key;

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
    /// Shell command, run in the workspace; exit status 0 is green.
    pub command: String,
    /// Time limit in milliseconds, at least 1; default `hooks.timeout_ms`.
    pub timeout_ms: u64,
}

impl AgentConfig {
    pub(super) fn read(mut section: Section<'_>, hook_timeout_ms: u64) -> Self {
        let config = Self {
            kind: read_kind(&mut section),
            model: section.text("model"),
            provider: section.text("provider"),
            max_concurrent_agents: section.count("max_concurrent_agents", 10),
            max_concurrent_agents_by_state: read_by_state(&mut section),
            max_turns: section.count("max_turns", 20),
            max_retry_backoff_ms: section.millis("max_retry_backoff_ms", 300_000),
            on_input_required: section.choice(
                "on_input_required",
                &[("fail", OnInputRequired::Fail), ("block", OnInputRequired::Block)],
                OnInputRequired::default(),
            ),
            verify: read_verify(section.section("verify"), hook_timeout_ms),
        };
        section.finish();
        config
    }

    /// Sessions at a time for issues in `state`: its own limit, else the global one (Symphony §8.3).
    pub fn limit_for_state(&self, state: &str) -> u32 {
        let own = self.max_concurrent_agents_by_state.get(&state_key(state));
        own.copied().unwrap_or(self.max_concurrent_agents)
    }
}

fn read_kind(section: &mut Section<'_>) -> AgentKind {
    if section
        .raw("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.eq_ignore_ascii_case("acp"))
    {
        let key = section.key("kind");
        let message = "agents that speak the Agent Client Protocol are not supported by this version; \
                       expected one of: codex, canon";
        section.report.error("unsupported", key, message);
        return AgentKind::default();
    }
    let choices = [("codex", AgentKind::Codex), ("canon", AgentKind::Canon)];
    section.choice("kind", &choices, AgentKind::default())
}

/// Invalid entries are ignored with a warning (Symphony §5.3.5, ruling 12).
fn read_by_state(section: &mut Section<'_>) -> BTreeMap<String, u32> {
    const KEY: &str = "max_concurrent_agents_by_state";
    let path = section.key(KEY);
    let entries = match section.raw(KEY) {
        None => return BTreeMap::new(),
        Some(Value::Object(entries)) => entries,
        Some(other) => {
            section
                .error(KEY, format!("found {}, expected a map of states to numbers", shown(other)));
            return BTreeMap::new();
        }
    };
    let mut limits = BTreeMap::new();
    for (state, value) in entries {
        let limit = as_integer(value)
            .and_then(|limit| u32::try_from(limit).ok())
            .filter(|limit| *limit > 0);
        match limit {
            Some(limit) if !state.trim().is_empty() => {
                limits.insert(state_key(state), limit);
            }
            _ => {
                let message = format!(
                    "found {}, expected a whole number of at least 1; ignored",
                    shown(value)
                );
                section.report.warn("invalid_value", format!("{path}.{state}"), message);
            }
        }
    }
    limits
}

fn read_verify(mut section: Section<'_>, hook_timeout_ms: u64) -> Option<Verify> {
    if !section.is_present() {
        return None;
    }
    let command = section.script("command");
    if command.is_none() {
        section.error("command", "found nothing, expected a shell command");
    }
    let timeout_ms = section.millis("timeout_ms", hook_timeout_ms);
    section.finish();
    command.map(|command| Verify { command, timeout_ms })
}
