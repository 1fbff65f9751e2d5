//! Noticing that the workflow file has changed (Symphony §6.2, rulings 8 and 16).
//!
//! The system's notices make it quick; a slow look at the file makes it sure, also where notices do
//! not work (network file systems, used-up watches). Only other content counts: a touch, or an
//! editor that replaces the file by the same text, is no change.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use canon_runtime::task::{self, TaskSpec};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::workflow::{self, Workflow, WorkflowError};

/// How often the file is looked at when there are no notices.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long notices are gathered: editors write, rename and set modes in quick succession.
const SETTLE: Duration = Duration::from_millis(50);

/// Watches the workflow file at `path`, known with `digest`, until `until` is cancelled. Whatever
/// it becomes is given to `on_change`, one after the other: the workflow, or why it cannot be read.
/// The same failure is given once.
pub fn spawn<F, Fut>(path: PathBuf, digest: String, until: CancellationToken, on_change: F)
where
    F: FnMut(Result<Workflow, WorkflowError>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    task::spawn(TaskSpec::new("workflow watch").signalled(), async move {
        let (notices, _watcher) = notices(&path);
        tokio::select! {
            () = until.cancelled() => {}
            () = follow(path, Seen::Content(digest), &notices, on_change) => {}
        }
    });
}

/// What the last look saw.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    /// Content with this digest, good or not.
    Content(String),
    /// No content; the message tells one failure from another.
    Failure(String),
}

async fn follow<F, Fut>(path: PathBuf, mut seen: Seen, notices: &Notify, mut on_change: F)
where
    F: FnMut(Result<Workflow, WorkflowError>) -> Fut,
    Fut: Future<Output = ()>,
{
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = notices.notified() => tokio::time::sleep(SETTLE).await,
        }
        if let Some((now, loaded)) = look(path.clone(), seen.clone()).await {
            seen = now;
            on_change(loaded).await;
        }
    }
}

/// The file where it differs from `last`.
async fn look(path: PathBuf, last: Seen) -> Option<(Seen, Result<Workflow, WorkflowError>)> {
    let task = tokio::task::spawn_blocking(move || changed(&path, &last));
    task.await.unwrap_or_else(|error| {
        tracing::error!(reason = %error, outcome = "failed", "workflow watch");
        None
    })
}

fn changed(path: &Path, last: &Seen) -> Option<(Seen, Result<Workflow, WorkflowError>)> {
    let (seen, loaded) = match workflow::read(path) {
        Ok(bytes) => (Seen::Content(workflow::digest(&bytes)), workflow::parse(path, &bytes)),
        Err(error) => (Seen::Failure(error.to_string()), Err(error)),
    };
    (seen != *last).then_some((seen, loaded))
}

/// Notices about `path`, and the watcher that gives them while it lives; without one, only the slow
/// look remains.
fn notices(path: &Path) -> (Arc<Notify>, Option<RecommendedWatcher>) {
    let notify = Arc::new(Notify::new());
    let (sender, name) = (notify.clone(), path.file_name().map(ToOwned::to_owned));
    let handler = move |event: notify::Result<notify::Event>| {
        let about_us = event.map_or(true, |event| {
            let reads = matches!(event.kind, notify::EventKind::Access(_));
            !reads && event.paths.iter().any(|path| path.file_name() == name.as_deref())
        });
        if about_us {
            sender.notify_one();
        }
    };
    // The directory, because editors replace the file, and a watch on it would follow the old one.
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let watcher = notify::recommended_watcher(handler).and_then(|mut watcher| {
        watcher.watch(dir, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => (notify, Some(watcher)),
        Err(error) => {
            tracing::warn!(
                path = %path.display(),
                reason = %error,
                every_ms = LOOK_EVERY.as_millis() as u64,
                outcome = "degraded",
                "workflow file is looked at instead of watched"
            );
            (notify, None)
        }
    }
}

#[cfg(test)]
mod tests;
