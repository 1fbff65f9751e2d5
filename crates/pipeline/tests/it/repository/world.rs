//! A repository with a file, and a place for runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use canon_pipeline::Graph;
use canon_pipeline::engine::{Budget, StageRecord};
use canon_pipeline::run::{
    End, Environment, From, NewRun, RunDirectory, RunError, journal, resume, start,
};
use canon_runtime::secret::Redactor;
use tokio_util::sync::CancellationToken;

use super::shell;

pub(crate) struct World {
    pub(crate) temp: tempfile::TempDir,
    pub(crate) cancel: CancellationToken,
}

/// What people's git says.
pub(crate) fn git(directory: &Path, args: &[&str]) -> String {
    let done = Command::new("git")
        .args(["-c", "user.name=user", "-c", "user.email=user@example.org"])
        .args(args)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "git {args:?} in {}: {err}", directory.display());
    String::from_utf8(done.stdout).unwrap().trim_end_matches('\n').to_owned()
}

impl World {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let world = Self { temp, cancel: CancellationToken::new() };
        let repo = world.repo();
        std::fs::create_dir(&repo).unwrap();
        git(&repo, &["init", "-q", "-b", "main"]);
        std::fs::write(repo.join("a.txt"), "one\n").unwrap();
        std::fs::write(repo.join(".gitignore"), "cache/\n").unwrap();
        git(&repo, &["add", "-A"]);
        git(&repo, &["commit", "-q", "-m", "first"]);
        world
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.temp.path().join("repo")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.temp.path().join("runs/r1")
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.logs().join("workspace")
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.repo(), args)
    }

    /// A file of a commit.
    pub(crate) fn show(&self, commit: &str, path: &str) -> String {
        self.git(&["show", &format!("{commit}:{path}")])
    }

    /// Paths of a commit.
    pub(crate) fn files(&self, commit: &str) -> Vec<String> {
        let all = self.git(&["ls-tree", "-r", "--name-only", commit]);
        all.lines().map(str::to_owned).collect()
    }

    pub(crate) async fn environment(&self, logs: &Path, run: &str) -> Environment {
        Environment {
            registry: shell::registry(),
            workspaces: Arc::new(shell::workspaces(&self.repo(), logs, run).await),
            events: None,
            cancel: self.cancel.clone(),
            budget: Budget::default(),
            wall: None,
            redactor: Arc::new(Redactor::new([])),
        }
    }

    pub(crate) async fn try_start(&self, source: &str) -> Result<End, RunError> {
        let new = NewRun {
            id: "r1".to_owned(),
            seed: 1,
            inputs: BTreeMap::new(),
            context: BTreeMap::new(),
            repository: Some(self.repo()),
            base: None,
            depth: 0,
        };
        let directory = RunDirectory::new(self.logs());
        start(graph(source), source, directory, new, self.environment(&self.logs(), "r1").await)
            .await
    }

    pub(crate) async fn start(&self, source: &str) -> End {
        self.try_start(source).await.unwrap()
    }

    pub(crate) async fn resume(&self, source: &str, from: From) -> End {
        let directory = RunDirectory::new(self.logs());
        resume(graph(source), directory, from, self.environment(&self.logs(), "r1").await)
            .await
            .unwrap()
    }

    /// Carries a run in another directory on.
    pub(crate) async fn resume_in(&self, source: &str, logs: &RunDirectory, run: &str) -> End {
        let environment = self.environment(logs.root(), run).await;
        resume(graph(source), logs.clone(), From::Here, environment).await.unwrap()
    }

    /// Records in force.
    pub(crate) fn records(&self) -> Vec<StageRecord> {
        journal::read(&self.logs().join("journal.jsonl")).unwrap().stages
    }
}

pub(crate) fn graph(source: &str) -> Graph {
    Graph::parse(source).unwrap().graph
}

/// A graph of `body` between a start and an exit.
pub(crate) fn dot(body: &str) -> String {
    format!("digraph g {{ start [shape=Mdiamond] exit [shape=Msquare]\n{body} }}")
}
