//! What the agent is given, and the form of what it gives back.

use std::process::Stdio;

use serde_json::{Value, json};

use super::super::up::env::{PATIENCE, assert_refused};
use super::{exec, place, says, shell};

const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\nrest";

#[test]
fn what_is_piped_in_follows_the_task() {
    let entry = json!({
        "when": { "first_user": { "contains": ["sum it up", "line of a log"] } },
        "reply": { "text": "summed up" },
    });
    let env = place(&[entry]);
    env.write("log", "line of a log\n");
    let model = format!("scripted/{}", env.path("transcript.jsonl").display());
    let mut command = env.canon(&["exec", "sum it up", "--model", &model]);
    command.stdin(std::fs::File::open(env.path("log")).unwrap());
    let ended = env.start(command).wait(PATIENCE);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "summed up\n"), "{}", ended.stderr);
}

#[test]
fn a_pipe_that_nobody_writes_to_is_not_waited_for_for_ever() {
    let env = place(&[json!({ "reply": { "text": "done" } })]);
    let model = format!("scripted/{}", env.path("transcript.jsonl").display());
    let mut command = env.canon(&["exec", "do it", "--model", &model]);
    command.stdin(Stdio::piped());
    // The writing end stays open in this process.
    let ended = env.start(command).wait(PATIENCE);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "done\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("going on without it"), "{}", ended.stderr);
}

#[test]
fn images_and_instructions_reach_the_model_and_are_kept() {
    let entry = |turn: u32| {
        json!({
            "when": { "turn": turn, "system": "Answer in rhymes." },
            "reply": { "text": "a rhyme" },
        })
    };
    let env = place(&[entry(0), entry(1)]);
    let rules = env.write("rules.md", "Answer in rhymes.");
    let image = env.path("pixel.png");
    std::fs::write(&image, PIXEL).unwrap();
    let (rules, image) = (rules.to_str().unwrap(), image.to_str().unwrap());
    let ended = exec(&env, &["look", "--image", image, "--instructions", rules]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "a rhyme\n"), "{}", ended.stderr);
    let shown = env.run(&["threads", "list", "--json"]);
    let listed: Value = serde_json::from_str(&shown.stdout).unwrap();
    let id = listed["threads"][0]["id"].as_str().unwrap();
    assert!(env.read(&format!("canon/threads/{id}.jsonl")).contains("iVBORw0KGg"));
    // Instructions are part of the conversation: going on with it is going on with them.
    let ended = env.run(&["exec", "--resume", id, "more"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "a rhyme\n"), "{}", ended.stderr);
    let text = env.write("text.png", "no image");
    let ended = exec(&env, &["look", "--image", text.to_str().unwrap()]);
    assert_refused(&ended, 2, &["--image", "text.png", "not a PNG"]);
    let ended = exec(&env, &["look", "--instructions", "nowhere.md"]);
    assert_refused(&ended, 2, &["--instructions nowhere.md", "No such file"]);
}

#[test]
fn a_schema_is_kept_or_the_work_failed() {
    let answer = |turn: u32, last_user: &str, text: &str| json!({ "when": { "turn": turn, "last_user": last_user }, "reply": { "text": text } });
    let schema = json!({
        "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } },
    });
    let run = |answers: &[Value], args: &[&str]| {
        let env = place(answers);
        let schema = env.write("schema.json", &schema.to_string());
        exec(&env, &[&["count", "--schema", schema.to_str().unwrap()], args].concat())
    };
    let fits = answer(0, "count", "Here it is:\n```json\n{\"n\": 3}\n```");
    let ended = run(&[fits], &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "{\"n\":3}\n"), "{}", ended.stderr);
    let wrong = || answer(0, "count", "{\"n\": \"three\"}");
    let ended = run(&[wrong(), answer(1, "/n: ", "{\"n\": 3}")], &["--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let last = ended.stdout.lines().last().unwrap();
    let result: Value = serde_json::from_str(last).unwrap();
    assert_eq!(result["output"], json!({ "n": 3 }), "{result:#}");
    let never = [wrong(), answer(1, "/n: ", "three"), answer(2, "not JSON", "drei")];
    let ended = run(&never, &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("does not fit the schema: not JSON"), "{}", ended.stderr);
    let env = place(&[]);
    let broken = env.write("schema.json", "{\"type\": 3}");
    let ended = exec(&env, &["count", "--schema", broken.to_str().unwrap()]);
    assert_refused(&ended, 2, &["--schema", "schema.json", "not valid"]);
}

#[test]
fn quiet_says_nothing_but_errors() {
    let env = place(&[shell(0, "echo made"), says(1, "made", "It is made.")]);
    let ended = exec(&env, &["make it", "--quiet"]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("It is made.\n", ""));
    let ended = exec(&env, &["make it", "--quiet", "--max-turns", "1"]);
    assert_eq!(ended.stderr.lines().next(), Some("error: a limit was reached: --max-turns 1"));
}

#[test]
fn files_that_tools_changed_are_in_the_result() {
    let arguments = json!({ "file_path": "notes/new.txt", "content": "x" });
    let call = json!({ "name": "write_file", "arguments": arguments });
    let env = place(&[
        json!({ "when": { "turn": 0 }, "reply": { "tool_calls": [call] } }),
        json!({ "when": { "turn": 1 }, "reply": { "text": "written" } }),
    ]);
    let ended = exec(&env, &["write", "--json"]);
    let last = ended.stdout.lines().last().unwrap();
    let result: Value = serde_json::from_str(last).unwrap();
    assert_eq!(result["files_changed"], json!([env.path("project/notes/new.txt")]), "{result:#}");
}
