//! Retries by the policy, in paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use canon_llm::{
    ErrorKind, Message, Request, RetryPolicy, StreamEvent, Tool, generate, generate_object, stream,
    stream_object,
};
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::time::Instant;

use super::fake::{Fake, Turn, call, delta, error, fail, start, text};

fn limited(wait: u64) -> Turn {
    let wait = Some(Duration::from_secs(wait));
    Turn::Fail(error(ErrorKind::RateLimit).with_retry_after(wait))
}

fn steady() -> RetryPolicy {
    RetryPolicy { jitter: false, ..RetryPolicy::default() }
}

#[tokio::test(start_paused = true)]
async fn llm_8_8_delays_grow_exponentially_and_spread_by_jitter() {
    let failures = || (0..4).map(|_| fail(ErrorKind::Server)).chain([text("at last")]);
    let fake = Fake::new(failures());
    let begun = Instant::now();
    generate(fake.ask().retry(RetryPolicy { max_retries: 4, ..steady() })).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(1 + 2 + 4 + 8));

    let fake = Fake::new(failures());
    let waits = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&waits);
    let policy = RetryPolicy {
        max_retries: 4,
        on_retry: Some(Arc::new(move |_, _, wait| log.lock().unwrap().push(wait.as_secs_f64()))),
        ..RetryPolicy::default()
    };
    generate(fake.ask().retry(policy)).await.unwrap();
    for (wait, base) in waits.lock().unwrap().iter().zip([1.0, 2.0, 4.0, 8.0]) {
        assert!((0.5 * base..=1.5 * base).contains(wait), "{wait} for {base}");
    }
    assert_eq!(waits.lock().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn llm_8_8_retry_after_overrides_the_backoff_within_max_delay() {
    let fake = Fake::new([limited(17), text("ok")]);
    let begun = Instant::now();
    generate(fake.ask()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(17));

    let fake = Fake::new([limited(61), text("never asked")]);
    let error = generate(fake.ask()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(61)));
    assert_eq!(fake.requests().len(), 1, "longer than anyone would wait in silence");
}

#[tokio::test(start_paused = true)]
async fn llm_8_8_zero_max_retries_disable_retries() {
    let fake = Fake::new([fail(ErrorKind::Server), text("never asked")]);
    let error = generate(fake.ask().max_retries(0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    let fake = Fake::new([fail(ErrorKind::Server), text("never asked")]);
    let item = stream(fake.ask().max_retries(0)).next().await.unwrap();
    assert_eq!(item.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn llm_8_8_rate_limits_are_retried_transparently() {
    let limited = || fail(ErrorKind::RateLimit);
    let fake = Fake::new([limited(), limited(), text("ok")]);
    assert_eq!(generate(fake.ask()).await.unwrap().text, "ok");
    let fake = Fake::new([limited(), limited(), text("ok")]);
    assert_eq!(stream(fake.ask()).response().await.unwrap().text(), "ok");
    let fake = Fake::new([limited(), limited(), limited(), text("never asked")]);
    assert_eq!(generate(fake.ask()).await.unwrap_err().kind(), ErrorKind::RateLimit);
    assert_eq!(fake.requests().len(), 3, "two retries unless said");
}

#[tokio::test(start_paused = true)]
async fn ruling_llm_generate_and_its_kin_retry_and_the_client_never_does() {
    let schema = || json!({"type": "object"});
    let fake = Fake::new((0..2).map(|_| fail(ErrorKind::Server)));
    let request = || Request::new("m", vec![Message::user("hi")]);
    assert!(fake.client().complete(request()).await.is_err());
    assert!(fake.client().stream(request()).await.is_err());
    assert_eq!(fake.requests().len(), 2);
    let fake = Fake::new((0..4).flat_map(|_| [fail(ErrorKind::Server), text("{}")]));
    generate(fake.ask()).await.unwrap();
    stream(fake.ask()).response().await.unwrap();
    generate_object(fake.ask(), schema()).await.unwrap();
    stream_object(fake.ask(), schema()).unwrap().object().await.unwrap();
    assert_eq!((fake.requests().len(), fake.turns_left()), (8, 0));
}

#[tokio::test(start_paused = true)]
async fn ruling_llm_timeouts_are_not_retried_unless_asked() {
    let late = || fail(ErrorKind::RequestTimeout);
    let fake = Fake::new([late(), text("never asked")]);
    let error = generate(fake.ask()).await.unwrap_err();
    assert_eq!((error.kind(), fake.requests().len()), (ErrorKind::RequestTimeout, 1));
    let policy = RetryPolicy {
        should_retry: Some(Arc::new(|error| error.kind() == ErrorKind::RequestTimeout)),
        ..RetryPolicy::default()
    };
    let fake = Fake::new([late(), text("ok")]);
    assert_eq!(generate(fake.ask().retry(policy)).await.unwrap().text, "ok");
}

#[tokio::test(start_paused = true)]
async fn llm_8_8_errors_that_stay_are_raised_at_once() {
    for kind in [
        ErrorKind::Authentication,
        ErrorKind::AccessDenied,
        ErrorKind::NotFound,
        ErrorKind::InvalidRequest,
        ErrorKind::ContextLength,
        ErrorKind::ContentFilter,
        ErrorKind::QuotaExceeded,
    ] {
        let fake = Fake::new([fail(kind), fail(kind)]);
        let begun = Instant::now();
        assert_eq!(generate(fake.ask()).await.unwrap_err().kind(), kind);
        let item = stream(fake.ask()).next().await.unwrap();
        assert_eq!(item.unwrap_err().kind(), kind);
        assert_eq!((fake.requests().len(), begun.elapsed()), (2, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn llm_8_8_retries_are_per_step_and_not_of_the_whole_operation() {
    let failing = || fail(ErrorKind::Server);
    let turns = || {
        [failing(), failing(), call("c1", "count", json!({})), failing(), failing(), text("done")]
    };
    for streams in [false, true] {
        let ran = Arc::new(Mutex::new(0));
        let count = Arc::clone(&ran);
        let tool =
            Tool::new("count", "", json!({"type": "object"})).unwrap().execute(move |_, _| {
                *count.lock().unwrap() += 1;
                async { Ok::<_, String>("") }
            });
        let fake = Fake::new(turns());
        let options = fake.ask().tools([tool]);
        let result = match streams {
            true => stream(options).result().await.unwrap(),
            false => generate(options).await.unwrap(),
        };
        assert_eq!((result.text.as_str(), result.steps.len()), ("done", 2));
        assert_eq!(*ran.lock().unwrap(), 1, "tools do not run again");
        let lengths: Vec<_> = fake.requests().iter().map(|r| r.messages.len()).collect();
        assert_eq!(lengths, [1, 1, 1, 3, 3, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn llm_8_8_a_stream_is_retried_until_it_has_delivered_data() {
    let broken = |items: Vec<StreamEvent>| Turn::Items {
        items: items.into_iter().map(Ok).chain([Err(error(ErrorKind::Server))]).collect(),
        hangs: false,
    };
    let fake = Fake::new([broken(vec![start()]), broken(vec![]), text("ok")]);
    let events: Vec<_> = stream(fake.ask()).map(Result::unwrap).collect().await;
    let starts = events.iter().filter(|e| matches!(e, StreamEvent::StreamStart { .. })).count();
    assert_eq!((starts, fake.requests().len()), (1, 3));

    let odd = StreamEvent::ProviderEvent { raw: json!({"type": "response.in_progress"}) };
    let fake = Fake::new([broken(vec![start(), odd.clone()]), text("ok")]);
    let events: Vec<_> = stream(fake.ask()).map(Result::unwrap).collect().await;
    assert_eq!((&events[1], fake.requests().len()), (&odd, 2), "an event, but no data");

    let fake = Fake::new([broken(vec![start(), delta("x")]), text("never asked")]);
    let error = stream(fake.ask()).response().await.unwrap_err();
    assert_eq!((error.kind(), fake.requests().len()), (ErrorKind::Server, 1));
}

#[tokio::test(start_paused = true)]
async fn llm_8_8_objects_that_do_not_fit_are_not_retried_but_failed_calls_are() {
    let schema = json!({"type": "object"});
    let fake = Fake::new([fail(ErrorKind::Server), text("{}")]);
    assert_eq!(generate_object(fake.ask(), schema.clone()).await.unwrap().output, Some(json!({})));
    let fake = Fake::new([text("no"), text("never asked")]);
    let error = generate_object(fake.ask(), schema).await.unwrap_err();
    assert_eq!((error.kind(), fake.requests().len()), (ErrorKind::NoObjectGenerated, 1));
}
