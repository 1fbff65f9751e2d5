//! Cancellation and time limits (unified-llm §4.7).

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
pub use tokio_util::sync::CancellationToken as AbortSignal;

use crate::error::{ErrorKind, LlmError};

/// How long a high-level call may take; a plain [`Duration`] is the total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeoutConfig {
    /// The whole operation: all model calls, retries, waits and tools.
    pub total: Option<Duration>,
    /// Each single model call; for a stream until its last event. A retry has the whole of it again.
    pub per_step: Option<Duration>,
}

impl From<Duration> for TimeoutConfig {
    fn from(total: Duration) -> Self {
        Self { total: Some(total), per_step: None }
    }
}

/// What ends an operation early.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    abort: AbortSignal,
    total: Deadline,
    per_step: Option<Duration>,
}

impl Limits {
    /// The total runs from now on.
    pub(super) fn start(timeout: TimeoutConfig, abort: AbortSignal) -> Self {
        let total = Deadline::after(timeout.total, "the whole operation");
        Self { abort, total, per_step: timeout.per_step }
    }

    /// Runs `work` until it ends, the caller cancels or the total time is up. What is cut short is dropped,
    /// and with it its connection and its tools.
    pub(super) async fn whole<T>(
        &self,
        work: impl Future<Output = Result<T, LlmError>>,
    ) -> Result<T, LlmError> {
        tokio::select! {
            biased;
            () = self.abort.cancelled() => {
                Err(LlmError::new(ErrorKind::Abort, "the caller aborted the operation"))
            }
            error = self.total.passed() => Err(error),
            outcome = work => outcome,
        }
    }

    /// Runs one try of a model call within the limit per step.
    pub(super) async fn step<T>(
        &self,
        work: impl Future<Output = Result<T, LlmError>>,
    ) -> Result<T, LlmError> {
        let limit = Deadline::after(self.per_step, "one model call (per step)");
        tokio::select! {
            biased;
            error = limit.passed() => Err(error),
            outcome = work => outcome,
        }
    }
}

#[derive(Debug, Clone)]
struct Deadline {
    what: &'static str,
    /// Its length and its end; `None` never comes, as does an end that no clock can show.
    at: Option<(Duration, Instant)>,
}

impl Deadline {
    fn after(length: Option<Duration>, what: &'static str) -> Self {
        let at = length.and_then(|length| Some((length, Instant::now().checked_add(length)?)));
        Self { what, at }
    }

    async fn passed(&self) -> LlmError {
        let Some((length, at)) = self.at else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until(at).await;
        let message = format!("{} took longer than {} s", self.what, length.as_secs_f64());
        LlmError::new(ErrorKind::RequestTimeout, message)
    }
}
