//! The example that the README begins with, as a newcomer runs it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use canon_orchestrator::dispatch::Event;
use serde_json::Value;

use super::up::env::{PATIENCE, TestEnv};

/// Each issue compiles the example's project a few times.
const LONG: Duration = Duration::from_secs(400);

fn place() -> TestEnv {
    let mut env = TestEnv::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/quickstart");
    std::fs::create_dir_all(env.path("project/examples")).unwrap();
    let copied = Command::new("cp")
        .arg("-R")
        .arg(example)
        .arg(env.path("project/examples/quickstart"))
        .status()
        .unwrap();
    assert!(copied.success());
    // The toolchain is the machine's; without these, rustup and cargo look for theirs at home.
    let home = std::env::var("HOME").unwrap_or_default();
    for (name, dir) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
        let path = std::env::var(name).unwrap_or_else(|_| format!("{home}/{dir}"));
        if Path::new(&path).exists() {
            env.set(name, path);
        }
    }
    env
}

const UP: [&str; 3] = ["up", "examples/quickstart/WORKFLOW.md", "--until-idle"];
const WORK: &str = "project/target/quickstart";

fn git(env: &TestEnv, issue: &str, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "safe.directory=*"])
        .args(args)
        .current_dir(env.path(&format!("{WORK}/workspaces/{issue}")))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The cells of each issue's row.
fn rows(table: &str) -> Vec<Vec<String>> {
    let rows = table.lines().filter(|line| line.starts_with("QS-"));
    rows.map(|row| {
        let cells = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect()
    })
    .collect()
}

fn evidence(env: &TestEnv) -> Vec<(String, Value)> {
    let (machine, _) = env.replay();
    let mut found = Vec::new();
    for (_, event) in env.events() {
        if let Event::AttemptEnded { attempt_id, evidence, .. } = event {
            let issue = (1..=5).map(|n| format!("QS-{n}")).find(|issue| {
                let history = machine.issue_view(issue, 0).and_then(|view| view.history);
                history.is_some_and(|h| h.attempts.iter().any(|a| a.attempt_id == attempt_id))
            });
            found.push((issue.unwrap(), evidence));
        }
    }
    found
}

#[test]
fn five_issues_become_tested_changes() {
    let env = place();
    let ended = env.spawn(&UP).wait(LONG);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("scripted: no model is asked"), "{}", ended.stderr);
    let rows = rows(&ended.stdout);
    let states: Vec<(&str, &str)> =
        rows.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
    let expected = [
        ("QS-1", "Done"),
        ("QS-2", "In Review"),
        ("QS-3", "In Review"),
        ("QS-4", "In Review"),
        ("QS-5", "Human Review"),
    ];
    assert_eq!(states, expected, "{}", ended.stdout);
    for row in &rows {
        assert!(row[5].parse::<u32>().unwrap() >= 1, "no commit: {row:?}");
        assert_eq!(row[6], "red → green", "{row:?}");
    }

    for issue in ["QS-2", "QS-3", "QS-4", "QS-5"] {
        let log = git(&env, issue, &["log", "--format=%an|%s", "origin/main..HEAD"]);
        // QS-3 waited for QS-1 and stands on it.
        assert!(log.lines().any(|line| line.starts_with(&format!("Canon|{issue}"))), "{log}");
        assert_eq!(git(&env, issue, &["diff", "--stat", "origin/main...HEAD", "--", "tests"]), "");
        assert!(git(&env, issue, &["status", "--porcelain", "src", "tests"]).is_empty());
        assert_eq!(git(&env, issue, &["branch", "--show-current"]).trim(), issue);
    }
    let behind = git(&env, "QS-3", &["log", "--format=%s"]);
    assert!(behind.contains("QS-1: "), "the blocker is not in {behind}");

    let evidence = evidence(&env);
    let first_failed =
        evidence.iter().any(|(_, evidence)| evidence["tests_after"]["green"] == false);
    assert!(first_failed, "one attempt is there to fail: {evidence:#?}");
    for issue in expected.map(|(issue, _)| issue) {
        let of_issue = || evidence.iter().filter(|(of, _)| of == issue).map(|(_, e)| e);
        let (first, last) = (of_issue().next().unwrap(), of_issue().next_back().unwrap());
        assert_eq!(first["tests_before"]["green"], false, "{first:#}");
        assert_eq!(last["tests_after"]["green"], true, "{last:#}");
        assert_eq!(last["scripted"], true, "{last:#}");
        let commits = last["commits"].as_array().unwrap();
        let head = commits.iter().any(|commit| commit["id"] == last["head_commit"]);
        assert!(head || issue == "QS-1", "{last:#}");
        assert!(last["tools"]["shell"].as_u64() >= Some(1), "{last:#}");
    }
    let (machine, _) = env.replay();
    let retried = (1..=5)
        .filter_map(|n| machine.issue_view(&format!("QS-{n}"), 0)?.history)
        .filter(|history| history.attempts.iter().any(|attempt| attempt.failure.is_some()));
    assert_eq!(retried.count(), 1, "one issue is there to be retried");
    env.assert_nothing_left();

    let source = git(&env, "QS-2", &["rev-parse", "HEAD"]);
    let again = env.spawn(&UP).wait(PATIENCE);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let attempts =
        |table: &str| table.lines().find(|l| l.contains(" attempts (")).map(str::to_owned);
    assert_eq!(attempts(&again.stdout), attempts(&ended.stdout), "it did something again");
    assert_eq!(git(&env, "QS-2", &["rev-parse", "HEAD"]), source);
}

#[test]
fn a_broken_repository_is_noticed_and_not_pasted_over() {
    let env = place();
    let amount = "project/examples/quickstart/project/src/amount.rs";
    let text = env.read(amount);
    let at = text.find("/// Reads an amount").unwrap();
    let end = text.find("/// Writes an amount").unwrap();
    env.write(amount, &format!("{}{}", &text[..at], &text[end..]));
    let issues = env.path("project/examples/quickstart/issues");
    for issue in ["QS-2", "QS-3", "QS-4", "QS-5"] {
        std::fs::remove_file(issues.join(format!("{issue}.md"))).unwrap();
    }
    let mut up = env.spawn(&UP);
    up.says("no entry of the transcript fits");
    up.says("started again");
    let ended = up.kill();
    assert_eq!(ended.stdout, "", "{}", ended.stdout);
    let issue = env.read(&format!("{WORK}/issues/QS-1.md"));
    assert!(issue.contains("state: Todo") || issue.contains("state: In Progress"), "{issue}");
    assert!(
        !env.path(&format!("{WORK}/workspaces/QS-1/src/amount.rs")).exists() || {
            let there = env.read(&format!("{WORK}/workspaces/QS-1/src/amount.rs"));
            !there.contains("negative")
        }
    );
}
