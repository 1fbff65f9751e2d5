//! `canon app-server`, driven by the client that drives Codex, over its pipes.

mod approvals;
mod differential;
mod escalation;
mod form;
mod host;
mod raw;
mod robust;
mod schemas;
mod subagents;
mod symphony;
mod threads;

use std::path::Path;

use canon_protocol::codex::client::{
    Answer, ErrorCategory, Event, ItemKind, ItemPhase, SandboxMode, ToolSpec, TurnOutcome,
};
use serde_json::{Value, json};

use super::up::env::{TestEnv, until};
use host::Host;

/// A place with a transcript, and a client of `canon app-server` there.
fn place(entries: &[Value]) -> TestEnv {
    let env = TestEnv::new();
    let text: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    env.write("transcript.jsonl", &text);
    std::fs::create_dir(env.path("work")).unwrap();
    env
}

fn start(env: &TestEnv) -> Host {
    start_as(env, SandboxMode::WorkspaceWrite)
}

fn start_as(env: &TestEnv, sandbox: SandboxMode) -> Host {
    let transcript = env.path("transcript.jsonl");
    let args = ["app-server", "--provider", "scripted", "--model", transcript.to_str().unwrap()];
    let mut options = canon_protocol::codex::client::Options::new(work(env).to_str().unwrap());
    options.sandbox = sandbox;
    options.thread_name = Some("A-1: a title".to_owned());
    options.read_timeout_ms = 60_000;
    options.tools = vec![ToolSpec {
        name: "issue_update".to_owned(),
        description: "changes the state of the issue".to_owned(),
        input_schema: json!({
            "type": "object", "properties": { "state": { "type": "string" } },
            "required": ["state"], "additionalProperties": false,
        }),
    }];
    let mut host = Host::start(env.canon(&args), options);
    host.until_started();
    host
}

fn work(env: &TestEnv) -> std::path::PathBuf {
    env.path("work")
}

fn text(turn: u32, text: &str) -> Value {
    json!({ "when": { "turn": turn }, "reply": { "text": text,
        "usage": { "input_tokens": 100, "output_tokens": 10 } } })
}

fn tool(turn: u32, name: &str, arguments: Value) -> Value {
    json!({ "when": { "turn": turn }, "reply": {
        "tool_calls": [{ "name": name, "arguments": arguments }],
        "usage": { "input_tokens": 100, "output_tokens": 10 } } })
}

fn shell(turn: u32, command: &str) -> Value {
    tool(turn, "shell", json!({ "command": command, "timeout_ms": 60_000 }))
}

fn after(turn: u32, name: &str, contains: &str, reply: &str) -> Value {
    json!({ "when": { "turn": turn, "tool_results": [{ "name": name, "contains": contains }] },
        "reply": { "text": reply } })
}

fn completed(host: &Host) -> Vec<ItemKind> {
    let items = host.events.iter().filter_map(|event| match event {
        Event::Item { phase: ItemPhase::Completed, item } => Some(item.kind.clone()),
        _ => None,
    });
    items.collect()
}

#[test]
fn turns_of_text_follow_each_other_in_one_thread() {
    let second = json!({ "when": { "turn": 1, "last_user": "and again" },
        "reply": { "text": "hello again", "usage": { "input_tokens": 120, "output_tokens": 10 } } });
    let env = place(&[text(0, "hello"), second]);
    let mut host = start(&env);
    let session = host.events.iter().find_map(|event| match event {
        Event::SessionStarted { model_provider, agent, .. } => {
            Some((model_provider.clone().unwrap(), agent.clone().unwrap()))
        }
        _ => None,
    });
    let (provider, agent) = session.unwrap();
    assert_eq!(provider, "scripted");
    assert!(agent.starts_with("canon/"), "{agent}");
    let end = host.run_turn("say hello");
    assert_eq!(end.outcome, TurnOutcome::Completed, "{end:?}");
    assert_eq!(end.last_message.as_deref(), Some("hello"));
    assert_eq!(end.usage.total_tokens, 110);
    let again = host.run_turn("and again");
    assert_eq!(again.last_message.as_deref(), Some("hello again"), "{again:?}");
    assert_ne!(again.turn_id, end.turn_id);
    assert_eq!((again.usage.total_tokens, host.client.usage().total_tokens), (130, 240));
    assert!(again.session_open);
    host.finish(&env);
}

#[test]
fn a_tool_is_real_and_its_command_is_an_item() {
    let entries = [
        shell(0, "echo one > file; echo two; echo three >&2"),
        after(1, "shell", "two", "ran"),
        tool(2, "write_file", json!({ "file_path": "new", "content": "x\n" })),
        after(3, "write_file", "new", "wrote"),
    ];
    let env = place(&entries);
    let mut host = start(&env);
    let end = host.run_turn("run it");
    assert_eq!(end.last_message.as_deref(), Some("ran"), "{end:?}");
    assert_eq!(env.read("work/file"), "one\n");
    let command = completed(&host).into_iter().find_map(|kind| match kind {
        ItemKind::CommandExecution { command, status, exit_code, output, .. } => {
            Some((command, status, exit_code, output.unwrap()))
        }
        _ => None,
    });
    let (command, status, exit_code, output) = command.unwrap();
    assert!(command.starts_with("echo one"), "{command}");
    assert_eq!((status.as_str(), exit_code), ("completed", Some(0)));
    assert!(output.contains("two") && output.contains("three"), "{output}");
    let end = host.run_turn("write it");
    assert_eq!(end.last_message.as_deref(), Some("wrote"), "{end:?}");
    assert_eq!(env.read("work/new"), "x\n");
    let change = completed(&host).into_iter().find_map(|kind| match kind {
        ItemKind::FileChange { status, paths } => Some((status, paths)),
        _ => None,
    });
    assert_eq!(change, Some(("completed".to_owned(), vec!["new".to_owned()])));
    host.finish(&env);
}

#[test]
fn a_tool_of_the_client_is_called_and_its_answer_reaches_the_model() {
    let failing = json!({ "when": { "turn": 3, "tool_results": [{ "name": "issue_update",
        "contains": "no such state", "is_error": true }] }, "reply": { "text": "no" } });
    let entries = [
        tool(0, "issue_update", json!({ "state": "done" })),
        after(1, "issue_update", "the state is done", "moved"),
        tool(2, "issue_update", json!({ "state": "nowhere" })),
        failing,
    ];
    let env = place(&entries);
    let mut host = start(&env);
    for (prompt, state, success, said, reply) in [
        ("move it", "done", true, "the state is done", "moved"),
        ("again", "nowhere", false, "no such state", "no"),
    ] {
        host.turn(prompt);
        let call = host.until(|event| match event {
            Event::ToolCall(call) => Some(call.clone()),
            Event::TurnEnded(end) => panic!("{end:?}"),
            _ => None,
        });
        assert_eq!(
            (call.tool.as_str(), &call.arguments),
            ("issue_update", &json!({"state": state}))
        );
        host.answer(&call.key, Answer::Tool { success, text: said.to_owned() });
        let end = host.until_end();
        assert_eq!(end.last_message.as_deref(), Some(reply), "{end:?}");
    }
    let statuses: Vec<String> = completed(&host)
        .into_iter()
        .filter_map(|kind| match kind {
            ItemKind::ToolCall { tool, status, .. } if tool == "issue_update" => Some(status),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, ["completed", "failed"]);
    host.finish(&env);
}

#[test]
fn an_interrupted_turn_ends_with_its_processes_and_the_thread_goes_on() {
    let next = json!({ "when": { "last_user": "what now" }, "reply": { "text": "I am back" } });
    let env = place(&[next, shell(0, "touch started; sleep 1000")]);
    let mut host = start(&env);
    host.turn("wait for ever");
    until("the command runs", || env.path("work/started").exists().then_some(()));
    host.interrupt();
    let end = host.until_end();
    assert_eq!(end.outcome, TurnOutcome::Cancelled, "{end:?}");
    assert_eq!(end.category, Some(ErrorCategory::TurnCancelled));
    until("the command is gone", || {
        let sleeps = env.processes().iter().any(|(_, command)| command.starts_with("sleep 1000"));
        (!sleeps).then_some(())
    });
    let commands = completed(&host).into_iter().filter_map(|kind| match kind {
        ItemKind::CommandExecution { status, .. } => Some(status),
        _ => None,
    });
    assert_eq!(commands.collect::<Vec<_>>(), ["failed"], "{:#?}", host.events);
    let end = host.run_turn("what now");
    assert_eq!(end.last_message.as_deref(), Some("I am back"), "{end:?}");
    host.finish(&env);
}

#[test]
fn what_is_steered_reaches_the_model_within_the_turn() {
    let steered = json!({ "when": { "turn": 1, "last_user": "in French, please" },
        "reply": { "text": "bonjour" } });
    let env = place(&[shell(0, "touch started; until [ -e go ]; do sleep 0.05; done"), steered]);
    let mut host = start(&env);
    host.turn("say hello");
    until("the command runs", || env.path("work/started").exists().then_some(()));
    host.until(|event| matches!(event, Event::Item { .. }).then_some(()));
    host.steer("in French, please");
    env.write("work/go", "");
    let end = host.until_end();
    assert_eq!(end.last_message.as_deref(), Some("bonjour"), "{end:?}");
    assert_eq!(end.turn, 1);
    host.finish(&env);
}

#[test]
fn a_failing_model_fails_the_turn_with_its_reason() {
    let refused = json!({ "when": { "turn": 0 },
        "error": { "status": 401, "message": "who are you" } });
    let env = place(&[refused]);
    let mut host = start(&env);
    let end = host.run_turn("say hello");
    assert_eq!(end.outcome, TurnOutcome::Failed, "{end:?}");
    assert!(end.message.as_deref().unwrap_or_default().contains("who are you"), "{end:?}");
    assert_eq!(end.error_info, Some(json!("unauthorized")), "{end:?}");
    host.finish(&env);
}

#[test]
fn a_failed_turn_is_not_the_end_of_its_thread() {
    let refused = json!({ "when": { "last_user": "first" },
        "error": { "status": 400, "message": "not like this" } });
    let better = json!({ "when": { "last_user": "second" }, "reply": { "text": "better" } });
    let env = place(&[refused, better]);
    let mut host = start(&env);
    let end = host.run_turn("first");
    assert_eq!(end.outcome, TurnOutcome::Failed, "{end:?}");
    let end = host.run_turn("second");
    assert_eq!(end.last_message.as_deref(), Some("better"), "{end:?}");
    host.finish(&env);
}

#[test]
fn a_read_only_thread_writes_nothing() {
    let entries = [
        shell(0, "echo x > file"),
        after(1, "shell", "Read-only", "may not"),
        tool(2, "write_file", json!({ "file_path": "file", "content": "x" })),
        json!({ "when": { "turn": 3, "tool_results": [{ "name": "write_file", "is_error": true }] },
            "reply": { "text": "may not either" } }),
    ];
    let env = place(&entries);
    let mut host = start_as(&env, SandboxMode::ReadOnly);
    let end = host.run_turn("write");
    assert_eq!(end.last_message.as_deref(), Some("may not"), "{end:?}");
    let end = host.run_turn("write otherwise");
    assert_eq!(end.last_message.as_deref(), Some("may not either"), "{end:?}");
    assert!(!env.path("work/file").exists());
    host.finish(&env);
}

#[test]
fn a_thread_sees_neither_the_daemons_state_nor_beyond_its_workspace() {
    let env = place(&[]);
    let secret = env.write("canon/ledger", "secret");
    let beyond = env.path("home/beyond");
    let command = format!(
        "cat {} 2>&1; echo x > {} && echo written || echo refused",
        secret.display(),
        beyond.display()
    );
    let not =
        json!({ "name": "shell", "contains": "refused", "not_contains": ["secret", "written"] });
    let entries = [
        shell(0, &command),
        json!({ "when": { "turn": 1, "tool_results": [not] }, "reply": { "text": "kept in" } }),
    ];
    let text: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    env.write("transcript.jsonl", &text);
    let mut host = start(&env);
    let end = host.run_turn("look around");
    assert_eq!(end.last_message.as_deref(), Some("kept in"), "{end:?}");
    assert!(!beyond.exists());
    host.finish(&env);
}

#[test]
fn what_it_does_not_know_is_refused_and_it_goes_on() {
    let env = place(&[text(0, "hello")]);
    let mut host = start(&env);
    for (method, params) in [
        ("turn/begin", json!({})),
        ("turn/start", json!({ "threadId": "no-such-thread", "input": [] })),
        ("turn/start", json!("nonsense")),
        ("thread/resume", json!({ "threadId": "no-such-thread" })),
        ("thread/start", json!({ "modelProvider": "nobody" })),
        ("thread/start", json!({ "approvalPolicy": "always" })),
        ("initialize", json!({ "clientInfo": { "name": "x", "version": "1" } })),
    ] {
        let answer = host.ask(method, &params);
        assert_eq!(answer["error"]["code"], -32600, "{method} {params}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.starts_with("error"), "{answer}");
    }
    host.write(b"this is no message");
    host.write(b"[]");
    let end = host.run_turn("say hello");
    assert_eq!(end.last_message.as_deref(), Some("hello"), "{end:?}");
    host.finish(&env);
}

#[test]
fn the_end_of_its_input_ends_it_in_the_middle_of_a_turn() {
    let env = place(&[shell(0, "touch started; sleep 1000")]);
    let mut host = start(&env);
    host.turn("wait for ever");
    until("the command runs", || env.path("work/started").exists().then_some(()));
    assert_eq!(host.close().code, Some(0));
    env.assert_nothing_left();
}

#[test]
fn the_real_schema_takes_every_message() {
    let Some(schemas) = schemas::Schemas::get() else { return };
    let entries = [
        shell(0, "echo out; exit 3"),
        tool(1, "write_file", json!({ "file_path": "new", "content": "x\n" })),
        tool(2, "edit_file", json!({ "file_path": "new", "old_string": "x", "new_string": "y" })),
        tool(3, "issue_update", json!({ "state": "done" })),
        tool(4, "grep", json!({ "pattern": "y" })),
        text(5, "all done"),
        json!({ "when": { "last_user": "fail" }, "error": { "status": 500, "message": "down", "retryable": false } }),
    ];
    let env = place(&entries);
    let mut host = start(&env);
    host.turn("do all of it");
    let key = host.until(|event| match event {
        Event::ToolCall(call) => Some(call.key.clone()),
        Event::TurnEnded(end) => panic!("{end:?}"),
        _ => None,
    });
    host.answer(&key, Answer::Tool { success: true, text: "done".to_owned() });
    let end = host.until_end();
    assert_eq!(end.last_message.as_deref(), Some("all done"), "{end:?}");
    host.ask("turn/begin", &json!({}));
    host.run_turn("fail");
    let checked = schemas.check_all(&host.said, &host.asked);
    assert!(checked > 25, "{checked} messages");
    host.finish(&env);
}

/// A directory that is none.
#[test]
fn a_thread_in_no_directory_is_refused() {
    let env = place(&[text(0, "hello")]);
    let mut host = start(&env);
    for cwd in [Path::new("/no/such/place"), Path::new("relative"), &env.path("transcript.jsonl")] {
        let answer = host.ask("thread/start", &json!({ "cwd": cwd }));
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(cwd.to_str().unwrap()), "{answer}");
    }
    host.finish(&env);
}
