//! Holds the repository to its architecture: crate edges, dependency budget, licences, and what sources may say.
//!
//! Needs git and cargo and nothing built. A failure lists every violation as `file:line: rule`.

// A panic in a helper is a report as well.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod edges;
mod files;
mod lexer;
mod licences;
mod rulings;
mod sources;
mod weight;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A broken rule and where.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    file: PathBuf,
    line: usize,
    rule: String,
}

impl Violation {
    fn new(file: impl Into<PathBuf>, line: usize, rule: impl Into<String>) -> Self {
        Self { file: file.into(), line, rule: rule.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.rule)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[track_caller]
fn assert_none(violations: &[Violation]) {
    let lines: Vec<_> = violations.iter().map(Violation::to_string).collect();
    assert!(lines.is_empty(), "{} broken rules:\n{}\n", lines.len(), lines.join("\n"));
}

fn capture(command: &mut Command) -> String {
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn cargo(args: &[&str]) -> String {
    capture(Command::new(env!("CARGO")).args(args))
}

/// What the workspace resolves to on the platform that the budget is for.
fn metadata() -> serde_json::Value {
    let args = [
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
    ];
    serde_json::from_str(&cargo(&args)).unwrap()
}

/// The line of a text that starts with one of the spellings, from 1; 1 if there is none.
fn line_of(text: &str, starts: &[String]) -> usize {
    let found =
        text.lines().position(|line| starts.iter().any(|start| line.starts_with(start.as_str())));
    found.map_or(1, |at| at + 1)
}
