//! Counting slots (Symphony §8.3).

use std::collections::BTreeMap;

use super::effect::RefreshPurpose;
use super::state::State;
use crate::issue::state_key;

/// Slots in use or promised, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Slots {
    pub(super) used: u32,
    by_state: BTreeMap<String, u32>,
}

impl Slots {
    /// Slots of live sessions, by the tracked state of their issues.
    pub(super) fn in_use(state: &State) -> Self {
        let mut slots = Self::default();
        for running in state.running.values().filter(|r| r.slot) {
            slots.take(&running.issue.state);
        }
        slots
    }

    /// The same, and slots of issues that are being read for one.
    pub(super) fn with_promised(state: &State) -> Self {
        let mut slots = Self::in_use(state);
        let Some(reads) = state.refreshes.get(&RefreshPurpose::Slot) else { return slots };
        for id in reads.asked.union(&reads.waiting) {
            if let Some(issue) = state.known(id)
                && !state.running.contains_key(id)
            {
                slots.take(&issue.state);
            }
        }
        slots
    }

    pub(super) fn take(&mut self, state: &str) {
        self.used = self.used.saturating_add(1);
        *self.by_state.entry(state_key(state)).or_default() += 1;
    }

    /// Whether any slot is free.
    pub(super) fn any_free(&self, state: &State) -> bool {
        self.used < state.config.max_concurrent_agents
    }

    /// Whether an issue in `issue_state` may take a slot.
    pub(super) fn room_for(&self, state: &State, issue_state: &str) -> bool {
        let used = self.by_state.get(&state_key(issue_state)).copied().unwrap_or(0);
        self.any_free(state)
            && state.config.limit_of_state(issue_state).is_none_or(|limit| used < limit)
    }
}
