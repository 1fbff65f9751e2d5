use serde_json::{Value, json};

use super::agent::{AgentCall, LoadSession, parse};
use super::content::{ContentBlock, ResourceContents};
use super::tool::{ToolCall, ToolContent, ToolKind, ToolStatus};
use super::update::{ContentChunk, SessionNotification, SessionUpdate};
use crate::jsonrpc::{INVALID_PARAMS, METHOD_NOT_FOUND, Message, RpcError};

fn call(method: &str, params: &Value) -> Result<AgentCall, RpcError> {
    let line = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    match Message::parse(&line.to_string().into()) {
        Message::Request { method, params, .. } => parse(&method, &params),
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_are_read_whatever_else_they_hold() {
    let params = json!({
        "sessionId": "s", "cwd": "/w", "mcpServers": [
            { "name": "files", "command": "/bin/files", "args": [], "env": [] },
            { "type": "http", "name": "web", "url": "http://localhost", "headers": [] },
        ],
        "additionalDirectories": null, "_meta": { "x": 1 }, "later": true,
    });
    let AgentCall::Load(load) = call("session/load", &params).unwrap() else { panic!() };
    let LoadSession { session_id, session } = *load;
    assert_eq!((session_id.as_str(), session.cwd.to_str()), ("s", Some("/w")));
    assert_eq!(session.mcp_servers[1].transport.as_deref(), Some("http"));
    assert!(session.additional_directories.is_empty());
    assert!(matches!(call("session/list", &Value::Null), Ok(AgentCall::List(_))));
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let error = call("session/new", &json!({ "mcpServers": [] })).unwrap_err();
    assert_eq!(error.code, INVALID_PARAMS);
    assert!(error.message.contains("session/new") && error.message.contains("cwd"), "{error}");
    let error = call("session/prompt", &json!({ "sessionId": 7, "prompt": [] })).unwrap_err();
    assert!(error.message.contains("invalid type"), "{error}");
    let error = call("terminal/create", &json!({})).unwrap_err();
    assert_eq!(error.code, METHOD_NOT_FOUND);
}

#[test]
fn content_is_read_by_its_type() {
    let read = |value: Value| serde_json::from_value::<ContentBlock>(value).unwrap();
    assert_eq!(read(json!({ "type": "text", "text": "a" })), ContentBlock::text("a"));
    let resource = |resource: Value| match read(json!({ "type": "resource", "resource": resource }))
    {
        ContentBlock::Resource { resource } => resource,
        other => panic!("{other:?}"),
    };
    let text = resource(json!({ "uri": "file:///a", "text": "x", "mimeType": "text/plain" }));
    assert!(matches!(text, ResourceContents::Text { .. }), "{text:?}");
    let blob = resource(json!({ "uri": "file:///a", "blob": "eA==" }));
    assert!(matches!(blob, ResourceContents::Blob { .. }), "{blob:?}");
    for odd in [json!({ "type": "smell" }), json!({ "type": "text" }), json!(7)] {
        assert_eq!(read(odd.clone()), ContentBlock::Unknown(odd));
    }
}

#[test]
fn updates_have_the_published_form_and_are_read_back() {
    let chunk = ContentChunk { content: ContentBlock::text("hi"), message_id: Some("m".into()) };
    let call = ToolCall {
        kind: Some(ToolKind::Edit),
        status: Some(ToolStatus::InProgress),
        content: Some(vec![ToolContent::Diff {
            path: "/w/a".into(),
            old_text: None,
            new_text: "x".to_owned(),
        }]),
        ..ToolCall::new("c")
    };
    let cases = [
        (
            SessionUpdate::AgentMessageChunk(chunk),
            json!({ "sessionUpdate": "agent_message_chunk", "messageId": "m",
                "content": { "type": "text", "text": "hi" } }),
        ),
        (
            SessionUpdate::ToolCallUpdate(call),
            json!({ "sessionUpdate": "tool_call_update", "toolCallId": "c", "kind": "edit",
                "status": "in_progress",
                "content": [{ "type": "diff", "path": "/w/a", "newText": "x" }] }),
        ),
        (
            SessionUpdate::Unknown(json!({ "sessionUpdate": "weather", "rain": true })),
            json!({ "sessionUpdate": "weather", "rain": true }),
        ),
    ];
    for (update, wire) in cases {
        let notification = SessionNotification { session_id: "s".to_owned(), update };
        let json = serde_json::to_value(&notification).unwrap();
        assert_eq!(json, json!({ "sessionId": "s", "update": wire }));
        let back: SessionNotification = serde_json::from_value(json).unwrap();
        assert_eq!(back, notification);
    }
}
