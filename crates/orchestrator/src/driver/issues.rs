//! The views of all issues that the machine remembers, kept up to date a few at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::dispatch::{IssueView, Machine, Snapshot};

/// Views by identifier.
#[derive(Debug, Default)]
pub(super) struct Issues {
    views: BTreeMap<String, Arc<IssueView>>,
    /// Identifiers that were claimed at the last update: their end is still to be seen.
    claimed: BTreeSet<String>,
    filled: bool,
}

impl Issues {
    /// Renews the views of what is claimed now, or was at the last update.
    pub(super) fn update(&mut self, machine: &Machine, snapshot: &Snapshot, now_ms: u64) {
        let claimed: BTreeSet<String> = claimed(snapshot).map(str::to_owned).collect();
        let mut stale = std::mem::replace(&mut self.claimed, claimed.clone());
        stale.extend(claimed);
        if !self.filled {
            self.filled = true;
            stale.extend(machine.remembered().map(str::to_owned));
        }
        for identifier in stale {
            match machine.issue_view(&identifier, now_ms) {
                Some(view) => self.views.insert(identifier, Arc::new(view)),
                None => self.views.remove(&identifier),
            };
        }
    }

    /// All views.
    pub(super) fn views(&self) -> BTreeMap<String, Arc<IssueView>> {
        self.views.clone()
    }
}

fn claimed(snapshot: &Snapshot) -> impl Iterator<Item = &str> {
    let running = snapshot.running.iter().map(|row| row.identifier.as_str());
    let blocked = snapshot.blocked.iter().map(|row| row.attempt.identifier.as_str());
    let retrying = snapshot.retrying.iter().map(|row| row.identifier.as_str());
    let held = snapshot.held.iter().map(|row| row.identifier.as_str());
    running.chain(blocked).chain(retrying).chain(held)
}
