//! The directory of a run (Attractor §5.6, rulings 16-18).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::engine::{AttemptId, FrameId};

/// Paths below the root of a run's logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDirectory {
    root: PathBuf,
}

impl RunDirectory {
    /// The directory at `root`; nothing is created.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The run's truth.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal.jsonl")
    }

    /// The graph as it was given.
    pub fn graph(&self) -> PathBuf {
        self.root.join("graph.dot")
    }

    /// Name, goal and time of the run.
    pub fn manifest(&self) -> PathBuf {
        self.root.join("manifest.json")
    }

    /// The state derived from the journal.
    pub fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint.json")
    }

    /// The run's own worktree, where it has a repository.
    pub fn workspace(&self) -> PathBuf {
        self.root.join("workspace")
    }

    /// Where the worktrees of branches are.
    pub fn worktrees(&self) -> PathBuf {
        self.root.join("worktrees")
    }

    /// Where large outputs are kept.
    pub fn artifacts(&self) -> PathBuf {
        self.root.join("artifacts")
    }

    /// Where stages of a restart and frame have their directories.
    pub fn logs_root(&self, restart: u32, frame: &FrameId) -> PathBuf {
        let mut path = self.root.clone();
        if restart > 0 {
            path.push(format!("restart-{restart}"));
        }
        let mut parts = frame.as_str().split('/').filter(|part| !part.is_empty());
        while let Some(component) = parts.next() {
            path.push(file_name(component));
            path.push("branches");
            path.extend(parts.next().map(file_name));
        }
        path
    }

    /// The directory of a stage: always the latest visit of its node (ruling 17).
    pub fn stage(&self, attempt: &AttemptId) -> PathBuf {
        self.logs_root(attempt.restart, &attempt.frame).join(file_name(&attempt.node))
    }

    /// Makes a stage's directory ready: an earlier visit is moved to `visits/N`, and what an earlier
    /// attempt of this visit said and decided to `attempts/N`, so that it is not taken for this
    /// one's.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open_stage(&self, attempt: &AttemptId) -> io::Result<PathBuf> {
        let dir = self.stage(attempt);
        fs::create_dir_all(&dir)?;
        if attempt.visit > 1 && attempt.attempt == 1 {
            let kept = dir.join("visits").join((attempt.visit - 1).to_string());
            if !kept.exists() {
                keep(&dir, &kept)?;
            }
        }
        let before = attempt.attempt.saturating_sub(1);
        if before == 0 {
            // Attempts that were taken back.
            unless_missing(fs::remove_dir_all(dir.join("attempts")))?;
        }
        for file in ["status.json", "response.md", "prompt.md"] {
            unless_missing(put_away(&dir, file, before))?;
        }
        Ok(dir)
    }

    /// Moves what a stage left aside, to `visits/N.M`: the run goes on from it as if it had not
    /// happened.
    ///
    /// # Errors
    /// What the file system says.
    pub fn set_aside(&self, attempt: &AttemptId) -> io::Result<()> {
        let dir = self.stage(attempt);
        if !dir.exists() {
            return Ok(());
        }
        let kept = |again: u32| dir.join("visits").join(format!("{}.{again}", attempt.visit));
        match (1..).map(kept).find(|kept| !kept.exists()) {
            Some(kept) => keep(&dir, &kept),
            None => Ok(()),
        }
    }
}

/// Moves what stands in `dir` to `kept`, a directory below it.
fn keep(dir: &Path, kept: &Path) -> io::Result<()> {
    let entries: Vec<_> = fs::read_dir(dir)?.collect::<io::Result<_>>()?;
    fs::create_dir_all(kept)?;
    for entry in entries {
        let name = entry.file_name();
        if name != "visits" && name != "branches" {
            fs::rename(entry.path(), kept.join(name))?;
        }
    }
    Ok(())
}

fn unless_missing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where an earlier attempt of the visit that `dir` is of is kept.
pub(crate) fn attempt_dir(dir: &Path, attempt: u32) -> PathBuf {
    dir.join("attempts").join(attempt.to_string())
}

/// Keeps a file of the attempt before; what an attempt left that was interrupted goes.
fn put_away(dir: &Path, file: &str, before: u32) -> io::Result<()> {
    let (path, kept) = (dir.join(file), attempt_dir(dir, before));
    if before == 0 || kept.join(file).exists() || !path.exists() {
        return fs::remove_file(path);
    }
    fs::create_dir_all(&kept)?;
    fs::rename(path, kept.join(file))
}

/// An id as the name of one directory: whatever is neither letter, digit, `_`, `-`, `.` nor `@` is
/// percent-encoded, so that no id leads elsewhere and no two share a directory.
pub(crate) fn file_name(id: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.@".contains(byte);
    let encode = |byte: &u8| {
        if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
    };
    let name: String = id.as_bytes().iter().map(encode).collect();
    if is_reserved(&name) { format!("%{:02X}{}", name.as_bytes()[0], &name[1..]) } else { name }
}

/// Names that the directory uses itself.
fn is_reserved(name: &str) -> bool {
    name.starts_with('.')
        || name.starts_with("restart-")
        || matches!(
            name,
            "artifacts"
                | "branches"
                | "visits"
                | "workspace"
                | "worktrees"
                | "checkpoint.json"
                | "graph.dot"
                | "invocation.json"
                | "journal.jsonl"
                | "manifest.json"
                | "lock"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(node: &str, visit: u32, attempt: u32) -> AttemptId {
        AttemptId { restart: 0, frame: FrameId::root(), node: node.to_owned(), visit, attempt }
    }

    #[test]
    fn no_id_leads_out_of_the_directory_or_into_another() {
        let run = RunDirectory::new("/logs");
        for id in
            ["..", ".", "a/b", "../x", "visits", "artifacts", "restart-1", "journal.jsonl", "é"]
        {
            let path = run.stage(&attempt(id, 1, 1));
            assert_eq!(path.parent(), Some(Path::new("/logs")), "{id}");
            assert_ne!(path.file_name().and_then(|name| name.to_str()), Some(id), "{id}");
        }
        assert_ne!(run.stage(&attempt("a/b", 1, 1)), run.stage(&attempt("a%2Fb", 1, 1)));
        assert_eq!(run.stage(&attempt("plan_2", 1, 1)), Path::new("/logs/plan_2"));
    }

    #[test]
    fn ruling_pipeline_17_earlier_visits_are_moved_aside() {
        let temp = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(temp.path());
        for visit in 1..=3 {
            let dir = run.open_stage(&attempt("a", visit, 1)).unwrap();
            fs::write(dir.join("status.json"), visit.to_string()).unwrap();
            fs::write(dir.join("own.txt"), visit.to_string()).unwrap();
        }
        let read = |path: &str| fs::read_to_string(temp.path().join("a").join(path)).unwrap();
        assert_eq!(read("status.json"), "3");
        assert_eq!(read("visits/1/own.txt"), "1");
        assert_eq!(read("visits/2/status.json"), "2");
    }

    #[test]
    fn an_attempt_does_not_find_what_the_one_before_decided() {
        let temp = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(temp.path());
        let dir = run.open_stage(&attempt("a", 1, 1)).unwrap();
        fs::write(dir.join("status.json"), "{}").unwrap();
        fs::write(dir.join("notes.txt"), "kept").unwrap();
        run.open_stage(&attempt("a", 1, 2)).unwrap();
        assert!(!dir.join("status.json").exists());
        assert!(dir.join("notes.txt").exists());
        assert_eq!(fs::read_to_string(dir.join("attempts/1/status.json")).unwrap(), "{}");
        // The second was interrupted, and begins again; then the first does.
        fs::write(dir.join("status.json"), "half").unwrap();
        run.open_stage(&attempt("a", 1, 2)).unwrap();
        assert!(!dir.join("status.json").exists());
        assert_eq!(fs::read_to_string(dir.join("attempts/1/status.json")).unwrap(), "{}");
        run.open_stage(&attempt("a", 1, 1)).unwrap();
        assert!(!dir.join("attempts").exists());
    }
}
