//! One conversation that goes from provider to provider and back, with all that happens in a long loop of an
//! agent, against the server that checks each wire.

use canon_llm::{
    Client, ContentPart, FinishReasonKind, Message, Request, Role, StreamAccumulator,
    ToolDefinition, ToolResultData,
};
use canon_testkit::model_server::{ModelServer, Reply};
use futures_util::StreamExt as _;
use serde_json::json;

const ROUTE: [(&str, &str); 8] = [
    ("openai", "gpt-5.2"),
    ("anthropic", "claude-opus-5"),
    ("openai-compatible", "kimi-k2"),
    ("gemini", "gemini-3-flash-preview"),
    ("openai", "gpt-5.2"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini-2.5-pro"),
    ("anthropic", "claude-opus-5"),
];

fn client(server: &ModelServer) -> Client {
    Client::from_env_with(|name| match name {
        _ if name.ends_with("_API_KEY") => Some("key".to_owned()),
        _ if name.starts_with("OPENAI") && name.ends_with("_BASE_URL") => Some(server.base_url()),
        _ if name.ends_with("_BASE_URL") => Some(server.root_url()),
        _ => None,
    })
    .unwrap()
}

/// What the model says in a turn: parallel calls, an answer that is cut off in the middle of thinking, one that is
/// over. Some providers' ids come again, are long, or are none.
fn reply(turn: usize, provider: &str) -> Reply {
    let [first, second, third] = match provider {
        "openai-compatible" => {
            ["functions.shell:0".into(), "x".repeat(90), format!("{}y", "x".repeat(90))]
        }
        "gemini" => ["functions.shell:0".into(), String::new(), "y".repeat(90)],
        _ => [1, 2, 3].map(|at| format!("call_{turn}_{at}")),
    };
    let thought = |reply: Reply| reply.and_reasoning(&["Hm."], &format!("c2lnbmF0dXJl{turn:04}"));
    match turn % 6 {
        0 | 1 | 3 => thought(Reply::new())
            .and_text("Let me see.")
            .and_tool_call(&first, "shell", r#"{"command":"ls"}"#)
            .and_tool_call(&second, "shell", r#"{"command":"pwd"}"#)
            .and_tool_call(&third, "shell", "{}"),
        2 => Reply::new()
            .and_tool_call(&first, "shell", r#"{"command":"ls"}"#)
            .and_tool_call(&third, "shell", "{}"),
        4 => thought(Reply::new()).finish("length"),
        _ => Reply::text("Done."),
    }
}

fn result(id: &str, at: usize) -> Message {
    let mut result = ToolResultData::new(id, format!("result {at}"), at == 1);
    result.image_data = (at != 2).then(|| vec![1, 2, 3]);
    Message::new(Role::Tool, vec![ContentPart::tool_result(result)])
}

#[tokio::test]
async fn a_long_loop_goes_from_provider_to_provider_and_back() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    let parameters = json!({ "type": "object", "properties": { "command": { "type": "string" } } });
    let shell = ToolDefinition::new("shell", "runs a command", parameters).unwrap();
    let mut messages = vec![Message::system("Be careful."), Message::user("Tidy up.")];
    for turn in 0..50 {
        let (provider, model) = ROUTE[turn % ROUTE.len()];
        let mut request = Request::new(model, messages.clone());
        request.provider = Some(provider.to_owned());
        request.tools = vec![shell.clone()];
        request.reasoning_effort = Some("medium".to_owned());
        server.push(reply(turn, provider));
        let response = if turn % 2 == 0 {
            client.complete(request).await.unwrap()
        } else {
            let mut events = client.stream(request).await.unwrap();
            let mut whole = StreamAccumulator::new();
            while let Some(event) = events.next().await {
                whole.process(&event.unwrap());
            }
            whole.response().unwrap().clone()
        };
        assert_eq!(server.violations(), Vec::<String>::new(), "turn {turn}, {provider}");
        let calls = response.tool_calls();
        if turn % 6 == 4 {
            assert_eq!(response.finish_reason.reason, FinishReasonKind::Length);
        }
        // The conversation survives being written down and read again.
        let kept = serde_json::to_string(&response.message).unwrap();
        messages.push(serde_json::from_str(&kept).unwrap());
        messages.extend(calls.iter().enumerate().map(|(at, call)| result(&call.id, at)));
        if calls.is_empty() {
            messages.push(Message::user("Go on."));
        }
    }
    assert_eq!(server.replies_left(), 0);
}

#[tokio::test]
async fn an_option_that_contradicts_the_call_is_refused_before_it_costs_anything() {
    let server = ModelServer::start().unwrap();
    let client = client(&server);
    for (provider, model) in [("anthropic", "claude-opus-5"), ("openai", "gpt-5.2")] {
        let mut request = Request::new(model, vec![Message::user("hi")]);
        request.provider = Some(provider.to_owned());
        request.provider_options.insert(provider.to_owned(), json!({ "stream": true }));
        let error = client.complete(request.clone()).await.unwrap_err();
        assert!(error.message().contains("`stream`"), "{error}");
        request.provider_options.insert(provider.to_owned(), json!({ "stream": false }));
        assert!(client.stream(request).await.is_err());
    }
    assert!(server.requests().is_empty());
}
