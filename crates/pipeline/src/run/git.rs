//! Workspaces of a run in a git repository (ruling 8, ruling 16).
//!
//! The run works in a worktree of its own on the branch `canon/run/<id>`, each branch of a fan-out
//! in another on `canon/branch/<id>/<frame>`; the user's checkout is never touched. Every attempt at
//! a stage is one commit. What is not in a commit, ignored files and repositories within, stays in a
//! worktree from stage to stage and is not brought back.

mod command;
mod diff;
mod names;
mod repository;
mod worktree;

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use canon_exec::ExecutionEnvironment;

pub use command::Author;
pub(super) use diff::{diff, numstat};
pub use repository::Repository;

use super::{RunDirectory, WorkspaceError, Workspaces};
use crate::engine::{AttemptId, FrameId, Snapshot};
use crate::outcome::Outcome;
use worktree::Worktree;

/// What an embedder makes of a worktree's root: the environment that stages run in, sandboxed as it
/// likes. The error says why it could not be made.
pub type MakeEnvironment = dyn Fn(
        PathBuf,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionEnvironment>, String>> + Send>>
    + Send
    + Sync;

/// The worktree of one frame.
struct Place {
    worktree: Worktree,
    /// The commit that the next one builds on.
    last: String,
    environment: Option<Arc<dyn ExecutionEnvironment>>,
}

type Shared = Arc<tokio::sync::Mutex<Place>>;

/// The worktrees of one run.
pub struct GitWorkspaces {
    repository: Repository,
    directory: RunDirectory,
    run: String,
    make: Box<MakeEnvironment>,
    places: Mutex<HashMap<FrameId, Shared>>,
    /// One worktree is made at a time: git itself looks for a free name.
    making: tokio::sync::Mutex<()>,
}

impl GitWorkspaces {
    /// Workspaces of the run `run`, whose logs are in `directory`, in `repository`. `make` gives the
    /// environment of a worktree.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn new(
        repository: Repository,
        directory: &RunDirectory,
        run: impl Into<String>,
        make: Box<MakeEnvironment>,
    ) -> Result<Self, WorkspaceError> {
        let root = directory.root();
        let whole = std::fs::create_dir_all(root).and_then(|()| root.canonicalize());
        let root = whole.map_err(|error| command::io("cannot make", root, &error))?;
        Ok(Self {
            repository,
            directory: RunDirectory::new(root),
            run: run.into(),
            make,
            places: Mutex::default(),
            making: tokio::sync::Mutex::default(),
        })
    }

    fn files(&self, frame: &FrameId) -> PathBuf {
        if frame.is_root() {
            self.directory.workspace()
        } else {
            self.directory.worktrees().join(names::flat(frame))
        }
    }

    fn place(&self, frame: &FrameId) -> Result<Shared, WorkspaceError> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(frame).cloned().ok_or_else(|| WorkspaceError {
            what: format!("the worktree of `{frame}`"),
            why: "it was not prepared".to_owned(),
        })
    }

    /// A branch may be taken back to an earlier commit: what it leaves is held by a ref.
    async fn keep_tip(&self, branch: &str, commit: &str) -> Result<(), WorkspaceError> {
        let Some(tip) = self.repository.tip(&format!("refs/heads/{branch}")).await? else {
            return Ok(());
        };
        if !self.repository.descends(commit, &tip).await? {
            self.repository.hold(&names::kept(&self.run), [tip.as_str()]).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Workspaces for GitWorkspaces {
    async fn begin(&self) -> Result<Option<Snapshot>, WorkspaceError> {
        let branch = names::run_branch(&self.run);
        if self.repository.tip(&format!("refs/heads/{branch}")).await?.is_some() {
            return Err(WorkspaceError {
                what: format!("cannot begin the run {}", self.run),
                why: format!(
                    "{} has a branch {branch} already; take another id, or resume that run",
                    self.repository.directory.display()
                ),
            });
        }
        self.repository.head().await.map(Some)
    }

    async fn prepare(&self, frame: &FrameId, at: Option<&Snapshot>) -> Result<(), WorkspaceError> {
        let Some(at) = at else {
            return Err(WorkspaceError {
                what: format!("cannot prepare a worktree for the run {}", self.run),
                why: "the run was begun without a repository; resume it without one".to_owned(),
            });
        };
        let _one = self.making.lock().await;
        let branch = names::frame_branch(&self.run, frame);
        self.keep_tip(&branch, &at.commit).await?;
        let files = self.files(frame);
        let worktree = Worktree::prepare(&self.repository, &files, &branch, &at.commit).await?;
        let place = Place { worktree, last: at.commit.clone(), environment: None };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.insert(frame.clone(), Arc::new(tokio::sync::Mutex::new(place)));
        Ok(())
    }

    async fn environment(
        &self,
        frame: &FrameId,
    ) -> Result<Arc<dyn ExecutionEnvironment>, WorkspaceError> {
        let place = self.place(frame)?;
        let mut place = place.lock().await;
        if let Some(environment) = &place.environment {
            return Ok(Arc::clone(environment));
        }
        let files = place.worktree.files().to_owned();
        let made = (self.make)(files.clone()).await.map_err(|why| WorkspaceError {
            what: format!("cannot make an environment in {}", files.display()),
            why,
        })?;
        place.environment = Some(Arc::clone(&made));
        Ok(made)
    }

    async fn commit(
        &self,
        attempt: &AttemptId,
        outcome: &Outcome,
    ) -> Result<Option<Snapshot>, WorkspaceError> {
        let place = self.place(&attempt.frame)?;
        let mut place = place.lock().await;
        let message = message(&self.run, attempt, outcome);
        let snapshot = place.worktree.commit(&place.last, &message).await?;
        place.last.clone_from(&snapshot.commit);
        Ok(Some(snapshot))
    }

    async fn adopt(&self, frame: &FrameId, commit: &str) -> Result<(), WorkspaceError> {
        let place = self.place(frame)?;
        let mut place = place.lock().await;
        if !self.repository.descends(commit, &place.last).await? {
            return Err(WorkspaceError {
                what: format!("cannot take the commit {commit} over"),
                why: format!("it does not build on {}, where the fan-out began", place.last),
            });
        }
        place.worktree.restore(commit).await?;
        commit.clone_into(&mut place.last);
        Ok(())
    }

    async fn close(&self) -> Result<(), WorkspaceError> {
        {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.retain(|frame, _| frame.is_root());
        }
        remove_worktrees(&self.repository, &self.directory)
    }
}

/// Removes the worktrees of a run's fan-outs; their branches and commits stay.
fn remove_worktrees(
    repository: &Repository,
    directory: &RunDirectory,
) -> Result<(), WorkspaceError> {
    let all = directory.worktrees();
    let entries = match std::fs::read_dir(&all) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| command::io("cannot read", &all, &error))?,
    };
    for entry in entries {
        let entry = entry.map_err(|error| command::io("cannot read", &all, &error))?;
        worktree::remove(repository, &entry.path())?;
    }
    // Whatever is left was not made here.
    let _ = std::fs::remove_dir(&all);
    Ok(())
}

/// Removes all that a run has in a repository but commits that something else holds.
pub(super) async fn forget(
    repository: &std::path::Path,
    directory: &RunDirectory,
    run: &str,
) -> Result<(), WorkspaceError> {
    let repository = Repository::open(repository).await?;
    let root = directory.root();
    let root = root.canonicalize().map_err(|error| command::io("cannot open", root, &error))?;
    let directory = RunDirectory::new(root);
    remove_worktrees(&repository, &directory)?;
    worktree::remove(&repository, &directory.workspace())?;
    let (run_branch, frames) = (names::run_branch(run), names::frames(run));
    for name in
        [format!("refs/heads/{run_branch}"), format!("refs/heads/{frames}"), names::kept(run)]
    {
        repository.drop_refs(&name).await?;
    }
    Ok(())
}

/// Holds commits for a run that has no branch yet.
pub(super) async fn hold<'a>(
    repository: &std::path::Path,
    run: &str,
    commits: impl IntoIterator<Item = &'a str>,
) -> Result<(), WorkspaceError> {
    Repository::open(repository).await?.hold(&names::kept(run), commits).await
}

/// What a stage's commit says.
fn message(run: &str, attempt: &AttemptId, outcome: &Outcome) -> String {
    let (run, node) = (line(run), line(&attempt.node));
    let mut text = format!(
        "canon: {node} ({})\n\nCanon-Run: {run}\nCanon-Stage: {node}\nCanon-Visit: {}\nCanon-Attempt: {}\n",
        outcome.status, attempt.visit, attempt.attempt
    );
    if !attempt.frame.is_root() {
        text.push_str(&format!("Canon-Frame: {}\n", line(attempt.frame.as_str())));
    }
    if attempt.restart > 0 {
        text.push_str(&format!("Canon-Restart: {}\n", attempt.restart));
    }
    text
}

/// An id on one line, as long as a line may be.
fn line(id: &str) -> String {
    let plain = |char: char| if char.is_control() { ' ' } else { char };
    id.chars().take(200).map(plain).collect::<String>().trim().to_owned()
}
