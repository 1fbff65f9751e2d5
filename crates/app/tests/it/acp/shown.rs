//! What an editor is shown of a session's work: subagents, terminals, a project behind a link.

use super::*;

fn reply(first: &str, turn: u32, name: &str, arguments: &Value) -> Value {
    let call = json!({ "name": name, "arguments": arguments });
    json!({ "when": { "first_user": first, "turn": turn }, "reply": { "tool_calls": [call] } })
}

fn done(first: &str, turn: u32, text: &str) -> Value {
    json!({ "when": { "first_user": first, "turn": turn }, "reply": { "text": text } })
}

#[test]
fn calls_of_subagents_are_shown_and_asked_about_by_their_names() {
    let part = json!({ "task": "a part", "working_dir": "sub" });
    let env = place(&[
        reply("the whole", 0, "spawn_agent", &part),
        reply("the whole", 1, "wait", &json!({})),
        done("the whole", 2, "All of it."),
        reply("a part", 0, "write_file", &json!({ "file_path": "made", "content": "made\n" })),
        reply("a part", 1, "shell", &json!({ "command": "false" })),
        done("a part", 2, "My part."),
    ]);
    std::fs::create_dir(env.path("work/sub")).unwrap();
    let mut editor = start(&env, &[]);
    editor.initialize(false);
    let session = editor.session(&env);
    editor.permits = [selected("allow-once"), selected("reject-once")].into();
    assert_eq!(editor.says(&session, "the whole"), "end_turn");
    assert_eq!(env.read("work/sub/made"), "made\n");
    assert_eq!(editor.text(&session, "agent_message_chunk"), "All of it.");
    let mut titles = editor.titles();
    titles.sort_unstable();
    let wanted =
        ["Subagent: a part", "Wait for subagents", "agent-1: Write made", "agent-1: false"];
    assert_eq!(titles, wanted);
    // The question comes after the call that it is about, and names it in the same way.
    let asked: Vec<_> = editor.requests.iter().map(|(_, params)| &params["toolCall"]).collect();
    assert_eq!(asked[0]["title"], "agent-1: Write made");
    assert_eq!(asked[1]["title"], "agent-1: false");
    let path = env.path("work/sub/made");
    assert_eq!(asked[0]["content"][0]["path"], json!(path));
    let of = |id: &Value| -> Vec<&Value> {
        let calls = editor.updates.iter().filter(|(_, update)| update["toolCallId"] == *id);
        calls.map(|(_, update)| update).collect()
    };
    let write = of(&asked[0]["toolCallId"]);
    assert_eq!(write[0]["locations"], json!([{ "path": path }]));
    assert_eq!(write.last().unwrap()["status"], "completed");
    assert_eq!(of(&asked[1]["toolCallId"]).last().unwrap()["status"], "failed");
    editor.finish(&env);
}

#[test]
fn subagents_that_go_on_after_the_prompt_are_shown_and_can_be_cancelled() {
    let env = place(&[
        reply("the whole", 0, "spawn_agent", &json!({ "task": "a part" })),
        done("the whole", 1, "I do not wait."),
        reply("a part", 0, "shell", &json!({ "command": "touch started; sleep 600" })),
        done("the whole", 2, "Again."),
    ]);
    let mut editor = start(&env, &["--mode", "auto"]);
    editor.initialize(false);
    let session = editor.session(&env);
    assert_eq!(editor.says(&session, "the whole"), "end_turn");
    assert!(editor.text(&session, "agent_message_chunk").contains("still at work"));
    until("the command runs", || env.path("work/started").exists().then_some(()));
    // It is not said to have failed while it runs.
    let of_child = |editor: &Editor| {
        let call = editor.calls().into_iter().find(|(id, _)| id.starts_with("agent-1/"));
        call.map(|(_, status)| status)
    };
    while of_child(&editor).is_none() {
        editor.step();
    }
    assert_eq!(of_child(&editor).as_deref(), Some("in_progress"));
    editor.notify("session/cancel", &json!({ "sessionId": session }));
    while of_child(&editor).as_deref() == Some("in_progress") {
        editor.step();
    }
    assert_eq!(of_child(&editor).as_deref(), Some("failed"));
    assert_eq!(editor.says(&session, "go on"), "end_turn");
    editor.finish(&env);
}

#[test]
fn commands_are_terminals_where_the_client_shows_them() {
    let env = place(&[
        shell(0, "echo one; echo two >&2; exit 3"),
        shell(1, "true"),
        shell(2, "echo never"),
        text(3, "done"),
    ]);
    let mut editor = start(&env, &[]);
    let client = json!({ "_meta": { "terminal_output": true }, "terminal": true });
    let hello = json!({ "protocolVersion": 1, "clientCapabilities": client });
    editor.result("initialize", &hello);
    let session = editor.session(&env);
    let answers = ["allow-once", "allow-once", "reject-once"];
    editor.permits = answers.map(selected).into();
    assert_eq!(editor.says(&session, "go"), "end_turn");
    let ids: Vec<String> = editor.calls().into_iter().map(|(id, _)| id).collect();
    let of = |id: &str| -> Vec<Value> {
        let calls = editor.updates.iter().filter(|(_, update)| update["toolCallId"] == id);
        calls.map(|(_, update)| update.clone()).collect()
    };
    let shown = |id: &str| -> String {
        let updates = of(id);
        let data = updates.iter().filter_map(|it| it["_meta"]["terminal_output"]["data"].as_str());
        data.collect()
    };
    let first = of(&ids[0]);
    assert_eq!(first[0]["content"], json!([{ "type": "terminal", "terminalId": ids[0] }]));
    let info = json!({ "terminal_id": ids[0], "cwd": env.path("work") });
    assert_eq!(first[0]["_meta"]["terminal_info"], info);
    let mut lines: Vec<String> = shown(&ids[0]).lines().map(str::to_owned).collect();
    lines.truncate(2);
    lines.sort_unstable();
    assert_eq!(lines, ["one", "two"]);
    let exit = |id: &str| of(id).last().unwrap()["_meta"]["terminal_exit"]["exit_code"].clone();
    assert_eq!((exit(&ids[0]), exit(&ids[1])), (json!(3), json!(0)));
    assert!(shown(&ids[2]).contains("did not allow"), "{}", shown(&ids[2]));
    // Nothing takes the terminal's place.
    for id in &ids {
        assert!(of(id)[1..].iter().all(|update| update.get("content").is_none()), "{:?}", of(id));
    }
    assert_eq!(editor.requests.len(), 3, "{:?}", editor.requests);
    editor.finish(&env);
}

#[test]
fn a_project_behind_a_link_is_shown_as_the_editor_knows_it() {
    let env = place(&[]);
    let (real, link) = (env.path("work"), env.path("link"));
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let edit = |path: Value, to: &str| json!({ "file_path": path, "content": to });
    // A model uses the names that it was told, or those that the user mentioned.
    let entries = [
        tool(0, "write_file", edit(json!("a.txt"), "a\n")),
        tool(1, "write_file", edit(json!(real.join("b.txt")), "b\n")),
        tool(2, "write_file", edit(json!(link.join("c.txt")), "c\n")),
        tool(3, "read_file", json!({ "file_path": real.join("a.txt") })),
        text(4, "done"),
    ];
    let entries: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    env.write("transcript.jsonl", &entries);
    let mut editor = start(&env, &["--mode", "accept-edits"]);
    editor.initialize(true);
    let new = json!({ "cwd": link, "mcpServers": [] });
    let session = editor.result("session/new", &new)["sessionId"].as_str().unwrap().to_owned();
    assert_eq!(editor.says(&session, "go"), "end_turn");
    let paths: Vec<&Value> = editor
        .requests
        .iter()
        .filter(|(method, _)| method == "fs/write_text_file")
        .map(|(_, params)| &params["path"])
        .collect();
    let wanted = ["a.txt", "b.txt", "c.txt"].map(|name| json!(link.join(name)));
    assert_eq!(paths, wanted.each_ref());
    assert_eq!(editor.titles(), ["Write a.txt", "Write b.txt", "Write c.txt", "Read a.txt"]);
    let frames: Vec<&Value> = editor
        .updates
        .iter()
        .map(|(_, update)| &update["locations"])
        .chain(editor.requests.iter().map(|(_, params)| &params["path"]))
        .collect();
    let real_name = real.to_str().unwrap();
    assert!(frames.iter().all(|frame| !frame.to_string().contains(real_name)), "{frames:?}");
    let listed = editor.result("session/list", &json!({ "cwd": link }));
    assert_eq!(listed["sessions"][0]["cwd"], json!(link));
    editor.finish(&env);
}
