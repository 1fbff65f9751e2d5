//! Searching contents and names, on a blocking thread, until told to stop.

mod glob;
mod grep;
mod walk;

use tokio_util::sync::CancellationToken;

pub(crate) use glob::Glob;
pub(crate) use grep::Grep;

use crate::environment::SearchError;

/// Runs `work` off the async threads. It is told to stop when the caller cancels, and when the
/// returned future is dropped.
pub(super) async fn in_background<T: Send + 'static>(
    cancel: &CancellationToken,
    work: impl FnOnce(&CancellationToken) -> Result<T, SearchError> + Send + 'static,
) -> Result<T, SearchError> {
    let stop = cancel.child_token();
    let _on_drop = stop.clone().drop_guard();
    let done = tokio::task::spawn_blocking(move || {
        let found = work(&stop)?;
        if stop.is_cancelled() { Err(SearchError::Cancelled) } else { Ok(found) }
    });
    done.await.unwrap_or(Err(SearchError::Cancelled))
}
