//! `canon ask` and `canon models`: one model call from the command line, and what can be asked.

mod calls;
mod forms;
mod input;
mod models;

use std::fs::File;

use canon_testkit::model_server::ModelServer;
use serde_json::{Value, json};

use super::up::env::{Ended, PATIENCE, TestEnv};

/// A key that nothing may ever print.
pub(super) const KEY: &str = "test-key-0123456789";

/// A place with a transcript of these entries.
fn place(entries: &[Value]) -> TestEnv {
    let env = TestEnv::new();
    let text: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    env.write("project/t.jsonl", &text);
    env
}

/// A place whose transcript says this to whatever is asked.
fn saying(text: &str) -> TestEnv {
    place(&[json!({
        "repeat": true,
        "reply": { "text": text, "usage": { "input_tokens": 10, "output_tokens": 5 } },
    })])
}

/// `canon ask ARGS…` of the transcript.
fn ask(env: &TestEnv, args: &[&str]) -> Ended {
    env.run(&[&["ask", "--model", "scripted/t.jsonl"], args].concat())
}

/// The same with `text` on standard input, from a file.
fn ask_with_input(env: &TestEnv, args: &[&str], text: &str) -> Ended {
    let input = env.write("input", text);
    let mut command = env.canon(&[&["ask", "--model", "scripted/t.jsonl"], args].concat());
    command.stdin(File::open(input).unwrap());
    env.start(command).wait(PATIENCE)
}

/// A place that reaches the fake server as every provider.
pub(super) fn served() -> (TestEnv, ModelServer) {
    let server = ModelServer::start().unwrap();
    let mut env = TestEnv::new();
    for provider in ["OPENAI", "ANTHROPIC", "GEMINI"] {
        env.set(&format!("{provider}_API_KEY"), KEY);
        let url = if provider == "OPENAI" { server.base_url() } else { server.root_url() };
        env.set(&format!("{provider}_BASE_URL"), url);
    }
    (env, server)
}

/// A model of every provider that has a wire of its own.
const EACH: [&str; 3] =
    ["openai/gpt-5.2", "anthropic/claude-opus-5", "gemini/gemini-3.1-pro-preview"];

#[track_caller]
fn assert_done(ended: &Ended, stdout: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), stdout), "{}", ended.stderr);
    assert!(!ended.stderr.contains("error: "), "{}", ended.stderr);
}

/// Failed after it had begun, with one error that says this.
#[track_caller]
fn assert_failed(ended: &Ended, code: i32, says: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let errors = ended.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, 1, "{}", ended.stderr);
    for text in says {
        assert!(ended.stderr.contains(text), "{text:?} is missing: {}", ended.stderr);
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
