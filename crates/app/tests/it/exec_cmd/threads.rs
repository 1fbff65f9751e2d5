//! Conversations that are kept, gone on with, shown and deleted.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::super::up::env::{Ended, PATIENCE, TestEnv, assert_refused, until};
use super::{exec, place, says, shell, work};

/// The work, and what is said when it is gone on with.
fn long_work() -> Vec<Value> {
    let later = json!({
        "when": { "turn": 2, "first_user": "make it", "last_user": "and now?" },
        "reply": { "text": "Nothing more.", "usage": { "input_tokens": 200, "output_tokens": 5 } },
    });
    work().into_iter().chain([later]).collect()
}

fn threads(env: &TestEnv) -> Vec<Value> {
    let listed = env.run(&["threads", "list", "--all", "--json"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["v"], 1);
    listed["threads"].as_array().unwrap().clone()
}

fn the_id(env: &TestEnv) -> String {
    let threads = threads(env);
    assert_eq!(threads.len(), 1, "{threads:#?}");
    threads[0]["id"].as_str().unwrap().to_owned()
}

fn result(ended: &Ended) -> Value {
    serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap()
}

#[test]
fn a_thread_is_gone_on_with() {
    let env = place(&long_work());
    let first = exec(&env, &["make it"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let id = the_id(&env);
    assert!(first.stderr.contains(&format!("canon exec --resume {id}")), "{}", first.stderr);
    // Model and directory are those of the thread.
    let second = env.run(&["exec", "and now?", "--resume", "last", "--json"]);
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    let result = result(&second);
    assert_eq!(result["outcome"]["text"], "Nothing more.");
    assert_eq!(result["thread_id"], json!(id));
    assert_eq!(result["outcome"]["usage"]["total_tokens"], 205, "{result:#}");
    assert_eq!(result["outcome"]["earlier"]["usage"]["total_tokens"], 280, "{result:#}");
    let thread = &threads(&env)[0];
    assert_eq!((&thread["turns"], &thread["preview"]), (&json!(6), &json!("make it")));
    let mut elsewhere = env.canon(&["exec", "and now?", "--resume", "last"]);
    elsewhere.current_dir(env.path("home"));
    let ended = env.start(elsewhere).wait(PATIENCE);
    assert_refused(&ended, 2, &["--resume last", "no thread worked in", "/home"]);
    let ended = env.run(&["exec", "and now?", "--resume", "../../etc/passwd"]);
    assert_refused(&ended, 2, &["there is no thread", "canon threads list"]);
}

#[test]
fn what_is_to_be_forgotten_is_not_kept() {
    let env = place(&long_work());
    let ended = exec(&env, &["make it", "--ephemeral", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(result(&ended)["thread_id"], Value::Null);
    assert!(!env.path("canon/threads").exists());
    // What is kept can be gone on with and stay as it is.
    exec(&env, &["make it"]);
    let before = env.read(&format!("canon/threads/{}.jsonl", the_id(&env)));
    let ended = env.run(&["exec", "and now?", "--resume", "last", "--ephemeral"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "Nothing more.\n"));
    assert_eq!(env.read(&format!("canon/threads/{}.jsonl", the_id(&env))), before);
}

#[test]
fn one_process_goes_on_with_a_thread_and_the_other_is_told() {
    let arguments = json!({ "command": "touch started; sleep 1000", "timeout_ms": 600_000 });
    let call = json!({ "name": "shell", "arguments": arguments });
    let unknown = json!([{ "name": "shell", "is_error": true, "contains": "cancelled" }]);
    let env = place(&[
        json!({ "when": { "turn": 0 }, "reply": { "tool_calls": [call] } }),
        json!({ "when": { "turn": 1, "last_user": "again", "tool_results": unknown },
                "reply": { "text": "I was stopped." } }),
        json!({ "when": { "turn": 1, "last_user": "again" }, "reply": { "text": "Again." } }),
    ]);
    let model = format!("scripted/{}", env.path("transcript.jsonl").display());
    let run = env.spawn(&["exec", "wait", "--model", &model, "--json"]);
    until("the command runs", || env.path("project/started").exists().then_some(()));
    let id = the_id(&env);
    let second = env.run(&["exec", "again", "--resume", &id]);
    assert_refused(&second, 3, &[&id, "open in another process"]);
    let second = env.run(&["threads", "rm", &id]);
    assert_refused(&second, 3, &[&id, "open in another process"]);
    // Anyone may look.
    let shown = env.run(&["threads", "show", &id]);
    assert!(shown.stdout.contains("user: wait") && shown.stdout.contains("[shell]"), "{shown:?}");
    run.signal(Signal::TERM);
    let ended = run.wait(PATIENCE);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert_eq!(result(&ended)["outcome"]["status"], "aborted");
    assert!(ended.stderr.contains(&format!("--resume {id}")), "{}", ended.stderr);
    env.assert_nothing_left();
    let ended = env.run(&["exec", "again", "--resume", &id]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(["I was stopped.\n", "Again.\n"].contains(&ended.stdout.as_str()), "{ended:?}");
}

#[test]
fn threads_are_listed_shown_and_deleted() {
    let env = place(&long_work());
    exec(&env, &["make it"]);
    let id = the_id(&env);
    let listed = env.run(&["threads", "list"]);
    for text in [&id, "exec", "scripted/", "make it"] {
        assert!(listed.stdout.contains(text), "{text:?} is missing: {}", listed.stdout);
    }
    let mut elsewhere = env.canon(&["threads", "list"]);
    elsewhere.current_dir(env.path("home"));
    let ended = env.start(elsewhere).wait(PATIENCE);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert!(ended.stderr.contains("--all"), "{}", ended.stderr);
    let shown = env.run(&["threads", "show", &id]);
    for text in ["user: make it", "[shell]", "MADE", "model: It is made."] {
        assert!(shown.stdout.contains(text), "{text:?} is missing: {}", shown.stdout);
    }
    let shown = env.run(&["threads", "show", &id, "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&shown["v"], &shown["thread"]["id"]), (&json!(1), &json!(id)));
    assert_eq!(shown["entries"].as_array().unwrap().len(), 4);
    let kept = env.run(&["threads", "rm", "--older-than", "1"]);
    assert_eq!(kept.code, Some(0), "{}", kept.stderr);
    assert_eq!(the_id(&env), id);
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 24 * 60 * 60);
    let file = env.path(&format!("canon/threads/{id}.jsonl"));
    std::fs::File::open(&file).unwrap().set_modified(old).unwrap();
    let gone = env.run(&["threads", "rm", "--older-than", "1"]);
    assert_eq!(gone.code, Some(0), "{}", gone.stderr);
    assert!(threads(&env).is_empty() && !file.exists());
    assert_refused(&env.run(&["threads", "show", &id]), 2, &["there is no thread", &id]);
    assert_refused(&env.run(&["threads", "rm", &id]), 2, &["there is no thread", &id]);
}

#[test]
fn the_agent_does_not_see_what_is_kept() {
    let env = TestEnv::new();
    let kept = env.path("canon/threads");
    let look = format!("ls {} || echo nothing to see", kept.display());
    let entries = [shell(0, &look), says(1, "nothing to see", "I see nothing.")];
    let text: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    env.write("transcript.jsonl", &text);
    // The first session of all makes the place where it is kept.
    let ended = exec(&env, &["look"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "I see nothing.\n"), "{ended:?}");
    assert!(kept.exists());
}

#[test]
fn a_thread_that_cannot_be_kept_ends_the_session_before_it_costs() {
    let env = place(&work());
    std::fs::create_dir(env.path("canon")).unwrap();
    env.write("canon/threads", "a file in the way");
    let ended = exec(&env, &["make it"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("canon/threads"), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("cannot be kept: ").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: CANON_HOME names another place"), "{}", ended.stderr);
    // What is not there cannot be gone on with.
    assert!(!ended.stderr.contains("--resume"), "{}", ended.stderr);
    let ended = exec(&env, &["make it", "--json"]);
    assert_eq!((ended.code, &result(&ended)["thread_id"]), (Some(3), &Value::Null));
    assert!(!env.path("project/made").exists());
    let ended = exec(&env, &["make it", "--ephemeral"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
