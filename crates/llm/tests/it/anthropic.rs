//! The Anthropic adapter end to end.

use std::sync::Arc;
use std::time::Duration;

use canon_llm::providers::http::AdapterTimeout;
use canon_llm::{
    Anthropic, AnthropicConfig, Client, ContentPart, ErrorKind, FinishReasonKind, ImageData,
    Message, Request, Response, ResponseFormat, ResponseFormatKind, Role, StreamEvent, ToolChoice,
};
use canon_runtime::secret::Secret;
use canon_testkit::model_server::{ModelServer, Reply, Tokens};
use serde_json::{Value, json};

use crate::openai::{drain, no_violations, shell};

fn client(server: &ModelServer) -> Client {
    client_with(server, None)
}

fn client_with(server: &ModelServer, timeout: Option<AdapterTimeout>) -> Client {
    let config = AnthropicConfig {
        base_url: server.root_url(),
        default_headers: vec![
            ("x-custom".into(), "yes".into()),
            ("Anthropic-Beta".into(), "context-1m-2025-08-07".into()),
        ],
        timeout,
        ..AnthropicConfig::new(Secret::new("sk-ant-test"))
    };
    let adapter = Arc::new(Anthropic::new(config).unwrap());
    Client::builder().provider(adapter).default_provider("anthropic").build().unwrap()
}

fn request(text: &str) -> Request {
    Request::new("claude-sonnet-4-5", vec![Message::system("be brief"), Message::user(text)])
}

async fn ask(client: &Client, request: &Request, streaming: bool) -> Response {
    if streaming {
        drain(client.stream(request.clone()).await.unwrap()).await.1.unwrap()
    } else {
        client.complete(request.clone()).await.unwrap()
    }
}

fn without_id(mut response: Response) -> Response {
    response.id.clear();
    if let Some(raw) = &mut response.raw {
        raw["id"] = Value::Null;
    }
    response
}

#[tokio::test]
async fn llm_8_2_complete_gives_a_whole_response_and_sends_the_key_and_the_version() {
    let server = ModelServer::start().unwrap();
    server.push(
        Reply::text("Hello.")
            .usage(Tokens { input: 100, cached: 40, cache_written: 10, output: 20, reasoning: 8 })
            .header("anthropic-ratelimit-requests-limit", "50")
            .header("anthropic-ratelimit-requests-remaining", "49")
            .header("anthropic-ratelimit-requests-reset", "2026-01-27T12:00:00Z"),
    );
    let response = client(&server).complete(request("hi")).await.unwrap();
    assert_eq!(response.text(), "Hello.");
    assert_eq!((response.provider.as_str(), response.id.as_str()), ("anthropic", "msg_1"));
    assert_eq!(response.model, "claude-sonnet-4-5");
    assert_eq!(response.finish_reason.reason, FinishReasonKind::Stop);
    let usage = &response.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (100, 20, 120));
    assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (Some(40), Some(10)));
    assert_eq!(usage.reasoning_tokens, Some(8));
    let limits = response.rate_limit.unwrap();
    assert_eq!((limits.requests_limit, limits.requests_remaining), (Some(50), Some(49)));
    assert_eq!(limits.reset_at.as_deref(), Some("2026-01-27T12:00:00.000Z"));
    assert_eq!(response.warnings, []);
    let sent = &server.requests()[0];
    assert_eq!(sent.path, "/v1/messages");
    for (name, value) in [
        ("x-api-key", "sk-ant-test"),
        ("anthropic-version", "2023-06-01"),
        ("x-custom", "yes"),
        ("anthropic-beta", "context-1m-2025-08-07,prompt-caching-2024-07-31"),
    ] {
        assert_eq!(sent.headers[name], value, "{name}");
    }
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_4_a_stream_is_the_same_whatever_its_chunks_and_the_same_as_complete() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let reply = || {
        Reply::new()
            .and_reasoning(&["First, **think**.", "Then act."], "c2lnbmF0dXJl")
            .and_redacted("b3BhcXVl")
            .and_text("Grüße 😀, all of you")
            .and_item(json!({ "type": "server_tool_use", "id": "s", "name": "web_search", "input": { "q": "x" } }))
            .and_item(json!({ "type": "web_search_tool_result", "tool_use_id": "s", "content": [] }))
            .and_item(json!({ "type": "text", "text": "cited", "citations": [{ "type": "char_location" }] }))
            .and_tool_call("call_1", "shell", r#"{"command":"ls -la"}"#)
            .and_tool_call("call_2", "shell", "")
            .usage(Tokens { input: 9, cached: 2, cache_written: 1, output: 20, reasoning: 5 })
    };
    let mut asked = request("hi");
    asked.tools.push(shell());
    server.push(reply());
    let whole = without_id(client.complete(asked.clone()).await.unwrap());
    for size in [1, 2, 3, 7, 64, 1000, 100_000] {
        server.push(reply().in_chunks_of(size));
        let (events, outcome) = drain(client.stream(asked.clone()).await.unwrap()).await;
        assert_eq!(without_id(outcome.unwrap()), whole, "{size}");
        assert!(matches!(events[0], StreamEvent::StreamStart { .. }));
        let text: String = events
            .iter()
            .filter_map(|event| match event {
                StreamEvent::TextDelta { delta, .. } => Some(delta.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(text, whole.text());
        let ended = events.iter().filter(|event| matches!(event, StreamEvent::ToolCallEnd { .. }));
        assert_eq!(ended.count(), 2);
    }
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_9_thinking_goes_round_verbatim_in_a_loop_of_parallel_tools() {
    for streaming in [false, true] {
        let server = ModelServer::start().unwrap();
        let client = client(&server);
        let mut conversation = request("list the files");
        conversation.tools.push(shell());
        conversation.tool_choice = Some(ToolChoice::Auto);
        conversation.reasoning_effort = Some("high".into());
        for round in 0..4 {
            server.push(
                Reply::new()
                    .and_reasoning(&["hm"], &format!("c2VjcmV0{round}/+="))
                    .and_redacted(&format!("b3BhcXVl{round}"))
                    .and_text("Looking.")
                    .and_tool_call(&format!("a{round}"), "shell", r#"{ "command" : "ls" }"#)
                    .and_tool_call(&format!("b{round}"), "shell", "{broken"),
            );
            let response = ask(&client, &conversation, streaming).await;
            assert_eq!(response.finish_reason.reason, FinishReasonKind::ToolCalls);
            let calls = response.tool_calls();
            assert_eq!(calls[0].parsed().unwrap()["command"], "ls");
            let refusal = calls[1].parsed().unwrap_err();
            // The conversation survives being written down and read again.
            let kept = serde_json::to_string(&response.message).unwrap();
            conversation.messages.push(serde_json::from_str(&kept).unwrap());
            conversation.messages.push(Message::tool_result(&*calls[0].id, "a.txt", false));
            let refusal = Message::tool_result(&*calls[1].id, refusal.to_string(), true);
            conversation.messages.push(refusal);
        }
        server.push(Reply::text("There is one file."));
        let last = ask(&client, &conversation, streaming).await;
        assert_eq!(last.text(), "There is one file.");
        let requests = server.requests();
        let sent = &requests[4].body["messages"];
        let signatures: Vec<&Value> =
            (1..9).step_by(2).map(|turn| &sent[turn]["content"][0]["signature"]).collect();
        let expected: Vec<String> = (0..4).map(|n| format!("c2VjcmV0{n}/+=")).collect();
        assert_eq!(signatures, expected.iter().collect::<Vec<_>>());
        assert_eq!(sent[1]["content"][4]["input"], json!({ "INVALID_JSON": "{broken" }));
        assert_eq!(requests[0].body["thinking"]["budget_tokens"], 24_576);
        // What one request wrote to the cache, the next one reads: its last mark is still there.
        for pair in requests.windows(2) {
            let (before, after) = (&pair[0].body["messages"], &pair[1].body["messages"]);
            let last = before.as_array().unwrap().len() - 1;
            let marked = |body: &Value| {
                let content = body[last]["content"].as_array().unwrap();
                content.last().unwrap()["cache_control"].is_object()
            };
            assert!(marked(before) && marked(after));
            assert!(pair[1].body.to_string().matches("cache_control").count() <= 4);
        }
        no_violations(&server);
    }
}

#[tokio::test]
async fn another_providers_conversation_is_taken_over_in_the_middle_of_a_tool_loop() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let mut conversation = request("go");
    conversation.reasoning_effort = Some("medium".into());
    let call = |id: &str| {
        let call = canon_llm::ToolCallData::from_raw(id, "shell", "{}");
        Message::new(
            Role::Assistant,
            vec![ContentPart::thinking("mine"), ContentPart::tool_call(call)],
        )
    };
    for _ in 0..2 {
        conversation.messages.push(call("functions.shell:0"));
        conversation.messages.push(Message::tool_result("functions.shell:0", "", true));
    }
    server.extend([Reply::text("done"), Reply::text("done")]);
    for tools in [vec![], vec![shell()]] {
        conversation.tools = tools;
        let response = client.complete(conversation.clone()).await.unwrap();
        assert_eq!(response.text(), "done");
        assert_eq!(response.warnings.len(), 2, "{:?}", response.warnings);
    }
    no_violations(&server);
}

#[tokio::test]
async fn answers_that_were_cut_off_do_not_spoil_the_conversation() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let mut conversation = request("think hard");
    conversation.reasoning_effort = Some("low".into());
    server.push(Reply::new().and_reasoning(&["cut"], "").finish("length"));
    let cut = ask(&client, &conversation, true).await;
    assert_eq!(cut.finish_reason.reason, FinishReasonKind::Length);
    assert_eq!(cut.reasoning().as_deref(), Some("cut"));
    conversation.messages.extend([cut.message, Message::user("go on")]);
    server.push(Reply::text("fine"));
    assert_eq!(ask(&client, &conversation, false).await.text(), "fine");
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_9_images_go_inline_by_url_and_from_a_file() {
    let server = ModelServer::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dot.PNG");
    std::fs::write(&path, [1, 2, 3]).unwrap();
    let parts = vec![
        ContentPart::text("?"),
        ContentPart::image(ImageData {
            url: Some(path.display().to_string()),
            ..Default::default()
        }),
        ContentPart::image(ImageData {
            url: Some("https://x.example/y.png".into()),
            ..Default::default()
        }),
        ContentPart::image(ImageData { data: Some(vec![1, 2, 3]), ..Default::default() }),
    ];
    server.push(Reply::text("dots"));
    let asked = Request::new("claude-opus-5", vec![Message::new(Role::User, parts)]);
    client(&server).complete(asked).await.unwrap();
    let content = &server.requests()[0].body["messages"][0]["content"];
    assert_eq!(content[1]["source"]["data"], "AQID");
    assert_eq!(content[2]["source"], json!({ "type": "url", "url": "https://x.example/y.png" }));
    assert_eq!(content[3]["source"]["media_type"], "image/png");
    no_violations(&server);
}

#[tokio::test]
async fn every_parameter_is_accepted_by_models_of_each_generation() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let schema =
        json!({ "type": "object", "properties": { "a": { "type": "integer", "minimum": 1 } } });
    for model in [
        "claude-3-5-haiku-20241022",
        "claude-sonnet-4-20250514",
        "claude-haiku-4-5",
        "claude-opus-4-6",
        "claude-opus-4-8",
        "claude-opus-5-5",
        "claude-fable-5-1",
    ] {
        for effort in [None, Some("none"), Some("low"), Some("high"), Some("max")] {
            for choice in [ToolChoice::Auto, ToolChoice::None, ToolChoice::Required] {
                for kind in [
                    ResponseFormatKind::Text,
                    ResponseFormatKind::Json,
                    ResponseFormatKind::JsonSchema,
                ] {
                    let mut asked = request("hi");
                    asked.model = model.into();
                    asked.reasoning_effort = effort.map(str::to_owned);
                    asked.tools.push(shell());
                    asked.tool_choice = Some(choice.clone());
                    asked.response_format = Some(ResponseFormat {
                        kind,
                        json_schema: Some(schema.clone()),
                        strict: true,
                    });
                    (asked.temperature, asked.top_p) = (Some(0.2), Some(0.5));
                    asked.stop_sequences = vec!["END".into()];
                    asked.metadata.insert("user_id".into(), "u".into());
                    asked.max_tokens = Some(50);
                    server.push(Reply::text("{}"));
                    assert_eq!(ask(&client, &asked, false).await.text(), "{}");
                }
            }
        }
    }
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_2_each_status_is_an_error_of_its_kind_that_quotes_the_provider() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let cases = [
        (400, None, "bad", ErrorKind::InvalidRequest, false),
        (400, None, "prompt is too long: 9 tokens > 8 maximum", ErrorKind::ContextLength, false),
        (401, None, "invalid x-api-key", ErrorKind::Authentication, false),
        (403, None, "not yours", ErrorKind::AccessDenied, false),
        (404, None, "model: claude-9", ErrorKind::NotFound, false),
        (413, None, "too large", ErrorKind::ContextLength, false),
        (429, None, "slow", ErrorKind::RateLimit, true),
        (500, None, "oops", ErrorKind::Server, true),
        (529, None, "Overloaded", ErrorKind::Server, true),
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
            assert_eq!(error.provider(), Some("anthropic"));
            assert_eq!(error.message(), message);
            assert_eq!(error.raw().unwrap()["error"]["message"], message);
        }
    }
    no_violations(&server);
}

#[tokio::test]
async fn a_stream_that_fails_breaks_stops_short_or_hangs_is_a_typed_error() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let text = || Reply::text("Hello, world");
    let broken = [
        (text().failed("overloaded_error", "Overloaded"), ErrorKind::Server),
        (text().failed("rate_limit_error", "slow"), ErrorKind::RateLimit),
        (text().breaking_after(5), ErrorKind::Stream),
        (text().ending_in(""), ErrorKind::Stream),
        (text().ending_in("event: x\ndata: {broken\n\n"), ErrorKind::Stream),
        (text().ending_in("data: {\"type\":\"message_st"), ErrorKind::Stream),
    ];
    for (reply, kind) in broken {
        server.push(reply.clone());
        let (events, outcome) = drain(client.stream(request("hi")).await.unwrap()).await;
        let deltas = events.iter().filter(|event| matches!(event, StreamEvent::TextDelta { .. }));
        assert!(deltas.count() > 0, "{reply:?}");
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (kind, true), "{reply:?}");
    }
    let limits = AdapterTimeout {
        request: Duration::from_secs(60),
        stream_read: Duration::from_millis(100),
    };
    server.push(text().hanging_after(5));
    let stream = client_with(&server, Some(limits)).stream(request("hi")).await.unwrap();
    assert_eq!(drain(stream).await.1.unwrap_err().kind(), ErrorKind::RequestTimeout);
    no_violations(&server);
}

#[tokio::test]
async fn an_unknown_event_surfaces_raw_and_the_stream_goes_on() {
    let server = ModelServer::start().unwrap();
    server.push(Reply::text("ok").event(json!({ "type": "novelty", "x": [1, 2] })));
    let (events, outcome) = drain(client(&server).stream(request("hi")).await.unwrap()).await;
    assert_eq!(outcome.unwrap().text(), "ok");
    assert!(events.iter().any(|event| matches!(
        event,
        StreamEvent::ProviderEvent { raw } if raw["x"] == json!([1, 2])
    )));
    no_violations(&server);
}
