//! Who waits for whom: slow servers, clients that cancel, go away, or do not listen, and signals.

use rustix::process::Signal;

use super::*;
use crate::up::env::kill;

/// A server that says nothing until it is killed.
fn mute(env: &TestEnv) -> Value {
    let begun = env.path("begun");
    json!({ "name": "mute", "command": "bash", "args": ["-c", format!("touch {}; sleep 600", begun.display())],
        "env": [] })
}

fn new_with(env: &TestEnv, server: &Value) -> Value {
    json!({ "cwd": env.path("work"), "mcpServers": [server] })
}

fn server_runs(env: &TestEnv) {
    until("the server runs", || env.path("begun").exists().then_some(()));
}

#[test]
fn others_do_not_wait_for_a_server_that_is_slow_to_start() {
    let env = place(&[text(0, "hello")]);
    let mut editor = start(&env, &[]);
    editor.initialize(false);
    let slow = editor.ask("session/new", &new_with(&env, &mute(&env)));
    server_runs(&env);
    let session = editor.session(&env);
    assert_eq!(editor.says(&session, "say hello"), "end_turn");
    editor.notify("$/cancel_request", &json!({ "requestId": slow }));
    let answer = editor.answer_to(slow);
    assert_eq!(answer["error"]["code"], -32800, "{answer}");
    editor.finish(&env);
}

#[test]
fn a_session_that_is_being_opened_is_nobody_elses() {
    let env = place(&[text(0, "first"), text(1, "second")]);
    let mut editor = start(&env, &[]);
    editor.initialize(false);
    let session = editor.session(&env);
    assert_eq!(editor.says(&session, "one"), "end_turn");
    editor.result("session/close", &json!({ "sessionId": session }));
    let mut load = new_with(&env, &mute(&env));
    load["sessionId"] = json!(session);
    let slow = editor.ask("session/load", &load);
    server_runs(&env);
    let words = json!([{ "type": "text", "text": "two" }]);
    for (method, params) in [
        ("session/prompt", json!({ "sessionId": session, "prompt": words })),
        ("session/resume", load.clone()),
        ("session/close", json!({ "sessionId": session })),
        ("session/delete", json!({ "sessionId": session })),
    ] {
        let error = editor.answer(method, &params)["error"].clone();
        assert_eq!(error["code"], -32602, "{method}: {error}");
        assert!(error["message"].as_str().unwrap().contains("being opened"), "{method}: {error}");
    }
    editor.notify("$/cancel_request", &json!({ "requestId": slow }));
    assert_eq!(editor.answer_to(slow)["error"]["code"], -32800);
    // Nothing was told of what was given up, and it can be had again.
    assert_eq!(editor.text(&session, "user_message_chunk"), "");
    load["mcpServers"] = json!([]);
    editor.result("session/load", &load);
    assert_eq!(editor.says(&session, "two"), "end_turn");
    assert_eq!(editor.text(&session, "agent_message_chunk"), "firstfirstsecond");
    editor.finish(&env);
}

#[test]
fn a_client_that_goes_away_while_a_session_opens_leaves_nothing_behind() {
    let env = place(&[text(0, "never")]);
    let mut editor = start(&env, &[]);
    editor.initialize(false);
    editor.ask("session/new", &new_with(&env, &mute(&env)));
    server_runs(&env);
    editor.finish(&env);
}

#[test]
fn a_signal_ends_it_in_order_and_the_conversation_is_kept() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let env = place(&[shell(0, "touch started; sleep 600"), text(1, "again")]);
        let mut editor = start(&env, &["--mode", "auto"]);
        editor.initialize(false);
        let session = editor.session(&env);
        editor.prompt(&session, "wait");
        until("the command runs", || env.path("work/started").exists().then_some(()));
        kill(editor.pid(), signal);
        editor.ends_by_itself(&env);
        goes_on(&env, &session);
    }
}

#[test]
fn after_a_kill_the_session_goes_on_in_another_process() {
    let env = place(&[shell(0, "touch started; sleep 600"), text(1, "again")]);
    let mut editor = start(&env, &["--mode", "auto"]);
    editor.initialize(false);
    let session = editor.session(&env);
    editor.prompt(&session, "wait");
    until("the command runs", || env.path("work/started").exists().then_some(()));
    editor.kill();
    goes_on(&env, &session);
}

/// Loads a session whose call had no end, and goes on with it.
fn goes_on(env: &TestEnv, session: &str) {
    let mut editor = start(env, &["--mode", "auto"]);
    editor.initialize(false);
    let known = json!({ "sessionId": session, "cwd": env.path("work"), "mcpServers": [] });
    editor.result("session/load", &known);
    assert_eq!(editor.text(session, "user_message_chunk"), "wait");
    assert_eq!(editor.calls()[0].1, "failed");
    assert_eq!(editor.says(session, "go on"), "end_turn");
    assert_eq!(editor.text(session, "agent_message_chunk"), "again");
    editor.finish(env);
}

#[test]
fn a_client_that_does_not_read_keeps_nothing_alive() {
    let flood = "touch started; yes | head -c 300000; sleep 600";
    let env = place(&[
        json!({ "when": { "turn": 0 }, "reply": { "text": "w".repeat(200_000),
            "tool_calls": [{ "name": "shell", "arguments": { "command": flood, "timeout_ms": 60_000 } }] } }),
        text(1, "never"),
    ]);
    let transcript = env.path("transcript.jsonl");
    let own = ["acp", "--provider", "scripted", "--mode", "auto", "--model"];
    let mut command = env.canon(&[&own[..], &[transcript.to_str().unwrap()]].concat());
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdin(std::process::Stdio::piped()).stdout(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut input = child.stdin.take().unwrap();
    let mut ask = |id: u32, method: &str, params: Value| {
        use std::io::Write as _;
        let frame = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        writeln!(input, "{frame}").unwrap();
    };
    ask(1, "initialize", json!({ "protocolVersion": 1 }));
    ask(2, "session/new", json!({ "cwd": env.path("work"), "mcpServers": [] }));
    // Its answer is read, and nothing after it.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::with_capacity(1, reader));
    let session = loop {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        if let Some(session) = line["result"]["sessionId"].as_str() {
            break session.to_owned();
        }
    };
    let words = json!([{ "type": "text", "text": "go" }]);
    ask(3, "session/prompt", json!({ "sessionId": session, "prompt": words }));
    until("the command runs", || env.path("work/started").exists().then_some(()));
    drop(input);
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
    drop(lines);
    env.assert_nothing_left();
}

#[test]
fn a_question_that_nobody_waits_for_is_taken_back() {
    let env = place(&[shell(0, "touch never"), text(1, "later")]);
    let mut editor = start(&env, &[]);
    editor.initialize(false);
    let session = editor.session(&env);
    let prompt = editor.prompt(&session, "go");
    editor.until_asked("session/request_permission");
    editor.notify("$/cancel_request", &json!({ "requestId": prompt }));
    assert_eq!(editor.answer_to(prompt)["result"]["stopReason"], "cancelled");
    // The last of the agent's requests.
    assert_eq!(editor.given_up.len(), 1, "{:?}", editor.given_up);
    assert_eq!(editor.says(&session, "go on"), "end_turn");
    assert!(!env.path("work/never").exists());
    editor.finish(&env);
}
