//! A directory with a workflow, its issues and its agent's scenario.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Bench;
use crate::failure::Failure;
use serde_json::json;

/// What is to be made.
pub(super) struct Plan {
    pub(super) issues: usize,
    pub(super) at_a_time: usize,
    pub(super) interval_ms: u64,
    /// Issues lack a label that the workflow demands: none is ever dispatched.
    pub(super) idle: bool,
}

/// Everything lies in one directory, the state of the daemon included.
pub(super) struct Site {
    dir: PathBuf,
    canon: PathBuf,
}

/// Length of a turn.
const TURN_MS: u64 = 200;

impl Site {
    pub(super) fn make(bench: &Bench, plan: &Plan) -> Result<Self, Failure> {
        let dir = tempfile::tempdir_in(&bench.dir).map(tempfile::TempDir::keep);
        let dir = dir.map_err(|error| cannot("make a directory", &error))?;
        let site = Self { dir, canon: bench.canon.clone() };
        site.fill(bench, plan).map_err(|error| cannot("write the workflow and issues", &error))?;
        Ok(site)
    }

    fn fill(&self, bench: &Bench, plan: &Plan) -> std::io::Result<()> {
        fs::create_dir(self.issues())?;
        for number in 1..=plan.issues {
            let text = format!(
                "---\ntitle: Issue {number}\nstate: Todo\n---\nThere is nothing to do about number {number}.\n"
            );
            fs::write(self.issues().join(format!("B-{number}.md")), text)?;
        }
        let scenario = self.path().join("scenario.json");
        let turn = json!({"steps": [
            {"do": "delay", "ms": TURN_MS},
            {"do": "tool", "tool": "issue_update", "arguments": {"state": "In Review"}, "success": true},
            {"do": "message", "text": "done", "deltas": 1},
            {"do": "usage", "input": 10, "output": 5},
        ]});
        fs::write(&scenario, json!({"turns": [turn]}).to_string())?;
        let Plan { at_a_time, interval_ms, .. } = plan;
        let labels = if plan.idle { "[never]" } else { "[]" };
        let command = format!("exec '{}' '{}'", bench.agent.display(), scenario.display());
        let workflow = format!(
            "---\n\
             tracker:\n  kind: files\n  provider: {{path: issues, states: [In Review]}}\n  required_labels: {labels}\n\
             polling: {{interval_ms: {interval_ms}}}\n\
             workspace: {{root: workspaces}}\n\
             agent: {{kind: codex, max_concurrent_agents: {at_a_time}}}\n\
             codex: {{command: {command}}}\n\
             ---\nWork on {{{{ issue.identifier }}}}.\n",
            command = json!(command),
        );
        fs::write(self.path().join("WORKFLOW.md"), workflow)
    }

    pub(super) fn path(&self) -> &Path {
        &self.dir
    }

    fn issues(&self) -> PathBuf {
        self.path().join("issues")
    }

    /// `canon up …` here, with nothing of the user's own shell set-up in the agents' way.
    pub(super) fn up(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.canon);
        command
            .args(["up", "WORKFLOW.md", "--no-tui", "--orphan-grace", "5"])
            .args(args)
            .current_dir(self.path())
            .env("CANON_HOME", self.path().join("state"))
            .env("HOME", self.path())
            .stdin(Stdio::null());
        command
    }

    /// How many issues their agents have moved on.
    pub(super) fn done(&self) -> usize {
        let files = fs::read_dir(self.issues()).into_iter().flatten().flatten();
        let text = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        files.filter(|file| text(file.path()).contains("\nstate: In Review\n")).count()
    }

    /// Bytes of the ledger, with what is still in its write-ahead log.
    pub(super) fn ledger_bytes(&self) -> u64 {
        let workflows = self.path().join("state/workflows");
        let states = fs::read_dir(workflows).into_iter().flatten().flatten();
        let files =
            states.flat_map(|state| fs::read_dir(state.path()).into_iter().flatten().flatten());
        files
            .filter(|file| file.file_name().to_string_lossy().starts_with("ledger.db"))
            .filter_map(|file| Some(file.metadata().ok()?.len()))
            .sum()
    }
}

pub(super) fn cannot(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::environment(format!("cannot {what}: {error}"))
}
