//! `canon exec` over the wires of all providers.

use std::collections::BTreeSet;

use canon_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};

use super::super::ask::{KEY, served};
use super::super::up::env::{Ended, TestEnv};

const MODELS: [&str; 4] = [
    "openai/gpt-5.2",
    "anthropic/claude-opus-5-5",
    "gemini/gemini-3.1-pro-preview",
    "openai-compatible/qwen-local",
];

fn everywhere() -> (TestEnv, ModelServer) {
    let (mut env, server) = served();
    env.set("OPENAI_COMPATIBLE_BASE_URL", server.base_url());
    (env, server)
}

/// A run with a tool call, that thinks something else each time.
fn run(env: &TestEnv, server: &ModelServer, number: usize, args: &[&str]) -> Ended {
    // Gemini's clients want base64.
    let signature = |part: usize| format!("c2ln{number:02}{part:02}");
    let arguments = json!({ "command": "env; echo made" }).to_string();
    server.push(Reply::text("I look.").and_reasoning(&["hm"], &signature(1)).and_tool_call(
        &format!("call_{number}"),
        "shell",
        &arguments,
    ));
    server.push(Reply::new().and_reasoning(&["ah"], &signature(2)).and_text("Made."));
    let ended = env.run(&[&["exec", "make it", "--json"], args].concat());
    assert_eq!(ended.code, Some(0), "run {number}, {args:?}: {}", ended.stderr);
    assert_eq!(server.violations(), [""; 0], "run {number}, {args:?}");
    assert!(!format!("{ended:?}").contains(KEY));
    ended
}

#[test]
fn a_thread_goes_on_with_every_other_provider() {
    let (env, server) = everywhere();
    // Each of the twelve changes once.
    let way = [0, 1, 0, 2, 0, 3, 1, 2, 1, 3, 2, 3, 0];
    let changes: BTreeSet<&[usize]> = way.windows(2).collect();
    assert_eq!(changes.len(), 12);
    let mut turns = 0;
    for (number, model) in way.iter().map(|at| MODELS[*at]).enumerate() {
        let resume: &[&str] = if number == 0 { &[] } else { &["--resume", "last"] };
        let ended = run(&env, &server, number, &[resume, &["--model", model]].concat());
        let result: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
        assert_eq!(result["outcome"]["text"], "Made.", "{result:#}");
        let earlier = result["outcome"]["earlier"]["turns"].as_u64().unwrap_or(0);
        assert_eq!(earlier, turns, "{result:#}");
        turns += 2;
    }
    let threads = std::fs::read_dir(env.path("canon/threads")).unwrap();
    for thread in threads {
        assert!(!std::fs::read_to_string(thread.unwrap().path()).unwrap().contains(KEY));
    }
    server.push(Reply::text("Well."));
    let ended = env.run(&["exec", "--resume", "last", "--model", MODELS[1]]);
    let told = "the thinking of openai/gpt-5.2 stays behind";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn a_profile_is_chosen_where_the_name_says_nothing_and_kept_with_the_model() {
    let (env, server) = everywhere();
    let local = MODELS[3];
    let offers = |number: usize, args: &[&str], tool: &str| {
        run(&env, &server, number, args);
        let requests = server.requests();
        let tools = requests.last().unwrap().body["tools"].to_string();
        tools.contains(&format!("\"name\":\"{tool}\""))
    };
    assert!(!offers(0, &["--model", local], "apply_patch"));
    assert!(offers(1, &["--model", local, "--profile", "openai"], "apply_patch"));
    assert!(offers(2, &["--resume", "last"], "apply_patch"));
    assert!(offers(3, &["--resume", "last", "--profile", "gemini"], "list_dir"));
    assert!(offers(4, &["--resume", "last"], "list_dir"));
    // Another model has a family of its own.
    assert!(offers(5, &["--resume", "last", "--model", MODELS[0]], "apply_patch"));
    assert!(!offers(6, &["--resume", "last"], "list_dir"));
}
