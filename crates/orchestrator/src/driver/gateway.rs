//! Tracker requests, each in a task of its own with a time limit: a tracker that hangs costs its
//! own answer and nothing else (ruling 10).

use std::sync::Arc;
use std::time::Duration;

use canon_runtime::task::{self, TaskSpec};

use super::{Driver, Input};
use crate::issue::Issue;
use crate::tracker::{Tracker, TrackerError};

/// A tracker that has not answered by then counts as failed.
const TIMEOUT: Duration = Duration::from_secs(60);

type Answer = Result<Vec<Issue>, TrackerError>;

impl Driver {
    /// Reads the issues in `states`.
    pub(super) fn fetch_by_states(
        &self,
        states: Vec<String>,
        then: impl FnOnce(Answer) -> Input + Send + 'static,
    ) {
        let tracker = self.settings.tracker.clone();
        self.ask(async move { limited(tracker.fetch_issues_by_states(&states)).await }, then);
    }

    /// Reads the issues `ids`.
    pub(super) fn fetch_by_ids(
        &self,
        ids: Vec<String>,
        then: impl FnOnce(Vec<String>, Answer) -> Input + Send + 'static,
    ) {
        let tracker = self.settings.tracker.clone();
        let asked = ids.clone();
        self.ask(
            async move { limited(tracker.fetch_issues_by_ids(&asked)).await },
            move |answer| then(ids, answer),
        );
    }

    /// One tick: the running issues first, then the candidates (Symphony §8.1).
    pub(super) fn poll(&self, poll_id: u64, states: Vec<String>, running: Vec<String>) {
        let tracker: Arc<dyn Tracker> = self.settings.tracker.clone();
        let input = self.input.clone();
        task::spawn(TaskSpec::new("poll"), async move {
            if !running.is_empty() {
                let answer = limited(tracker.fetch_issues_by_ids(&running)).await;
                let reconciled = Input::Reconciled { poll_id, ids: running, answer };
                if input.send(reconciled).await.is_err() {
                    return;
                }
            }
            let answer = limited(tracker.fetch_issues_by_states(&states)).await;
            let _ = input.send(Input::Polled { poll_id, answer }).await;
        });
    }

    fn ask(
        &self,
        request: impl Future<Output = Answer> + Send + 'static,
        then: impl FnOnce(Answer) -> Input + Send + 'static,
    ) {
        let input = self.input.clone();
        task::spawn(TaskSpec::new("tracker request"), async move {
            let answer = request.await;
            let _ = input.send(then(answer)).await;
        });
    }
}

async fn limited(request: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(TIMEOUT, request).await.unwrap_or_else(|_| {
        Err(TrackerError::Request {
            what: format!("the tracker has not answered within {} s", TIMEOUT.as_secs()),
            source: "time limit".into(),
        })
    })
}
