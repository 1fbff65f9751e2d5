//! Calls over HTTP, their failures, and their ends.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use canon_testkit::model_server::{ModelServer, Reply};
use rustix::process::Signal;
use serde_json::json;

use super::super::up::env::{Ended, PATIENCE, TestEnv, kill, look};
use super::{EACH, KEY, ask, assert_done, assert_failed, lines, saying, served};

#[track_caller]
fn assert_unbroken(server: &ModelServer) {
    assert_eq!(server.violations(), Vec::<String>::new());
    assert_eq!(server.replies_left(), 0);
}

#[test]
fn every_provider_answers_in_every_form() {
    let (env, server) = served();
    env.write(
        "project/s.json",
        r#"{"type": "object", "properties": {"n": {"type": "integer"}},
        "required": ["n"], "additionalProperties": false}"#,
    );
    for model in EACH {
        let ask = |args: &[&str]| env.run(&[&["ask", "hi", "--model", model], args].concat());
        server.extend([Reply::text("Hello."), Reply::text("Hello."), Reply::text("Hello.")]);
        let ended = ask(&[]);
        assert_done(&ended, "Hello.\n");
        assert!(ended.stderr.contains(&format!("{model}: ")), "{}", ended.stderr);
        assert!(ended.stderr.contains(", $ 0."), "a price: {}", ended.stderr);
        assert_done(&ask(&["--stream"]), "Hello.\n");
        let events = lines(&ask(&["--stream", "--json"]).stdout);
        assert_eq!(events.last().unwrap()["type"], "finish", "{model}");
        server.extend([Reply::text("{\"n\": 7}"), Reply::text("{\"n\": 7}")]);
        assert_done(&ask(&["--schema", "s.json"]), "{\"n\":7}\n");
        let grown = lines(&ask(&["--schema", "s.json", "--stream"]).stdout);
        assert_eq!(*grown.last().unwrap(), json!({ "n": 7 }), "{model}");
    }
    assert_unbroken(&server);
}

#[test]
fn the_flags_reach_the_provider() {
    let (env, server) = served();
    let png = b"\x89PNG\r\n\x1a\nbytes";
    std::fs::write(env.path("project/shot.dat"), png).unwrap();
    std::fs::write(env.path("project/paper.pdf"), b"%PDF-1.7 paper").unwrap();
    env.write("project/notes.txt", "remember the milk\n");
    server.push(Reply::text("ok"));
    let ended = env.run(&[
        "ask",
        "look",
        "--model",
        "openai/gpt-5.2",
        "--system",
        "be brief",
        "--image",
        "shot.dat",
        "--image",
        "https://example.com/b.png",
        "--file",
        "paper.pdf",
        "--file",
        "notes.txt",
        "--max-tokens",
        "77",
        "--reasoning-effort",
        "low",
    ]);
    assert_done(&ended, "ok\n");
    let body = &server.requests()[0].body;
    let text = body.to_string();
    for wanted in [
        "data:image/png;base64,iVBORw0KGgpieXRlcw==".to_owned(),
        "https://example.com/b.png".to_owned(),
        "data:application/pdf;base64,JVBERi0xLjcgcGFwZXI=".to_owned(),
        "paper.pdf".to_owned(),
        r"notes.txt:\n\nremember the milk".to_owned(),
        "be brief".to_owned(),
    ] {
        assert!(text.contains(&wanted), "{wanted} is missing: {body:#}");
    }
    assert_eq!(body["max_output_tokens"], 77);
    assert_eq!(body["reasoning"]["effort"], "low");
    assert_unbroken(&server);
}

/// One call that the server answers so.
fn answered(reply: Reply) -> Ended {
    let (env, server) = served();
    server.push(reply);
    let ended = env.run(&["ask", "x", "--model", "openai/gpt-5.2"]);
    assert_eq!(server.requests().len(), 1, "no retry: {}", ended.stderr);
    assert_eq!(ended.stdout, "");
    ended
}

#[test]
fn a_failure_has_the_exit_code_of_whose_fault_it_is() {
    let reply = Reply::error(401, Some("invalid_api_key"), &format!("wrong key: {KEY}"));
    let ended = answered(reply);
    assert_failed(&ended, 3, &["authentication failed", "wrong key: [redacted]"]);
    assert!(!ended.stderr.contains(KEY), "{}", ended.stderr);
    assert_failed(&answered(Reply::error(403, None, "not yours")), 3, &["not yours"]);
    assert_failed(
        &answered(Reply::error(404, Some("model_not_found"), "no such model")),
        1,
        &["no such model"],
    );
    assert_failed(&answered(Reply::error(400, None, "what?")), 1, &["what?"]);
}

#[test]
fn a_network_that_is_not_there_is_the_environments_fault() {
    let mut env = TestEnv::new();
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    env.set("OPENAI_API_KEY", KEY);
    env.set("OPENAI_BASE_URL", format!("http://{nobody}/v1"));
    let ended = env.run(&["ask", "x", "--model", "openai/gpt-5.2"]);
    assert_failed(&ended, 3, &["network failure", "trying again"]);
    env.set("OPENAI_BASE_URL", "nonsense");
    let ended = env.run(&["ask", "x", "--model", "openai/gpt-5.2"]);
    assert_failed(&ended, 2, &["OPENAI_BASE_URL"]);
}

#[test]
fn a_rate_limit_is_waited_for_and_a_time_limit_ends_everything() {
    let (env, server) = served();
    let busy =
        || Reply::error(429, Some("rate_limit_exceeded"), "slow down").header("retry-after", "0");
    for form in [&["--stream"][..], &[]] {
        server.extend([busy(), Reply::text("ok")]);
        let ended = env.run(&[&["ask", "x", "--model", "openai/gpt-5.2"], form].concat());
        assert_done(&ended, "ok\n");
        assert!(ended.stderr.contains("slow down; trying again in 0.0 s"), "{}", ended.stderr);
    }
    assert_unbroken(&server);
    server.push(Reply::text("never").hanging_after(0));
    let ended = env.run(&["ask", "x", "--model", "openai/gpt-5.2", "--timeout", "0.3"]);
    assert_failed(&ended, 1, &["timed out", "0.3 s"]);
}

/// Starts it with a standard output that the test reads itself.
fn piped(env: &TestEnv, args: &[&str]) -> std::process::Child {
    let mut command = env.canon(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn read_until(stdout: &mut impl std::io::Read, wanted: &str) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&text).contains(wanted) {
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "it ended: {text:?}");
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn an_interrupt_closes_the_connection_and_what_has_come_stays() {
    for (form, shown) in [(&["--stream"][..], "abc"), (&["--stream", "--json"], "\"abc\"")] {
        for signal in [Signal::INT, Signal::TERM] {
            let (env, server) = served();
            // Created, in progress, item, part and the first third of the text.
            let (reply, gate) = Reply::text("abcdefghi").gated();
            server.push(reply);
            let args = [&["ask", "x", "--model", "openai/gpt-5.2"], form].concat();
            let mut child = piped(&env, &args);
            let mut stdout = child.stdout.take().unwrap();
            gate.allow(5);
            let mut text = read_until(&mut stdout, shown);
            kill(child.id(), signal);
            stdout.read_to_string(&mut text).unwrap();
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(130), "{stderr}");
            assert!(stderr.contains("error: interrupted"), "{stderr}");
            if form.len() == 1 {
                assert_eq!(text, "abc\n");
            } else {
                assert_eq!(lines(&text).last().unwrap()["error"]["kind"], "abort");
            }
        }
    }
}

#[test]
fn an_interrupt_ends_it_before_anything_has_come() {
    let (env, server) = served();
    server.push(Reply::text("never").hanging_after(0));
    let child = env.spawn(&["ask", "x", "--model", "openai/gpt-5.2"]);
    assert!(look(PATIENCE, || (!server.requests().is_empty()).then_some(())).is_some());
    child.signal(Signal::INT);
    let ended = child.wait(PATIENCE);
    assert_failed(&ended, 130, &["interrupted"]);
    assert_eq!(ended.stdout, "");
}

#[test]
fn an_interrupt_does_not_wait_for_a_reader_that_does_not_read() {
    let (env, server) = served();
    server.push(Reply::text(&"x".repeat(1 << 20)));
    let mut child = piped(&env, &["ask", "x", "--model", "openai/gpt-5.2"]);
    let mut stdout = child.stdout.take().unwrap();
    // It is in the middle of a write that does not fit.
    read_until(&mut stdout, "xx");
    kill(child.id(), Signal::INT);
    let status = look(PATIENCE, || child.try_wait().unwrap()).unwrap();
    assert_eq!(status.code(), Some(130));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let (env, server) = served();
    let (reply, gate) = Reply::text("abcdefghi").gated();
    server.push(reply);
    let mut child = piped(&env, &["ask", "x", "--model", "openai/gpt-5.2", "--stream"]);
    let mut stdout = child.stdout.take().unwrap();
    gate.allow(5);
    read_until(&mut stdout, "abc");
    drop(stdout);
    gate.allow(1);
    let output = child.wait_with_output().unwrap();
    // The server still holds the rest back: it was not waited for.
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    drop(gate);

    let env = saying("hello");
    let mut command = env.canon(&["ask", "x", "--model", "scripted/t.jsonl"]);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_disk_that_is_full_is_said() {
    let env = saying("hello");
    for args in [&["ask", "x", "--model", "scripted/t.jsonl"][..], &["models"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = env.canon(args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {stderr}");
        assert!(stderr.contains("standard output: "), "{args:?}: {stderr}");
    }
}

#[test]
fn a_recording_plays_the_same_answer_without_the_key() {
    let (env, server) = served();
    let text = format!("the key is {KEY}, is it not");
    server.push(Reply::text(&text));
    let args = ["ask", "hi", "--model", "openai/gpt-5.2", "--record", "t.jsonl"];
    assert_done(&env.run(&args), &format!("{text}\n"));
    let transcript = env.read("project/t.jsonl");
    assert!(!transcript.contains(KEY), "{transcript}");
    assert_done(&ask(&env, &["hi"]), "the key is [redacted], is it not\n");
    let ended = env.run(&["ask", "hi", "--model", "scripted/t.jsonl", "--record", "/nowhere/t"]);
    assert_failed(&ended, 3, &["/nowhere/t"]);
}
