//! What changed between two states of a repository.

use std::path::Path;

use super::repository::Repository;
use crate::engine::Snapshot;
use crate::run::WorkspaceError;
use crate::run::changes::FileChange;

/// `git diff` between two commits, by git alone: no program that a repository names is run.
pub(in crate::run) async fn diff(
    repository: &Path,
    before: &Snapshot,
    after: &Snapshot,
) -> Result<String, WorkspaceError> {
    let repository = Repository::open(repository).await?;
    let diff = repository.git().args(["diff", "--no-ext-diff", "--no-textconv", "--no-color"]);
    let said = diff.args([&before.tree, &after.tree]).run("compare two commits").await?;
    Ok(String::from_utf8_lossy(&said.out).into_owned())
}

/// Files that changed between the trees of each pair, in the order of the pairs.
pub(in crate::run) async fn numstat<'a>(
    repository: &Path,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<Vec<FileChange>>, WorkspaceError> {
    let lines: String =
        pairs.into_iter().map(|(before, after)| format!("{before} {after}\n")).collect();
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let repository = Repository::open(repository).await?;
    let args = ["diff-tree", "--stdin", "-r", "-z", "--numstat", "--no-renames", "--no-ext-diff"];
    let diff = repository.git().args(args).arg("--no-textconv").input(lines.clone());
    let said = diff.run("list the files that the stages touched").await?;
    Ok(parse(&lines, &String::from_utf8_lossy(&said.out)))
}

/// Each pair is told as it was asked for, then one entry a file.
fn parse(pairs: &str, told: &str) -> Vec<Vec<FileChange>> {
    let mut asked = pairs.lines().peekable();
    let mut files: Vec<Vec<FileChange>> = Vec::new();
    let mut rest = told;
    while !rest.is_empty() {
        if let Some(after) = asked.peek().and_then(|pair| rest.strip_prefix(*pair)) {
            asked.next();
            files.push(Vec::new());
            rest = after.strip_prefix('\n').or_else(|| after.strip_prefix('\0')).unwrap_or(after);
            continue;
        }
        let (entry, after) = rest.split_once('\0').unwrap_or((rest, ""));
        rest = after;
        let mut parts = entry.splitn(3, '\t');
        let (added, removed) = (parts.next(), parts.next());
        let (Some(path), Some(files)) = (parts.next(), files.last_mut()) else { continue };
        let count = |text: Option<&str>| text.and_then(|text| text.parse().ok());
        files.push(FileChange {
            path: path.to_owned(),
            added: count(added),
            removed: count(removed),
        });
    }
    files
}
