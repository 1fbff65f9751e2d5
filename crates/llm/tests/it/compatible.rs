//! The adapter for Chat Completions end to end.

use std::sync::Arc;
use std::time::Duration;

use canon_llm::providers::http::AdapterTimeout;
use canon_llm::{
    Client, Compatible, CompatibleConfig, ContentPart, ErrorKind, FinishReasonKind, Message,
    Request, Role, StreamEvent, ToolChoice,
};
use canon_runtime::secret::Secret;
use canon_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};

use crate::openai::{drain, no_violations, shell};

fn client(server: &ModelServer) -> Client {
    client_with(server, None)
}

fn client_with(server: &ModelServer, timeout: Option<AdapterTimeout>) -> Client {
    let config = CompatibleConfig {
        api_key: Some(Secret::new("sk-test")),
        default_headers: vec![("x-title".into(), "canon".into())],
        timeout,
        ..CompatibleConfig::new(server.base_url())
    };
    let adapter = Arc::new(Compatible::new(config).unwrap());
    Client::builder().provider(adapter).default_provider("openai-compatible").build().unwrap()
}

fn request(text: &str) -> Request {
    Request::new("qwen3", vec![Message::system("be brief"), Message::user(text)])
}

#[tokio::test]
async fn llm_8_2_compatible_complete_gives_text_usage_and_limits() {
    let server = ModelServer::start().unwrap();
    server.push(Reply::text("Hello.").header("x-ratelimit-remaining-requests", "499"));
    let response = client(&server).complete(request("hi")).await.unwrap();
    assert_eq!(
        (response.text().as_str(), response.provider.as_str()),
        ("Hello.", "openai-compatible")
    );
    assert_eq!(response.finish_reason.reason, FinishReasonKind::Stop);
    assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (100, 20));
    assert_eq!(response.usage.cache_read_tokens, Some(40));
    assert_eq!(response.usage.reasoning_tokens, Some(8));
    assert_eq!(response.rate_limit.unwrap().requests_remaining, Some(499));
    let asked = &server.requests()[0];
    assert_eq!(asked.path, "/v1/chat/completions");
    assert_eq!(asked.headers["authorization"], "Bearer sk-test");
    assert_eq!(asked.headers["x-title"], "canon");
    no_violations(&server);
}

#[tokio::test]
async fn an_endpoint_that_wants_no_key_is_sent_none() {
    let server = ModelServer::start().unwrap();
    let adapter = Arc::new(Compatible::new(CompatibleConfig::new(server.base_url())).unwrap());
    let client =
        Client::builder().provider(adapter).default_provider("openai-compatible").build().unwrap();
    server.push(Reply::text("ok"));
    assert_eq!(client.complete(request("hi")).await.unwrap().text(), "ok");
    assert!(!server.requests()[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn llm_8_2_compatible_stream_is_the_same_whatever_its_chunks_and_the_same_as_complete() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let reply = || {
        Reply::new()
            .and_reasoning(&["First, **think**.", "Then act."], "opaque")
            .and_text("Grüße 😀, all of you")
            .and_tool_call("call_1", "shell", r#"{"command":"ls -la"}"#)
            .and_tool_call("call_2", "shell", r#"{"command":"pwd"}"#)
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
        let texts = events.iter().filter_map(|event| match event {
            StreamEvent::TextDelta { delta, .. } => Some(delta.as_str()),
            _ => None,
        });
        assert_eq!(texts.collect::<String>(), "Grüße 😀, all of you");
        assert_eq!(response.message, whole.message);
        assert_eq!(response.usage, whole.usage);
        assert_eq!(response.finish_reason, whole.finish_reason);
        assert_eq!(response.finish_reason.reason, FinishReasonKind::ToolCalls);
    }
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_3_compatible_tool_calls_and_reasoning_go_round() {
    for (signature, field) in [("", "reasoning_content"), ("opaque", "reasoning")] {
        for streaming in [false, true] {
            let server = ModelServer::start().unwrap();
            let client = client(&server);
            let mut conversation = request("list the files");
            conversation.tools.push(shell());
            conversation.tool_choice = Some(ToolChoice::Auto);
            for round in 0..3 {
                server.push(
                    Reply::new()
                        .and_reasoning(&[&format!("thought {round}")], signature)
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
            assert_eq!(client.complete(conversation).await.unwrap().text(), "There is one file.");
            let sent = server.requests()[3].body["messages"].clone();
            let said: Vec<&Value> = sent
                .as_array()
                .unwrap()
                .iter()
                .filter(|said| said["role"] == "assistant")
                .collect();
            assert_eq!(said.len(), 3);
            for (round, said) in said.into_iter().enumerate() {
                assert_eq!(said[field], format!("thought {round}"));
                assert_eq!(
                    said["tool_calls"][0]["function"]["arguments"],
                    r#"{ "command" : "ls" }"#
                );
                assert_eq!(said.get("reasoning_details").is_some(), !signature.is_empty());
            }
            no_violations(&server);
        }
    }
}

#[tokio::test]
async fn pictures_in_both_directions_keep_to_the_wire() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let mut conversation = request("draw");
    conversation.tools.push(shell());
    server.push(Reply::new().and_image("image/png", "AQID").and_tool_call("c", "shell", "{}"));
    let drawn = client.complete(conversation.clone()).await.unwrap();
    assert!(matches!(drawn.message.content.last(), Some(ContentPart::Image { .. })), "{drawn:?}");
    let mut result = Message::tool_result("c", "see", false);
    if let ContentPart::ToolResult { tool_result, .. } = &mut result.content[0] {
        tool_result.image_data = Some(vec![1, 2, 3]);
    }
    conversation.messages.extend([drawn.message, result]);
    server.push(Reply::text("seen"));
    let response = client.complete(conversation).await.unwrap();
    assert_eq!(response.warnings[0].code.as_deref(), Some("tool_result_image_moved"));
    assert_eq!(server.requests()[1].body["messages"][2]["images"][0]["type"], "image_url");
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_2_compatible_http_errors_have_their_kind_and_quote_the_server() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    for (status, code, kind) in [
        (400, None, ErrorKind::InvalidRequest),
        (400, Some("context_length_exceeded"), ErrorKind::ContextLength),
        (401, None, ErrorKind::Authentication),
        (404, Some("model_not_found"), ErrorKind::NotFound),
        (429, None, ErrorKind::RateLimit),
        (500, None, ErrorKind::Server),
    ] {
        for streaming in [false, true] {
            server.push(Reply::error(status, code, "because").header("retry-after", "7"));
            let error = if streaming {
                client.stream(request("hi")).await.err().unwrap()
            } else {
                client.complete(request("hi")).await.unwrap_err()
            };
            assert_eq!((error.kind(), error.status_code()), (kind, Some(status)));
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
            assert!(error.to_string().contains("because"), "{error}");
        }
    }
    no_violations(&server);
}

#[tokio::test]
async fn a_stream_that_fails_breaks_or_stops_short_is_an_error() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    for (reply, kind) in [
        (Reply::text("Hello, world").failed("rate_limit_exceeded", "slow"), ErrorKind::RateLimit),
        (Reply::text("Hello, world").breaking_after(3), ErrorKind::Stream),
        (Reply::text("Hello, world").ending_in("data: {broken\n\n"), ErrorKind::Stream),
    ] {
        server.push(reply.clone());
        let (events, outcome) = drain(client.stream(request("hi")).await.unwrap()).await;
        let deltas = events.iter().filter(|event| matches!(event, StreamEvent::TextDelta { .. }));
        assert!(deltas.count() > 0, "{reply:?}");
        assert_eq!(outcome.unwrap_err().kind(), kind, "{reply:?}");
    }
    // Without its `[DONE]` an answer is still complete.
    server.push(Reply::text("Hello, world").ending_in(""));
    let (_, outcome) = drain(client.stream(request("hi")).await.unwrap()).await;
    assert_eq!(outcome.unwrap().text(), "Hello, world");
    no_violations(&server);
}

#[tokio::test]
async fn silence_in_a_stream_is_a_timeout() {
    let server = ModelServer::start().unwrap();
    let timeout = AdapterTimeout {
        request: Duration::from_secs(60),
        stream_read: Duration::from_millis(100),
    };
    server.push(Reply::text("Hello, world").hanging_after(3));
    let client = client_with(&server, Some(timeout));
    let (_, outcome) = drain(client.stream(request("hi")).await.unwrap()).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::RequestTimeout);
    no_violations(&server);
}

#[tokio::test]
async fn a_message_of_text_and_an_image_keeps_its_order() {
    let server = ModelServer::start().unwrap();
    let image = canon_llm::ImageData {
        url: Some("https://example.com/a.png".into()),
        ..Default::default()
    };
    let parts = vec![ContentPart::text("what is"), ContentPart::image(image)];
    server.push(Reply::text("a cat"));
    let asked = Request::new("qwen3", vec![Message::new(Role::User, parts)]);
    client(&server).complete(asked).await.unwrap();
    let content = &server.requests()[0].body["messages"][0]["content"];
    assert_eq!(
        (&content[0]["text"], &content[1]["type"]),
        (&json!("what is"), &json!("image_url"))
    );
    no_violations(&server);
}
