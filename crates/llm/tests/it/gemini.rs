//! The Gemini adapter end to end.

use std::sync::Arc;
use std::time::Duration;

use canon_llm::{
    Client, ContentPart, ErrorKind, FinishReasonKind, Gemini, GeminiConfig, ImageData, Message,
    ProviderRaw, Request, ResponseFormat, ResponseFormatKind, Role, StreamEvent, ToolCallData,
    ToolChoice,
};
use canon_runtime::secret::Secret;
use canon_testkit::model_server::{ModelServer, Reply, Tokens};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::openai::{drain, shell};

const NEW: &str = "gemini-3-flash-preview";

fn client(server: &ModelServer) -> Client {
    let config = GeminiConfig {
        base_url: server.root_url(),
        default_headers: vec![("x-custom".into(), "yes".into())],
        ..GeminiConfig::new(Secret::new("AIza-test"))
    };
    let adapter = Arc::new(Gemini::new(config).unwrap());
    Client::builder().provider(adapter).default_provider("gemini").build().unwrap()
}

fn request(text: &str) -> Request {
    Request::new(NEW, vec![Message::system("be brief"), Message::user(text)])
}

fn no_violations(server: &ModelServer) {
    assert_eq!(server.violations(), Vec::<String>::new());
    assert_eq!(server.replies_left(), 0);
}

#[tokio::test]
async fn llm_8_2_complete_sends_and_gives_what_it_should() {
    let server = ModelServer::start().unwrap();
    server.push(Reply::text("Hello."));
    let mut asked = request("hi");
    asked.temperature = Some(0.5);
    asked.max_tokens = Some(1000);
    asked.reasoning_effort = Some("low".into());
    asked.metadata.insert("run".into(), "a1".into());
    let options = json!({ "safetySettings": [{ "category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE" }] });
    asked.provider_options.insert("gemini".into(), options);
    let response = client(&server).complete(asked).await.unwrap();
    assert_eq!(response.text(), "Hello.");
    assert_eq!((response.provider.as_str(), response.model.as_str()), ("gemini", NEW));
    assert_eq!(response.finish_reason.reason, FinishReasonKind::Stop);
    assert_eq!(response.warnings, []);
    let usage = &response.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (100, 20, 120));
    assert_eq!((usage.cache_read_tokens, usage.reasoning_tokens), (Some(40), Some(8)));
    let sent = &server.requests()[0];
    assert_eq!(sent.path, format!("/v1beta/models/{NEW}:generateContent"));
    assert_eq!(sent.body["systemInstruction"]["parts"][0]["text"], "be brief");
    assert_eq!(
        sent.body["generationConfig"]["thinkingConfig"],
        json!({ "includeThoughts": true, "thinkingLevel": "LOW" })
    );
    assert_eq!(sent.body["safetySettings"][0]["threshold"], "BLOCK_NONE");
    assert_eq!(sent.headers["x-custom"], "yes");
    no_violations(&server);
}

#[tokio::test]
async fn ruling_llm_the_gemini_key_is_in_a_header_and_never_in_the_url() {
    let server = ModelServer::start().unwrap();
    server.extend([Reply::text("a"), Reply::text("b")]);
    let client = client(&server);
    client.complete(request("hi")).await.unwrap();
    drain(client.stream(request("hi")).await.unwrap()).await.1.unwrap();
    let queries: Vec<String> = server
        .requests()
        .iter()
        .map(|sent| {
            assert_eq!(sent.headers["x-goog-api-key"], "AIza-test");
            format!("{}?{}", sent.path, sent.query)
        })
        .collect();
    assert_eq!(
        queries,
        [
            format!("/v1beta/models/{NEW}:generateContent?"),
            format!("/v1beta/models/{NEW}:streamGenerateContent?alt=sse"),
        ]
    );
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_9_a_stream_is_the_same_whatever_its_chunks_and_the_same_as_complete() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let reply = || {
        Reply::new()
            .and_text("Grüße 😀, all of you")
            // Its signature stands on the call.
            .and_reasoning(&["First, **think**. Then act."], "c2lnbmVk")
            .and_tool_call("api-1", "shell", r#"{"command":"ls -la"}"#)
    };
    let mut asked = request("hi");
    asked.tools.push(shell());
    server.push(reply());
    let whole = client.complete(asked.clone()).await.unwrap();
    for size in [1, 2, 3, 7, 64, 1000, 100_000] {
        server.push(reply().in_chunks_of(size));
        let (events, outcome) = drain(client.stream(asked.clone()).await.unwrap()).await;
        let mut response = outcome.unwrap();
        assert!(matches!(events[0], StreamEvent::StreamStart { .. }));
        let (mut text, mut reasoning, mut arguments) =
            (String::new(), String::new(), String::new());
        for event in &events {
            match event {
                StreamEvent::TextDelta { delta, .. } => text.push_str(delta),
                StreamEvent::ReasoningDelta { reasoning_delta } => {
                    reasoning.push_str(reasoning_delta);
                }
                StreamEvent::ToolCallDelta { delta, .. } => arguments.push_str(delta),
                _ => {}
            }
        }
        assert_eq!(text, "Grüße 😀, all of you");
        assert_eq!(reasoning, "First, **think**. Then act.");
        assert_eq!(arguments, r#"{"command":"ls -la"}"#);
        // Each request has an answer of its own id.
        response.id.clone_from(&whole.id);
        if let Some(raw) = &mut response.raw {
            raw["responseId"] = json!(whole.id);
        }
        assert_eq!(response, whole);
    }
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_7_parallel_calls_and_signatures_go_round_for_three_rounds() {
    for streaming in [false, true] {
        let server = ModelServer::start().unwrap();
        let client = client(&server);
        let mut conversation = request("list the files");
        conversation.tools.push(shell());
        conversation.tool_choice = Some(ToolChoice::Auto);
        for round in 0..3 {
            server.push(
                Reply::new()
                    .and_reasoning(&["Hm."], &format!("c2lnbmF0dXJl{round}AAA"))
                    // Without an id, as Gemini 2.5 has it, and with one.
                    .and_tool_call("", "shell", r#"{"command":"ls"}"#)
                    .and_tool_call(&format!("api-{round}"), "shell", r#"{"command":"pwd"}"#),
            );
            let response = if streaming {
                drain(client.stream(conversation.clone()).await.unwrap()).await.1.unwrap()
            } else {
                client.complete(conversation.clone()).await.unwrap()
            };
            assert_eq!(response.finish_reason.reason, FinishReasonKind::ToolCalls);
            let calls = response.tool_calls();
            assert!(calls[0].id.starts_with("call_"), "{calls:?}");
            // The conversation survives being written down and read again.
            let kept = serde_json::to_string(&response.message).unwrap();
            conversation.messages.push(serde_json::from_str(&kept).unwrap());
            // The second call is done first.
            conversation.messages.push(Message::tool_result(&*calls[1].id, "/", false));
            conversation.messages.push(Message::tool_result(&*calls[0].id, "no", true));
        }
        server.push(Reply::text("There is one file."));
        let last = client.complete(conversation).await.unwrap();
        assert_eq!(last.text(), "There is one file.");
        let sent = server.requests()[3].body["contents"].clone();
        assert_eq!(sent.as_array().unwrap().len(), 7);
        assert!(!sent.to_string().contains("call_"), "{sent}");
        for round in 0..3 {
            let parts = &sent[1 + 2 * round]["parts"];
            assert_eq!(parts[1]["thoughtSignature"], format!("c2lnbmF0dXJl{round}AAA"));
        }
        no_violations(&server);
    }
}

#[tokio::test]
async fn a_signature_at_the_end_of_a_text_comes_back() {
    for streaming in [false, true] {
        let server = ModelServer::start().unwrap();
        let client = client(&server);
        let mut conversation = request("hi");
        server.extend([
            Reply::new().and_reasoning(&[], "c2ln").and_text("One long answer."),
            Reply::new().and_text("Done.").and_redacted("ZW5k"),
            Reply::text("bye"),
        ]);
        for (at, wanted) in [(1, "c2ln"), (3, "ZW5k")] {
            let response = if streaming {
                drain(client.stream(conversation.clone()).await.unwrap()).await.1.unwrap()
            } else {
                client.complete(conversation.clone()).await.unwrap()
            };
            conversation.messages.extend([response.message, Message::user("go on")]);
            let message = &conversation.messages[at + 1];
            let kept = message.content.iter().any(|part| {
                part.raw_for("gemini").is_some_and(|block| block["thoughtSignature"] == wanted)
            });
            assert!(kept, "{message:?}");
        }
        client.complete(conversation).await.unwrap();
        let sent = &server.requests()[2].body["contents"];
        let signatures: Vec<&Value> = [1, 3]
            .iter()
            .filter_map(|at| sent[*at]["parts"].as_array()?.last()?.get("thoughtSignature"))
            .collect();
        assert_eq!(signatures, ["c2ln", "ZW5k"]);
        no_violations(&server);
    }
}

#[tokio::test]
async fn a_history_of_another_provider_is_accepted() {
    let server = ModelServer::start().unwrap();
    server.push(Reply::text("fine"));
    let call =
        ContentPart::tool_call(ToolCallData::new("toolu_1", "shell", json!({ "command": "ls" })))
            .with_provider_raw(ProviderRaw::new("anthropic", json!({ "type": "tool_use" })));
    let thought = ContentPart::thinking("secret")
        .with_provider_raw(ProviderRaw::new("anthropic", json!({ "type": "thinking" })));
    let mut asked = request("list");
    asked.tools.push(shell());
    asked.messages.extend([
        Message::new(Role::Assistant, vec![thought, call]),
        Message::tool_result("toolu_1", "a.txt", false),
    ]);
    client(&server).complete(asked).await.unwrap();
    let sent = server.requests()[0].body["contents"].to_string();
    assert!(!sent.contains("toolu_1") && !sent.contains("secret"), "{sent}");
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_3_images_go_inline_by_url_and_from_a_path() {
    let server = ModelServer::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dot.png");
    std::fs::write(&path, [1, 2, 3]).unwrap();
    let image =
        |url: String| ContentPart::image(ImageData { url: Some(url), ..ImageData::default() });
    let data = ImageData { data: Some(vec![1, 2, 3]), ..ImageData::default() };
    let message = Message::new(
        Role::User,
        vec![
            ContentPart::text("?"),
            image(path.display().to_string()),
            ContentPart::image(data),
            image("https://example.org/a.jpg".into()),
        ],
    );
    server.push(Reply::text("a dot"));
    client(&server).complete(Request::new(NEW, vec![message])).await.unwrap();
    let inline = json!({ "inlineData": { "mimeType": "image/png", "data": "AQID" } });
    assert_eq!(
        server.requests()[0].body["contents"][0]["parts"],
        json!([
            { "text": "?" },
            inline,
            inline,
            { "fileData": { "mimeType": "image/jpeg", "fileUri": "https://example.org/a.jpg" } },
        ])
    );
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_9_structured_output_and_tool_choice_are_accepted() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let schema = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"] });
    let format = ResponseFormat {
        kind: ResponseFormatKind::JsonSchema,
        json_schema: Some(schema),
        strict: true,
    };
    server.push(Reply::text(r#"{"a":1}"#));
    let asked = Request { response_format: Some(format), ..request("count") };
    assert_eq!(client.complete(asked).await.unwrap().text(), r#"{"a":1}"#);
    let named = ToolChoice::Named { tool_name: "shell".into() };
    for choice in [ToolChoice::Auto, ToolChoice::None, ToolChoice::Required, named] {
        server.push(Reply::text("x"));
        let asked = Request { tools: vec![shell()], tool_choice: Some(choice), ..request("go") };
        client.complete(asked).await.unwrap();
    }
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_6_cached_tokens_of_a_later_turn_are_counted() {
    let server = ModelServer::start().unwrap();
    let tokens = Tokens { input: 1000, cached: 900, output: 5, ..Tokens::default() };
    server.push(Reply::text("again").usage(tokens));
    let response = client(&server).complete(request("hi")).await.unwrap();
    let cached = response.usage.cache_read_tokens.unwrap();
    assert!(cached * 2 > response.usage.input_tokens, "{:?}", response.usage);
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_2_each_status_is_an_error_of_its_kind_that_quotes_the_provider() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let cases = [
        (400, "INVALID_ARGUMENT", "bad", ErrorKind::InvalidRequest, false),
        (
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass one.",
            ErrorKind::Authentication,
            false,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count exceeds the maximum",
            ErrorKind::ContextLength,
            false,
        ),
        (401, "UNAUTHENTICATED", "who", ErrorKind::Authentication, false),
        (403, "PERMISSION_DENIED", "not yours", ErrorKind::AccessDenied, false),
        (404, "NOT_FOUND", "no such model", ErrorKind::NotFound, false),
        (429, "RESOURCE_EXHAUSTED", "slow", ErrorKind::RateLimit, true),
        (500, "INTERNAL", "oops", ErrorKind::Server, true),
        (503, "UNAVAILABLE", "busy", ErrorKind::Server, true),
        (504, "DEADLINE_EXCEEDED", "late", ErrorKind::RequestTimeout, false),
    ];
    for (status, code, message, kind, retryable) in cases {
        for streaming in [false, true] {
            server.push(Reply::error(status, Some(code), message).header("retry-after", "7"));
            let error = if streaming {
                client.stream(request("hi")).await.err().unwrap()
            } else {
                client.complete(request("hi")).await.unwrap_err()
            };
            assert_eq!((error.kind(), error.retryable()), (kind, retryable), "{status} {message}");
            assert_eq!((error.status_code(), error.error_code()), (Some(status), Some(code)));
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
            assert_eq!(error.provider(), Some("gemini"));
            assert!(error.to_string().contains(message), "{error}");
        }
    }
    no_violations(&server);
}

#[tokio::test]
async fn a_stream_that_fails_breaks_or_stops_short_is_an_error() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let long = || Reply::text("Hello, world, how are you today?");
    let cases = [
        (long().failed_after(2, "UNAVAILABLE", "overloaded"), ErrorKind::Server),
        (long().failed_after(2, "RESOURCE_EXHAUSTED", "slow"), ErrorKind::RateLimit),
        (long().breaking_after(2), ErrorKind::Stream),
        (long().ending_in(""), ErrorKind::Stream),
        (long().ending_in("data: {broken\n\n"), ErrorKind::Stream),
        (long().ending_in("data: {\"candidates\": [{\"fini"), ErrorKind::Stream),
    ];
    for (reply, kind) in cases {
        server.push(reply.clone());
        let (events, outcome) = drain(client.stream(request("hi")).await.unwrap()).await;
        let deltas = events.iter().filter(|event| matches!(event, StreamEvent::TextDelta { .. }));
        assert!(deltas.count() > 0, "{reply:?}");
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (kind, true), "{reply:?}");
    }
    no_violations(&server);
}

#[tokio::test]
async fn an_answer_that_is_complete_is_not_lost_by_what_the_connection_does_then() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    server.push(Reply::text("Hello.").breaking_after(1000));
    let (_, outcome) = drain(client.stream(request("hi")).await.unwrap()).await;
    assert_eq!(outcome.unwrap().text(), "Hello.");
    // A proxy that keeps the connection open: the wait is short, and not the limit on silence.
    server.push(Reply::text("Hello.").hanging_after(1000));
    let mut stream = client.stream(request("hi")).await.unwrap();
    while !matches!(stream.next().await.unwrap().unwrap(), StreamEvent::TextEnd { .. }) {}
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let (_, outcome) = drain(stream).await;
    assert_eq!(outcome.unwrap().text(), "Hello.");
    assert!(before.elapsed() <= Duration::from_secs(3), "{:?}", before.elapsed());
    no_violations(&server);
}

#[tokio::test]
async fn an_unknown_event_surfaces_raw_and_the_stream_goes_on() {
    let server = ModelServer::start().unwrap();
    server.push(Reply::text("ok").event(json!({ "novelty": [1, 2] })));
    let (events, outcome) = drain(client(&server).stream(request("hi")).await.unwrap()).await;
    assert_eq!(outcome.unwrap().text(), "ok");
    let novelty = json!({ "novelty": [1, 2] });
    assert!(events.contains(&StreamEvent::ProviderEvent { raw: novelty }), "{events:?}");
    no_violations(&server);
}

#[test]
fn llm_8_2_the_key_comes_from_either_variable() {
    let client = |pairs: &'static [(&str, &str)]| {
        Client::from_env_with(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    };
    for pairs in [
        &[("GEMINI_API_KEY", "k")][..],
        &[("GOOGLE_API_KEY", "k"), ("GEMINI_BASE_URL", "http://localhost:1")],
    ] {
        assert_eq!(client(pairs).unwrap().default_provider(), Some("gemini"));
    }
    let both = client(&[("OPENAI_API_KEY", "k"), ("GEMINI_API_KEY", "k")]).unwrap();
    assert_eq!(both.default_provider(), Some("openai"));
    let error = client(&[("GEMINI_API_KEY", "k"), ("GEMINI_BASE_URL", "localhost")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.message().contains("GEMINI_BASE_URL"), "{error}");
}
