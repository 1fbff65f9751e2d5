//! The OpenAI adapter end to end.

mod boxes;

use std::sync::Arc;
use std::time::Duration;

use canon_llm::providers::http::AdapterTimeout;
use canon_llm::{
    Client, ContentPart, ErrorKind, EventStream, FinishReasonKind, ImageData, LlmError, Message,
    OpenAi, OpenAiConfig, Request, Response, RetryPolicy, Role, StreamEvent, ToolChoice,
    ToolDefinition, retry,
};
use canon_runtime::secret::Secret;
use canon_testkit::model_server::{ModelServer, Reply};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

pub(crate) fn client(server: &ModelServer) -> Client {
    client_with(server, None)
}

fn client_with(server: &ModelServer, timeout: Option<AdapterTimeout>) -> Client {
    let config = OpenAiConfig {
        base_url: server.base_url(),
        organization: Some("org-1".into()),
        project: Some("proj-1".into()),
        default_headers: vec![("x-custom".into(), "yes".into())],
        timeout,
        ..OpenAiConfig::new(Secret::new("sk-test"))
    };
    let adapter = Arc::new(OpenAi::new(config).unwrap());
    Client::builder().provider(adapter).default_provider("openai").build().unwrap()
}

pub(crate) fn request(text: &str) -> Request {
    Request::new("gpt-5.2", vec![Message::system("be brief"), Message::user(text)])
}

pub(crate) fn shell() -> ToolDefinition {
    let parameters = json!({ "type": "object", "properties": { "command": { "type": "string" } } });
    ToolDefinition::new("shell", "runs a command", parameters).unwrap()
}

/// All events before the end, and how it ended.
pub(crate) async fn drain(
    mut stream: EventStream,
) -> (Vec<StreamEvent>, Result<Response, LlmError>) {
    let mut events = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(StreamEvent::Finish { response, .. }) => {
                assert!(stream.next().await.is_none(), "nothing comes after the finish");
                return (events, Ok(*response));
            }
            Ok(event) => events.push(event),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing comes after an error");
                return (events, Err(error));
            }
        }
    }
    panic!("the stream ended without a finish or an error: {events:?}");
}

pub(crate) fn no_violations(server: &ModelServer) {
    assert_eq!(server.violations(), Vec::<String>::new());
    assert_eq!(server.replies_left(), 0);
}

#[tokio::test]
async fn llm_8_2_openai_complete_gives_text_usage_limits_and_sends_what_it_should() {
    let server = ModelServer::start().unwrap();
    server.push(
        Reply::text("Hello.")
            .header("x-ratelimit-limit-requests", "500")
            .header("x-ratelimit-remaining-requests", "499")
            .header("x-ratelimit-reset-requests", "120ms"),
    );
    let response = client(&server).complete(request("hi")).await.unwrap();
    assert_eq!(response.text(), "Hello.");
    assert_eq!(response.provider, "openai");
    assert_eq!(response.id, "resp_1");
    assert_eq!(response.finish_reason.reason, FinishReasonKind::Stop);
    assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (100, 20));
    assert_eq!(response.usage.cache_read_tokens, Some(40));
    assert_eq!(response.usage.reasoning_tokens, Some(8));
    let limits = response.rate_limit.unwrap();
    assert_eq!((limits.requests_limit, limits.requests_remaining), (Some(500), Some(499)));
    assert!(limits.reset_at.is_some());
    let sent = &server.requests()[0];
    assert_eq!(sent.body["instructions"], "be brief");
    assert_eq!(sent.body["store"], false);
    for (name, value) in [
        ("authorization", "Bearer sk-test"),
        ("openai-organization", "org-1"),
        ("openai-project", "proj-1"),
        ("x-custom", "yes"),
    ] {
        assert_eq!(sent.headers[name], value, "{name}");
    }
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_2_openai_stream_is_the_same_whatever_its_chunks_and_the_same_as_complete() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let reply = || {
        Reply::new()
            .and_reasoning(&["First, **think**.", "Then act."], "gAAA")
            .and_text("Grüße 😀, all of you")
            .and_tool_call("call_1", "shell", r#"{"command":"ls -la"}"#)
    };
    let mut asked = request("hi");
    asked.tools.push(shell());
    server.push(reply());
    let whole = client.complete(asked.clone()).await.unwrap();
    for size in [1, 2, 3, 7, 64, 1000, 100_000] {
        server.push(reply().in_chunks_of(size));
        let (events, outcome) = drain(client.stream(asked.clone()).await.unwrap()).await;
        let response = outcome.unwrap();
        assert!(matches!(events[0], StreamEvent::StreamStart { .. }));
        let (mut text, mut reasoning, mut arguments) =
            (String::new(), String::new(), String::new());
        for event in &events {
            match event {
                StreamEvent::TextDelta { delta, .. } => text.push_str(delta),
                StreamEvent::ReasoningDelta { reasoning_delta } => {
                    reasoning.push_str(reasoning_delta)
                }
                StreamEvent::ToolCallDelta { delta, .. } => arguments.push_str(delta),
                StreamEvent::ToolCallEnd { tool_call } => {
                    assert_eq!(tool_call.arguments["command"], "ls -la");
                }
                _ => {}
            }
        }
        assert_eq!(text, "Grüße 😀, all of you");
        assert_eq!(reasoning, "First, **think**.\n\nThen act.");
        assert_eq!(arguments, r#"{"command":"ls -la"}"#);
        assert_eq!(response.text(), whole.text());
        assert_eq!(response.reasoning(), whole.reasoning());
        assert_eq!(response.tool_calls(), whole.tool_calls());
        assert_eq!(response.usage, whole.usage);
        assert_eq!(response.finish_reason, whole.finish_reason);
    }
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_3_openai_tool_calls_and_reasoning_go_round_verbatim() {
    for streaming in [false, true] {
        let server = ModelServer::start().unwrap();
        let client = client(&server);
        let mut conversation = request("list the files");
        conversation.tools.push(shell());
        conversation.tool_choice = Some(ToolChoice::Auto);
        conversation.reasoning_effort = Some("high".into());
        // Each round: opaque reasoning, a message with a field of its own, two calls at once.
        for round in 0..3 {
            server.push(
                Reply::new()
                    .and_reasoning(&[], &format!("secret {round}"))
                    .and_item(json!({
                        "type": "message", "role": "assistant", "status": "completed", "phase": "commentary",
                        "content": [{ "type": "output_text", "text": "Looking.", "annotations": [] }],
                    }))
                    .and_tool_call(&format!("a{round}"), "shell", r#"{ "command" : "ls" }"#)
                    .and_tool_call(&format!("b{round}"), "shell", "{broken"),
            );
            let response = if streaming {
                drain(client.stream(conversation.clone()).await.unwrap()).await.1.unwrap()
            } else {
                client.complete(conversation.clone()).await.unwrap()
            };
            assert_eq!(response.finish_reason.reason, FinishReasonKind::ToolCalls);
            let calls = response.tool_calls();
            assert_eq!(calls[0].parsed().unwrap()["command"], "ls");
            let refusal = calls[1].parsed().unwrap_err();
            // The conversation survives being written down and read again.
            let kept = serde_json::to_string(&response.message).unwrap();
            conversation.messages.push(serde_json::from_str(&kept).unwrap());
            conversation.messages.push(Message::tool_result(&*calls[0].id, "a.txt", false));
            conversation.messages.push(Message::tool_result(
                &*calls[1].id,
                refusal.to_string(),
                true,
            ));
        }
        server.push(Reply::text("There is one file."));
        let last = client.complete(conversation).await.unwrap();
        assert_eq!(last.text(), "There is one file.");
        let input = server.requests()[3].body["input"].clone();
        let encrypted: Vec<&Value> = input
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["type"] == "reasoning")
            .map(|item| &item["encrypted_content"])
            .collect();
        assert_eq!(encrypted, ["secret 0", "secret 1", "secret 2"]);
        assert_eq!(server.requests()[0].body["reasoning"]["effort"], "high");
        no_violations(&server);
    }
}

#[tokio::test]
async fn reasoning_that_led_to_nothing_is_not_sent_back() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let mut conversation = request("think hard");
    server.push(Reply::new().and_reasoning(&[], "cut off").incomplete("max_output_tokens"));
    let cut = drain(client.stream(conversation.clone()).await.unwrap()).await.1.unwrap();
    assert_eq!(cut.finish_reason.reason, FinishReasonKind::Length);
    assert_eq!(cut.message.content.len(), 1);
    conversation.messages.extend([cut.message, Message::user("go on")]);
    server.push(Reply::new().and_reasoning(&[], "kept").and_tool_call("c", "shell", "{}"));
    let mut called = client.complete(conversation.clone()).await.unwrap().message;
    // A host that takes a call out must not be left with the reasoning that led to it.
    called.content.truncate(1);
    conversation.messages.extend([called, Message::user("never mind")]);
    server.push(Reply::text("fine"));
    assert_eq!(client.complete(conversation).await.unwrap().text(), "fine");
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_3_openai_a_local_image_is_read_and_sent_inline() {
    let server = ModelServer::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dot.PNG");
    std::fs::write(&path, [1, 2, 3]).unwrap();
    let image = |path: &std::path::Path| {
        let url = Some(path.display().to_string());
        let part = ContentPart::image(ImageData { url, ..ImageData::default() });
        Request::new("gpt-5.2", vec![Message::new(Role::User, vec![ContentPart::text("?"), part])])
    };
    server.push(Reply::text("a dot"));
    client(&server).complete(image(&path)).await.unwrap();
    let content = &server.requests()[0].body["input"][0]["content"];
    assert_eq!(content[1]["image_url"], "data:image/png;base64,AQID");
    for bad in ["missing.png", "notes.txt"] {
        let error = client(&server).complete(image(&directory.path().join(bad))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains(bad), "{error}");
    }
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_2_openai_http_errors_have_their_kind_and_retry_after_and_quote_the_provider() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let cases = [
        (400, None, "bad", ErrorKind::InvalidRequest, false),
        (400, Some("context_length_exceeded"), "long", ErrorKind::ContextLength, false),
        (401, Some("invalid_api_key"), "Incorrect API key", ErrorKind::Authentication, false),
        (403, None, "not yours", ErrorKind::AccessDenied, false),
        (404, Some("model_not_found"), "no such model", ErrorKind::NotFound, false),
        (429, Some("rate_limit_exceeded"), "slow", ErrorKind::RateLimit, true),
        (429, Some("insufficient_quota"), "pay", ErrorKind::QuotaExceeded, false),
        (500, None, "oops", ErrorKind::Server, true),
        (503, None, "busy", ErrorKind::Server, true),
    ];
    for (status, code, message, kind, retryable) in cases {
        for streaming in [false, true] {
            server.push(Reply::error(status, code, message).header("retry-after", "7"));
            let error = if streaming {
                client.stream(request("hi")).await.err().unwrap()
            } else {
                client.complete(request("hi")).await.unwrap_err()
            };
            assert_eq!((error.kind(), error.retryable()), (kind, retryable), "{status} {code:?}");
            assert_eq!(error.status_code(), Some(status));
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
            assert_eq!(error.provider(), Some("openai"));
            assert!(error.to_string().contains(message), "{error}");
            assert_eq!(error.raw().unwrap()["error"]["message"], message);
        }
    }
    let calls = server.requests().len();
    assert_eq!(calls, cases.len() * 2, "the client never retries");
    no_violations(&server);
}

#[tokio::test]
async fn a_failure_after_status_200_is_an_error_too() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    server.push(Reply::text("half").failed("server_error", "lost it"));
    let error = client.complete(request("hi")).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Server, "lost it"));
    server.push(Reply::text("half").failed("rate_limit_exceeded", "Please try again in 1.5s."));
    let (events, outcome) = drain(client.stream(request("hi")).await.unwrap()).await;
    assert!(events.iter().any(|event| matches!(event, StreamEvent::TextDelta { .. })));
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimit);
    assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
    server.push(Reply::text("cut").incomplete("max_output_tokens"));
    let (_, outcome) = drain(client.stream(request("hi")).await.unwrap()).await;
    assert_eq!(outcome.unwrap().finish_reason.reason, FinishReasonKind::Length);
    no_violations(&server);
}

#[tokio::test]
async fn a_stream_that_breaks_stops_short_or_makes_no_sense_is_a_stream_error() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let broken = [
        Reply::text("Hello, world").breaking_after(6),
        Reply::text("Hello, world").ending_in(""),
        Reply::text("Hello, world").ending_in("event: x\ndata: {broken\n\n"),
        Reply::text("Hello, world").ending_in("data: {\"type\":\"response.comp"),
    ];
    for reply in broken {
        server.push(reply.clone());
        let (events, outcome) = drain(client.stream(request("hi")).await.unwrap()).await;
        let deltas = events.iter().filter(|event| matches!(event, StreamEvent::TextDelta { .. }));
        assert!(deltas.count() > 0, "{reply:?}");
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (ErrorKind::Stream, true), "{reply:?}");
    }
    no_violations(&server);
}

#[tokio::test]
async fn an_answer_that_is_no_event_stream_is_quoted() {
    let server = ModelServer::start().unwrap();
    server.push(Reply::text("hidden").header("content-type", "text/html"));
    let error = client(&server).stream(request("hi")).await.err().unwrap();
    assert_eq!((error.kind(), error.status_code()), (ErrorKind::Provider, Some(200)));
    assert!(error.message().contains("text/html") && error.message().contains("event:"), "{error}");
    no_violations(&server);
}

#[tokio::test]
async fn ruling_llm_openai_an_unknown_event_surfaces_raw_and_the_stream_goes_on() {
    let server = ModelServer::start().unwrap();
    server.push(Reply::text("ok").event(json!({ "type": "response.novelty", "x": [1, 2] })));
    let (events, outcome) = drain(client(&server).stream(request("hi")).await.unwrap()).await;
    assert_eq!(outcome.unwrap().text(), "ok");
    assert!(events.iter().any(|event| matches!(
        event,
        StreamEvent::ProviderEvent { raw } if raw["x"] == json!([1, 2])
    )));
    no_violations(&server);
}

#[tokio::test]
async fn silence_is_a_timeout_that_is_not_retried() {
    let server = ModelServer::start().unwrap();
    let short = Duration::from_millis(100);
    let long = Duration::from_secs(60);
    let first = client_with(&server, Some(AdapterTimeout { request: short, stream_read: long }));
    server.extend([Reply::text("x").hanging_after(0), Reply::text("x").hanging_after(0)]);
    for error in [
        first.complete(request("hi")).await.unwrap_err(),
        first.stream(request("hi")).await.err().unwrap(),
    ] {
        assert_eq!(
            (error.kind(), error.retryable()),
            (ErrorKind::RequestTimeout, false),
            "{error}"
        );
    }
    // A server of its own: on a loaded machine the first may never have seen what timed out, and still have
    // its silent replies.
    let server = ModelServer::start().unwrap();
    let second = client_with(&server, Some(AdapterTimeout { request: long, stream_read: short }));
    server.push(Reply::text("Hello, world").hanging_after(6));
    let (events, outcome) = drain(second.stream(request("hi")).await.unwrap()).await;
    assert!(!events.is_empty());
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::RequestTimeout);
    no_violations(&server);
}

#[tokio::test]
async fn nobody_there_is_a_network_error() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    drop(server);
    let error = client.complete(request("hi")).await.unwrap_err();
    assert_eq!((error.kind(), error.retryable()), (ErrorKind::Network, true));
    assert!(error.message().to_lowercase().contains("refused"), "{error}");
}

#[tokio::test]
async fn retry_waits_as_long_as_retry_after_says() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    server.extend([
        Reply::error(429, None, "slow").header("retry-after", "40"),
        Reply::error(500, None, "oops").header("retry-after-ms", "2500"),
        Reply::text("at last"),
        Reply::error(429, None, "much slower").header("retry-after", "61"),
    ]);
    // The clock stands still but for the waits of `retry`: real time runs while a call is under way.
    let waited = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = Arc::clone(&waited);
    let policy = RetryPolicy {
        on_retry: Some(Arc::new(move |_, _, wait| {
            sink.lock().unwrap().push(wait);
            tokio::time::pause();
        })),
        ..RetryPolicy::default()
    };
    tokio::time::pause();
    let call = || async {
        tokio::time::resume();
        client.complete(request("hi")).await
    };
    let response = retry(&policy, call).await.unwrap();
    assert_eq!(response.text(), "at last");
    let expected = [Duration::from_secs(40), Duration::from_millis(2500)];
    assert_eq!(*waited.lock().unwrap(), expected);
    tokio::time::pause();
    let error = retry(&policy, call).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(61)));
    assert_eq!(waited.lock().unwrap().len(), 2, "a wait beyond max_delay is not waited for");
    no_violations(&server);
}
