//! `canon check` and `canon graph`.

use std::process::Output;

use serde_json::{Value, json};

use crate::up::env::TestEnv;

const GOOD: &str = "digraph good {\n    goal = \"Say hello\"\n    start [shape=Mdiamond]\n    exit [shape=Msquare]\n    say [prompt=\"Say $goal\", class=\"a\"]\n    start -> say\n    say -> exit [label=\"done\", condition=\"outcome=success\", weight=2]\n    say -> exit\n}\n";

fn run(env: &TestEnv, args: &[&str]) -> Output {
    env.canon(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_good_pipeline_is_told_with_its_graph() {
    let env = TestEnv::new();
    env.write("good.dot", GOOD);
    let file = env.path("good.dot");
    let output = run(&env, &["check", file.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ok"], true);
    assert_eq!(
        (&told["graph"]["name"], &told["graph"]["goal"]),
        (&json!("good"), &json!("Say hello"))
    );
    let nodes = told["graph"]["nodes"].as_array().unwrap();
    let kinds: Vec<_> =
        nodes.iter().map(|node| (&node["id"], &node["kind"], &node["shape"])).collect();
    assert_eq!(kinds[0], (&json!("start"), &json!("start"), &json!("Mdiamond")));
    assert_eq!(kinds[2], (&json!("say"), &json!("codergen"), &json!("box")));
    let edge = &told["graph"]["edges"][1];
    assert_eq!((&edge["from"], &edge["to"]), (&json!("say"), &json!("exit")));
    assert_eq!((&edge["label"], &edge["weight"]), (&json!("done"), &json!(2)));
    assert_eq!(edge["condition"], "outcome=success");
    let output = run(&env, &["check", file.to_str().unwrap()]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
}

#[test]
fn a_wrong_pipeline_is_told_with_line_and_fix_and_ends_with_2() {
    let env = TestEnv::new();
    env.write(
        "bad.dot",
        &GOOD
            .replace("say -> exit\n}", "say -> nowhere\n}")
            .replace("outcome=success", "outcome~success"),
    );
    let file = env.path("bad.dot");
    let output = run(&env, &["check", file.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ok"], false);
    let found = told["diagnostics"].as_array().unwrap();
    let of = |rule: &str| found.iter().find(|found| found["rule"] == rule).unwrap();
    assert_eq!(of("edge_target_exists")["severity"], "error");
    assert!(of("condition_syntax")["span"].is_object(), "{}", of("condition_syntax"));
    let output = run(&env, &["check", file.to_str().unwrap()]);
    let shown = text(&output.stderr);
    assert!(shown.contains("bad.dot:7:") && shown.contains("outcome~success"), "{shown}");
}

#[test]
fn a_pipeline_is_drawn_and_what_cannot_be_read_is_told() {
    let env = TestEnv::new();
    env.write("good.dot", GOOD);
    env.write("broken.dot", "digraph { a -- b }");
    let good = env.path("good.dot");
    let output = run(&env, &["graph", good.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let picture = text(&output.stdout);
    assert!(picture.starts_with("<svg") || picture.starts_with("<?xml"), "{}", &picture[..60]);
    assert!(picture.contains("id=\"node-say\""));
    let to = env.path("out.svg");
    let output = run(&env, &["graph", good.to_str().unwrap(), "-o", to.to_str().unwrap()]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    assert_eq!(std::fs::read_to_string(to).unwrap(), picture);
    let broken = env.path("broken.dot");
    let output = run(&env, &["graph", broken.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("1:13"), "{}", text(&output.stderr));
    let output = run(&env, &["graph", "/nowhere/at/all.dot"]);
    assert_eq!(output.status.code(), Some(2));
}
