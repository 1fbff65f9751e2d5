//! Tracker requests, each in a task of its own with a time limit: a tracker that hangs costs its
//! own answer and nothing else (ruling 10).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use canon_runtime::task::{self, TaskSpec};
use futures_util::stream::{self, StreamExt as _};
use tokio::time::Instant;

use super::{Driver, Input};
use crate::dispatch::{Event, Machine, Reread};
use crate::issue::Issue;
use crate::tracker::{Tracker, TrackerError};

/// A tracker that has not answered by then counts as failed.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Issues that are read alone at the same time, at most.
const AT_ONCE: usize = 8;

type Answer = Result<Vec<Issue>, TrackerError>;

/// What a read of several issues came to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Ids that were read, whether there is such an issue or not.
    ids: Vec<String>,
    issues: Vec<Issue>,
    /// Ids that could not be read, with why.
    unread: BTreeMap<String, String>,
}

impl Found {
    /// What is new in it.
    pub(super) fn reread(self, machine: &Machine) -> Reread {
        Reread { unread: self.unread, ..machine.reread(&self.ids, self.issues) }
    }
}

impl Driver {
    /// Reads the issues in `states`.
    pub(super) fn fetch_by_states(
        &self,
        states: Vec<String>,
        then: impl FnOnce(Answer) -> Input + Send + 'static,
    ) {
        let tracker = self.settings.tracker.clone();
        let limit = Instant::now() + TIMEOUT;
        self.ask(
            async move { limited(limit, tracker.fetch_issues_by_states(&states)).await },
            then,
        );
    }

    /// Reads the issues `ids`.
    pub(super) fn fetch_by_ids(
        &self,
        ids: Vec<String>,
        then: impl FnOnce(Result<Found, TrackerError>) -> Input + Send + 'static,
    ) {
        let tracker = self.settings.tracker.clone();
        self.ask(async move { by_ids(tracker.as_ref(), ids).await }, then);
    }

    /// One tick: the running issues first, then the candidates (Symphony §8.1).
    pub(super) fn poll(&self, poll_id: u64, states: Vec<String>, running: Vec<String>) {
        let tracker: Arc<dyn Tracker> = self.settings.tracker.clone();
        let input = self.input.clone();
        task::spawn(TaskSpec::new("poll"), async move {
            if !running.is_empty() {
                let answer = by_ids(tracker.as_ref(), running).await;
                if input.send(Input::Reconciled { poll_id, answer }).await.is_err() {
                    return;
                }
            }
            let limit = Instant::now() + TIMEOUT;
            let answer = limited(limit, tracker.fetch_issues_by_states(&states)).await;
            let _ = input.send(Input::Polled { poll_id, answer }).await;
        });
    }

    fn ask<T: Send + 'static>(
        &self,
        request: impl Future<Output = T> + Send + 'static,
        then: impl FnOnce(T) -> Input + Send + 'static,
    ) {
        let input = self.input.clone();
        task::spawn(TaskSpec::new("tracker request"), async move {
            let answer = request.await;
            let _ = input.send(then(answer)).await;
        });
    }
}

/// Reads issues in one request, and each alone where a malformed record spoils it (ruling 11); all
/// of that within one time limit.
async fn by_ids(tracker: &dyn Tracker, ids: Vec<String>) -> Result<Found, TrackerError> {
    let limit = Instant::now() + TIMEOUT;
    match limited(limit, tracker.fetch_issues_by_ids(&ids)).await {
        Ok(issues) => Ok(Found { ids, issues, unread: BTreeMap::new() }),
        Err(TrackerError::Response { message }) => Ok(match ids.len() {
            1 => Found {
                unread: ids.into_iter().map(|id| (id, message.clone())).collect(),
                ..Found::default()
            },
            _ => one_by_one(tracker, ids, limit).await,
        }),
        Err(error) => Err(error),
    }
}

async fn one_by_one(tracker: &dyn Tracker, ids: Vec<String>, limit: Instant) -> Found {
    let mut left: BTreeSet<String> = ids.iter().cloned().collect();
    let mut answers = stream::iter(ids)
        .map(|id| async move {
            let alone = std::slice::from_ref(&id);
            let answer = limited(limit, tracker.fetch_issues_by_ids(alone)).await;
            (id, answer)
        })
        .buffered(AT_ONCE);
    let mut found = Found::default();
    while let Some((id, answer)) = answers.next().await {
        left.remove(&id);
        match answer {
            Ok(issues) => {
                found.issues.extend(issues);
                found.ids.push(id);
            }
            Err(TrackerError::Response { message }) => {
                found.unread.insert(id, message);
            }
            // Not this record but the tracker fails: it is not asked for the rest.
            Err(error) => {
                left.insert(id);
                let reason = error.to_string();
                found.unread.extend(left.into_iter().map(|id| (id, reason.clone())));
                break;
            }
        }
    }
    found
}

async fn limited(limit: Instant, request: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout_at(limit, request).await.unwrap_or_else(|_| {
        Err(TrackerError::Request {
            what: format!("the tracker has not answered within {} s", TIMEOUT.as_secs()),
            source: "time limit".into(),
        })
    })
}

/// Says what could not be read (Symphony §14.2).
pub(super) fn log(event: &Event) {
    let failed = |what: &str, reason: &str| {
        tracing::warn!(what, reason, outcome = "failed", "tracker read");
    };
    match event {
        Event::PollFailed { error, .. } => failed("candidates", error),
        Event::ReconcileFailed { error, .. } => failed("running issues", error),
        Event::RefreshFailed { error, .. } => failed("issues by id", error),
        Event::Reconciled { reread, .. } | Event::Refreshed { reread, .. } => {
            for (issue_id, reason) in &reread.unread {
                tracing::warn!(issue_id, reason, outcome = "skipped", "tracker read");
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
