//! What the adapters send, judged by the types of the providers' official SDKs and by the fake server at once.

mod cases;

use std::sync::Arc;

use canon_llm::{
    Anthropic, AnthropicConfig, Client, Compatible, CompatibleConfig, ErrorKind, Gemini,
    GeminiConfig, Message, OpenAi, OpenAiConfig, ProviderAdapter, Request,
};
use canon_runtime::secret::Secret;
use canon_testkit::model_server::{ModelServer, Reply};
use canon_testkit::sdks::Script;
use serde_json::{Value, json};

use super::openai::drain;

static JUDGE: Script = Script::new(
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/requests.py"),
    env!("CARGO_TARGET_TMPDIR"),
);

/// An adapter, by the wire that it speaks.
struct Endpoint {
    wire: &'static str,
    models: &'static [&'static str],
    adapter: fn(&ModelServer) -> Arc<dyn ProviderAdapter>,
    /// Cases that its provider has no place for.
    refuses: &'static [&'static str],
}

const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        wire: "responses",
        models: &["gpt-5.2", "gpt-4.1"],
        adapter: |server| {
            let base_url = server.base_url();
            let config = OpenAiConfig { base_url, ..OpenAiConfig::new(Secret::new("sk")) };
            Arc::new(OpenAi::new(config).unwrap())
        },
        refuses: &["audio inline"],
    },
    Endpoint {
        wire: "chat",
        models: &["qwen3"],
        adapter: |server| {
            let api_key = Some(Secret::new("sk"));
            let config = CompatibleConfig { api_key, ..CompatibleConfig::new(server.base_url()) };
            Arc::new(Compatible::new(config).unwrap())
        },
        refuses: &["a document by url"],
    },
    Endpoint {
        wire: "messages",
        models: &["claude-opus-5", "claude-opus-4-6", "claude-haiku-4-5"],
        adapter: |server| {
            let base_url = server.root_url();
            let config = AnthropicConfig { base_url, ..AnthropicConfig::new(Secret::new("sk")) };
            Arc::new(Anthropic::new(config).unwrap())
        },
        refuses: &["audio inline"],
    },
    Endpoint {
        wire: "gemini",
        models: &["gemini-3-pro-preview", "gemini-2.5-flash"],
        adapter: |server| {
            let base_url = server.root_url();
            let config = GeminiConfig { base_url, ..GeminiConfig::new(Secret::new("sk")) };
            Arc::new(Gemini::new(config).unwrap())
        },
        refuses: &[],
    },
];

impl Endpoint {
    fn client(&self, server: &ModelServer) -> Client {
        let adapter = (self.adapter)(server);
        let name = adapter.name().to_owned();
        Client::builder().provider(adapter).default_provider(name).build().unwrap()
    }

    /// Everything that was wrong with the requests after the first `known`; `None` without the SDKs.
    fn problems(&self, server: &ModelServer, known: usize) -> Option<Vec<String>> {
        let mut found = Vec::new();
        for request in &server.requests()[known..] {
            let judged = JUDGE.ask(&json!({ "wire": self.wire, "body": request.body })).unwrap()?;
            for problem in judged["problems"].as_array().unwrap() {
                let body: String = request.body.to_string().chars().take(500).collect();
                found.push(format!("{problem} in {body}"));
            }
        }
        Some(found)
    }
}

/// Asks as a caller would, whole or streamed, and gives what the model said.
async fn ask(client: &Client, request: Request, stream: bool) -> Result<Message, ErrorKind> {
    let response = if stream {
        let events = client.stream(request).await.map_err(|error| error.kind())?;
        drain(events).await.1
    } else {
        client.complete(request).await
    };
    response.map(|response| response.message).map_err(|error| error.kind())
}

#[tokio::test]
async fn the_sdks_accept_every_request_that_is_sent() {
    let mut found = Vec::new();
    for endpoint in ENDPOINTS {
        for model in endpoint.models {
            let server = ModelServer::start().unwrap();
            let client = endpoint.client(&server);
            for (name, request) in cases::all(model) {
                for stream in [false, true] {
                    if server.replies_left() == 0 {
                        server.push(Reply::text("{\"ok\":true}"));
                    }
                    let known = server.requests().len();
                    let said = ask(&client, request.clone(), stream).await;
                    let Some(problems) = endpoint.problems(&server, known) else { return };
                    let about = format!("{} {model}, {name}, stream {stream}", endpoint.wire);
                    let as_expected = if endpoint.refuses.contains(&name) {
                        said == Err(ErrorKind::InvalidRequest) && server.requests().len() == known
                    } else {
                        said.is_ok()
                    };
                    if !as_expected {
                        found.push(format!("{about}: {said:?}"));
                    }
                    found.extend(problems.into_iter().map(|problem| format!("{about}: {problem}")));
                }
            }
            found.extend(server.violations());
        }
    }
    assert!(found.is_empty(), "{}:\n{}", found.len(), found.join("\n"));
}

#[tokio::test]
async fn the_sdks_accept_what_goes_back_to_the_model() {
    let mut found = Vec::new();
    for endpoint in ENDPOINTS {
        let model = endpoint.models[0];
        for stream in [false, true] {
            let server = ModelServer::start().unwrap();
            server.extend([
                Reply::new()
                    .and_reasoning(&["First.", "Then."], "c2lnbmF0dXJl")
                    .and_text("Let me see.")
                    .and_tool_call("call_1", "get_weather", r#"{"city":"Oslo"}"#)
                    .and_tool_call("call_2", "get_weather", r#"{"city":"Bergen"}"#),
                Reply::new().and_reasoning(&["Again."], "c2lnbmF0dXJlIDI=").and_tool_call(
                    "call_3",
                    "get_weather",
                    "{}",
                ),
                Reply::text("Cold."),
                Reply::text("You are welcome."),
            ]);
            let client = endpoint.client(&server);
            let mut request = cases::with_tools(model);
            request.reasoning_effort = Some("high".to_owned());
            for _ in 0..2 {
                let said = ask(&client, request.clone(), stream).await.unwrap();
                let ids: Vec<_> = said.tool_calls().into_iter().map(|call| call.id).collect();
                assert!(!ids.is_empty(), "{} {stream}: {said:?}", endpoint.wire);
                request.messages.push(said);
                let results = ids.into_iter().map(|id| Message::tool_result(id, "cold", false));
                request.messages.extend(results);
            }
            for thanks in ["thanks", "bye"] {
                let said = ask(&client, request.clone(), stream).await.unwrap();
                request.messages.extend([said, Message::user(thanks)]);
            }
            let Some(problems) = endpoint.problems(&server, 0) else { return };
            found.extend(server.violations());
            found.extend(
                problems.into_iter().map(|problem| format!("{}: {problem}", endpoint.wire)),
            );
            let sent: Vec<Value> = server.requests().into_iter().map(|sent| sent.body).collect();
            assert_eq!(sent.len(), 4);
            for (at, signature) in [(1, "c2lnbmF0dXJl"), (2, "c2lnbmF0dXJlIDI=")] {
                let body = sent[at].to_string();
                assert!(body.contains(signature), "{} {stream}: {body}", endpoint.wire);
            }
        }
    }
    assert!(found.is_empty(), "{}:\n{}", found.len(), found.join("\n"));
}

/// A judge that accepts everything would make the tests above worthless.
#[test]
fn the_judge_refuses_what_is_wrong() {
    let user = |content: Value| json!([{ "role": "user", "content": content }]);
    for (wire, body, word) in [
        ("responses", json!({ "model": "m", "input": "hi", "stream": false, "mood": 1 }), "mood"),
        (
            "responses",
            json!({ "model": "m", "stream": false, "input": user(json!([{ "type": "input_text" }])) }),
            "text",
        ),
        ("chat", json!({ "model": "m", "messages": user(json!([{ "type": "text" }])) }), "text"),
        ("chat", json!({ "model": "m", "messages": user(json!("x")), "top_p": "1" }), "top_p"),
        ("messages", json!({ "model": "m", "messages": user(json!("x")) }), "max_tokens"),
        (
            "messages",
            json!({ "model": "m", "max_tokens": 1, "messages": [
                { "role": "user", "content": [{ "type": "text", "text": "x", "cache": true }] },
            ] }),
            "cache",
        ),
        ("gemini", json!({ "contents": [{ "role": "user", "parts": [{ "txt": "x" }] }] }), "txt"),
        ("gemini", json!({ "contents": [], "generation_config": {} }), "generation_config"),
    ] {
        let judged = JUDGE.ask(&json!({ "wire": wire, "body": body })).unwrap();
        let Some(judged) = judged else { return };
        let problems = judged["problems"].to_string();
        assert!(problems.contains(word), "{wire} {body}: {problems}");
    }
}
