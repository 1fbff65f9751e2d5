//! Candidates in dispatch order, kept up to date issue by issue; derived from the state, never stored.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::config::Standing;
use super::state::State;
use crate::issue::{Issue, state_key};

/// Sorts as Symphony §8.2 demands: priority 1 to 4 before all others, oldest first, then by identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OrderKey {
    priority: u8,
    undated: bool,
    created_at: Option<Timestamp>,
    identifier: String,
    id: String,
}

impl OrderKey {
    pub(super) fn of(issue: &Issue) -> Self {
        let priority = match issue.priority {
            Some(urgent @ 1..=4) => u8::try_from(urgent).unwrap_or(5),
            _ => 5,
        };
        Self {
            priority,
            undated: issue.created_at.is_none(),
            created_at: issue.created_at,
            identifier: issue.identifier.clone(),
            id: issue.id.clone(),
        }
    }
}

/// Unclaimed candidates by what keeps them from running, the eligible ones in order within each state.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    places: BTreeMap<String, Place>,
    eligible: BTreeMap<String, BTreeSet<OrderKey>>,
    counts: BTreeMap<Standing, u64>,
    /// Issue of each live attempt.
    attempts: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Place {
    standing: Standing,
    /// State and key, if eligible.
    queued: Option<(String, OrderKey)>,
}

impl Index {
    pub(super) fn of(state: &State) -> Self {
        let mut index = Self::default();
        for id in state.candidates.keys() {
            index.update(state, id);
        }
        for (id, running) in &state.running {
            index.attempts.insert(running.attempt_id.clone(), id.clone());
        }
        index
    }

    /// Looks at one issue again, after a change to it or to its claim.
    pub(super) fn update(&mut self, state: &State, id: &str) {
        self.remove(id);
        let Some(issue) = state.candidates.get(id) else { return };
        if state.is_claimed(id) || state.awaits_slot_read(id) {
            return;
        }
        let standing = state.config.standing(issue);
        let mut queued = None;
        if standing == Standing::Eligible {
            let (key, order) = (state_key(&issue.state), OrderKey::of(issue));
            self.eligible.entry(key.clone()).or_default().insert(order.clone());
            queued = Some((key, order));
        }
        *self.counts.entry(standing).or_default() += 1;
        self.places.insert(id.to_owned(), Place { standing, queued });
    }

    fn remove(&mut self, id: &str) {
        let Some(place) = self.places.remove(id) else { return };
        if let Some(count) = self.counts.get_mut(&place.standing) {
            *count = count.saturating_sub(1);
        }
        let Some((state, key)) = place.queued else { return };
        if let Some(queue) = self.eligible.get_mut(&state) {
            queue.remove(&key);
            if queue.is_empty() {
                self.eligible.remove(&state);
            }
        }
    }

    /// Id of the first eligible issue in a state that has room.
    pub(super) fn first(&self, room: impl Fn(&str) -> bool) -> Option<String> {
        self.eligible
            .iter()
            .filter(|(state, _)| room(state))
            .filter_map(|(_, queue)| queue.first())
            .min()
            .map(|key| key.id.clone())
    }

    /// Whether any unclaimed candidate is eligible.
    pub(super) fn any_eligible(&self) -> bool {
        !self.eligible.is_empty()
    }

    /// Unclaimed candidates by standing.
    pub(super) fn counts(&self) -> &BTreeMap<Standing, u64> {
        &self.counts
    }

    pub(super) fn attempt_started(&mut self, attempt_id: &str, issue_id: &str) {
        self.attempts.insert(attempt_id.to_owned(), issue_id.to_owned());
    }

    pub(super) fn attempt_ended(&mut self, attempt_id: &str) {
        self.attempts.remove(attempt_id);
    }

    /// Issue of a live attempt.
    pub(super) fn issue_of(&self, attempt_id: &str) -> Option<&String> {
        self.attempts.get(attempt_id)
    }
}
