//! A tracker in memory that fails, hangs and changes its mind.

use std::collections::BTreeMap;

use canon_orchestrator::issue::Issue;

use super::rng::Rng;

pub(crate) const ACTIVE: [&str; 2] = ["Todo", "In Progress"];
pub(crate) const TERMINAL: [&str; 2] = ["Done", "Cancelled"];
pub(crate) const PARKED: [&str; 2] = ["Backlog", "Human Review"];

#[derive(Default)]
pub(crate) struct Tracker {
    pub(crate) issues: BTreeMap<String, Issue>,
    made: u64,
    pub(crate) fails_until: u64,
    pub(crate) hangs_until: u64,
    /// Records that are malformed, until when.
    pub(crate) broken_until: BTreeMap<String, u64>,
}

impl Tracker {
    pub(crate) fn add(&mut self, rng: &mut Rng) {
        self.made += 1;
        let id = format!("i{}", self.made);
        let created = 1_700_000_000 + rng.range(0, 1_000_000) as i64;
        self.issues.insert(
            id.clone(),
            Issue {
                identifier: format!("SIM-{}", self.made),
                id,
                native_ref: None,
                title: "work".to_owned(),
                description: None,
                priority: rng.pick(&[None, Some(0), Some(1), Some(2), Some(4), Some(9)]).to_owned(),
                state: (*rng.pick(&[" todo", "Todo", "In Progress", "Backlog"])).to_owned(),
                branch_name: None,
                url: None,
                assignee_id: None,
                labels: if rng.percent(70) { vec!["canon".to_owned()] } else { Vec::new() },
                blocked_by: Vec::new(),
                dispatchable: rng.percent(90),
                created_at: rng
                    .percent(90)
                    .then(|| jiff::Timestamp::from_second(created).expect("in range")),
                updated_at: None,
            },
        );
    }

    /// Whether the record is there and cannot be read.
    pub(crate) fn is_broken(&self, id: &str, now: u64) -> bool {
        self.issues.contains_key(id) && self.broken_until.get(id).is_some_and(|until| now < *until)
    }

    /// Those that can be read, as a listing has it: without a word about the others.
    pub(crate) fn by_states(&self, states: &[String], now: u64) -> Vec<Issue> {
        let spellings =
            |state: &str| states.iter().any(|s| s.trim().eq_ignore_ascii_case(state.trim()));
        self.issues
            .values()
            .filter(|i| spellings(&i.state) && !self.is_broken(&i.id, now))
            .cloned()
            .collect()
    }

    pub(crate) fn by_ids(&self, ids: &[String]) -> Vec<Issue> {
        ids.iter().filter_map(|id| self.issues.get(id)).cloned().collect()
    }

    /// One change by the people who use it.
    pub(crate) fn disturb(&mut self, rng: &mut Rng) {
        let ids: Vec<String> = self.issues.keys().cloned().collect();
        if ids.len() < 4 || (ids.len() < 30 && rng.percent(30)) {
            return self.add(rng);
        }
        let id = rng.pick(&ids).clone();
        let Some(issue) = self.issues.get_mut(&id) else { return };
        match rng.range(0, 9) {
            0 => {
                self.issues.remove(&id);
            }
            1 => issue.dispatchable = !issue.dispatchable,
            2 => {
                if issue.labels.is_empty() {
                    issue.labels.push("canon".to_owned());
                } else {
                    issue.labels.clear();
                }
            }
            3 => issue.title.push('.'),
            4 => issue.state = (*rng.pick(&PARKED)).to_owned(),
            5 => issue.state = (*rng.pick(&TERMINAL)).to_owned(),
            _ => issue.state = (*rng.pick(&ACTIVE)).to_owned(),
        }
    }
}
