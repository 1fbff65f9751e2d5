//! `canon run`, `canon runs` and `canon explain` through the binary.

mod ends;
mod examples;

use serde_json::Value;

use super::up::env::{Ended, TestEnv};

/// The pipeline of Attractor §11.13.
const SMOKE: &str = r#"digraph test_pipeline {
    graph [goal="Create a hello world Python script"]
    start     [shape=Mdiamond]
    plan      [shape=box, prompt="Plan how to create a hello world script for: $goal"]
    implement [shape=box, prompt="Write the code based on the plan", goal_gate=true]
    review    [shape=box, prompt="Review the code for correctness"]
    done      [shape=Msquare]
    start -> plan
    plan -> implement
    implement -> review [condition="outcome=success"]
    implement -> plan   [condition="outcome=fail", label="Retry"]
    review -> done      [condition="outcome=success"]
    review -> implement [condition="outcome=fail", label="Fix"]
}"#;

/// A place with this pipeline in the current directory.
fn place(pipeline: &str) -> TestEnv {
    let env = TestEnv::new();
    env.write("project/pipeline.dot", pipeline);
    env
}

fn lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn last(ended: &Ended) -> Value {
    lines(ended).pop().unwrap_or_else(|| panic!("no result: {}", ended.stderr))
}

#[test]
fn pipeline_11_13_the_smoke_test_runs_through_the_binary() {
    let env = place(SMOKE);
    let ended = env.run(&["run", "pipeline.dot", "--simulate", "--logs", "logs", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let result = last(&ended);
    assert_eq!((result["v"].as_u64(), &result["status"]), (Some(1), &Value::from("success")));
    let path = serde_json::json!(["start", "plan", "implement", "review", "done"]);
    assert_eq!(result["path"], path);
    assert_eq!(result["outcomes"]["implement"]["status"], "success");
    for file in ["prompt.md", "response.md", "status.json"] {
        assert!(env.path(&format!("project/logs/plan/{file}")).is_file(), "{file}");
    }
    assert!(env.read("project/logs/plan/prompt.md").contains("hello world Python script"));
    let mut events = lines(&ended);
    events.pop();
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event["kind"].is_string() && event["run"].is_string()));
}
