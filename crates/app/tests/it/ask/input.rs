//! Where a question comes from, and what is wrong with it.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use serde_json::{Value, json};

use super::super::up::env::{PATIENCE, assert_refused};
use super::{ask, ask_with_input, assert_done, place, saying};

/// Answers if the last message of the user is this, else fails.
fn hearing(text: &str) -> Value {
    json!({ "when": { "last_user": { "equals": text } }, "reply": { "text": "heard" } })
}

#[test]
fn the_prompt_comes_from_the_argument_or_from_standard_input() {
    assert_done(&ask(&place(&[hearing("hi")]), &["hi"]), "heard\n");
    assert_done(&ask_with_input(&place(&[hearing("hi\n")]), &["-"], "hi\n"), "heard\n");
    assert_done(&ask_with_input(&place(&[hearing("hi\n")]), &[], "hi\n"), "heard\n");
    let both = place(&[hearing("what is this?\n\nsome log\n")]);
    assert_done(&ask_with_input(&both, &["what is this?"], "some log\n"), "heard\n");
    assert_done(&ask_with_input(&place(&[hearing("hi")]), &["hi"], "\n"), "heard\n");
    // Through a real pipe.
    let env = place(&[hearing("sum up\n\nthe text")]);
    let mut command = env.canon(&["ask", "sum up", "--model", "scripted/t.jsonl"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"the text").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"heard\n");
}

#[test]
fn an_empty_prompt_is_refused() {
    let env = saying("x");
    assert_refused(&ask(&env, &[""]), 2, &["the prompt is empty"]);
    assert_refused(&ask(&env, &[]), 2, &["the prompt is empty"]);
    assert_refused(&ask_with_input(&env, &["-"], " \n"), 2, &["the prompt is empty"]);
    let mut command = env.canon(&["ask", "-", "--model", "scripted/t.jsonl"]);
    std::fs::write(env.path("bytes"), b"\xff\xfe").unwrap();
    command.stdin(std::fs::File::open(env.path("bytes")).unwrap());
    assert_refused(&env.start(command).wait(PATIENCE), 2, &["standard input", "UTF-8"]);
}

#[test]
fn instructions_stand_before_the_prompt() {
    let entry = json!({
        "when": { "system": { "equals": "be brief" }, "last_user": { "equals": "hi" } },
        "reply": { "text": "ok" },
    });
    assert_done(&ask(&place(&[entry]), &["hi", "--system", "be brief"]), "ok\n");
}

const REQUEST: &str = r#"{"model": "scripted-model", "provider": "scripted", "messages": [
    {"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]}"#;

#[test]
fn a_whole_request_is_asked_as_it_is() {
    let entry = json!({
        "repeat": true,
        "when": { "system": { "equals": "be brief" }, "last_user": { "equals": "hi" } },
        "reply": { "text": "ok" },
    });
    let env = place(&[entry]);
    let request = env.write("project/r.json", REQUEST);
    assert_done(&ask(&env, &["--request", "r.json"]), "ok\n");
    assert_done(&ask(&env, &["--request", request.to_str().unwrap(), "--stream"]), "ok\n");
    assert_done(&ask_with_input(&env, &["--request", "-"], REQUEST), "ok\n");
    // Without the flag its own model is asked.
    env.write("project/own.json", &REQUEST.replace("scripted-model", "t.jsonl"));
    assert_done(&env.run(&["ask", "--request", "own.json"]), "ok\n");
    env.write("project/own.json", &REQUEST.replace("scripted-model", "none.jsonl"));
    assert_refused(&env.run(&["ask", "--request", "own.json"]), 2, &["none.jsonl"]);
}

#[test]
fn a_request_that_is_none_is_refused_with_the_place() {
    let env = saying("x");
    let refused = |text: &str, says: &[&str]| {
        env.write("project/r.json", text);
        assert_refused(&ask(&env, &["--request", "r.json"]), 2, says);
    };
    refused("{\"model\": \"m\",\n \"mesages\": []}", &["r.json", "`mesages`", "line 2"]);
    refused(
        r#"{"model": "m", "messages": [{"role": "user", "content": "x", "cache": 1}]}"#,
        &["r.json", "`messages[0].cache`"],
    );
    refused("not json", &["r.json", "line 1"]);
    refused(r#"{"model": "m", "messages": []}"#, &["`messages` is empty"]);
    assert_refused(
        &ask(&env, &["--request", "nowhere.json"]),
        2,
        &["nowhere.json", "No such file"],
    );
    assert_refused(&ask_with_input(&env, &["--request", "-"], ""), 2, &["standard input", "EOF"]);
}

#[test]
fn a_request_excludes_what_it_says_itself() {
    let env = saying("x");
    env.write("project/r.json", REQUEST);
    for flags in [
        &["a prompt"][..],
        &["--system", "x"],
        &["--image", "x.png"],
        &["--file", "x.pdf"],
        &["--max-tokens", "1"],
        &["--temperature", "0"],
        &["--reasoning-effort", "low"],
    ] {
        let ended = ask(&env, &[&["--request", "r.json"], flags].concat());
        assert_refused(&ended, 2, &["cannot be used with"]);
    }
    let format = r#""response_format": {"type": "json"}, "messages""#;
    env.write("project/r.json", &REQUEST.replace("\"messages\"", format));
    env.write("project/s.json", "{}");
    let ended = ask(&env, &["--request", "r.json", "--schema", "s.json"]);
    assert_refused(&ended, 2, &["--schema", "response_format"]);
}

#[test]
fn what_is_wrong_with_flags_and_files_is_said_before_any_call() {
    let env = place(&[]);
    let refused = |args: &[&str], says: &[&str]| assert_refused(&ask(&env, args), 2, says);
    refused(&["x", "--max-tokens", "0"], &["--max-tokens"]);
    refused(&["x", "--temperature", "NaN"], &["--temperature"]);
    refused(&["x", "--temperature=-1"], &["--temperature"]);
    for timeout in ["0", "-1", "NaN", "1e300"] {
        refused(&["x", &format!("--timeout={timeout}")], &["--timeout"]);
    }
    for flag in ["--schema", "--image", "--file"] {
        refused(&["x", flag, "/dev/zero"], &[&format!("{flag} /dev/zero: more than")]);
    }
    refused(&["--request", "/dev/zero"], &["--request: /dev/zero: more than"]);
    refused(&["x", "--schema", "none.json"], &["--schema none.json", "No such file"]);
    env.write("project/s.json", "{\"type\": }");
    refused(&["x", "--schema", "s.json"], &["--schema s.json", "line 1"]);
    env.write("project/s.json", "{\"type\": 3}");
    refused(&["x", "--schema", "s.json"], &["--schema s.json", "not valid"]);
    refused(&["x", "--image", "none.png"], &["--image none.png", "No such file"]);
    env.write("project/fake.png", "no picture");
    refused(&["x", "--image", "fake.png"], &["--image fake.png", "not a PNG"]);
    refused(&["x", "--file", "issues"], &["--file issues", "is a directory"]);
    std::fs::write(env.path("project/blob"), b"\x00\x01\xff").unwrap();
    refused(&["x", "--file", "blob"], &["--file blob", "neither text"]);
    symlink("loop", env.path("project/loop")).unwrap();
    refused(&["x", "--file", "loop"], &["--file loop"]);
    let ended = env.run(&["ask", "x", "--provider", "nobody"]);
    assert_refused(&ended, 2, &["no provider `nobody`", "openai"]);
    let ended = env.run(&["ask", "x", "--provider", "scripted"]);
    assert_refused(&ended, 2, &["`scripted` needs a model"]);
    let ended = env.run(&["ask", "x", "--model", "scripted/none.jsonl"]);
    assert_refused(&ended, 2, &["none.jsonl", "No such file"]);
}

#[test]
fn a_missing_key_names_its_variable() {
    let env = place(&[]);
    for (args, variable) in [
        (&["--model", "openai/gpt-5.2"][..], "OPENAI_API_KEY"),
        (&["--provider", "anthropic"], "ANTHROPIC_API_KEY"),
        (&[], "OPENAI_API_KEY"),
    ] {
        let ended = env.run(&[&["ask", "x"], args].concat());
        assert_refused(&ended, 3, &[variable]);
    }
}
