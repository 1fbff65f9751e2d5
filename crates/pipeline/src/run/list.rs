//! Runs on disk: which there are, and the end of one that is not wanted any more.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::journal::{self, Contents, JournalError};
use super::{RunDirectory, RunError, git};
use crate::engine::Rule;
use crate::outcome::{Status, Usage};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// A process is at it.
    Running,
    /// It came to its end.
    Success,
    /// It failed.
    Failed,
    /// It was told to stop, and can be resumed.
    Stopped,
    /// Its process is gone without a word; it can be resumed.
    Interrupted,
    /// Its journal cannot be read.
    Damaged,
}

impl RunState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Damaged => "damaged",
        }
    }
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// Its id; of a damaged one the name of its directory.
    pub id: String,
    /// The graph's name.
    pub name: String,
    /// The graph's goal.
    pub goal: String,
    /// When it began, in Unix milliseconds; 0 for a damaged one.
    pub begun: u64,
    /// When its last record was written, in Unix milliseconds.
    pub last: u64,
    /// Where it stands.
    pub state: RunState,
    /// Why it failed, or why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The stage that ended last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Attempts at stages that are in its journal.
    pub attempts: usize,
    /// What it cost so far.
    pub usage: Usage,
    /// The run and record that it was forked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<String>,
    /// The repository that it works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<PathBuf>,
    /// Its directory.
    pub path: PathBuf,
}

/// The runs that have their directories in `root`, the newest first. A directory without a journal
/// is no run.
///
/// # Errors
/// `root` cannot be read; where it is not there, there are no runs.
pub fn list(root: &Path) -> io::Result<Vec<RunSummary>> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut runs = Vec::new();
    for entry in entries {
        let directory = RunDirectory::new(entry?.path());
        if directory.journal().is_file() {
            runs.push(summary(&directory));
        }
    }
    runs.sort_by(|a, b| b.begun.cmp(&a.begun).then_with(|| a.path.cmp(&b.path)));
    Ok(runs)
}

/// The run in a directory, as it stands in a list.
pub fn summary(directory: &RunDirectory) -> RunSummary {
    let path = directory.root().to_owned();
    let running = journal::is_held(&directory.journal());
    let contents = match journal::read(&directory.journal()) {
        Ok(contents) => contents,
        Err(error) => return damaged(path, running.unwrap_or(false), &error),
    };
    let (state, reason) = state_of(&contents, running.unwrap_or(false));
    let mut usage = Usage::default();
    contents.stages.iter().for_each(|record| usage.add(&record.outcome.usage));
    let last = contents.stages.last();
    RunSummary {
        goal: goal(directory),
        last: contents.ended.or(last.map(|record| record.at)).unwrap_or(contents.header.begun),
        stage: last.map(|record| record.attempt.node.clone()),
        attempts: contents.stages.len(),
        id: contents.header.run,
        name: contents.header.name,
        begun: contents.header.begun,
        forked_from: contents.header.forked_from,
        repository: contents.header.repository,
        state,
        reason,
        usage,
        path,
    }
}

fn damaged(path: PathBuf, running: bool, error: &JournalError) -> RunSummary {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    RunSummary {
        id: name,
        name: String::new(),
        goal: String::new(),
        begun: 0,
        last: 0,
        state: if running { RunState::Running } else { RunState::Damaged },
        reason: Some(error.to_string()),
        stage: None,
        attempts: 0,
        usage: Usage::default(),
        forked_from: None,
        repository: None,
        path,
    }
}

pub(super) fn state_of(contents: &Contents, running: bool) -> (RunState, Option<String>) {
    match &contents.end {
        _ if running => (RunState::Running, None),
        None => (RunState::Interrupted, None),
        Some(finish) if finish.rule == Rule::Stopped => (RunState::Stopped, finish.reason.clone()),
        Some(finish) if finish.status == Status::Fail => (RunState::Failed, finish.reason.clone()),
        Some(_) => (RunState::Success, None),
    }
}

fn goal(directory: &RunDirectory) -> String {
    let manifest = fs::read(directory.manifest()).unwrap_or_default();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap_or_default();
    manifest["goal"].as_str().unwrap_or_default().to_owned()
}

/// Removes a run: its worktrees and branches, then its directory. Commits that nothing else holds go
/// when git cleans up.
///
/// # Errors
/// [`JournalError::Busy`] while it runs; what cannot be removed.
pub async fn remove(directory: &RunDirectory) -> Result<(), RunError> {
    let path = directory.journal();
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| RunError::Io { path, source }
    };
    // Held to the end: nobody resumes what is being removed.
    let _held = journal::hold(&path)?;
    let header = journal::read(&path).ok().map(|contents| contents.header);
    let repository = header.as_ref().and_then(|header| header.repository.as_deref());
    if let (Some(header), Some(repository)) = (&header, repository.filter(|path| path.exists())) {
        git::forget(repository, directory, &header.run).await?;
    }
    fs::remove_dir_all(directory.root()).map_err(io(directory.root()))
}
