//! What the stages of a run changed in its repository: which commits lie before and after each.

use std::collections::BTreeMap;

use super::journal::Contents;
use super::{RunError, git};
use crate::engine::{FrameId, Snapshot, StageRecord};

/// The state of the files before and after one record of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The record's place in the journal, from 0.
    pub record: usize,
    /// What the stage found.
    pub before: &'a Snapshot,
    /// What it left.
    pub after: &'a Snapshot,
}

/// The changes of all records that have a commit, in order.
pub fn changes(contents: &Contents) -> Vec<Change<'_>> {
    let Some(begin) = &contents.header.snapshot else { return Vec::new() };
    let mut at: BTreeMap<&FrameId, &Snapshot> = BTreeMap::new();
    let mut line = begin;
    let mut restart = 0;
    let mut changes = Vec::new();
    for (record, StageRecord { attempt, snapshot, .. }) in contents.stages.iter().enumerate() {
        if attempt.restart != restart {
            restart = attempt.restart;
            at.clear();
        }
        let Some(after) = snapshot else { continue };
        let before = before(&at, &attempt.frame).unwrap_or(line);
        changes.push(Change { record, before, after });
        if attempt.frame.is_root() {
            line = after;
        } else {
            at.insert(&attempt.frame, after);
        }
    }
    changes
}

/// Where a frame is: a branch that has committed nothing yet is where it left.
fn before<'a>(at: &BTreeMap<&FrameId, &'a Snapshot>, frame: &FrameId) -> Option<&'a Snapshot> {
    let mut frame = frame.clone();
    while !frame.is_root() {
        if let Some(snapshot) = at.get(&frame) {
            return Some(snapshot);
        }
        frame = frame.parent();
    }
    None
}

/// A part of a run whose changes are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it: from where it began to where its line is.
    Run,
    /// The latest visit of a stage, all attempts of it.
    Stage(String),
}

/// The changes of a part of a run, as `git diff` writes them; empty where nothing changed.
///
/// # Errors
/// The run has no repository, the stage never ran, or git fails.
pub async fn diff(contents: &Contents, part: &Part) -> Result<String, RunError> {
    let header = &contents.header;
    let Some(repository) = &header.repository else {
        return Err(RunError::NoRepository { run: header.run.clone() });
    };
    let all = changes(contents);
    let (before, after) = match part {
        Part::Run => {
            let root =
                |change: &&Change<'_>| contents.stages[change.record].attempt.frame.is_root();
            (header.snapshot.as_ref(), all.iter().rfind(root).map(|change| change.after))
        }
        Part::Stage(stage) => {
            let from = super::resume::before_stage(&header.run, &contents.stages, stage)?;
            let first = &contents.stages[from].attempt;
            let same = |change: &&Change<'_>| {
                let attempt = &contents.stages[change.record].attempt;
                attempt.node == first.node
                    && attempt.frame == first.frame
                    && attempt.visit == first.visit
                    && attempt.restart == first.restart
            };
            let before = all.iter().find(same).map(|change| change.before);
            (before, all.iter().rfind(same).map(|change| change.after))
        }
    };
    match (before, after) {
        (Some(before), Some(after)) => Ok(git::diff(repository, before, after).await?),
        _ => Ok(String::new()),
    }
}

/// A file that was changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileChange {
    /// Its path in the repository.
    pub path: String,
    /// Lines that were added; none of a binary file.
    pub added: Option<u64>,
    /// Lines that were removed; none of a binary file.
    pub removed: Option<u64>,
}

/// The files that each record touched, by the record's place; records that touched none are left
/// out. One call of git, however long the run. Empty without a repository.
///
/// # Errors
/// Git fails.
pub async fn files_touched(
    contents: &Contents,
) -> Result<BTreeMap<usize, Vec<FileChange>>, RunError> {
    let Some(repository) = &contents.header.repository else { return Ok(BTreeMap::new()) };
    let mut changes = changes(contents);
    changes.retain(|change| change.before.tree != change.after.tree);
    let trees = changes.iter().map(|change| (&*change.before.tree, &*change.after.tree));
    let files = git::numstat(repository, trees).await?;
    Ok(changes.iter().map(|change| change.record).zip(files).collect())
}
