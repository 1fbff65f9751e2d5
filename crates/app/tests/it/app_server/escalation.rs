//! Commands that the client lets out of the sandbox.

use serde_json::{Value, json};

use super::raw::Raw;
use super::{place, shell, text, tool, work};
use crate::up::env::TestEnv;

const COMMAND: &str = "item/commandExecution/requestApproval";

fn escalated(turn: u32, command: &str) -> Value {
    tool(
        turn,
        "shell",
        json!({ "command": command, "sandbox_permissions": "require_escalated",
            "justification": "May I write beyond the workspace?" }),
    )
}

fn start(env: &TestEnv, policy: &Value) -> (Raw, String) {
    let mut raw = Raw::canon(env, &json!({}));
    let started = raw.ok("thread/start", json!({ "cwd": work(env), "approvalPolicy": policy }));
    assert_eq!(&started["approvalPolicy"], policy);
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    (raw, thread)
}

fn beyond(env: &TestEnv) -> (std::path::PathBuf, String) {
    let file = env.path("home/beyond");
    let command = format!("echo x >> {}", file.display());
    (file, command)
}

#[test]
fn on_request_a_command_leaves_the_sandbox_when_the_client_lets_it() {
    let env = place(&[]);
    let (file, command) = beyond(&env);
    let fails = json!({ "when": { "turn": 1, "tool_results": [{ "name": "shell", "is_error": true }] },
        "reply": escalated(1, &command)["reply"] });
    let entries =
        [shell(0, &command), fails, escalated(2, &command), shell(3, &command), text(4, "done")];
    let lines: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    env.write("transcript.jsonl", &lines);
    let (mut raw, thread) = start(&env, &json!("on-request"));
    raw.turn(&thread, "go");
    let asked = raw.hears(COMMAND);
    assert_eq!(asked["params"]["command"], json!(command));
    assert_eq!(asked["params"]["reason"], "May I write beyond the workspace?");
    assert!(!file.exists(), "the sandbox held");
    raw.reply(&asked, json!({ "decision": "acceptForSession" }));
    assert_eq!(raw.end()["status"], "completed");
    let said = raw.finish();
    // Twice outside, of which one was asked about; inside it fails before and after.
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x\nx\n");
    assert_eq!(said.iter().filter(|said| said["method"] == COMMAND).count(), 1);
    env.assert_nothing_left();
}

#[test]
fn a_command_that_is_not_let_out_does_not_run_anywhere() {
    let granular = json!({ "granular": { "sandbox_approval": true, "rules": false,
        "skill_approval": false, "request_permissions": false, "mcp_elicitations": false } });
    let env = place(&[]);
    let (file, command) = beyond(&env);
    let told = json!({ "when": { "turn": 1, "tool_results": [{ "name": "shell", "is_error": true,
        "contains": "did not allow" }] }, "reply": { "text": "as you wish" } });
    let both = format!("touch inside; {command}");
    let lines: String =
        [escalated(0, &both), told].iter().map(|entry| format!("{entry}\n")).collect();
    env.write("transcript.jsonl", &lines);
    let (mut raw, thread) = start(&env, &granular);
    raw.turn(&thread, "go");
    let asked = raw.hears(COMMAND);
    raw.reply(&asked, json!({ "decision": "decline" }));
    assert_eq!(raw.end()["status"], "completed");
    assert_eq!(raw.item("commandExecution")["status"], "declined");
    assert_eq!(raw.item("agentMessage")["text"], "as you wish");
    assert!(!file.exists() && !env.path("work/inside").exists());
    raw.finish();
}

#[test]
fn under_never_nothing_gets_out_and_nothing_is_asked() {
    let rejecting = json!({ "granular": { "sandbox_approval": false, "rules": true,
        "skill_approval": false, "request_permissions": false, "mcp_elicitations": true } });
    for policy in [json!("never"), rejecting] {
        let env = place(&[]);
        let (file, command) = beyond(&env);
        let told = json!({ "when": { "turn": 1, "tool_results": [{ "name": "shell",
            "is_error": true }] }, "reply": { "text": "no way" } });
        let lines: String =
            [escalated(0, &command), told].iter().map(|entry| format!("{entry}\n")).collect();
        env.write("transcript.jsonl", &lines);
        let (mut raw, thread) = start(&env, &policy);
        raw.turn(&thread, "go");
        assert_eq!(raw.end()["status"], "completed", "{policy}");
        assert!(!file.exists());
        let said = raw.finish();
        assert!(said.iter().all(|said| said["method"] != COMMAND));
    }
}
