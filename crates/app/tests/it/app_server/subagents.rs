//! What a client sees of subagents.

use serde_json::{Value, json};

use super::raw::Raw;
use super::{place, tool, until, work};

/// A parent that spawns a child and waits; the child runs `command`, spelt in another agent's way.
fn entries(command: &str) -> Vec<Value> {
    let usage = json!({ "input_tokens": 100, "output_tokens": 10 });
    let child = json!({ "when": { "turn": 0, "last_user": "sub task" }, "reply": { "usage": usage,
        "tool_calls": [{ "name": "shell", "arguments": { "cmd": command } }] } });
    let done = json!({ "when": { "turn": 1, "first_user": "sub task" },
        "reply": { "text": "the child is done", "usage": usage } });
    let last = json!({ "when": { "turn": 2, "tool_results": [{ "name": "wait",
        "contains": "agent-1" }] }, "reply": { "text": "all done", "usage": usage } });
    vec![
        child,
        done,
        tool(0, "spawn_agent", json!({ "task": "sub task" })),
        tool(1, "wait", json!({ "agent_ids": ["agent-1"] })),
        last,
    ]
}

fn items(said: &[Value], method: &str, kind: &str) -> Vec<Value> {
    let items = said.iter().filter(|said| said["method"] == method);
    let items = items.map(|said| said["params"]["item"].clone());
    items.filter(|item| item["type"] == kind).collect()
}

#[test]
fn calls_of_a_subagent_are_items_of_the_turn_and_its_tokens_count() {
    let env = place(&entries("echo from below; pwd"));
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    raw.turn(&thread, "go");
    assert_eq!(raw.end()["status"], "completed");
    let read = raw.ok("thread/read", json!({ "threadId": thread, "includeTurns": true }));
    let said = raw.finish();
    let commands = items(&said, "item/completed", "commandExecution");
    let [command] = &commands[..] else { panic!("{commands:?}") };
    assert!(command["id"].as_str().unwrap().starts_with("agent-1/"), "{command}");
    assert_eq!(command["command"], "echo from below; pwd");
    assert_eq!(command["cwd"], json!(work(&env)));
    assert!(command["aggregatedOutput"].as_str().unwrap().contains("from below"));
    assert_eq!(items(&said, "item/started", "commandExecution").len(), 1);
    // The words of the subagent are no message to the client.
    let messages = items(&said, "item/completed", "agentMessage");
    assert_eq!(messages.len(), 1, "{messages:?}");
    let collabs = items(&said, "item/completed", "collabAgentToolCall");
    let [spawn, wait] = &collabs[..] else { panic!("{collabs:?}") };
    assert_eq!((&spawn["tool"], &wait["tool"]), (&json!("spawnAgent"), &json!("wait")));
    assert_eq!(spawn["prompt"], "sub task");
    assert_eq!(spawn["senderThreadId"], json!(thread));
    assert_eq!(spawn["receiverThreadIds"], json!(["agent-1"]));
    assert_eq!(spawn["agentsStates"]["agent-1"]["status"], "running");
    let done = json!({ "status": "completed", "message": "the child is done" });
    assert_eq!(wait["agentsStates"]["agent-1"], done);
    let kept = read["thread"]["turns"][0]["items"].as_array().unwrap();
    assert_eq!(kept[1]["type"], "collabAgentToolCall", "{kept:?}");
    assert_eq!(kept[1]["status"], "completed");
    // Five replies: three of the thread, two of the subagent.
    let usages = said.iter().filter(|said| said["method"] == "thread/tokenUsage/updated");
    let usages: Vec<&Value> = usages.map(|said| &said["params"]["tokenUsage"]).collect();
    assert_eq!(usages.len(), 5);
    assert_eq!(usages[4]["total"]["totalTokens"], 550);
    env.assert_nothing_left();
}

#[test]
fn a_subagents_command_is_asked_about_with_its_item_and_its_name() {
    let env = place(&entries("touch file"));
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env), "approvalPolicy": "untrusted" }));
    raw.turn(&thread, "go");
    let asked = raw.hears("item/commandExecution/requestApproval");
    assert_eq!(asked["params"]["command"], "touch file");
    assert!(asked["params"]["reason"].as_str().unwrap().contains("agent-1"), "{asked}");
    let known = items(&raw.said, "item/started", "commandExecution");
    assert_eq!(known[0]["id"], asked["params"]["itemId"], "{known:?}");
    assert!(!env.path("work/file").exists());
    raw.reply(&asked, json!({ "decision": "accept" }));
    assert_eq!(raw.end()["status"], "completed");
    assert!(env.path("work/file").exists());
    raw.finish();
}

#[test]
fn a_subagent_that_works_on_is_asked_for_between_turns() {
    let mut entries = entries("until [ -e go ]; do sleep 0.02; done");
    // The parent does not wait; the child has a second command.
    entries.truncate(1);
    entries.push(tool(0, "spawn_agent", json!({ "task": "sub task" })));
    entries.push(json!({ "when": { "turn": 1, "tool_results": [{ "name": "shell" }] },
        "reply": { "tool_calls": [{ "name": "shell", "arguments": { "command": "touch late" } }] } }));
    entries.push(json!({ "when": { "turn": 1, "tool_results": [{ "name": "spawn_agent" }] },
        "reply": { "text": "it works on" } }));
    entries.push(json!({ "when": { "turn": 2 }, "reply": { "text": "child done" } }));
    let env = place(&entries);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env), "approvalPolicy": "untrusted" }));
    raw.turn(&thread, "go");
    let asked = raw.hears("item/commandExecution/requestApproval");
    raw.reply(&asked, json!({ "decision": "accept" }));
    // The turn may have ended before or after the request.
    while !raw.said.iter().any(|said| said["method"] == "turn/completed") {
        raw.ok("thread/loaded/list", json!({}));
    }
    env.write("work/go", "");
    let asked = raw.hears("item/commandExecution/requestApproval");
    assert_eq!(asked["params"]["command"], "touch late");
    raw.reply(&asked, json!({ "decision": "accept" }));
    until("the subagent's command ran", || env.path("work/late").exists().then_some(()));
    raw.finish();
    env.assert_nothing_left();
}
