//! A new run out of an old one, from a stage of it on.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::journal::{self, Entry, Header, Journal};
use super::resume::before_stage;
use super::{RunDirectory, RunError, git, write_manifest};
use crate::engine::{Budget, Plan, Setup, StageRecord, replay};
use crate::graph::Graph;

/// Makes a run `id` in the empty directory `into`: all that the run in `from` had done before the
/// latest visit of `stage`, of the same `graph`. It is carried on by [`resume`](super::resume); the
/// old run is as it was. In a repository it begins with the commit of that time.
///
/// # Errors
/// [`RunError`]: the stage never ran, the graph is another one, `into` is in use.
pub async fn fork(
    graph: &Graph,
    from: &RunDirectory,
    stage: &str,
    into: &RunDirectory,
    id: &str,
) -> Result<Header, RunError> {
    let contents = journal::read(&from.journal())?;
    let old = contents.header;
    if old.graph != super::digest(graph) {
        return Err(RunError::OtherGraph { run: old.run });
    }
    let keep = before_stage(&old.run, &contents.stages, stage)?;
    let records = &contents.stages[..keep];
    let header = Header {
        run: id.to_owned(),
        begun: canon_runtime::clock::now_ms(),
        forked_from: Some(format!("{}#{keep}", old.run)),
        ..old.clone()
    };
    // What could not be taken up again is not begun.
    let plan = Arc::new(Plan::of(graph).map_err(RunError::Unrunnable)?);
    let setup = Setup {
        run: header.run.clone(),
        seed: header.seed,
        budget: Budget::default(),
        snapshot: header.snapshot.clone(),
        context: header.context.clone(),
    };
    replay(plan, setup, header.begun, records.iter().cloned())?;
    if let Some(repository) = &header.repository {
        let commits = records.iter().filter_map(|record| record.snapshot.as_ref());
        let commits = commits.chain(&header.snapshot).map(|snapshot| snapshot.commit.as_str());
        git::hold(repository, id, commits).await?;
    }
    let root = into.root();
    fs::create_dir_all(root).map_err(|source| RunError::Io { path: root.to_owned(), source })?;
    let journal = Journal::create(&into.journal(), header.clone())?;
    fill(graph, from, into, &header, records, journal)?;
    Ok(header)
}

/// Files first, records last: a fork that was interrupted has a journal without records, and begins
/// at the start rather than with half of its files.
fn fill(
    graph: &Graph,
    from: &RunDirectory,
    into: &RunDirectory,
    header: &Header,
    records: &[StageRecord],
    mut journal: Journal,
) -> Result<(), RunError> {
    let own = [from.workspace(), from.worktrees(), from.journal(), from.checkpoint()];
    copy(from.root(), into.root(), &own)
        .map_err(|source| RunError::Io { path: into.root().to_owned(), source })?;
    write_manifest(into, graph, header)?;
    let entries: Vec<Entry> = records.iter().cloned().map(Entry::Stage).collect();
    Ok(journal.append_all(&entries)?)
}

/// Copies files and directories; links and what else there may be are no part of a run.
fn copy(from: &Path, to: &Path, except: &[std::path::PathBuf]) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if except.contains(&path) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            match fs::create_dir(&target) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => copy(&path, &target, except)?,
            }
        } else if kind.is_file() {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
