//! A repository, and what can be asked of it without a working tree.

use std::path::{Path, PathBuf};

use super::command::{At, Author, Git, failed, io};
use crate::engine::Snapshot;
use crate::run::WorkspaceError;

/// A repository that a run works in.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Where the user's checkout is; they said so.
    pub(super) directory: PathBuf,
    /// The git directory that all its worktrees share.
    pub(super) common: PathBuf,
    pub(super) author: Author,
}

impl Repository {
    /// The repository that `directory` lies in.
    ///
    /// # Errors
    /// There is none, git does not trust it, or git cannot be run.
    pub async fn open(directory: &Path) -> Result<Self, WorkspaceError> {
        let directory = directory
            .canonicalize()
            .map_err(|error| io("cannot open the repository", directory, &error))?;
        let author = Author::default();
        let said = Git::new(&At::Discover(directory.clone()), &author)
            .args(["rev-parse", "--path-format=absolute", "--git-common-dir"])
            .run(&format!("find a repository in {}", directory.display()))
            .await?;
        let common = PathBuf::from(said.line());
        let common = common
            .canonicalize()
            .map_err(|error| io("cannot open the git directory", &common, &error))?;
        Ok(Self { directory, common, author })
    }

    /// The same, with commits by `author`.
    #[must_use]
    pub fn with_author(self, author: Author) -> Self {
        Self { author, ..self }
    }

    /// How many files of the user's checkout differ from its last commit, untracked ones included. A
    /// run begins with the commit: it does not see them.
    ///
    /// # Errors
    /// Git failed. A repository without a checkout has none.
    pub async fn uncommitted(&self) -> Result<usize, WorkspaceError> {
        let at = At::Discover(self.directory.clone());
        let inside = Git::new(&at, &self.author)
            .args(["rev-parse", "--is-inside-work-tree"])
            .run("look at the checkout")
            .await?;
        if inside.line() != "true" {
            return Ok(0);
        }
        let said = Git::new(&at, &self.author)
            .args(["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all"])
            .run("look for uncommitted changes")
            .await?;
        Ok(said.out.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()).count())
    }

    /// The commit that the user's checkout is at.
    pub(super) async fn head(&self) -> Result<Snapshot, WorkspaceError> {
        let said = Git::new(&At::Discover(self.directory.clone()), &self.author)
            .args(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
            .said()
            .await?;
        if !said.ok {
            return Err(WorkspaceError {
                what: format!("cannot begin a run in {}", self.directory.display()),
                why: "the repository has no commit yet; make the first one".to_owned(),
            });
        }
        let commit = said.line();
        let tree = self
            .git()
            .args(["rev-parse", "--verify", &format!("{commit}^{{tree}}")])
            .run("read the commit that the run begins with")
            .await?;
        Ok(Snapshot { commit, tree: tree.line() })
    }

    /// A command on the repository itself.
    pub(super) fn git(&self) -> Git {
        Git::new(&At::Bare(self.common.clone()), &self.author)
    }

    /// The commit that a ref names; none where there is no such ref.
    pub(super) async fn tip(&self, name: &str) -> Result<Option<String>, WorkspaceError> {
        let name = format!("{name}^{{commit}}");
        let said = self.git().args(["rev-parse", "--verify", "--quiet", &name]).said().await?;
        Ok(said.ok.then(|| said.line()))
    }

    /// Whether `newer` has `older` in its history, or is it.
    pub(super) async fn descends(&self, newer: &str, older: &str) -> Result<bool, WorkspaceError> {
        if newer == older {
            return Ok(true);
        }
        let said = self.git().args(["merge-base", "--is-ancestor", older, newer]).said().await?;
        match said.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(failed(&format!("cannot compare the commits {older} and {newer}"), &said)),
        }
    }

    /// Holds commits by refs below `prefix`, so that no cleaning up takes them away.
    pub(super) async fn hold<'a>(
        &self,
        prefix: &str,
        commits: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), WorkspaceError> {
        let lines: String = commits
            .into_iter()
            .map(|commit| format!("update {prefix}/{commit} {commit}\n"))
            .collect();
        if lines.is_empty() {
            return Ok(());
        }
        self.git().args(["update-ref", "--stdin"]).input(lines).run("hold commits").await?;
        Ok(())
    }

    /// Removes a ref and all below it.
    pub(super) async fn drop_refs(&self, name: &str) -> Result<(), WorkspaceError> {
        let said = self
            .git()
            .args(["for-each-ref", "--format=delete %(refname)", name])
            .run("list refs of the run")
            .await?;
        if !said.out.is_empty() {
            let refs = self.git().args(["update-ref", "--stdin"]).input(said.out);
            refs.run("remove refs of the run").await?;
        }
        Ok(())
    }
}
