//! What scripts rely on: the exit code, and the answer where it was asked for.

use serde_json::{Value, json};

use super::super::up::env::assert_refused;
use super::{assert_refused_after_work, exec, place, says, shell, work};

fn ends(turn: u32, text: &str, finish: &str) -> Value {
    json!({ "when": { "turn": turn }, "reply": { "text": text, "finish_reason": finish } })
}

#[test]
fn a_last_message_that_is_not_whole_is_failed_work() {
    for (finish, code, says) in [
        ("length", "reply_cut", "cut off at the model's token limit"),
        ("content_filter", "reply_filtered", "content filter"),
    ] {
        let half = || place(&[ends(0, "The first half", finish)]);
        let ended = exec(&half(), &["tell it"]);
        assert_refused_after_work(&ended, 1, &[says, "--resume thread_", "ended after"]);
        assert_eq!(ended.stdout, "The first half\n");
        let ended = exec(&half(), &["tell it", "--json"]);
        let result: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
        assert_eq!((ended.code, &result["incomplete"]), (Some(1), &json!(code)), "{result:#}");
    }
}

#[test]
fn a_reply_that_was_cut_off_on_the_way_is_only_warned_of() {
    let mut cut = shell(0, "echo made");
    cut["reply"]["finish_reason"] = json!("length");
    let ended = exec(&place(&[cut, says(1, "made", "It is made.")]), &["make it"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "It is made.\n"), "{ended:?}");
    assert!(ended.stderr.contains("warning: the reply reached its token limit"), "{ended:?}");
}

#[test]
fn the_last_message_goes_to_a_file_too() {
    let env = place(&work());
    let answer = env.write("answer", "of yesterday");
    let flags = ["make it", "-o", answer.to_str().unwrap()];
    let ended = exec(&env, &[&flags[..], &["--json"]].concat());
    assert_eq!((ended.code, env.read("answer").as_str()), (Some(0), "It is made.\n"), "{ended:?}");
    // An answer that is not there is not the one of an earlier run.
    let schema = env.write("schema.json", r#"{"type": "integer"}"#);
    let ended = exec(&env, &[&flags[..], &["--schema", schema.to_str().unwrap()]].concat());
    assert_eq!((ended.code, env.read("answer").as_str()), (Some(1), ""), "{ended:?}");
    let env = place(&work());
    let ended = exec(&env, &["make it", "--output-last-message", "nowhere/answer"]);
    assert_refused(&ended, 2, &["--output-last-message nowhere/answer", "No such file"]);
    assert!(!env.path("project/made").exists());
}

#[test]
fn other_directories_can_be_written_where_that_is_said() {
    let there = |env: &super::TestEnv| env.path("there").to_str().unwrap().to_owned();
    for allowed in [true, false] {
        let env = place(&[shell(0, "echo made > ../there/made; echo done"), says(1, "done", "ok")]);
        std::fs::create_dir(env.path("there")).unwrap();
        let there = there(&env);
        let flags: &[&str] = if allowed { &["--add-dir", &there] } else { &[] };
        let ended = exec(&env, &[&["make it"], flags].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(env.read("there/made"), if allowed { "made\n" } else { "" });
    }
    let env = place(&work());
    let file = env.write("file", "");
    let missing = env.path("missing");
    for (dir, says) in [(&missing, "No such file"), (&file, "not a directory")] {
        let ended = exec(&env, &["make it", "--add-dir", dir.to_str().unwrap()]);
        assert_refused(&ended, 2, &["--add-dir", says]);
    }
    for mode in ["read-only", "danger-full-access"] {
        let ended = exec(&env, &["make it", "--add-dir", ".", "--sandbox", mode]);
        assert_refused(&ended, 2, &["--add-dir", mode]);
    }
    assert!(!env.path("project/made").exists());
}
