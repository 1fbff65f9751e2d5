//! A worktree of a run: made, brought to a commit, committed, removed.
//!
//! Git is always told where the git directory lies. The file `.git` within the worktree, which
//! stages may write, is not asked.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::{At, Git, Said, failed, io};
use super::repository::Repository;
use crate::engine::Snapshot;
use crate::run::WorkspaceError;

/// How long another git's lock is waited for before it is taken for a dead one's.
const LOCK_WAIT: Duration = Duration::from_secs(3);
const LOCK_POLL: Duration = Duration::from_millis(25);
/// Nested repositories that one stage may leave.
const MAX_NESTED: usize = 1000;

/// A worktree that is there.
#[derive(Debug, Clone)]
pub(super) struct Worktree {
    repository: Repository,
    files: PathBuf,
    git: PathBuf,
    branch: String,
}

impl Worktree {
    /// Makes the worktree at `files` on `branch`, or takes it over; it holds exactly `commit` then,
    /// beside ignored files that were there before.
    pub(super) async fn prepare(
        repository: &Repository,
        files: &Path,
        branch: &str,
        commit: &str,
    ) -> Result<Self, WorkspaceError> {
        let mut found = find(repository, files)?;
        if let Some(git) = found.take_if(|git| !is_whole(git, files)) {
            discard(files, &git)?;
        }
        let git = match found {
            Some(git) => git,
            None => Self::add(repository, files, branch, commit).await?,
        };
        let worktree = Self {
            repository: repository.clone(),
            files: files.to_owned(),
            git,
            branch: branch.to_owned(),
        };
        worktree.restore(commit).await?;
        Ok(worktree)
    }

    async fn add(
        repository: &Repository,
        files: &Path,
        branch: &str,
        commit: &str,
    ) -> Result<PathBuf, WorkspaceError> {
        let what = format!("make the worktree {}", files.display());
        // Twice: also where a worktree of this branch was moved or lost.
        let add =
            repository.git().args(["worktree", "add", "-f", "-f", "--no-checkout", "-q", "-B"]);
        add.arg(branch).arg(files).arg(commit).run(&what).await?;
        find(repository, files)?.ok_or_else(|| WorkspaceError {
            what: format!("cannot {what}"),
            why: "git made it, but does not list it".to_owned(),
        })
    }

    fn at(&self) -> At {
        At::Tree { git: self.git.clone(), files: self.files.clone(), ignored: self.ignored() }
    }

    fn command(&self) -> Git {
        Git::new(&self.at(), &self.repository.author)
    }

    /// Nested repositories, which are like ignored files.
    fn ignored(&self) -> PathBuf {
        self.git.join("canon-ignored")
    }

    pub(super) fn files(&self) -> &Path {
        &self.files
    }

    fn full_ref(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// Brings files and branch to a commit; untracked files go, ignored ones stay.
    pub(super) async fn restore(&self, commit: &str) -> Result<(), WorkspaceError> {
        self.clear_locks().await?;
        self.attach().await?;
        let what = format!("bring {} to {commit}", self.files.display());
        self.command().args(["reset", "-q", "--hard", commit]).run(&what).await?;
        self.command().args(["clean", "-ffdq"]).run(&what).await?;
        Ok(())
    }

    /// Whether the worktree is on its own branch, as far as the file tells.
    fn is_attached(&self) -> bool {
        let head = fs::read_to_string(self.git.join("HEAD")).unwrap_or_default();
        head.strip_prefix("ref: ").map(str::trim_end) == Some(self.full_ref().as_str())
    }

    /// Puts it on its own branch, wherever a stage took it; files are as they were.
    async fn attach(&self) -> Result<(), WorkspaceError> {
        if !self.is_attached() {
            let args = ["symbolic-ref", "HEAD", &self.full_ref()];
            self.command().args(args).run("go back to the run's own branch").await?;
        }
        Ok(())
    }

    /// Commits all files on top of `last`, also when nothing changed. What a stage committed itself
    /// comes between, as long as it builds on `last`.
    pub(super) async fn commit(
        &self,
        last: &str,
        message: &str,
    ) -> Result<Snapshot, WorkspaceError> {
        self.stage_all().await?;
        let what = format!("commit {}", self.files.display());
        let tree = self.command().arg("write-tree").run(&what).await?.line();
        let mut parent = last.to_owned();
        if !self.is_attached() {
            let head = self.resolve("HEAD").await?;
            parent = self.parent(last, head).await?;
            self.attach().await?;
        }
        let mut commit = self.write(&tree, &parent, message).await?;
        if !self.advance(&commit, last).await?.ok {
            let tip = self.repository.tip(&self.full_ref()).await?;
            let old = tip.clone().unwrap_or_else(|| "0".repeat(last.len()));
            if parent == last {
                let parent = self.parent(last, tip).await?;
                commit = self.write(&tree, &parent, message).await?;
            }
            let said = self.advance(&commit, &old).await?;
            if !said.ok {
                return Err(failed(&format!("cannot {what}"), &said));
            }
        }
        Ok(Snapshot { commit, tree })
    }

    async fn write(
        &self,
        tree: &str,
        parent: &str,
        message: &str,
    ) -> Result<String, WorkspaceError> {
        let commit = self.command().args(["commit-tree", tree, "-p", parent, "-F", "-"]);
        let what = format!("commit {}", self.files.display());
        Ok(commit.input(message).run(&what).await?.line())
    }

    async fn advance(&self, commit: &str, old: &str) -> Result<Said, WorkspaceError> {
        self.command().args(["update-ref", &self.full_ref(), commit, old]).said().await
    }

    async fn resolve(&self, name: &str) -> Result<Option<String>, WorkspaceError> {
        let name = format!("{name}^{{commit}}");
        let said = self.command().args(["rev-parse", "--verify", "--quiet", &name]).said().await?;
        Ok(said.ok.then(|| said.line()))
    }

    /// What to build on: a stage's own commits if they build on the last one.
    async fn parent(&self, last: &str, own: Option<String>) -> Result<String, WorkspaceError> {
        match own {
            Some(own) if self.repository.descends(&own, last).await? => Ok(own),
            _ => Ok(last.to_owned()),
        }
    }

    /// `git add -A`. A repository within is no part of this one: it is left out from then on, as
    /// ignored files are.
    async fn stage_all(&self) -> Result<(), WorkspaceError> {
        let mut cleared = false;
        for _ in 0..MAX_NESTED {
            let said = self.command().args(["add", "-A"]).said().await?;
            let nested = nested(&said.err);
            if said.ok && nested.is_empty() {
                return Ok(());
            }
            if !nested.is_empty() {
                self.leave_out(&nested).await?;
                if said.ok {
                    return Ok(());
                }
            } else if said.err.contains("index.lock") && !cleared {
                cleared = true;
                self.clear_locks().await?;
            } else {
                return Err(failed(&format!("cannot commit {}", self.files.display()), &said));
            }
        }
        Err(WorkspaceError {
            what: format!("cannot commit {}", self.files.display()),
            why: format!("there are more than {MAX_NESTED} repositories within"),
        })
    }

    async fn leave_out(&self, nested: &[String]) -> Result<(), WorkspaceError> {
        let path = self.ignored();
        let line = |nested: &String| format!("/{}/\n", escape(nested));
        let lines: String = nested.iter().map(line).collect();
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .and_then(|mut file| file.write_all(lines.as_bytes()))
            .map_err(|error| io("cannot write", &path, &error))?;
        let remove =
            self.command().args(["rm", "-r", "-f", "-q", "--cached", "--ignore-unmatch", "--"]);
        let literal = nested.iter().map(|nested| format!(":(top,literal){nested}"));
        remove.args(literal).run("leave out a repository within").await?;
        Ok(())
    }

    /// Waits for another git in this worktree to end; a lock that stays is a dead one's.
    async fn clear_locks(&self) -> Result<(), WorkspaceError> {
        let branch = self.repository.common.join(format!("{}.lock", self.full_ref()));
        for lock in [self.git.join("index.lock"), self.git.join("HEAD.lock"), branch] {
            let gone = async {
                while lock.exists() {
                    tokio::time::sleep(LOCK_POLL).await;
                }
            };
            if tokio::time::timeout(LOCK_WAIT, gone).await.is_err() {
                remove_file(&lock)?;
            }
        }
        Ok(())
    }
}

/// Removes the worktree at `files`, if there is one. Branches and commits stay.
pub(super) fn remove(repository: &Repository, files: &Path) -> Result<(), WorkspaceError> {
    match find(repository, files)? {
        Some(git) => discard(files, &git),
        None => Ok(()),
    }
}

/// The git directory of the worktree at `files`.
fn find(repository: &Repository, files: &Path) -> Result<Option<PathBuf>, WorkspaceError> {
    let all = repository.common.join("worktrees");
    let entries = match fs::read_dir(&all) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(|error| io("cannot read", &all, &error))?,
    };
    let wanted = files.join(".git");
    for entry in entries {
        let git = entry.map_err(|error| io("cannot read", &all, &error))?.path();
        // One that is being made or removed has no such file.
        let Ok(link) = fs::read(git.join("gitdir")) else { continue };
        if link.trim_ascii_end() == wanted.as_os_str().as_encoded_bytes() {
            return Ok(Some(git));
        }
    }
    Ok(None)
}

/// Whether git finished making it. It locks what it makes, and its user locks nothing here.
fn is_whole(git: &Path, files: &Path) -> bool {
    let there = |name: &str| git.join(name).exists();
    files.is_dir() && there("HEAD") && there("commondir") && !there("locked")
}

fn discard(files: &Path, git: &Path) -> Result<(), WorkspaceError> {
    for path in [files, git] {
        remove_all(path).map_err(|error| io("cannot remove", path, &error))?;
    }
    Ok(())
}

/// Removes a directory into which a git that outlived its killed caller may still write for a
/// moment.
fn remove_all(path: &Path) -> std::io::Result<()> {
    const TRIES: u32 = 100;
    for _ in 0..TRIES {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            done => return done,
        }
    }
    fs::remove_dir_all(path)
}

fn remove_file(path: &Path) -> Result<(), WorkspaceError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io("cannot remove", path, &error)),
        _ => Ok(()),
    }
}

/// Repositories within that `git add` told of: ones that it took in as links, and ones without a
/// commit, which it refuses.
fn nested(told: &str) -> Vec<String> {
    let path = |line: &str| {
        let linked = line.strip_prefix("warning: adding embedded git repository: ");
        let refused =
            || line.strip_prefix("error: '")?.strip_suffix("/' does not have a commit checked out");
        linked.or_else(refused).map(str::to_owned)
    };
    told.lines().filter_map(path).collect()
}

/// A path as a pattern that matches it alone.
fn escape(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    for char in path.chars() {
        if "\\*?[] !#".contains(char) {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern
}
