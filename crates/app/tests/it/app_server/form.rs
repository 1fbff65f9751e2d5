//! `outputSchema`: the form of a turn's last message.

use serde_json::{Value, json};

use super::raw::Raw;
use super::{place, shell, text, until, work};

fn start(raw: &mut Raw, thread: &str, prompt: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } },
        "required": ["n"], "additionalProperties": false });
    let input = json!([{ "type": "text", "text": prompt }]);
    raw.ok("turn/start", json!({ "threadId": thread, "input": input, "outputSchema": schema }))
}

#[test]
fn the_last_message_is_corrected_until_it_fits() {
    let env = place(&[
        json!({ "when": { "turn": 0, "last_user": "Form of the last message" },
            "reply": { "text": "it is three" } }),
        json!({ "when": { "turn": 1, "last_user": "does not fit" },
            "reply": { "text": "{\"n\": \"3\"}" } }),
        json!({ "when": { "turn": 2, "last_user": "does not fit" }, "reply": { "text": "{\"n\": 3}" } }),
        json!({ "when": { "turn": 3, "last_user": { "equals": "thanks" } }, "reply": { "text": "you are welcome" } }),
    ]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    start(&mut raw, &thread, "how many?");
    assert_eq!(raw.end()["status"], "completed");
    assert_eq!(raw.item("agentMessage")["text"], "{\"n\": 3}");
    // The form is of that turn alone.
    raw.turn(&thread, "thanks");
    assert_eq!(raw.end()["status"], "completed");
    assert_eq!(raw.item("agentMessage")["text"], "you are welcome");
    let read = raw.ok("thread/read", json!({ "threadId": thread, "includeTurns": true }));
    let items = read["thread"]["turns"][0]["items"].as_array().unwrap();
    let users: Vec<_> = items.iter().filter(|item| item["type"] == "userMessage").collect();
    assert_eq!(users.len(), 1, "what the model was told of the form is not the user's: {users:?}");
    raw.finish();
}

#[test]
fn a_last_message_that_never_fits_fails_the_turn() {
    let env = place(&[text(0, "a"), text(1, "b"), text(2, "c"), text(3, "on we go")]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    start(&mut raw, &thread, "how many?");
    let turn = raw.end();
    assert_eq!(turn["status"], "failed");
    assert!(turn["error"]["message"].as_str().unwrap().contains("outputSchema"), "{turn}");
    raw.turn(&thread, "never mind");
    assert_eq!(raw.end()["status"], "completed");
    raw.finish();
}

#[test]
fn a_turn_that_runs_gets_no_form() {
    let env =
        place(&[shell(0, "touch started; until [ -e go ]; do sleep 0.02; done"), text(1, "done")]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    raw.turn(&thread, "go");
    until("the command runs", || env.path("work/started").exists().then_some(()));
    let input = json!([{ "type": "text", "text": "and" }]);
    let wish = json!({ "threadId": thread, "input": input, "outputSchema": { "type": "object" } });
    assert!(raw.refused("turn/start", wish).contains("outputSchema"));
    env.write("work/go", "");
    assert_eq!(raw.end()["status"], "completed");
    raw.finish();
}
