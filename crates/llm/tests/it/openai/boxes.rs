//! What unified-llm §8.2 to §8.6 ask of each provider, for OpenAI.

use std::sync::Arc;
use std::time::Duration;

use canon_llm::{
    AudioData, Client, ContentPart, DocumentData, ErrorKind, Generate, ImageData, Message, OpenAi,
    OpenAiConfig, Request, ResponseFormat, ResponseFormatKind, RetryPolicy, Role, stream,
};
use canon_runtime::secret::Secret;
use canon_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};

use super::{client, drain, no_violations, request, shell};

/// What was sent last.
fn sent(server: &ModelServer) -> Value {
    server.requests().last().unwrap().body.clone()
}

#[tokio::test]
async fn llm_8_2_openai_uses_the_responses_api_below_the_base_url_as_given() {
    let server = ModelServer::start().unwrap();
    server.push(Reply::text("ok"));
    client(&server).complete(request("hi")).await.unwrap();
    let asked = &server.requests()[0];
    assert_eq!(asked.path, "/v1/responses");
    assert!(asked.body["input"].is_array() && asked.body.get("messages").is_none());
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_2_openai_authenticates_with_the_key_of_the_environment() {
    let server = ModelServer::start().unwrap();
    let base_url = server.base_url();
    let lookup = move |name: &str| match name {
        "OPENAI_API_KEY" => Some("sk-env".to_owned()),
        "OPENAI_BASE_URL" => Some(base_url.clone()),
        _ => None,
    };
    server.push(Reply::text("ok"));
    Client::from_env_with(&lookup).unwrap().complete(request("hi")).await.unwrap();
    assert_eq!(server.requests()[0].headers["authorization"], "Bearer sk-env");
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_2_openai_beta_headers_are_default_headers_and_features_are_options() {
    let server = ModelServer::start().unwrap();
    let config = OpenAiConfig {
        base_url: server.base_url(),
        default_headers: vec![("OpenAI-Beta".into(), "feature=v1".into())],
        ..OpenAiConfig::new(canon_runtime::secret::Secret::new("sk-test"))
    };
    let client = Client::builder()
        .provider(Arc::new(OpenAi::new(config).unwrap()))
        .default_provider("openai")
        .build()
        .unwrap();
    let mut asked = request("hi");
    let options = json!({ "service_tier": "flex", "tools": [{ "type": "web_search" }] });
    asked.provider_options.insert("openai".into(), options);
    asked.provider_options.insert("anthropic".into(), json!({ "beta_headers": ["x"] }));
    server.push(Reply::text("ok"));
    client.complete(asked).await.unwrap();
    assert_eq!(server.requests()[0].headers["openai-beta"], "feature=v1");
    assert_eq!(sent(&server)["service_tier"], "flex");
    assert_eq!(sent(&server)["tools"], json!([{ "type": "web_search" }]));
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_3_openai_text_only_messages_work() {
    let server = ModelServer::start().unwrap();
    server.push(Reply::text("fine"));
    let conversation =
        vec![Message::user("hi"), Message::assistant("hello"), Message::user("how are you?")];
    let response = client(&server).complete(Request::new("gpt-5.2", conversation)).await.unwrap();
    assert_eq!(response.text(), "fine");
    assert_eq!(sent(&server)["input"].as_array().unwrap().len(), 3);
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_3_openai_text_and_images_stand_in_one_message() {
    let server = ModelServer::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dot.webp");
    std::fs::write(&path, [4, 5, 6]).unwrap();
    let by_url = |url: &str| ImageData { url: Some(url.to_owned()), ..ImageData::default() };
    let inline = ImageData {
        data: Some(vec![1, 2, 3]),
        media_type: Some("image/jpeg".into()),
        ..ImageData::default()
    };
    let parts = vec![
        ContentPart::text("compare"),
        ContentPart::image(by_url("https://example.com/a.png")),
        ContentPart::image(inline),
        ContentPart::image(by_url(&path.display().to_string())),
    ];
    server.push(Reply::text("alike"));
    let asked = Request::new("gpt-5.2", vec![Message::new(Role::User, parts)]);
    client(&server).complete(asked).await.unwrap();
    let content = sent(&server)["input"][0]["content"].clone();
    let urls: Vec<&Value> =
        content.as_array().unwrap().iter().map(|part| &part["image_url"]).collect();
    assert_eq!(
        urls,
        [
            &Value::Null,
            &json!("https://example.com/a.png"),
            &json!("data:image/jpeg;base64,AQID"),
            &json!("data:image/webp;base64,BAUG"),
        ]
    );
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_3_openai_documents_are_sent_and_audio_is_refused_before_a_call() {
    let server = ModelServer::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report.pdf");
    std::fs::write(&path, b"%PDF").unwrap();
    let document =
        DocumentData { url: Some(path.display().to_string()), ..DocumentData::default() };
    let part = ContentPart::Document { document, provider_raw: None };
    server.push(Reply::text("read"));
    let asked = Request::new("gpt-5.2", vec![Message::new(Role::User, vec![part])]);
    client(&server).complete(asked).await.unwrap();
    assert_eq!(
        sent(&server)["input"][0]["content"][0],
        json!({ "type": "input_file", "filename": "report.pdf", "file_data": "data:application/pdf;base64,JVBERg==" })
    );
    let audio = AudioData { data: Some(vec![1]), ..AudioData::default() };
    let part = ContentPart::Audio { audio, provider_raw: None };
    let asked = Request::new("gpt-5.2", vec![Message::new(Role::User, vec![part])]);
    let error = client(&server).complete(asked).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(server.requests().len(), 1);
    no_violations(&server);
}

#[tokio::test]
async fn a_generated_image_and_a_schema_that_does_not_qualify_surface() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    server.extend([Reply::new().and_image("image/webp", "AQID"), Reply::text("nice")]);
    let mut conversation = request("draw");
    conversation.response_format = Some(ResponseFormat {
        kind: ResponseFormatKind::JsonSchema,
        json_schema: Some(json!({ "type": "object", "properties": { "a": { "type": "string" } } })),
        strict: true,
    });
    let (_, drawn) = drain(client.stream(conversation.clone()).await.unwrap()).await;
    let drawn = drawn.unwrap();
    assert_eq!(drawn.warnings[0].code.as_deref(), Some("schema_not_strict"));
    let [ContentPart::Image { image, .. }] = &drawn.message.content[..] else {
        panic!("{drawn:?}")
    };
    assert_eq!(image.data.as_deref(), Some(&[1, 2, 3][..]));
    conversation.messages.extend([drawn.message, Message::user("describe it")]);
    client.complete(conversation).await.unwrap();
    assert_eq!(sent(&server)["input"][1]["type"], "image_generation_call");
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_5_openai_reasoning_effort_is_passed_on_and_reasoning_tokens_come_back() {
    let server = ModelServer::start().unwrap();
    let usage = json!({
        "input_tokens": 10, "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": 500, "output_tokens_details": { "reasoning_tokens": 448 }, "total_tokens": 510,
    });
    for streaming in [false, true] {
        server.push(Reply::text("42").usage(usage.clone()));
        let mut asked = request("think");
        asked.reasoning_effort = Some("high".into());
        let response = if streaming {
            drain(client(&server).stream(asked).await.unwrap()).await.1.unwrap()
        } else {
            client(&server).complete(asked).await.unwrap()
        };
        assert_eq!(sent(&server)["reasoning"], json!({ "effort": "high" }));
        assert_eq!(response.usage.reasoning_tokens, Some(448));
        assert_eq!(response.usage.output_tokens, 500, "of which reasoning is a part");
    }
    server.push(Reply::text("42"));
    client(&server).complete(request("do not think")).await.unwrap();
    assert_eq!(sent(&server).get("reasoning"), None);
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_6_openai_caching_needs_no_configuration_and_most_of_turn_five_is_cached() {
    let server = ModelServer::start().unwrap();
    server.count_tokens();
    let client = client(&server);
    let mut conversation = request(&"the task, at length. ".repeat(50));
    conversation.tools.push(shell());
    for turn in 1..=6 {
        let id = format!("call_{turn}");
        server.push(Reply::tool_call(&id, "shell", &json!({ "command": "ls" })));
        let response = client.complete(conversation.clone()).await.unwrap();
        let usage = &response.usage;
        let cached = usage.cache_read_tokens.unwrap();
        if turn > 1 {
            assert!(cached * 2 > usage.input_tokens, "turn {turn}: {usage:?}");
        }
        conversation.messages.push(response.message);
        conversation.messages.push(Message::tool_result(id, "a.txt", false));
    }
    assert!(!sent(&server).to_string().contains("cache"), "nothing is asked for");
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_6_openai_cached_tokens_are_cache_reads() {
    let server = ModelServer::start().unwrap();
    server.push(Reply::text("ok").usage(json!({
        "input_tokens": 2000, "input_tokens_details": { "cached_tokens": 1920 },
        "output_tokens": 3, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 2003,
    })));
    let usage = client(&server).complete(request("hi")).await.unwrap().usage;
    assert_eq!((usage.input_tokens, usage.cache_read_tokens), (2000, Some(1920)));
    no_violations(&server);
}

#[tokio::test]
async fn llm_8_8_a_refusal_that_quotes_the_key_does_not_reach_the_error() {
    let server = ModelServer::start().unwrap();
    server.push(Reply::error(401, Some("invalid_api_key"), "no such key: corporate-key-1; see x"));
    let config = OpenAiConfig {
        base_url: server.base_url(),
        ..OpenAiConfig::new(Secret::new("corporate-key-1"))
    };
    let adapter = Arc::new(OpenAi::new(config).unwrap());
    let client = Client::builder().provider(adapter).default_provider("openai").build().unwrap();
    let error = client.complete(request("hi")).await.unwrap_err();
    assert_eq!(error.message(), "no such key: [redacted]; see x");
    assert!(!format!("{error} {error:?} {:?} {client:?}", error.raw()).contains("corporate-key-1"));
}

#[tokio::test]
async fn llm_8_8_a_stream_that_fails_before_its_first_data_is_asked_again() {
    let server = ModelServer::start().unwrap();
    server.extend([Reply::text("x").failed_after(2, "server_error", "oops"), Reply::text("fine")]);
    let options = Generate::new("gpt-5.2")
        .prompt("hi")
        .client(client(&server))
        .retry(RetryPolicy { base_delay: Duration::ZERO, ..RetryPolicy::default() });
    assert_eq!(stream(options).response().await.unwrap().text(), "fine");
}
