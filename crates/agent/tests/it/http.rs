//! The loop over HTTP, against a server that validates every request.

use std::sync::Arc;
use std::time::Duration;

use canon_agent::{EventData, Session, SessionOptions, Status, WarningCode};
use canon_llm::{OpenAi, OpenAiConfig, RetryPolicy};
use canon_runtime::secret::Secret;
use canon_testkit::model_server::{ModelServer, Reply};
use serde_json::json;

use crate::support::{Place, ends, kinds, run};

fn options(place: &Place, server: &ModelServer) -> SessionOptions {
    let mut config = OpenAiConfig::new(Secret::new("key".to_owned()));
    config.base_url = server.base_url();
    let mut options = place.options_with("openai", Arc::new(OpenAi::new(config).unwrap()));
    options.config.retry =
        RetryPolicy { base_delay: Duration::from_millis(1), ..RetryPolicy::default() };
    options
}

fn warnings(events: &[EventData]) -> Vec<WarningCode> {
    events
        .iter()
        .filter_map(|event| match event {
            EventData::Warning { code, .. } => Some(*code),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_task_with_reasoning_and_tools_sends_everything_back_verbatim() {
    let place = Place::new();
    let server = ModelServer::start().unwrap();
    server.extend([
        Reply::new()
            .and_reasoning(&["I should look."], "opaque-1")
            .and_text("Looking.")
            .and_tool_call("call_1", "shell", &json!({"command": "echo found"}).to_string())
            .and_tool_call("call_2", "glob", &json!({"pattern": "*"}).to_string()),
        Reply::text("All found."),
    ]);
    let (outcome, events) = run(&mut Session::new(options(&place, &server)).unwrap(), "look").await;
    assert_eq!(server.violations(), Vec::<String>::new());
    assert_eq!((outcome.status, outcome.text.as_str()), (Status::Completed, "All found."));
    assert_eq!(ends(&events).len(), 2);
    assert!(kinds(&events).contains(&"assistant_text_delta"));
    assert!(kinds(&events).contains(&"reasoning_delta"));
    let second = server.requests()[1].body.to_string();
    assert!(second.contains("opaque-1") && second.contains("found"));
}

#[tokio::test]
async fn server_errors_and_broken_streams_are_survived() {
    let place = Place::new();
    let server = ModelServer::start().unwrap();
    server.extend([
        Reply::error(500, None, "oops"),
        Reply::text("a text that breaks off somewhere in the middle").breaking_after(5),
        Reply::text("whole"),
    ]);
    let (outcome, events) = run(&mut Session::new(options(&place, &server)).unwrap(), "go").await;
    assert_eq!(outcome.text, "whole");
    assert_eq!(warnings(&events), [WarningCode::ModelRetry, WarningCode::ReplyDiscarded]);
    assert_eq!(outcome.turns, 1, "what was discarded does not count");
    assert_eq!(server.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_silent_stream_is_given_up_and_asked_again() {
    let place = Place::new();
    let server = ModelServer::start().unwrap();
    server.extend([Reply::text("some text").hanging_after(5), Reply::text("whole")]);
    let mut options = options(&place, &server);
    options.config.model_silence_timeout_ms = 300;
    let (outcome, events) = run(&mut Session::new(options).unwrap(), "go").await;
    assert_eq!(outcome.text, "whole");
    assert_eq!(warnings(&events), [WarningCode::ReplyDiscarded]);
}

#[tokio::test]
async fn a_wrong_key_is_told_at_once() {
    let place = Place::new();
    let server = ModelServer::start().unwrap();
    server.push(Reply::error(401, Some("invalid_api_key"), "Incorrect API key provided"));
    let (outcome, _) = run(&mut Session::new(options(&place, &server)).unwrap(), "go").await;
    assert!(matches!(outcome.status, Status::Failed { code, .. } if code == "authentication"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_context_overflow_is_trimmed() {
    let place = Place::new();
    let server = ModelServer::start().unwrap();
    let arguments = json!({"command": "seq 1 3000"}).to_string();
    server.extend([
        Reply::new().and_tool_call("call_1", "shell", &arguments),
        Reply::error(
            400,
            Some("context_length_exceeded"),
            "Your input exceeds the context window of this model.",
        ),
        Reply::text("fits"),
    ]);
    let (outcome, events) = run(&mut Session::new(options(&place, &server)).unwrap(), "go").await;
    assert_eq!(outcome.text, "fits");
    assert_eq!(warnings(&events), [WarningCode::ContextTrimmed]);
    assert_eq!(server.violations(), Vec::<String>::new());
}
