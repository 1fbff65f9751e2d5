//! The pipelines under `examples/pipelines` run as they are, with their transcripts.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::super::up::env::TestEnv;
use super::last;

fn run(name: &str, more: &[&str]) -> (TestEnv, Value) {
    let env = TestEnv::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/pipelines").join(name);
    let pipeline = example.join("pipeline.dot");
    let model = format!("scripted/{}", example.join("transcript.jsonl").display());
    let args = ["run", pipeline.to_str().unwrap(), "--model", &model, "--auto-approve", "--json"];
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(env.path("project")).args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
        ]);
        assert!(command.args(args).output().unwrap().status.success(), "{args:?}");
    };
    if more.contains(&"--repo") {
        git(&["init", "-q"]);
        git(&["commit", "-q", "--allow-empty", "-m", "begin"]);
    }
    let ended = env.run(&[&args, more].concat());
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, ended.stdout);
    let result = last(&ended);
    assert_eq!((&result["status"], &result["scripted"]), (&"success".into(), &true.into()));
    (env, result)
}

#[test]
fn a_plan_is_approved_implemented_and_verified() {
    let (env, result) = run("plan-approve-implement-verify", &[]);
    assert_eq!(result["outcomes"]["approve"]["approval"]["by"], "auto-approve", "{result:#}");
    assert_eq!(env.read("project/greet.sh"), "echo \"Hello, $1!\"\n");
}

#[test]
fn a_judge_takes_one_of_two_implementations_over() {
    let (env, result) = run("parallel-judge", &["--repo", "."]);
    assert_eq!(result["context"]["parallel.fan_in.best_id"], "shell", "{result:#}");
    assert!(!env.path("project/sum.sh").exists(), "the checkout is not touched");
}

#[test]
fn what_a_suite_finds_is_mended() {
    let (env, result) = run("spec-conformance", &[]);
    let path = serde_json::json!(["start", "implement", "suite", "mend", "suite", "exit"]);
    assert_eq!(result["path"], path);
    assert_eq!(env.read("project/upper.sh"), "tr a-z A-Z\n");
}

#[test]
fn a_manager_runs_a_child() {
    let (env, _) = run("manager", &[]);
    assert_eq!(env.read("project/notes.txt"), "A small project.\n");
}
