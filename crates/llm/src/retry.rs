//! Retrying a model call (unified-llm §6.6). The client never does it by itself; callers compose it.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::error::LlmError;

/// Told before each wait: the error, the number of the retry from 0, the wait.
pub type OnRetry = Arc<dyn Fn(&LlmError, u32, Duration) + Send + Sync>;

/// Decides which errors are tried again; see [`RetryPolicy::should_retry`].
pub type ShouldRetry = Arc<dyn Fn(&LlmError) -> bool + Send + Sync>;

/// How often and how long after a failed call it is tried again.
#[derive(Clone)]
pub struct RetryPolicy {
    /// Tries beyond the first; 0 turns retries off.
    pub max_retries: u32,
    /// The first wait.
    pub base_delay: Duration,
    /// The longest wait; a provider that asks for a longer one is not waited for.
    pub max_delay: Duration,
    /// How much longer each wait is than the one before.
    pub backoff_multiplier: f64,
    /// Whether waits are spread over 50 % to 150 % of their length.
    pub jitter: bool,
    /// Replaces [`LlmError::retryable`], e.g. to retry timeouts.
    pub should_retry: Option<ShouldRetry>,
    /// Told before each wait.
    pub on_retry: Option<OnRetry>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 2,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            backoff_multiplier: 2.0,
            jitter: true,
            should_retry: None,
            on_retry: None,
        }
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("max_retries", &self.max_retries)
            .field("base_delay", &self.base_delay)
            .field("max_delay", &self.max_delay)
            .field("backoff_multiplier", &self.backoff_multiplier)
            .field("jitter", &self.jitter)
            .finish_non_exhaustive()
    }
}

impl RetryPolicy {
    /// How long to wait before retry number `attempt` (from 0) after `error`, or `None` to give up.
    ///
    /// `random` in 0..1 decides the jitter, so that the decision itself stays pure.
    pub fn next_delay(&self, error: &LlmError, attempt: u32, random: f64) -> Option<Duration> {
        let wanted = match &self.should_retry {
            Some(decide) => decide(error),
            None => error.retryable(),
        };
        if !wanted || attempt >= self.max_retries {
            return None;
        }
        match error.retry_after() {
            Some(wait) if wait > self.max_delay => None,
            Some(wait) => Some(wait),
            None => Some(self.backoff(attempt, random)),
        }
    }

    /// Waits before retry number `attempt` (from 0).
    ///
    /// # Errors
    /// `error` itself, when it is not to be retried.
    pub(crate) async fn pause(
        &self,
        error: LlmError,
        attempt: u32,
        random: f64,
    ) -> Result<(), LlmError> {
        let Some(wait) = self.next_delay(&error, attempt, random) else {
            return Err(error);
        };
        if let Some(tell) = &self.on_retry {
            tell(&error, attempt, wait);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn backoff(&self, attempt: u32, random: f64) -> Duration {
        let exponent = i32::try_from(attempt).unwrap_or(i32::MAX);
        let grown = self.base_delay.as_secs_f64() * self.backoff_multiplier.powi(exponent);
        let longest = self.max_delay.as_secs_f64();
        // `min` also turns an overflow to infinity, or a NaN of a strange multiplier, into the cap.
        let seconds = grown.min(longest);
        let factor = if self.jitter { 0.5 + random.clamp(0.0, 1.0) } else { 1.0 };
        Duration::try_from_secs_f64(seconds * factor).unwrap_or(self.max_delay)
    }
}

/// Calls `operation` until it succeeds or the policy gives up; the last error is returned.
///
/// # Errors
/// The error of the last try.
pub async fn retry<T, F, Fut>(policy: &RetryPolicy, operation: F) -> Result<T, LlmError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, LlmError>>,
{
    retry_with(policy, random_unit, operation).await
}

/// [`retry`] with the source of randomness given: numbers in 0..1.
///
/// # Errors
/// The error of the last try.
pub async fn retry_with<T, F, Fut>(
    policy: &RetryPolicy,
    mut random: impl FnMut() -> f64,
    mut operation: F,
) -> Result<T, LlmError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, LlmError>>,
{
    let mut attempt = 0;
    loop {
        let error = match operation().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        policy.pause(error, attempt, random()).await?;
        attempt += 1;
    }
}

/// Good enough to spread waits: each `RandomState` of the standard library is seeded anew.
pub(crate) fn random_unit() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
