use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::codex::client::{Client, Options, Output, SandboxMode, ToolSpec};
use crate::jsonrpc::Message;
use crate::lines::Line;

fn read(line: Vec<u8>) -> Option<Result<ClientCall, RpcError>> {
    match Message::parse(&Bytes::from(line)) {
        Message::Request { method, params, .. } => Some(parse(&method, &params)),
        _ => None,
    }
}

fn read_json(method: &str, params: Value) -> Result<ClientCall, RpcError> {
    let line = json!({"id": 1, "method": method, "params": params}).to_string().into_bytes();
    read(line).unwrap()
}

#[test]
fn the_server_reads_what_the_client_says() {
    let tool = ToolSpec {
        name: "t".to_owned(),
        description: "d".to_owned(),
        input_schema: json!({"type": "object"}),
    };
    let thread_name = Some("A-1: title".to_owned());
    let mut client =
        Client::new(Options { tools: vec![tool], thread_name, ..Options::new("/srv/a") });
    let mut outputs = client.start();
    let hear = |message: Value| Line::data(message.to_string());
    outputs.extend(client.received(&hear(json!({"id": 0, "result": {}}))));
    outputs.extend(client.received(&hear(json!({"id": 1, "result": {"thread": {"id": "th"}}}))));
    outputs.extend(client.turn("go").unwrap());
    let turn = json!({"threadId": "th", "turn": {"id": "t1"}});
    outputs.extend(client.received(&hear(json!({"method": "turn/started", "params": turn}))));
    outputs.extend(client.steer("more").unwrap());
    outputs.extend(client.interrupt());
    let lines = outputs.into_iter().filter_map(|output| match output {
        Output::Send(line) => Some(line),
        _ => None,
    });
    let calls: Vec<ClientCall> = lines.filter_map(read).map(Result::unwrap).collect();
    let [initialize, thread, name, turn, steer, interrupt] = &calls[..] else {
        panic!("{calls:#?}")
    };
    assert!(matches!(initialize, ClientCall::Initialize(i) if i.client_info.name == "canon"
        && i.capabilities.as_ref().is_some_and(|c| c.experimental_api)));
    let ClientCall::ThreadStart(thread) = thread else { panic!("{thread:?}") };
    assert_eq!(thread.cwd.as_deref(), Some("/srv/a"));
    assert_eq!(thread.sandbox, Some(SandboxMode::WorkspaceWrite));
    assert!(matches!(thread.dynamic_tools.as_deref(),
        Some([DynamicTool::Function { name, .. }]) if name == "t"));
    assert!(matches!(name, ClientCall::ThreadNameSet(set) if set.name == "A-1: title"));
    assert!(matches!(turn, ClientCall::TurnStart(start)
        if start.input == [UserInput::Text("go".to_owned())]));
    assert!(matches!(steer, ClientCall::TurnSteer(steer) if steer.expected_turn_id == "t1"));
    assert!(matches!(interrupt, ClientCall::TurnInterrupt(stop) if stop.turn_id == "t1"));
}

#[test]
fn what_cannot_be_read_is_refused_as_codex_does() {
    for (method, params) in [
        ("no/such", json!({})),
        ("turn/start", json!({"threadId": "th"})),
        ("turn/start", json!({"input": []})),
        ("turn/interrupt", Value::Null),
        ("thread/start", json!({"sandbox": "none"})),
        ("initialize", json!({"clientInfo": {"name": "x"}})),
    ] {
        let error = read_json(method, params).unwrap_err();
        assert_eq!(error.code, INVALID_REQUEST, "{method}: {error}");
    }
}

#[test]
fn an_error_names_the_member_that_it_is_about() {
    for (method, params, place) in [
        ("turn/start", json!({"threadId": 5, "input": []}), "threadId: "),
        ("thread/start", json!({"cwd": "/", "sandbox": "none"}), "sandbox: "),
        ("thread/list", json!({"limit": -1}), "limit: "),
        ("turn/start", json!({"threadId": "x"}), "missing field `input`"),
    ] {
        let error = read_json(method, params).unwrap_err();
        assert!(error.message.starts_with("Invalid request: "), "{error}");
        assert!(error.message.contains(place), "{error}");
    }
}

#[test]
fn a_tool_without_a_type_is_a_function() {
    let tools = json!([{"name": "t", "description": "d", "inputSchema": {"type": "object"}}]);
    let call = read_json("thread/start", json!({"dynamicTools": tools}));
    let Ok(ClientCall::ThreadStart(start)) = call else { panic!("{call:?}") };
    assert!(matches!(&start.dynamic_tools.unwrap()[..],
        [DynamicTool::Function { name, .. }] if name == "t"));
}

#[test]
fn unknown_members_and_inputs_are_no_obstacle() {
    let image = json!({"type": "localImage", "path": "/x.png"});
    let params = json!({"threadId": "th", "input": [image], "novel": 1});
    let Ok(ClientCall::TurnStart(start)) = read_json("turn/start", params) else { panic!() };
    assert_eq!(start.input, [UserInput::Other(image)]);
    let group = json!([{"type": "namespace", "name": "n", "description": "d", "tools": [
        {"type": "function", "name": "t", "description": "d", "inputSchema": {}}]}]);
    let Ok(ClientCall::ThreadStart(start)) =
        read_json("thread/start", json!({"dynamicTools": group}))
    else {
        panic!()
    };
    assert!(matches!(start.dynamic_tools.as_deref(),
        Some([DynamicTool::Namespace { tools, .. }]) if tools.len() == 1));
}
