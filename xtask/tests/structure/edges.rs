//! Which crate may depend on which.

use std::fs;

use serde_json::Value;

use super::{Violation, assert_none, line_of, metadata, root};

/// Leaves may be used by all crates, and use none of ours themselves.
const LEAVES: &[&str] = &["canon-digest", "canon-runtime"];

/// Our crates, and what each may depend on apart from the leaves.
const EDGES: &[(&str, &[&str])] = &[
    ("canon-digest", &[]),
    ("canon-runtime", &[]),
    ("canon-llm", &[]),
    ("canon-exec", &[]),
    ("canon-protocol", &[]),
    ("canon-attest", &[]),
    ("canon-ledger", &[]),
    ("canon-agent", &["canon-llm", "canon-exec"]),
    ("canon-conform", &["canon-exec", "canon-protocol"]),
    ("canon-pipeline", &["canon-exec", "canon-ledger"]),
    ("canon-orchestrator", &["canon-protocol", "canon-exec", "canon-ledger"]),
    ("canon-compile", &["canon-pipeline", "canon-conform", "canon-attest", "canon-ledger"]),
];

/// The fakes: tests and tasks only, and they know none of ours.
const TESTKIT: &str = "canon-testkit";
const APP: &str = "canon";
const TASKS: &str = "xtask";

fn known(name: &str) -> bool {
    [TESTKIT, APP, TASKS].contains(&name) || EDGES.iter().any(|(from, _)| *from == name)
}

/// `dev`: for tests only.
fn allowed(from: &str, to: &str, dev: bool) -> bool {
    match from {
        TASKS => to == TESTKIT,
        TESTKIT => false,
        _ if to == TESTKIT => dev,
        APP => true,
        _ if LEAVES.contains(&from) => false,
        _ if LEAVES.contains(&to) => true,
        _ => EDGES.iter().any(|(name, targets)| *name == from && targets.contains(&to)),
    }
}

fn check(metadata: &Value) -> Vec<Violation> {
    let packages = metadata["packages"].as_array().unwrap();
    let ours: Vec<&Value> = packages.iter().filter(|package| package["source"].is_null()).collect();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let mut violations = Vec::new();
    for package in &ours {
        let from = name(package);
        let manifest = package["manifest_path"].as_str().unwrap().to_owned();
        let text = fs::read_to_string(&manifest).unwrap_or_default();
        let manifest = manifest
            .strip_prefix(&format!("{}/", root().display()))
            .unwrap_or(&manifest)
            .to_owned();
        if !known(&from) {
            violations.push(Violation::new(
                &manifest,
                1,
                format!("no crate is called {from} in the architecture"),
            ));
            continue;
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = name(dependency);
            let is_ours = ours.iter().any(|package| name(package) == to);
            if is_ours && !allowed(&from, &to, dependency["kind"] == "dev") {
                let line = line_of(&text, &[format!("{to}."), format!("{to} "), format!("{to}=")]);
                let rule = format!(
                    "{from} may not depend on {to}: own a trait for what it needs, and let {APP} implement it"
                );
                violations.push(Violation::new(&manifest, line, rule));
            }
        }
    }
    violations
}

#[test]
fn crates_depend_only_on_what_the_architecture_allows() {
    assert_none(&check(&metadata()));
}

#[test]
fn a_forbidden_edge_is_found() {
    let package = |name: &str, dependencies: &[(&str, Option<&str>)]| {
        let dependencies: Vec<_> = dependencies
            .iter()
            .map(|(name, kind)| serde_json::json!({"name": name, "kind": kind}))
            .collect();
        serde_json::json!({"name": name, "source": null, "manifest_path": "absent", "dependencies": dependencies})
    };
    let metadata = serde_json::json!({"packages": [
        package("canon-digest", &[("canon-runtime", None)]),
        package("canon-runtime", &[]),
        package("canon-llm", &[("canon-runtime", None), ("canon-testkit", Some("dev"))]),
        package("canon-testkit", &[]),
        package("canon-agent", &[("canon-llm", None), ("canon-testkit", None)]),
        package("canon-ledger", &[("canon-llm", Some("dev"))]),
        package("canon-common", &[]),
        package("canon", &[("canon-agent", None), ("canon-ledger", None)]),
    ]});
    let rules: Vec<_> = check(&metadata).into_iter().map(|violation| violation.rule).collect();
    let expected = [
        "canon-digest may not depend on canon-runtime",
        "canon-agent may not depend on canon-testkit",
        "canon-ledger may not depend on canon-llm",
        "no crate is called canon-common",
    ];
    assert_eq!(rules.len(), expected.len(), "{rules:?}");
    for (rule, expected) in rules.iter().zip(expected) {
        assert!(rule.starts_with(expected), "{rule}");
    }
}
