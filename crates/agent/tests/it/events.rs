//! The boxes of loop spec §9.10, and how events reach a host that is slow.

use std::sync::Arc;

use async_trait::async_trait;
use canon_agent::{EventData, Session, SessionState, Status};
use canon_llm::{
    EventStream, FinishReason, FinishReasonKind, LlmError, Message, ProviderAdapter, Request,
    Response, StreamEvent, Usage,
};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::support::{Place, drain, kinds, run, says, shell};

#[tokio::test]
async fn loop_9_10_all_events_in_their_order() {
    let place = Place::new();
    let mut session = place.session(&[
        json!({"reply": {"text": "Let me look.", "tool_calls": [{"name": "shell", "arguments": {"command": "echo hi"}}]}}),
        says("Done."),
    ]);
    session.steer("hurry").unwrap();
    session.submit("go").unwrap();
    session.close().unwrap();
    let events = drain(&mut session).await;
    let data: Vec<EventData> = events.iter().map(|event| event.data.clone()).collect();
    let mut seen = kinds(&data);
    seen.dedup();
    assert_eq!(
        seen,
        [
            "session_start",
            "user_input",
            "steering_injected",
            "assistant_text_start",
            "assistant_text_delta",
            "assistant_text_end",
            "token_usage",
            "tool_call_start",
            "tool_call_output_delta",
            "tool_call_end",
            "assistant_text_start",
            "assistant_text_delta",
            "assistant_text_end",
            "token_usage",
            "processing_end",
            "session_end",
        ]
    );
    assert!(events.iter().all(|event| event.session_id == session.id()));
    assert!(events.is_sorted_by_key(|event| event.timestamp));
    let deltas: String = data
        .iter()
        .filter_map(|event| match event {
            EventData::AssistantTextDelta { delta } => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(deltas, "Let me look.Done.");
    for event in &events {
        let json = serde_json::to_string(event).unwrap();
        assert_eq!(&serde_json::from_str::<canon_agent::SessionEvent>(&json).unwrap(), event);
    }
}

fn response(text: &str) -> Response {
    Response {
        id: "r".to_owned(),
        model: "m".to_owned(),
        provider: "scripted".to_owned(),
        message: Message::assistant(text),
        finish_reason: FinishReason::new(FinishReasonKind::Stop, None),
        usage: Usage::new(1, 1),
        raw: None,
        warnings: Vec::new(),
        rate_limit: None,
    }
}

/// A model that writes many small pieces.
struct Chatty(usize);

#[async_trait]
impl ProviderAdapter for Chatty {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn complete(&self, _: &Request) -> Result<Response, LlmError> {
        unreachable!("the loop streams")
    }

    async fn stream(&self, _: &Request) -> Result<EventStream, LlmError> {
        let pieces = (0..self.0)
            .map(|n| StreamEvent::TextDelta { text_id: "t".to_owned(), delta: format!("{n} ") });
        let response = response("much");
        let finish = StreamEvent::Finish {
            finish_reason: response.finish_reason.clone(),
            usage: response.usage.clone(),
            response: Box::new(response),
        };
        Ok(stream::iter(pieces.collect::<Vec<_>>().into_iter().chain([finish]).map(Ok)).boxed())
    }
}

const PIECES: usize = 20_000;

fn chatty(place: &Place) -> Session {
    Session::new(place.options_with("scripted", Arc::new(Chatty(PIECES)))).unwrap()
}

#[tokio::test]
async fn a_slow_reader_loses_nothing() {
    let place = Place::new();
    let mut session = chatty(&place);
    session.submit("go").unwrap();
    session.close().unwrap();
    // Let the session run until it can go no further without a reader.
    for _ in 0..50_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(session.state(), SessionState::Processing, "it waits for its reader");
    let events = drain(&mut session).await;
    let deltas: Vec<String> = events
        .iter()
        .filter_map(|event| match &event.data {
            EventData::AssistantTextDelta { delta } => Some(delta.clone()),
            _ => None,
        })
        .collect();
    let wanted: Vec<String> = (0..PIECES).map(|n| format!("{n} ")).collect();
    assert_eq!(deltas, wanted);
    assert_eq!(events.last().unwrap().data.kind(), "session_end");
}

#[tokio::test]
async fn an_abort_gets_through_to_a_session_that_nobody_reads() {
    let place = Place::new();
    let mut session = chatty(&place);
    session.submit("go").unwrap();
    for _ in 0..50_000 {
        tokio::task::yield_now().await;
    }
    session.abort().unwrap();
    while session.state() != SessionState::Closed {
        tokio::task::yield_now().await;
    }
    let events = drain(&mut session).await;
    assert!(
        matches!(&events.last().unwrap().data, EventData::SessionEnd { outcome, .. } if outcome.status == Status::Aborted)
    );
}

#[tokio::test]
async fn a_host_that_drops_the_receiver_gets_the_work_done() {
    let place = Place::new();
    let (handle, events) = place.session(&[shell("echo done > f"), says("ok")]).split();
    drop(events);
    handle.submit("go").unwrap();
    loop {
        let history = handle.history().await.unwrap();
        if history.len() == 4 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(place.read("f"), "done\n");
}

/// Answers whole, and cannot stream.
struct Whole;

#[async_trait]
impl ProviderAdapter for Whole {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn complete(&self, _: &Request) -> Result<Response, LlmError> {
        Ok(response("all at once"))
    }

    async fn stream(&self, _: &Request) -> Result<EventStream, LlmError> {
        unreachable!("the profile says that it does not stream")
    }
}

#[tokio::test]
async fn ruling_streaming_is_used_wherever_the_provider_has_it() {
    // The recorder of requests sees streams alone.
    let place = Place::new();
    place.play(&[says("ok")]).await;
    assert_eq!(place.requests.all().len(), 1);
    let place = Place::new();
    let mut options = place.options_with("scripted", Arc::new(Whole));
    options.profile.capabilities.streaming = false;
    let (outcome, events) = run(&mut Session::new(options).unwrap(), "go").await;
    assert_eq!(outcome.text, "all at once");
    let text = ["assistant_text_start", "assistant_text_end"];
    assert!(kinds(&events).windows(2).any(|pair| pair == text));
}

struct Broken;

#[async_trait]
impl ProviderAdapter for Broken {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn complete(&self, _: &Request) -> Result<Response, LlmError> {
        unreachable!("the loop streams")
    }

    async fn stream(&self, _: &Request) -> Result<EventStream, LlmError> {
        panic!("a bug of an adapter")
    }
}

#[tokio::test]
async fn an_adapter_that_panics_fails_the_session() {
    let place = Place::new();
    let mut session = Session::new(place.options_with("scripted", Arc::new(Broken))).unwrap();
    let (outcome, _) = run(&mut session, "go").await;
    assert!(matches!(outcome.status, Status::Failed { .. }));
}
