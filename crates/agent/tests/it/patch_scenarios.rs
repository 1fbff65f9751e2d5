//! Directories under `tests/scenarios`: `input/`, `patch.txt`, and what has to come of it: either
//! `expected/` with `expected_output`, or `expected_error` (parts of the message, one a line), and
//! then nothing may have changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::Place;
use crate::tools::call;

/// Files by name, with their content and whether they can be run.
pub(crate) type Tree = BTreeMap<String, (Vec<u8>, bool)>;

pub(crate) fn tree(top: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut open = vec![top.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            let can_run = path.metadata().unwrap().permissions().mode() & 0o111 != 0;
            tree.insert(name, (fs::read(&path).unwrap(), can_run));
        }
    }
    tree
}

fn copy(from: &Path, to: &Path) {
    for name in tree(from).keys() {
        let target = to.join(name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(name), target).unwrap();
    }
}

fn scenarios() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path());
    let mut scenarios: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    scenarios.sort();
    scenarios
}

/// What is wrong with what came of a scenario.
async fn complaint(scenario: &Path) -> Option<String> {
    let place = Place::new();
    copy(&scenario.join("input"), place.dir.path());
    let before = tree(place.dir.path());
    let patch = fs::read_to_string(scenario.join("patch.txt")).unwrap();
    let output = call(&place, "apply_patch", json!({"patch": patch})).await;
    let after = tree(place.dir.path());
    if let Ok(parts) = fs::read_to_string(scenario.join("expected_error")) {
        let missing = parts.lines().find(|part| !output.text.contains(part));
        return match missing {
            _ if !output.is_error => Some(format!("was applied:\n{}", output.text)),
            Some(part) => Some(format!("`{part}` is not in:\n{}", output.text)),
            None if after != before => Some("was refused, but something changed".to_owned()),
            None => None,
        };
    }
    let wanted = fs::read_to_string(scenario.join("expected_output")).unwrap();
    if output.text != wanted.trim_end() {
        return Some(format!("said:\n{}\ninstead of:\n{wanted}", output.text));
    }
    let wanted = tree(&scenario.join("expected"));
    (after != wanted || output.is_error).then(|| format!("gave {after:?}\ninstead of {wanted:?}"))
}

#[tokio::test]
async fn loop_9_2_openai_has_apply_patch_and_every_scenario_of_it_holds() {
    let scenarios = scenarios();
    assert!(scenarios.len() >= 60, "{} scenarios", scenarios.len());
    let mut failed = Vec::new();
    for scenario in &scenarios {
        if let Some(what) = complaint(scenario).await {
            failed.push(format!("{}: {what}", scenario.file_name().unwrap().display()));
        }
    }
    assert!(failed.is_empty(), "{} failed:\n\n{}", failed.len(), failed.join("\n\n"));
}

/// The scenarios whose names end so.
async fn hold(names: &[&str]) {
    for name in names {
        let known = |path: &&PathBuf| path.to_str().unwrap().ends_with(&format!("_{name}"));
        let scenarios = scenarios();
        let scenario = scenarios.iter().find(known).unwrap_or_else(|| panic!("no scenario {name}"));
        assert_eq!(complaint(scenario).await, None, "{name}");
    }
}

#[tokio::test]
async fn ruling_apply_patch_a_pure_rename_is_legal_and_no_file_is_replaced() {
    hold(&["rename", "rename_a_binary_file", "add_over_a_file", "rename_onto_a_file", "cut_off"])
        .await;
}

#[tokio::test]
async fn ruling_apply_patch_an_anchor_may_be_a_line_of_the_hunk_and_additions_go_below_it() {
    hold(&["anchor_is_the_changed_line", "addition_below_an_anchor"]).await;
}
