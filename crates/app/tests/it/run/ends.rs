//! How runs end: exit codes, and going on.

use std::time::Duration;

use rustix::process::Signal;

use super::super::up::env::{PATIENCE, until};
use super::{SMOKE, last, place};

#[test]
fn a_pipeline_that_is_wrong_is_shown_and_nothing_is_run() {
    for source in ["digraph { a -> }", "digraph g { a -> b }", "\u{0}", "graph g {}", ""] {
        let env = place(source);
        let ended = env.run(&["run", "pipeline.dot", "--simulate"]);
        assert_eq!(ended.code, Some(2), "{source:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{}", ended.stdout);
        assert!(ended.stderr.contains("pipeline.dot"), "{}", ended.stderr);
        assert!(!env.path("canon/runs").exists(), "{source:?}");
    }
}

#[test]
fn without_json_standard_output_is_the_last_answer_and_the_rest_is_for_people() {
    let env = place(SMOKE);
    let ended = env.run(&["run", "pipeline.dot", "--simulate"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, "[Simulated] Response for stage: review\n");
    for text in ["✓ plan success", "→ implement", "succeeded in", "no model was asked"] {
        assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
    }
    let listed = env.run(&["runs", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["runs"][0]["state"], "success", "{listed}");
    let id = listed["runs"][0]["id"].as_str().unwrap();
    let explained = env.run(&["explain", id]);
    assert!(explained.stdout.contains("Attractor §3.3 step 1"), "{}", explained.stdout);
    assert_eq!(env.run(&["runs", "rm", id]).code, Some(0));
    assert_eq!(env.run(&["runs", "show", id]).code, Some(2));
}

const FAILS: &str = r#"digraph g {
    start [shape=Mdiamond]
    test  [shape=parallelogram, tool_command="test -e ready"]
    exit  [shape=Msquare]
    start -> test -> exit
}"#;

#[test]
fn a_run_that_failed_goes_on_when_what_it_failed_of_is_mended() {
    let env = place(FAILS);
    let ended = env.run(&["run", "pipeline.dot", "--simulate", "--logs", "logs", "--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(last(&ended)["status"], "fail");
    assert_eq!(last(&ended)["outcomes"]["test"]["status"], "fail");
    env.write("project/ready", "");
    let again = env.run(&["run", "pipeline.dot", "--simulate", "--logs", "logs"]);
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    let ended = env.run(&["run", "--resume", "logs", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(last(&ended)["path"], serde_json::json!(["start", "test", "exit"]));
}

const WAITS: &str = r#"digraph g {
    start [shape=Mdiamond]
    wait  [shape=parallelogram, tool_command="echo x >> begun; test -e ready || sleep 1000"]
    exit  [shape=Msquare]
    start -> wait -> exit
}"#;

#[test]
fn an_interrupted_run_ends_in_order_and_goes_on() {
    let env = place(WAITS);
    let run = env.spawn(&["run", "pipeline.dot", "--simulate", "--logs", "logs", "--json"]);
    until("the stage works", || env.path("project/begun").exists().then_some(()));
    run.signal(Signal::INT);
    let ended = run.wait(PATIENCE);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(ended.stderr.contains("--resume"), "{}", ended.stderr);
    env.assert_nothing_left();
    env.write("project/ready", "");
    let ended = env.run(&["run", "--resume", "logs", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.read("project/begun"), "x\nx\n");
}

#[test]
fn a_run_whose_process_was_killed_goes_on_where_it_was() {
    let env = place(WAITS);
    let run = env.spawn(&["run", "pipeline.dot", "--simulate", "--logs", "logs"]);
    until("the stage works", || env.path("project/begun").exists().then_some(()));
    run.kill();
    env.write("project/ready", "");
    let ended = env.run(&["run", "--resume", "logs", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(last(&ended)["path"], serde_json::json!(["start", "wait", "exit"]));
}

#[test]
fn a_run_ends_when_its_time_is_up() {
    let env = place(WAITS);
    let args = ["run", "pipeline.dot", "--simulate", "--budget-time", "300ms", "--json"];
    let run = env.start(env.canon(&args));
    let ended = run.wait(PATIENCE.max(Duration::from_secs(20)));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(last(&ended)["reason"].as_str().unwrap().contains("budget_wall"), "{}", ended.stdout);
}
