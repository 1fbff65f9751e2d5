//! Whether and when a stage is tried again (Attractor §3.5, §3.6, ruling 3).

use std::time::Duration;

use super::random::Random;
use crate::outcome::{FailureClass, Outcome, Status};

/// How often a stage is tried, and how long is waited between (§3.6).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Tries in all; 1 is no retry.
    pub max_attempts: u32,
    /// Before the first retry, in milliseconds.
    pub initial_delay_ms: u64,
    /// What each further delay is multiplied with.
    pub backoff_factor: f64,
    /// No delay is longer, in milliseconds.
    pub max_delay_ms: u64,
    /// Whether delays vary by half of themselves either way.
    pub jitter: bool,
    /// Whether a FAIL is tried again though it is not transient: `max_retries` stands on the node.
    pub retry_failures: bool,
}

impl RetryPolicy {
    /// The presets of §3.6 by name: `none`, `standard`, `aggressive`, `linear`, `patient`.
    pub fn preset(name: &str) -> Option<Self> {
        let of = |max_attempts, initial_delay_ms, backoff_factor| Self {
            max_attempts,
            initial_delay_ms,
            backoff_factor,
            max_delay_ms: 60_000,
            jitter: true,
            retry_failures: false,
        };
        Some(match name {
            "none" => of(1, 200, 2.0),
            "standard" => of(5, 200, 2.0),
            "aggressive" => of(5, 500, 2.0),
            "linear" => of(3, 500, 1.0),
            "patient" => of(3, 2_000, 3.0),
            _ => return None,
        })
    }

    /// `retries` further tries with the default delays.
    pub fn retries(retries: u32) -> Self {
        let max_attempts = retries.saturating_add(1);
        Self {
            max_attempts,
            initial_delay_ms: 200,
            backoff_factor: 2.0,
            max_delay_ms: 60_000,
            jitter: true,
            retry_failures: false,
        }
    }

    /// Whether an attempt that ended so is followed by another.
    pub fn tries_again(&self, attempt: u32, outcome: &Outcome) -> bool {
        let wants = match outcome.status {
            Status::Retry => true,
            Status::Fail => match outcome.failure_class {
                Some(FailureClass::Canceled | FailureClass::Budget) => false,
                class => self.retry_failures || class == Some(FailureClass::Transient),
            },
            _ => false,
        };
        wants && attempt < self.max_attempts
    }

    /// The pause after attempt number `attempt`, counted from 1 (§3.6).
    pub fn delay(&self, attempt: u32, random: &mut Random) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial_delay_ms as f64 * self.backoff_factor.powi(exponent);
        let capped = grown.min(self.max_delay_ms as f64).max(0.0);
        let factor = if self.jitter { 0.5 + random.unit() } else { 1.0 };
        Duration::from_millis((capped * factor) as u64)
    }
}
