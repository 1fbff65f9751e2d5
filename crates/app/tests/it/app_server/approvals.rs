//! Approvals, questions of the model, tools of the client.

use serde_json::{Value, json};

use super::raw::Raw;
use super::{after, place, shell, text, tool, work};
use crate::up::env::TestEnv;

const COMMAND: &str = "item/commandExecution/requestApproval";
const CHANGE: &str = "item/fileChange/requestApproval";

fn untrusted(env: &TestEnv) -> (Raw, String) {
    let mut raw = Raw::canon(env, &json!({}));
    let started =
        raw.ok("thread/start", json!({ "cwd": work(env), "approvalPolicy": "untrusted" }));
    assert_eq!(started["approvalPolicy"], "untrusted");
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    (raw, thread)
}

#[test]
fn an_allowed_command_runs_and_one_allowed_for_the_session_is_not_asked_about_again() {
    let env = place(&[
        shell(0, "echo one >> file"),
        shell(1, "echo two >> file"),
        shell(2, "echo two >> file"),
        text(3, "done"),
    ]);
    let (mut raw, thread) = untrusted(&env);
    let turn = raw.turn(&thread, "go");
    for (command, decision) in
        [("echo one >> file", "accept"), ("echo two >> file", "acceptForSession")]
    {
        let asked = raw.hears(COMMAND);
        let params = &asked["params"];
        assert_eq!((&params["threadId"], &params["turnId"]), (&json!(thread), &json!(turn)));
        assert_eq!(params["command"], command);
        assert_eq!(params["cwd"], json!(work(&env)));
        // The item comes first: it says what is asked about.
        let item = raw.said.iter().find(|said| {
            said["method"] == "item/started" && said["params"]["item"]["id"] == params["itemId"]
        });
        assert_eq!(item.unwrap()["params"]["item"]["status"], "inProgress");
        assert!(!env.read("work/file").contains(command.split(' ').nth(1).unwrap()));
        raw.reply(&asked, json!({ "decision": decision }));
        let resolved = raw.hears("serverRequest/resolved");
        assert_eq!(resolved["params"]["requestId"], asked["id"]);
    }
    assert_eq!(raw.end()["status"], "completed");
    assert_eq!(env.read("work/file"), "one\ntwo\ntwo\n");
    let said = raw.finish();
    assert_eq!(said.iter().filter(|said| said["method"] == COMMAND).count(), 2);
    let statuses = said.iter().filter(|said| said["method"] == "thread/status/changed");
    let statuses: Vec<Value> = statuses.map(|said| said["params"]["status"].clone()).collect();
    let active = json!({ "type": "active", "activeFlags": [] });
    let waiting = json!({ "type": "active", "activeFlags": ["waitingOnApproval"] });
    let idle = json!({ "type": "idle" });
    let order = [&active, &waiting, &active, &waiting, &active, &idle];
    assert_eq!(statuses.iter().collect::<Vec<_>>(), order);
    env.assert_nothing_left();
}

#[test]
fn a_declined_command_does_not_run_and_the_model_goes_on() {
    let told = json!({ "when": { "turn": 1, "tool_results": [{ "name": "shell", "is_error": true,
        "contains": "did not allow" }] }, "reply": { "text": "as you wish" } });
    let env = place(&[shell(0, "touch file"), told]);
    let (mut raw, thread) = untrusted(&env);
    raw.turn(&thread, "go");
    let asked = raw.hears(COMMAND);
    raw.reply(&asked, json!({ "decision": "decline" }));
    assert_eq!(raw.end()["status"], "completed");
    assert_eq!(raw.item("commandExecution")["status"], "declined");
    assert_eq!(raw.item("agentMessage")["text"], "as you wish");
    assert!(!env.path("work/file").exists());
    raw.finish();
}

#[test]
fn a_cancelled_command_interrupts_the_turn_and_the_thread_goes_on() {
    let back = json!({ "when": { "last_user": "again" }, "reply": { "text": "back" } });
    let env = place(&[back, shell(0, "touch file")]);
    let (mut raw, thread) = untrusted(&env);
    raw.turn(&thread, "go");
    let asked = raw.hears(COMMAND);
    raw.reply(&asked, json!({ "decision": "cancel" }));
    assert_eq!(raw.end()["status"], "interrupted");
    assert_eq!(raw.item("commandExecution")["status"], "declined");
    raw.turn(&thread, "again");
    assert_eq!(raw.end()["status"], "completed");
    assert!(!env.path("work/file").exists());
    raw.finish();
}

#[test]
fn an_interrupt_resolves_an_open_approval() {
    let env = place(&[shell(0, "touch file")]);
    let (mut raw, thread) = untrusted(&env);
    let turn = raw.turn(&thread, "go");
    let asked = raw.hears(COMMAND);
    raw.ok("turn/interrupt", json!({ "threadId": thread, "turnId": turn }));
    let resolved = raw.hears("serverRequest/resolved");
    assert_eq!(resolved["params"]["requestId"], asked["id"]);
    assert_eq!(raw.end()["status"], "interrupted");
    // Too late, and no harm.
    raw.reply(&asked, json!({ "decision": "accept" }));
    raw.ok("thread/loaded/list", json!({}));
    assert!(!env.path("work/file").exists());
    raw.finish();
}

#[test]
fn nonsense_for_a_decision_lets_nothing_run() {
    let env = place(&[shell(0, "touch file"), shell(1, "touch file"), text(2, "done")]);
    let (mut raw, thread) = untrusted(&env);
    raw.turn(&thread, "go");
    let asked = raw.hears(COMMAND);
    raw.reply(&asked, json!({ "decision": "yes, please" }));
    let asked = raw.hears(COMMAND);
    raw.send(json!({ "id": asked["id"], "error": { "code": 1, "message": "no idea" } }));
    assert_eq!(raw.end()["status"], "completed");
    assert!(!env.path("work/file").exists());
    raw.finish();
}

#[test]
fn changes_of_files_are_asked_about_and_make_the_turns_diff() {
    let env = place(&[
        tool(0, "write_file", json!({ "file_path": "a", "content": "1\n2\n" })),
        tool(1, "edit_file", json!({ "file_path": "a", "old_string": "2", "new_string": "two" })),
        tool(2, "write_file", json!({ "file_path": "b", "content": "no\n" })),
        text(3, "done"),
    ]);
    let (mut raw, thread) = untrusted(&env);
    raw.turn(&thread, "go");
    let asked = raw.hears(CHANGE);
    raw.reply(&asked, json!({ "decision": "acceptForSession" }));
    // The first may already have both changes: it is of what is there when it is made.
    raw.until(|said| {
        let diff = said["params"]["diff"].as_str().unwrap_or_default();
        said["method"] == "turn/diff/updated"
            && diff.ends_with("+++ b/a\n@@ -0,0 +1,2 @@\n+1\n+two\n")
    });
    let asked = raw.hears(CHANGE);
    raw.reply(&asked, json!({ "decision": "decline" }));
    assert_eq!(raw.end()["status"], "completed");
    assert_eq!(raw.item("fileChange")["status"], "declined");
    assert_eq!(env.read("work/a"), "1\ntwo\n");
    assert!(!env.path("work/b").exists());
    raw.finish();
}

#[test]
fn a_client_that_goes_away_in_the_middle_of_an_approval_leaves_nothing() {
    let env = place(&[shell(0, "touch file")]);
    let (mut raw, thread) = untrusted(&env);
    raw.turn(&thread, "go");
    raw.hears(COMMAND);
    raw.finish();
    assert!(!env.path("work/file").exists());
    env.assert_nothing_left();
}

#[test]
fn the_model_asks_the_user_and_reads_the_answer() {
    let question = json!({ "id": "colour", "header": "Colour", "question": "Which colour?",
        "options": [{ "label": "red", "description": "like a rose" }] });
    let env = place(&[
        tool(0, "request_user_input", json!({ "questions": [question] })),
        after(1, "request_user_input", "colour: red", "red it is"),
    ]);
    let mut raw = Raw::canon(&env, &json!({ "experimentalApi": true }));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    raw.turn(&thread, "go");
    let asked = raw.hears("item/tool/requestUserInput");
    assert_eq!(asked["params"]["questions"], json!([question]));
    raw.reply(&asked, json!({ "answers": { "colour": { "answers": ["red"] } } }));
    assert_eq!(raw.end()["status"], "completed");
    assert_eq!(raw.item("agentMessage")["text"], "red it is");
    let said = raw.finish();
    let waited = said
        .iter()
        .any(|said| said["params"]["status"]["activeFlags"] == json!(["waitingOnUserInput"]));
    assert!(waited);
}

#[test]
fn the_model_cannot_ask_a_client_that_did_not_say_it_can_answer() {
    let unknown = json!({ "when": { "turn": 1, "tool_results": [{ "is_error": true,
        "contains": "Unknown tool: request_user_input" }] }, "reply": { "text": "alone" } });
    let env = place(&[tool(0, "request_user_input", json!({ "questions": [] })), unknown]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    raw.turn(&thread, "go");
    assert_eq!(raw.end()["status"], "completed");
    assert_eq!(raw.item("agentMessage")["text"], "alone");
    raw.finish();
}

#[test]
fn tools_of_a_group_are_called_by_group_and_name() {
    let function = json!({ "type": "function", "name": "find", "description": "finds",
        "inputSchema": { "type": "object" } });
    let group =
        json!({ "type": "namespace", "name": "docs", "description": "d", "tools": [function] });
    let env = place(&[
        tool(0, "docs__find", json!({ "x": 1 })),
        after(1, "docs__find", "a page", "found"),
    ]);
    let mut raw = Raw::canon(&env, &json!({ "experimentalApi": true }));
    let thread = raw.thread(json!({ "cwd": work(&env), "dynamicTools": [function, group] }));
    raw.turn(&thread, "go");
    let asked = raw.hears("item/tool/call");
    let params = &asked["params"];
    assert_eq!((&params["namespace"], &params["tool"]), (&json!("docs"), &json!("find")));
    let picture = json!({ "type": "inputImage", "imageUrl": "data:image/png;base64,AQI=" });
    let items = json!([{ "type": "inputText", "text": "a page" }, picture]);
    raw.reply(&asked, json!({ "success": true, "contentItems": items }));
    assert_eq!(raw.end()["status"], "completed");
    let item = raw.item("dynamicToolCall");
    assert_eq!((&item["namespace"], &item["tool"]), (&json!("docs"), &json!("find")), "{item}");
    raw.finish();
}
