//! `canon acp`, driven over its pipes: by a client of our own, whose frames the official SDK judges,
//! and by the official SDK's client.

mod editor;
mod shown;
mod waits;

use canon_testkit::mcp_server::McpHttpServer;
use canon_testkit::sdks::Script;
use serde_json::{Value, json};

use super::exec_cmd::MCP_SERVER;
use super::up::env::{TestEnv, until};
use editor::Editor;

static SDK: Script = Script::new(
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/acp_client.py"),
    env!("CARGO_TARGET_TMPDIR"),
);

/// A place with a transcript.
fn place(entries: &[Value]) -> TestEnv {
    let env = TestEnv::new();
    let text: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    env.write("transcript.jsonl", &text);
    std::fs::create_dir(env.path("work")).unwrap();
    env
}

fn start(env: &TestEnv, args: &[&str]) -> Editor {
    let transcript = env.path("transcript.jsonl");
    let own = ["acp", "--provider", "scripted", "--model", transcript.to_str().unwrap()];
    Editor::start(env.canon(&[&own[..], args].concat()))
}

fn text(turn: u32, text: &str) -> Value {
    json!({ "when": { "turn": turn }, "reply": { "text": text,
        "usage": { "input_tokens": 100, "output_tokens": 10 } } })
}

fn tool(turn: u32, name: &str, arguments: Value) -> Value {
    json!({ "when": { "turn": turn }, "reply": {
        "tool_calls": [{ "name": name, "arguments": arguments }] } })
}

fn shell(turn: u32, command: &str) -> Value {
    tool(turn, "shell", json!({ "command": command, "timeout_ms": 60_000 }))
}

fn after(turn: u32, name: &str, contains: &str, reply: &str) -> Value {
    json!({ "when": { "turn": turn, "tool_results": [{ "name": name, "contains": contains }] },
        "reply": { "text": reply } })
}

fn selected(option: &str) -> Value {
    json!({ "outcome": "selected", "optionId": option })
}

#[test]
fn a_client_learns_what_there_is_and_errors_have_their_codes() {
    let env = place(&[text(0, "hello")]);
    let mut editor = start(&env, &[]);
    let early = editor.answer("session/new", &json!({ "cwd": "/", "mcpServers": [] }));
    assert_eq!(early["error"]["code"], -32600, "{early}");
    let about = editor.answer("initialize", &json!({ "protocolVersion": 99 }));
    let about = &about["result"];
    assert_eq!(about["protocolVersion"], 1);
    assert_eq!(about["agentInfo"]["name"], "canon");
    let capabilities = &about["agentCapabilities"];
    assert_eq!(capabilities["loadSession"], true);
    assert_eq!(capabilities["promptCapabilities"]["image"], true);
    assert_eq!(capabilities["mcpCapabilities"], json!({ "http": true, "sse": false }));
    let codes = [
        ("initialize", json!({ "protocolVersion": 1 }), -32600, "already"),
        ("terminal/create", json!({}), -32601, "terminal/create"),
        ("session/new", json!({ "mcpServers": [] }), -32602, "cwd"),
        ("session/new", json!({ "cwd": "work", "mcpServers": [] }), -32602, "absolute"),
        ("session/new", json!({ "cwd": "/no/such", "mcpServers": [] }), -32602, "No such file"),
        ("session/prompt", json!({ "sessionId": "x", "prompt": [] }), -32002, "`x`"),
        ("session/load", json!({ "sessionId": "../x", "cwd": "/", "mcpServers": [] }), -32002, "x"),
        ("authenticate", json!({ "methodId": "x" }), -32602, "environment"),
    ];
    for (method, params, code, why) in codes {
        let error = editor.answer(method, &params)["error"].clone();
        assert_eq!(error["code"], code, "{method}: {error}");
        assert!(error["message"].as_str().unwrap().contains(why), "{method}: {error}");
    }
    for (line, code) in [("{", -32700), ("[1]", -32600), ("7", -32600)] {
        editor.line(line);
        let answer = editor.message();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &Value::Null));
    }
    editor.result("authenticate", &json!({ "methodId": "environment" }));
    let session = editor.session(&env);
    assert_eq!(editor.says(&session, "say hello"), "end_turn");
    assert_eq!(editor.text(&session, "agent_message_chunk"), "hello");
    editor.finish(&env);
}

#[test]
fn a_missing_key_is_for_the_client_to_mend() {
    let env = place(&[]);
    let mut editor = Editor::start(env.canon(&["acp"]));
    let about = editor.initialize(false);
    assert_eq!(about["authMethods"][0]["id"], "environment");
    for (method, params) in [
        ("session/new", json!({ "cwd": env.path("work"), "mcpServers": [] })),
        ("authenticate", json!({ "methodId": "environment" })),
    ] {
        let error = editor.answer(method, &params)["error"].clone();
        assert_eq!(error["code"], -32000, "{error}");
        assert!(error["message"].as_str().unwrap().contains("OPENAI_API_KEY"), "{error}");
    }
    editor.finish(&env);
}

#[test]
fn commands_run_only_when_the_user_allows_them() {
    let env = place(&[
        shell(0, "echo one >> file"),
        shell(1, "echo one >> file"),
        shell(2, "echo two >> file"),
        after(3, "shell", "did not allow", "as you wish"),
    ]);
    let mut editor = start(&env, &[]);
    editor.initialize(false);
    let session = editor.session(&env);
    editor.permits = [selected("allow-always"), selected("reject-once")].into();
    assert_eq!(editor.says(&session, "go"), "end_turn");
    assert_eq!(env.read("work/file"), "one\none\n");
    assert_eq!(editor.text(&session, "agent_message_chunk"), "as you wish");
    let statuses: Vec<String> = editor.calls().into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, ["completed", "completed", "failed"]);
    let (_, asked) = &editor.requests[0];
    assert_eq!(asked["toolCall"]["title"], "echo one >> file");
    assert_eq!(editor.requests.len(), 2, "{:?}", editor.requests);
    editor.finish(&env);
}

#[test]
fn edits_go_through_the_editor_and_see_what_is_not_saved() {
    let edit = json!({ "file_path": "a.txt", "old_string": "draft", "new_string": "text" });
    let env = place(&[
        tool(0, "edit_file", edit),
        tool(1, "write_file", json!({ "file_path": "new.txt", "content": "new\n" })),
        tool(2, "write_file", json!({ "file_path": "/etc/canon-beyond", "content": "x" })),
        after(3, "write_file", "refused", "done"),
    ]);
    let path = env.write("work/a.txt", "old\n");
    let mut editor = start(&env, &["--mode", "accept-edits"]);
    editor.initialize(true);
    let session = editor.session(&env);
    editor.buffers.insert(path.to_str().unwrap().to_owned(), "1\n2\nmy draft\n".to_owned());
    assert_eq!(editor.says(&session, "edit"), "end_turn");
    assert_eq!(editor.text(&session, "agent_message_chunk"), "done");
    assert_eq!(env.read("work/a.txt"), "1\n2\nmy text\n");
    assert_eq!(env.read("work/new.txt"), "new\n");
    let written = editor.requests.iter().filter(|(method, _)| method == "fs/write_text_file");
    let written: Vec<&Value> = written.map(|(_, params)| &params["path"]).collect();
    assert_eq!(written, [&json!(path), &json!(env.path("work/new.txt"))]);
    let done = editor.updates.iter().find(|(_, update)| update["status"] == "completed").unwrap();
    assert_eq!(done.1["locations"], json!([{ "path": path, "line": 3 }]));
    let diff = json!([{ "type": "diff", "path": path, "oldText": "draft", "newText": "text" }]);
    assert_eq!(done.1["content"], diff);
    editor.finish(&env);
}

#[test]
fn a_cancelled_prompt_ends_with_its_processes_and_the_session_goes_on() {
    let env = place(&[
        shell(0, "touch started; sleep 600"),
        text(1, "again"),
        shell(2, "touch never"),
        text(3, "last"),
    ]);
    let mut editor = start(&env, &["--mode", "auto"]);
    editor.initialize(false);
    let session = editor.session(&env);
    let id = editor.prompt(&session, "wait");
    until("the command runs", || env.path("work/started").exists().then_some(()));
    let busy = editor.prompt(&session, "and this");
    let refused = editor.answer_to(busy);
    assert_eq!(refused["error"]["code"], -32600, "{refused}");
    editor.notify("session/cancel", &json!({ "sessionId": session }));
    assert_eq!(editor.answer_to(id)["result"]["stopReason"], "cancelled");
    assert_eq!(editor.calls()[0].1, "failed");
    assert_eq!(editor.says(&session, "go on"), "end_turn");
    // While the user is asked, and by the request's id.
    let mode = json!({ "sessionId": session, "modeId": "ask" });
    editor.result("session/set_mode", &mode);
    let id = editor.prompt(&session, "once more");
    editor.until_asked("session/request_permission");
    editor.notify("$/cancel_request", &json!({ "requestId": id }));
    assert_eq!(editor.answer_to(id)["result"]["stopReason"], "cancelled");
    assert!(!env.path("work/never").exists());
    assert_eq!(editor.says(&session, "end"), "end_turn");
    editor.finish(&env);
}

#[test]
fn a_client_that_goes_away_leaves_nothing_behind() {
    let env = place(&[shell(0, "touch started; sleep 600 & sleep 600")]);
    let mut editor = start(&env, &["--mode", "auto"]);
    editor.initialize(false);
    let session = editor.session(&env);
    editor.prompt(&session, "wait");
    until("the command runs", || env.path("work/started").exists().then_some(()));
    editor.finish(&env);
}

#[test]
fn a_session_is_listed_told_again_continued_and_deleted_in_another_process() {
    let env =
        place(&[shell(0, "echo made"), text(1, "first"), text(2, "second"), text(3, "third")]);
    let mut editor = start(&env, &["--mode", "auto"]);
    editor.initialize(false);
    let session = editor.session(&env);
    assert_eq!(editor.says(&session, "make it"), "end_turn");
    editor.finish(&env);

    let mut editor = start(&env, &["--mode", "auto"]);
    editor.initialize(false);
    let listed = editor.result("session/list", &json!({ "cwd": env.path("work") }));
    assert_eq!(listed["sessions"][0]["sessionId"], session);
    assert_eq!(listed["sessions"][0]["title"], "make it");
    let known = json!({ "sessionId": session, "cwd": env.path("work"), "mcpServers": [] });
    let loaded = editor.result("session/load", &known);
    assert_eq!(loaded["modes"]["currentModeId"], "auto");
    assert_eq!(editor.text(&session, "user_message_chunk"), "make it");
    assert_eq!(editor.text(&session, "agent_message_chunk"), "first");
    assert_eq!(editor.calls()[0].1, "completed");
    let twice = editor.answer("session/load", &known);
    assert!(twice["error"]["message"].as_str().unwrap().contains("open here"), "{twice}");
    assert_eq!(editor.says(&session, "go on"), "end_turn");
    assert_eq!(editor.text(&session, "agent_message_chunk"), "firstsecond");
    editor.result("session/close", &json!({ "sessionId": session }));
    let told = editor.updates.len();
    editor.result("session/resume", &known);
    assert_eq!(editor.updates.len(), told);
    assert_eq!(editor.says(&session, "and on"), "end_turn");
    editor.result("session/delete", &json!({ "sessionId": session }));
    let listed = editor.result("session/list", &Value::Null);
    assert_eq!(listed["sessions"], json!([]));
    editor.finish(&env);
}

#[test]
fn sessions_stand_beside_each_other_and_each_has_its_settings() {
    let env = place(&[text(0, "hi"), text(1, "more")]);
    let mut editor = start(&env, &["--ephemeral"]);
    let about = editor.initialize(false);
    assert_eq!(about["agentCapabilities"]["loadSession"], false);
    let (one, other) = (editor.session(&env), editor.session(&env));
    let set = |session: &str, option: &str, value: &str| json!({ "sessionId": session, "configId": option, "value": value });
    let options = editor.result("session/set_config_option", &set(&one, "mode", "auto"));
    assert_eq!(options["configOptions"][0]["currentValue"], "auto");
    let bad = editor.answer("session/set_config_option", &set(&one, "model", "none-such"));
    assert_eq!(bad["error"]["code"], -32602, "{bad}");
    let (first, second) = (editor.prompt(&one, "a"), editor.prompt(&other, "b"));
    let mut ids = [editor.message()["id"].as_u64(), editor.message()["id"].as_u64()];
    ids.sort_unstable();
    assert_eq!(ids, [Some(first), Some(second)]);
    assert_eq!(editor.text(&one, "agent_message_chunk"), "hi");
    assert_eq!(editor.text(&other, "agent_message_chunk"), "hi");
    let modes: Vec<_> = editor
        .updates
        .iter()
        .filter(|(_, update)| update["sessionUpdate"] == "current_mode_update")
        .map(|(session, update)| (session.clone(), update["currentModeId"].clone()))
        .collect();
    assert_eq!(modes, [(one, json!("auto"))]);
    editor.finish(&env);
    assert!(!env.path("canon/threads").exists());
}

#[test]
fn a_failed_prompt_says_why_and_the_session_goes_on() {
    let huge = "x".repeat(3_000_000);
    let failing = json!({ "when": { "turn": 0, "last_user": "fail" },
        "error": { "status": 401, "message": "bad key" } });
    let env = place(&[failing, text(0, "well")]);
    let mut editor = start(&env, &[]);
    editor.initialize(false);
    let session = editor.session(&env);
    let id = editor.prompt(&session, "fail");
    let error = editor.answer_to(id)["error"].clone();
    assert_eq!(
        (&error["code"], &error["data"]["code"]),
        (&json!(-32000), &json!("authentication"))
    );
    assert_eq!(editor.says(&session, &huge), "end_turn");
    assert_eq!(editor.text(&session, "agent_message_chunk"), "well");
    editor.finish(&env);
}

#[test]
fn the_official_client_can_work_with_it() {
    let env = place(&[
        tool(0, "write_file", json!({ "file_path": "a.txt", "content": "from the agent\n" })),
        shell(1, "cat a.txt"),
        after(2, "shell", "from the agent", "all done"),
    ]);
    let transcript = env.path("transcript.jsonl");
    let command =
        env.canon(&["acp", "--provider", "scripted", "--model", transcript.to_str().unwrap()]);
    let words = |words: &mut dyn Iterator<Item = &std::ffi::OsStr>| -> Vec<String> {
        words.map(|word| word.to_str().unwrap().to_owned()).collect()
    };
    let mut argv = words(&mut std::iter::once(command.get_program()));
    argv.extend(words(&mut command.get_args()));
    let variables: serde_json::Map<String, Value> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), json!(value?.to_str()?))))
        .collect();
    let task =
        json!({ "command": argv, "env": variables, "cwd": env.path("work"), "prompt": "do it" });
    let Some(told) = SDK.ask(&task).unwrap() else { return };
    assert_eq!(told["stop"], "end_turn", "{told}");
    assert_eq!(told["text"], "all done");
    assert_eq!(told["version"], 1);
    assert_eq!(told["permissions"], json!(["Write a.txt", "cat a.txt"]));
    assert_eq!(told["statuses"], json!(["completed", "completed"]));
    assert_eq!(told["written"], json!([env.path("work/a.txt")]));
    assert_eq!(told["listed"], json!(["do it"]));
    assert_eq!(env.read("work/a.txt"), "from the agent\n");
    env.assert_nothing_left();
}

#[test]
fn mcp_servers_of_the_client_live_as_long_as_the_session() {
    let said = "mine given, in ";
    let env = place(&[
        tool(0, "My_place__where", json!({})),
        after(1, "My_place__where", said, "found"),
        tool(2, "web__echo", json!({ "text": "over http" })),
        after(3, "web__echo", "over http", "heard"),
    ]);
    let ended = env.path("ended");
    let script = format!("trap 'echo > {}' EXIT\n{MCP_SERVER}", ended.display());
    let server = env.write("server.sh", &script);
    let program = json!({ "name": "My place", "command": "bash", "args": [server],
        "env": [{ "name": "MINE", "value": "given" }] });
    let web = McpHttpServer::start("Bearer of-the-test").unwrap();
    let header = |value: &str| json!([{ "name": "Authorization", "value": value }]);
    let address = json!({ "type": "http", "name": "web", "url": web.url(),
        "headers": header("Bearer of-the-test") });

    let mut editor = start(&env, &["--mode", "auto"]);
    editor.initialize(false);
    let with = |servers: &[&Value]| json!({ "cwd": env.path("work"), "mcpServers": servers });
    let crash = "echo no $MY_TOKEN >&2; exit 7";
    let crashing = json!({ "name": "bad one", "command": "bash", "args": ["-c", crash],
        "env": [{ "name": "MY_TOKEN", "value": "hush-hush-hush" }] });
    let locked = json!({ "type": "http", "name": "locked", "url": web.url(),
        "headers": header("Bearer wrong-wrong") });
    let old = json!({ "type": "sse", "name": "old", "url": web.url(), "headers": [] });
    for (server, code, why) in [
        (&crashing, -32603, &["MCP server `bad_one`", "exit status: 7", "no [redacted]"][..]),
        (&locked, -32603, &["MCP server `locked`"][..]),
        (&old, -32602, &["mcpServers.old.type", "streamable HTTP"][..]),
    ] {
        let error = editor.answer("session/new", &with(&[server]))["error"].clone();
        assert_eq!(error["code"], code, "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(why.iter().all(|why| message.contains(why)), "{message}");
        assert!(!message.contains("hush") && !message.contains("wrong-wrong"), "{message}");
    }

    let session = editor.result("session/new", &with(&[&program]))["sessionId"].clone();
    let session = session.as_str().unwrap();
    assert_eq!(editor.says(session, "where are we"), "end_turn");
    assert_eq!(editor.text(session, "agent_message_chunk"), "found");
    assert!(!ended.exists());
    editor.result("session/close", &json!({ "sessionId": session }));
    assert!(ended.exists());
    let mut again = with(&[&address]);
    again["sessionId"] = json!(session);
    editor.result("session/resume", &again);
    assert_eq!(editor.says(session, "say it"), "end_turn");
    assert_eq!(editor.text(session, "agent_message_chunk"), "foundheard");
    editor.finish(&env);
}
