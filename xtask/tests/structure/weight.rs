//! How much is compiled.

use std::collections::BTreeSet;

use super::{Violation, assert_none, cargo};

/// Crates compiled by default for Linux, ours included.
const BUDGET: usize = 420;

#[test]
fn the_binary_stays_within_its_budget_of_crates() {
    let tree = cargo(&[
        "tree",
        "--locked",
        "--package",
        "canon",
        "--edges",
        "normal,build",
        "--target",
        "x86_64-unknown-linux-gnu",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let crates: BTreeSet<_> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    assert!(crates.len() > 30, "this is no tree:\n{tree}");
    if crates.len() > BUDGET {
        let rule = format!(
            "{} crates are compiled, {BUDGET} are allowed: `cargo tree -p canon` shows what brings them",
            crates.len()
        );
        assert_none(&[Violation::new("Cargo.lock", 1, rule)]);
    }
}
