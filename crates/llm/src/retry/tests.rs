use std::sync::Mutex;

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::error::ErrorKind;

fn plain() -> RetryPolicy {
    RetryPolicy { jitter: false, ..RetryPolicy::default() }
}

fn server() -> LlmError {
    LlmError::new(ErrorKind::Server, "down")
}

#[test]
fn delays_double_up_to_the_cap() {
    let policy = RetryPolicy { max_retries: 100, ..plain() };
    let seconds: Vec<u64> =
        (0..8).map(|n| policy.next_delay(&server(), n, 0.0).unwrap().as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn a_wait_longer_than_the_cap_is_not_waited_for() {
    let wait = |seconds| {
        let error = LlmError::new(ErrorKind::RateLimit, "slow down")
            .with_retry_after(Some(Duration::from_secs(seconds)));
        plain().next_delay(&error, 0, 0.0)
    };
    assert_eq!(wait(7), Some(Duration::from_secs(7)));
    assert_eq!(wait(60), Some(Duration::from_secs(60)));
    assert_eq!(wait(61), None);
}

#[test]
fn timeouts_are_retried_only_when_asked() {
    let timeout = LlmError::new(ErrorKind::RequestTimeout, "120 s passed");
    assert_eq!(plain().next_delay(&timeout, 0, 0.0), None);
    let asked = RetryPolicy {
        should_retry: Some(Arc::new(|error| {
            error.retryable() || error.kind() == ErrorKind::RequestTimeout
        })),
        ..plain()
    };
    assert!(asked.next_delay(&timeout, 0, 0.0).is_some());
}

proptest! {
    #[test]
    fn jitter_stays_within_half_and_one_and_a_half(attempt in 0_u32..10_000, random in 0.0_f64..1.0) {
        let policy = RetryPolicy { max_retries: u32::MAX, ..RetryPolicy::default() };
        let base = RetryPolicy { max_retries: u32::MAX, ..plain() }
            .next_delay(&server(), attempt, 0.0).unwrap().as_secs_f64();
        let delay = policy.next_delay(&server(), attempt, random).unwrap().as_secs_f64();
        prop_assert!(delay >= base * 0.5 - 1e-6 && delay <= base * 1.5 + 1e-6);
    }

    #[test]
    fn strange_policies_never_panic(multiplier in proptest::num::f64::ANY, attempt in proptest::num::u32::ANY, random in proptest::num::f64::ANY) {
        let policy = RetryPolicy { max_retries: u32::MAX, backoff_multiplier: multiplier, ..RetryPolicy::default() };
        let _ = policy.next_delay(&server(), attempt, random);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_waits_as_told_and_reports_each_retry() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let policy = RetryPolicy {
        on_retry: Some(Arc::new(move |_, attempt, wait| {
            sink.lock().unwrap().push((attempt, wait.as_secs()));
        })),
        ..plain()
    };
    let begun = Instant::now();
    let mut calls = 0;
    let outcome: Result<(), _> = retry_with(
        &policy,
        || 0.5,
        || {
            calls += 1;
            async { Err(server()) }
        },
    )
    .await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(calls, 3);
    assert_eq!(*told.lock().unwrap(), [(0, 1), (1, 2)]);
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_helped_is_not_retried() {
    for kind in [ErrorKind::Authentication, ErrorKind::AccessDenied, ErrorKind::NotFound] {
        let mut calls = 0;
        let outcome: Result<(), _> = retry(&RetryPolicy::default(), || {
            calls += 1;
            async move { Err(LlmError::new(kind, "no")) }
        })
        .await;
        assert_eq!((outcome.unwrap_err().kind(), calls), (kind, 1));
    }
}
