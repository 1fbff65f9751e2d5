//! Cancellation and time limits, in paused time.

use std::sync::Arc;
use std::time::Duration;

use canon_llm::{
    AbortSignal, ErrorKind, Generate, LlmError, RetryPolicy, TimeoutConfig, Tool, ToolContext,
    generate, generate_object, stream, stream_object,
};
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use super::fake::{Fake, Turn, call, delta, error, fail, start, text};

const HOUR: Duration = Duration::from_secs(3600);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A tool that never answers, says when it runs, and when it is dropped.
fn stuck(running: &Arc<Notify>) -> (Tool, oneshot::Receiver<AbortSignal>) {
    struct Dropped(Option<(oneshot::Sender<AbortSignal>, AbortSignal)>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            if let Some((tell, signal)) = self.0.take() {
                let _ = tell.send(signal);
            }
        }
    }
    let (tell, told) = oneshot::channel();
    let tell = std::sync::Mutex::new(Some(tell));
    let running = Arc::clone(running);
    let tool = Tool::new("stuck", "", json!({"type": "object"})).unwrap().execute(
        move |_, context: ToolContext| {
            let tell = tell.lock().unwrap().take().unwrap();
            let _dropped = Dropped(Some((tell, context.abort_signal)));
            let running = Arc::clone(&running);
            async move {
                let _dropped = _dropped;
                running.notify_one();
                std::future::pending::<Result<String, String>>().await
            }
        },
    );
    (tool, told)
}

/// Runs `options` and aborts once `when` is told; the outcome must follow at once.
async fn aborted(options: Generate, when: &Notify) -> LlmError {
    let signal = AbortSignal::new();
    let call = generate(options.abort_signal(signal.clone()));
    let abort = async {
        when.notified().await;
        signal.cancel();
        Instant::now()
    };
    let both = async { tokio::join!(call, abort) };
    let (outcome, at) = timeout(HOUR, both).await.unwrap();
    assert_eq!(Instant::now(), at, "no time passed");
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Abort);
    assert!(!error.retryable());
    error
}

#[tokio::test(start_paused = true)]
async fn llm_8_4_aborting_generate_ends_it_while_the_model_is_silent() {
    let fake = Fake::new([Turn::Silence]);
    aborted(fake.ask(), &fake.silent).await;
    assert_eq!(fake.open(), 0, "the connection is closed");
}

#[tokio::test(start_paused = true)]
async fn llm_8_4_aborting_generate_ends_it_during_backoff() {
    let fake = Fake::new([fail(ErrorKind::Server)]);
    let waiting = Arc::new(Notify::new());
    let tell = Arc::clone(&waiting);
    let policy = RetryPolicy {
        base_delay: seconds(30),
        on_retry: Some(Arc::new(move |_, _, _| tell.notify_one())),
        ..RetryPolicy::default()
    };
    aborted(fake.ask().retry(policy), &waiting).await;
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn llm_8_4_aborting_generate_ends_running_tools() {
    let fake = Fake::new([call("c1", "stuck", json!({}))]);
    let running = Arc::new(Notify::new());
    let (tool, dropped) = stuck(&running);
    aborted(fake.ask().tools([tool]), &running).await;
    let signal = timeout(HOUR, dropped).await.unwrap().unwrap();
    assert!(signal.is_cancelled(), "what the tool started elsewhere is told as well");
}

#[tokio::test(start_paused = true)]
async fn llm_8_4_aborting_a_stream_closes_it_and_ends_with_abort() {
    let fake = Fake::new([Turn::Items { items: vec![Ok(start()), Ok(delta("x"))], hangs: true }]);
    let signal = AbortSignal::new();
    let mut stream = stream(fake.ask().abort_signal(signal.clone()));
    stream.next().await.unwrap().unwrap();
    stream.next().await.unwrap().unwrap();
    let abort = async {
        fake.silent.notified().await;
        signal.cancel();
    };
    let (item, ()) = tokio::join!(timeout(HOUR, stream.next()), abort);
    assert_eq!(item.unwrap().unwrap().unwrap_err().kind(), ErrorKind::Abort);
    assert_eq!(fake.open(), 0);
    assert!(stream.next().await.is_none());
    assert_eq!(stream.result().await.unwrap_err().kind(), ErrorKind::Abort);
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_was_given_before_lets_nothing_be_sent() {
    let fake = Fake::new([text("x")]);
    let signal = AbortSignal::new();
    signal.cancel();
    let options = || fake.ask().abort_signal(signal.clone());
    assert_eq!(generate(options()).await.unwrap_err().kind(), ErrorKind::Abort);
    let item = stream(options()).next().await.unwrap();
    assert_eq!(item.unwrap_err().kind(), ErrorKind::Abort);
    let error = generate_object(options(), json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Abort);
    let error = stream_object(options(), json!({})).unwrap().object().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Abort);
    assert!(fake.requests().is_empty());
}

async fn timed_out(options: Generate, after: Duration, what: &str) {
    let begun = Instant::now();
    let error = timeout(HOUR, generate(options)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    assert_eq!(begun.elapsed(), after);
    assert!(error.message().contains(what), "{error}");
}

#[tokio::test(start_paused = true)]
async fn llm_8_4_the_total_limit_covers_calls_waits_and_tools() {
    let slow = || Turn::After(seconds(6), Box::new(call("c1", "stuck", json!({}))));
    let fake = Fake::new([Turn::Silence]);
    timed_out(fake.ask().timeout(seconds(10)), seconds(10), "the whole operation").await;
    assert_eq!(fake.open(), 0);

    let (tool, dropped) = stuck(&Arc::new(Notify::new()));
    let fake = Fake::new([slow()]);
    timed_out(fake.ask().tools([tool]).timeout(seconds(10)), seconds(10), "longer than 10 s").await;
    assert!(timeout(HOUR, dropped).await.unwrap().unwrap().is_cancelled());

    let fake = Fake::new([fail(ErrorKind::Server)]);
    let policy = RetryPolicy { base_delay: seconds(30), jitter: false, ..RetryPolicy::default() };
    timed_out(fake.ask().retry(policy).timeout(seconds(10)), seconds(10), "operation").await;

    let fake = Fake::new([text("in time")]);
    let result = generate(fake.ask().timeout(Duration::MAX)).await.unwrap();
    assert_eq!(result.text, "in time");
}

#[tokio::test(start_paused = true)]
async fn llm_8_4_the_limit_per_step_is_for_each_model_call() {
    let per_step =
        |length| TimeoutConfig { per_step: Some(seconds(length)), ..TimeoutConfig::default() };
    let after = |turn| Turn::After(seconds(6), Box::new(turn));
    let quick = Tool::new("quick", "", json!({"type": "object"}))
        .unwrap()
        .execute(|_, _| async { Ok::<_, String>("") });
    let fake = Fake::new([after(call("c1", "quick", json!({}))), after(text("done"))]);
    let result = generate(fake.ask().tools([quick]).timeout(per_step(7))).await.unwrap();
    assert_eq!(result.text, "done", "two steps of 6 s each");

    let fake = Fake::new([Turn::Silence]);
    timed_out(fake.ask().timeout(per_step(7)), seconds(7), "per step").await;
    assert_eq!(fake.requests().len(), 1, "time limits are not retried unless asked");

    let fake = Fake::new([Turn::Silence, text("second try")]);
    let policy = RetryPolicy {
        should_retry: Some(Arc::new(|error| error.kind() == ErrorKind::RequestTimeout)),
        ..RetryPolicy::default()
    };
    let result = generate(fake.ask().timeout(per_step(7)).retry(policy)).await.unwrap();
    assert_eq!(result.text, "second try");
}

#[tokio::test(start_paused = true)]
async fn llm_8_4_streams_keep_to_both_limits() {
    for (timeout, after, what) in [
        (TimeoutConfig::from(seconds(10)), 10, "whole"),
        (TimeoutConfig { total: Some(seconds(10)), per_step: Some(seconds(7)) }, 7, "per step"),
    ] {
        let fake = Fake::new([Turn::Items { items: vec![Ok(delta("x"))], hangs: true }]);
        let begun = Instant::now();
        let mut stream = stream(fake.ask().timeout(timeout));
        stream.next().await.unwrap().unwrap();
        let error = tokio::time::timeout(HOUR, stream.next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestTimeout);
        assert!(error.message().contains(what), "{error}");
        assert_eq!(begun.elapsed(), seconds(after));
        assert_eq!(fake.open(), 0);
    }
    assert!(!error(ErrorKind::RequestTimeout).retryable());
}
