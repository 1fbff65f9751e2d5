//! Threads that outlive their process, and what is read of them.

use serde_json::{Value, json};

use super::raw::Raw;
use super::{place, shell, text, work};

fn types(turn: &Value) -> Vec<&str> {
    turn["items"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect()
}

#[test]
fn a_thread_is_resumed_in_a_new_process_with_its_conversation_and_settings() {
    let remembers =
        json!({ "when": { "turn": 2, "last_user": "and now" }, "reply": { "text": "I remember" } });
    let env = place(&[remembers, shell(0, "echo hi"), text(1, "done")]);
    let mut raw = Raw::canon(&env, &json!({}));
    let wish = json!({ "cwd": work(&env), "sandbox": "read-only", "approvalPolicy": "untrusted" });
    let thread = raw.thread(wish);
    raw.ok("thread/name/set", json!({ "threadId": thread, "name": "A-1: a title" }));
    let turn = raw.turn(&thread, "say hi");
    let asked = raw.hears("item/commandExecution/requestApproval");
    raw.reply(&asked, json!({ "decision": "accept" }));
    assert_eq!(raw.end()["status"], "completed");
    raw.finish();

    let mut raw = Raw::canon(&env, &json!({}));
    let listed = raw.ok("thread/list", json!({}));
    assert_eq!(listed["data"][0]["id"], json!(thread));
    assert_eq!(listed["data"][0]["preview"], "say hi");
    assert_eq!(listed["data"][0]["status"]["type"], "notLoaded");
    let resumed = raw.ok("thread/resume", json!({ "threadId": thread }));
    assert_eq!(resumed["approvalPolicy"], "untrusted");
    assert_eq!(resumed["sandbox"]["type"], "readOnly");
    let read = &resumed["thread"];
    assert_eq!((&read["name"], &read["status"]["type"]), (&json!("A-1: a title"), &json!("idle")));
    let [first] = &read["turns"].as_array().unwrap()[..] else { panic!("{read}") };
    assert_eq!((&first["id"], &first["status"]), (&json!(turn), &json!("completed")));
    assert_eq!(types(first), ["userMessage", "commandExecution", "agentMessage"]);
    assert_eq!(first["items"][1]["status"], "completed");
    assert!(first["items"][1]["aggregatedOutput"].as_str().unwrap().contains("hi"));
    raw.turn(&thread, "and now");
    assert_eq!(raw.end()["status"], "completed");
    assert_eq!(raw.item("agentMessage")["text"], "I remember");
    // Once more, now that it is loaded.
    let again = raw.ok("thread/resume", json!({ "threadId": thread, "excludeTurns": true }));
    assert_eq!(again["thread"]["turns"], json!([]));
    raw.finish();
}

#[test]
fn a_thread_is_forked_reverted_archived_and_deleted() {
    let env = place(&[text(0, "zero"), text(1, "one"), text(2, "two")]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    let turns: Vec<String> = ["a", "b", "c"]
        .iter()
        .map(|prompt| {
            let turn = raw.turn(&thread, prompt);
            raw.end();
            turn
        })
        .collect();
    let ids = |answer: &Value| -> Vec<String> {
        let turns = answer.as_array().unwrap();
        turns.iter().map(|turn| turn["id"].as_str().unwrap().to_owned()).collect()
    };
    let read = raw.ok("thread/read", json!({ "threadId": thread, "includeTurns": true }));
    assert_eq!(ids(&read["thread"]["turns"]), turns);
    let page = raw.ok("thread/turns/list", json!({ "threadId": thread, "limit": 2 }));
    assert_eq!(ids(&page["data"]), [turns[2].clone(), turns[1].clone()]);
    let next = json!({ "threadId": thread, "cursor": page["nextCursor"] });
    assert_eq!(ids(&raw.ok("thread/turns/list", next)["data"]), turns[..1]);

    let fork = raw.ok("thread/fork", json!({ "threadId": thread, "lastTurnId": turns[0] }));
    let copy = fork["thread"]["id"].as_str().unwrap().to_owned();
    assert_eq!(fork["thread"]["forkedFromId"], json!(thread));
    assert_eq!(ids(&fork["thread"]["turns"]), turns[..1]);
    raw.turn(&copy, "b again");
    raw.end();
    assert_eq!(raw.item("agentMessage")["text"], "one");

    let revert = json!({ "threadId": thread, "beforeTurnId": turns[1] });
    raw.ok("thread/revert", revert);
    raw.hears("thread/reverted");
    let read = raw.ok("thread/read", json!({ "threadId": thread, "includeTurns": true }));
    assert_eq!(ids(&read["thread"]["turns"]), turns[..1]);
    raw.turn(&thread, "b differently");
    raw.end();
    assert_eq!(raw.item("agentMessage")["text"], "one");

    raw.ok("thread/archive", json!({ "threadId": thread }));
    raw.hears("thread/archived");
    let listed = |raw: &mut Raw, archived: bool| {
        ids(&raw.ok("thread/list", json!({ "archived": archived }))["data"])
    };
    assert_eq!(listed(&mut raw, false), std::slice::from_ref(&copy));
    assert_eq!(listed(&mut raw, true), std::slice::from_ref(&thread));
    assert_eq!(raw.ok("thread/loaded/list", json!({}))["data"], json!([copy]));
    raw.ok("thread/unarchive", json!({ "threadId": thread }));
    raw.hears("thread/unarchived");
    assert_eq!(listed(&mut raw, false).len(), 2);
    let found = raw.ok("thread/list", json!({ "searchTerm": "A", "cwd": work(&env), "limit": 1 }));
    assert!(found["nextCursor"].is_string(), "{found}");
    raw.ok("thread/delete", json!({ "threadId": thread }));
    assert!(raw.refused("thread/read", json!({ "threadId": thread })).contains("no rollout found"));
    assert_eq!(raw.ok("thread/unsubscribe", json!({ "threadId": copy }))["status"], "unsubscribed");
    assert_eq!(raw.ok("thread/unsubscribe", json!({ "threadId": copy }))["status"], "notLoaded");
    assert!(
        raw.refused("turn/interrupt", json!({ "threadId": copy, "turnId": "x" }))
            .contains("not found")
    );
    raw.finish();
}

#[test]
fn a_thread_is_open_in_one_process_at_a_time() {
    let env = place(&[text(0, "zero")]);
    let mut one = Raw::canon(&env, &json!({}));
    let thread = one.thread(json!({ "cwd": work(&env) }));
    one.turn(&thread, "a");
    one.end();
    let mut other = Raw::canon(&env, &json!({}));
    let why = other.refused("thread/resume", json!({ "threadId": thread }));
    assert!(why.contains("open in another process"), "{why}");
    other.ok("thread/read", json!({ "threadId": thread, "includeTurns": true }));
    one.finish();
    other.ok("thread/resume", json!({ "threadId": thread }));
    other.finish();
}

#[test]
fn an_ephemeral_thread_leaves_nothing() {
    let env = place(&[text(0, "zero")]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env), "ephemeral": true }));
    raw.turn(&thread, "a");
    raw.end();
    assert_eq!(raw.ok("thread/list", json!({}))["data"], json!([]));
    let read = raw.ok("thread/read", json!({ "threadId": thread }));
    assert_eq!(read["thread"]["ephemeral"], true);
    raw.refused("thread/read", json!({ "threadId": thread, "includeTurns": true }));
    raw.finish();
    let mut raw = Raw::canon(&env, &json!({}));
    raw.refused("thread/resume", json!({ "threadId": thread }));
    raw.finish();
}

#[test]
fn turns_change_where_and_under_what_they_run_and_keep_the_conversation() {
    let env = place(&[
        shell(0, "pwd; echo x > file || echo refused"),
        json!({ "when": { "turn": 1, "tool_results": [{ "contains": ["/work/sub", "refused"] }] },
            "reply": { "text": "read-only below" } }),
        json!({ "when": { "turn": 2, "last_user": "again" }, "reply": { "text": "the same thread" } }),
    ]);
    std::fs::create_dir(env.path("work/sub")).unwrap();
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    let sub = env.path("work/sub");
    let start = json!({ "threadId": thread, "input": [{ "type": "text", "text": "go" }],
        "cwd": sub, "sandboxPolicy": { "type": "readOnly" }, "effort": "high" });
    raw.ok("turn/start", start);
    raw.end();
    assert_eq!(raw.item("agentMessage")["text"], "read-only below");
    assert_eq!(raw.item("commandExecution")["cwd"], json!(sub));
    let start = json!({ "threadId": thread, "input": [{ "type": "text", "text": "again" }],
        "cwd": work(&env), "sandboxPolicy": { "type": "workspaceWrite" } });
    raw.ok("turn/start", start);
    raw.end();
    assert_eq!(raw.item("agentMessage")["text"], "the same thread");
    raw.finish();
}

#[test]
fn what_clients_ask_before_they_begin_is_answered() {
    let env = place(&[text(0, "hello")]);
    let mut raw = Raw::canon(&env, &json!({ "optOutNotificationMethods": ["thread/started"] }));
    let models = raw.ok("model/list", json!({ "limit": 3 }));
    assert_eq!(models["data"].as_array().unwrap().len(), 3);
    assert_eq!(models["nextCursor"], "3");
    assert_eq!(raw.ok("config/read", json!({}))["config"]["approval_policy"], "never");
    raw.ok("configRequirements/read", Value::Null);
    assert_eq!(raw.ok("account/read", json!({}))["requiresOpenaiAuth"], false);
    for list in [
        "mcpServerStatus/list",
        "skills/list",
        "collaborationMode/list",
        "experimentalFeature/list",
        "thread/loaded/list",
    ] {
        assert_eq!(raw.ok(list, json!({}))["data"], json!([]), "{list}");
    }
    raw.refused("account/rateLimits/read", json!({}));
    raw.thread(json!({ "cwd": work(&env) }));
    let said = raw.finish();
    // Not wanted, so not said.
    assert!(said.iter().all(|said| said["method"] != "thread/started"));
    let stamped = said.iter().filter(|said| said.get("method").is_some());
    assert!(stamped.into_iter().all(|said| said["emittedAtMs"].is_u64()));
}

#[test]
fn what_a_thread_has_used_up_counts_on_in_the_next_process() {
    let env = place(&[text(0, "zero"), text(1, "one")]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    raw.turn(&thread, "a");
    raw.end();
    raw.finish();
    let mut raw = Raw::canon(&env, &json!({}));
    raw.ok("thread/resume", json!({ "threadId": thread }));
    let total = |said: &Value| said["params"]["tokenUsage"]["total"]["totalTokens"].clone();
    // Told at once, so that a client knows where it begins.
    assert_eq!(total(&raw.hears("thread/tokenUsage/updated")), 110);
    raw.turn(&thread, "b");
    let told = raw.hears("thread/tokenUsage/updated");
    assert_eq!(total(&told), 220);
    assert_eq!(told["params"]["tokenUsage"]["last"]["totalTokens"], 110);
    raw.end();
    let fork = raw.ok("thread/fork", json!({ "threadId": thread }));
    assert_ne!(fork["thread"]["id"], json!(thread));
    assert_eq!(total(&raw.hears("thread/tokenUsage/updated")), 220);
    raw.finish();
}

#[test]
fn limits_are_those_of_the_thread_whatever_changes_between_its_turns() {
    let env = place(&[text(0, "zero"), text(1, "one"), text(2, "two")]);
    std::fs::create_dir(env.path("work/sub")).unwrap();
    let transcript = env.path("transcript.jsonl");
    let model = transcript.to_str().unwrap();
    let args = ["app-server", "--provider", "scripted", "--model", model, "--max-turns", "2"];
    let mut raw = Raw::start(env.canon(&args));
    raw.initialize(&json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    let mut statuses = Vec::new();
    // Another directory is another session each time.
    for cwd in ["work", "work/sub", "work"] {
        let input = json!([{ "type": "text", "text": "go" }]);
        let wish = json!({ "threadId": thread, "input": input, "cwd": env.path(cwd) });
        let answer = raw.ask("turn/start", wish);
        statuses.push(match answer.get("error") {
            Some(error) => error["message"].clone(),
            None => raw.end()["status"].clone(),
        });
    }
    assert_eq!(statuses[..2], ["completed", "completed"]);
    assert!(statuses[2].as_str().unwrap().contains("limit of 2 replies"), "{statuses:?}");
    raw.finish();
}

#[test]
fn what_is_said_into_a_turn_is_an_item_and_its_settings_hold_from_the_next_on() {
    let env = place(&[
        shell(0, "touch started; until [ -e go ]; do sleep 0.02; done"),
        json!({ "when": { "turn": 1, "last_user": "steered" }, "reply": { "text": "one" } }),
        shell(2, "pwd"),
        json!({ "when": { "turn": 3, "tool_results": [{ "contains": "/work/sub" }] },
            "reply": { "text": "below" } }),
    ]);
    std::fs::create_dir(env.path("work/sub")).unwrap();
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    let turn = raw.turn(&thread, "go");
    super::until("the command runs", || env.path("work/started").exists().then_some(()));
    let text = |text: &str| json!([{ "type": "text", "text": text }]);
    let joined = json!({ "threadId": thread, "input": text("joined"), "cwd": env.path("work/sub"),
        "clientUserMessageId": "mine" });
    assert_eq!(raw.ok("turn/start", joined)["turn"]["id"], json!(turn));
    let steer = json!({ "threadId": thread, "expectedTurnId": turn, "input": text("steered") });
    raw.ok("turn/steer", steer);
    env.write("work/go", "");
    assert_eq!(raw.end()["status"], "completed");
    raw.turn(&thread, "where");
    assert_eq!(raw.end()["status"], "completed");
    assert_eq!(raw.item("agentMessage")["text"], "below");
    let said = raw.finish();
    let users = said.iter().filter(|said| {
        said["method"] == "item/completed" && said["params"]["item"]["type"] == "userMessage"
    });
    let users: Vec<&Value> = users.map(|said| &said["params"]).collect();
    let texts: Vec<&Value> = users.iter().map(|user| &user["item"]["content"][0]["text"]).collect();
    assert_eq!(texts, ["go", "joined", "steered", "where"]);
    assert_eq!(users[1]["item"]["clientId"], "mine");
    assert!(users[..3].iter().all(|user| user["turnId"] == json!(turn)));
}

#[test]
fn a_thread_that_runs_is_forked_as_if_it_were_interrupted() {
    let env = place(&[
        json!({ "when": { "last_user": "in the copy", "turn": 1 }, "reply": { "text": "copied" } }),
        shell(0, "touch started; until [ -e go ]; do sleep 0.02; done"),
        text(1, "done"),
    ]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    raw.turn(&thread, "go");
    super::until("the command runs", || env.path("work/started").exists().then_some(()));
    let fork = raw.ok("thread/fork", json!({ "threadId": thread }));
    assert_eq!(fork["thread"]["turns"][0]["status"], "interrupted", "{fork}");
    let copy = fork["thread"]["id"].as_str().unwrap().to_owned();
    raw.turn(&copy, "in the copy");
    let end = raw.end();
    assert_eq!(end["status"], "completed", "{end}");
    assert_eq!(raw.item("agentMessage")["text"], "copied");
    env.write("work/go", "");
    assert_eq!(raw.end()["status"], "completed");
    assert_eq!(raw.item("agentMessage")["text"], "done");
    raw.finish();
}

#[test]
fn threads_without_a_turn_and_archived_ones() {
    let env = place(&[text(0, "zero"), text(0, "zero")]);
    let mut raw = Raw::canon(&env, &json!({}));
    let fresh = raw.thread(json!({ "cwd": work(&env) }));
    raw.ok("thread/archive", json!({ "threadId": fresh }));
    let other = raw.thread(json!({ "cwd": work(&env) }));
    raw.ok("thread/delete", json!({ "threadId": other }));
    raw.refused("turn/interrupt", json!({ "threadId": other, "turnId": "x" }));
    let passing = raw.thread(json!({ "cwd": work(&env), "ephemeral": true }));
    assert!(raw.refused("thread/archive", json!({ "threadId": passing })).contains("ephemeral"));
    // What was refused has let nothing go.
    raw.turn(&passing, "still here");
    assert_eq!(raw.end()["status"], "completed");
    // One that is put away can be gone on with, and stays put away.
    raw.ok("thread/resume", json!({ "threadId": fresh }));
    raw.turn(&fresh, "go");
    assert_eq!(raw.end()["status"], "completed");
    let listed = raw.ok("thread/list", json!({ "archived": true }));
    assert_eq!(listed["data"][0]["id"], json!(fresh));
    // A thread that is loaded stays as it is, and the client hears of it.
    let wish = json!({ "threadId": fresh, "sandbox": "danger-full-access" });
    assert_eq!(raw.ok("thread/resume", wish)["sandbox"]["type"], "workspaceWrite");
    let warning = raw.hears("warning");
    assert!(warning["params"]["message"].as_str().unwrap().contains("loaded already"));
    raw.finish();
}
