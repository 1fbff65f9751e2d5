//! The settings that decide about dispatch, taken from a workflow's configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::OnInputRequired;
use crate::issue::{Issue, state_in, state_key};

/// What the dispatch machine needs of the configuration (Symphony §5.3, §6.4).
///
/// A value is replaced as a whole by [`Event::ConfigChanged`](super::Event::ConfigChanged).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispatchConfig {
    /// Digest of the workflow file that these settings come from, for the record.
    pub digest: String,
    /// Milliseconds between polls, at least 1.
    pub poll_interval_ms: u64,
    /// Sessions at a time; 0 dispatches nothing.
    pub max_concurrent_agents: u32,
    /// Further limits, by [`state_key`].
    pub max_concurrent_agents_by_state: BTreeMap<String, u32>,
    /// Cap of the delay before a retry, in milliseconds.
    pub max_retry_backoff_ms: u64,
    /// Turns in one session; 0 counts as 1.
    pub max_turns: u32,
    /// Silence after which a session counts as stalled, in milliseconds; `None` when disabled.
    pub stall_timeout_ms: Option<u64>,
    /// States in which issues are worked on.
    pub active_states: Vec<String>,
    /// States in which issues are finished; they win over `active_states`.
    pub terminal_states: Vec<String>,
    /// Labels that an issue must have; a blank one matches no issue.
    pub required_labels: Vec<String>,
    /// What becomes of a session with a question (ruling 7).
    pub on_input_required: OnInputRequired,
}

/// The defaults of Symphony §6.4, with no states: nothing is polled or dispatched.
impl Default for DispatchConfig {
    fn default() -> Self {
        Self {
            digest: String::new(),
            poll_interval_ms: 30_000,
            max_concurrent_agents: 10,
            max_concurrent_agents_by_state: BTreeMap::new(),
            max_retry_backoff_ms: 300_000,
            max_turns: 20,
            stall_timeout_ms: Some(300_000),
            active_states: Vec::new(),
            terminal_states: Vec::new(),
            required_labels: Vec::new(),
            on_input_required: OnInputRequired::Block,
        }
    }
}

/// The dispatch settings of a whole configuration; the digest stays empty, for the caller to fill in.
impl From<&crate::config::Config> for DispatchConfig {
    fn from(config: &crate::config::Config) -> Self {
        Self {
            digest: String::new(),
            poll_interval_ms: config.polling.interval_ms,
            max_concurrent_agents: config.agent.max_concurrent_agents,
            max_concurrent_agents_by_state: config.agent.max_concurrent_agents_by_state.clone(),
            max_retry_backoff_ms: config.agent.max_retry_backoff_ms,
            max_turns: config.agent.max_turns,
            stall_timeout_ms: config.codex.stall_timeout_ms,
            active_states: config.tracker.active_states.clone(),
            terminal_states: config.tracker.terminal_states.clone(),
            required_labels: config.tracker.required_labels.clone(),
            on_input_required: config.agent.on_input_required,
        }
    }
}

/// Where an issue stands towards dispatch, slots and claims left aside (Symphony §8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Active and routable: it may run.
    Eligible,
    /// In a terminal state: it is done, and its workspace goes.
    Terminal,
    /// Neither active nor terminal.
    NotActive,
    /// Active, but the tracker's rules (assignment, blockers) forbid it.
    NotDispatchable,
    /// Active, but a required label is missing.
    MissingLabel,
    /// The id, identifier, title or state is blank.
    Incomplete,
}

impl DispatchConfig {
    /// Judges one issue by its own data.
    pub fn standing(&self, issue: &Issue) -> Standing {
        if state_in(&issue.state, &self.terminal_states) {
            return Standing::Terminal;
        }
        if !state_in(&issue.state, &self.active_states) {
            return Standing::NotActive;
        }
        let blank = |text: &str| text.trim().is_empty();
        if [&issue.id, &issue.identifier, &issue.title, &issue.state].into_iter().any(|t| blank(t))
        {
            return Standing::Incomplete;
        }
        if !issue.dispatchable {
            return Standing::NotDispatchable;
        }
        if !issue.has_labels(&self.required_labels) {
            return Standing::MissingLabel;
        }
        Standing::Eligible
    }

    /// Limit of sessions in `state`, if it has one of its own.
    pub fn limit_of_state(&self, state: &str) -> Option<u32> {
        self.max_concurrent_agents_by_state.get(&state_key(state)).copied()
    }

    /// Delay before the retry that follows failure number `failures` (from 1), in milliseconds:
    /// `min(10000 * 2^(failures - 1), max_retry_backoff_ms)` (Symphony §8.4).
    pub fn backoff_ms(&self, failures: u32) -> u64 {
        let doubled = 1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
        10_000_u64.saturating_mul(doubled).min(self.max_retry_backoff_ms)
    }
}
