//! What ended before, for those who tell a stage about it (Attractor §5.4).

use std::sync::Arc;

use crate::outcome::{Outcome, Status};

/// A stage that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The node.
    pub node: String,
    /// Which visit.
    pub visit: u32,
    /// Attempts that it took.
    pub attempts: u32,
    /// How it ended.
    pub status: Status,
    /// Its notes, or why it failed.
    pub notes: String,
}

impl Done {
    /// What an outcome says about a stage.
    pub fn new(node: &str, visit: u32, attempts: u32, outcome: &Outcome) -> Self {
        let failed = matches!(outcome.status, Status::Fail | Status::Retry);
        let notes = if failed { &outcome.failure_reason } else { &outcome.notes };
        Self {
            node: node.to_owned(),
            visit,
            attempts,
            status: outcome.status,
            notes: notes.clone(),
        }
    }
}

#[derive(Debug)]
struct Link {
    done: Done,
    before: History,
}

/// Stages that ended, the newest first. A clone costs nothing, however long it is.
#[derive(Debug, Clone, Default)]
pub struct History {
    newest: Option<Arc<Link>>,
    len: usize,
}

impl History {
    /// The same with one more stage.
    #[must_use]
    pub fn with(&self, done: Done) -> Self {
        let link = Link { done, before: self.clone() };
        Self { newest: Some(Arc::new(link)), len: self.len + 1 }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// From the newest to the oldest.
    pub fn iter(&self) -> impl Iterator<Item = &Done> {
        let mut at = self;
        std::iter::from_fn(move || {
            let link = at.newest.as_deref()?;
            at = &link.before;
            Some(&link.done)
        })
    }
}

impl Drop for History {
    /// Link by link: a long history would otherwise be dropped by as deep a recursion.
    fn drop(&mut self) {
        let mut next = self.newest.take();
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.before.newest.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_history_is_dropped_without_recursion_and_shared_by_its_clones() {
        let mut history = History::default();
        let mut early = History::default();
        for visit in 0..200_000 {
            history = history.with(Done::new("a", visit, 1, &Outcome::success("")));
            if visit == 1 {
                early = history.clone();
            }
        }
        assert_eq!(history.len(), 200_000);
        drop(history);
        let visits: Vec<u32> = early.iter().map(|done| done.visit).collect();
        assert_eq!(visits, [1, 0]);
    }
}
