//! Workspaces: one directory per issue, directly below one root, and the hooks around it
//! (Symphony §9).

mod directory;
mod hooks;
mod key;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::Config;

pub use hooks::{Hook, HookError, HookOutcome, IssueContext};
pub use key::workspace_key;

/// The workspace of one issue (Symphony §4.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Absolute, without symbolic links; the working directory of the session.
    pub path: PathBuf,
    /// Name of the directory, from the issue's identifier.
    pub key: String,
    /// Whether this call made the directory.
    pub created_now: bool,
}

/// Why a workspace cannot be used. Nothing that Canon did not make is ever deleted (ruling 2).
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The root cannot be made or read.
    #[error("cannot use the workspace root {}: {source}; make it a writable directory", path.display())]
    Root {
        /// `workspace.root`.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory cannot be made, read or removed.
    #[error("cannot {what} the workspace {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The workspace.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else stands where the workspace should be.
    #[error("{} is {found}, expected a directory; move it away", path.display())]
    NotADirectory {
        /// The workspace's path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// The path leads out of the root.
    #[error("{} is not directly below the workspace root {}", path.display(), root.display())]
    OutsideRoot {
        /// The path in question.
        path: PathBuf,
        /// The root, without symbolic links.
        root: PathBuf,
    },
    /// A hook whose failure matters did not succeed.
    #[error(transparent)]
    Hook(#[from] HookError),
}

/// Makes, checks and removes workspaces under one configuration. Cheap to clone; a reload makes a
/// new one for later attempts.
#[derive(Debug, Clone)]
pub struct Workspaces {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    workflow_dir: PathBuf,
    config: Config,
    /// Names that hooks never see (ruling 14).
    secret_names: Vec<String>,
}

impl Workspaces {
    /// Workspaces of `config`, whose workflow file lies in `workflow_dir`; `secret_names` are the
    /// tracker's [`secret_environment_names`](crate::tracker::Tracker::secret_environment_names).
    pub fn new(config: &Config, workflow_dir: &Path, secret_names: Vec<String>) -> Self {
        let shared = Shared {
            root: config.workspace.root.clone(),
            workflow_dir: workflow_dir.to_owned(),
            config: config.clone(),
            secret_names,
        };
        Self { shared: Arc::new(shared) }
    }

    /// `workspace.root` as configured.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Where the workspace of `identifier` is or would be; the directory is not touched.
    pub fn path(&self, identifier: &str) -> PathBuf {
        self.shared.root.join(workspace_key(identifier))
    }

    /// Makes sure that the workspace of `context` exists and runs `after_create` when this call
    /// made it. A directory whose `after_create` fails is removed again (Symphony §9.2, §9.3); one
    /// whose `after_create` was interrupted (the call dropped, the process killed) is made anew by
    /// the next call.
    ///
    /// # Errors
    /// Any [`WorkspaceError`]; the attempt fails.
    pub async fn ensure(
        &self,
        context: &IssueContext,
        cancel: &CancellationToken,
    ) -> Result<Workspace, WorkspaceError> {
        let key = workspace_key(&context.identifier);
        let workspace = self
            .blocking(move |shared| {
                let hooked = shared.config.hooks.after_create.is_some();
                let (path, created_now) = directory::ensure(&shared.root, &key, hooked)?;
                Ok(Workspace { path, key, created_now })
            })
            .await?;
        if !workspace.created_now {
            return Ok(workspace);
        }
        let hook = self.run(Hook::AfterCreate, &workspace, context, cancel).await;
        let (path, failed) = (workspace.path.clone(), hook.is_err());
        let settled = self
            .blocking(move |shared| match failed {
                true => directory::remove(&shared.root, &path),
                false => directory::finish(&shared.root, &path),
            })
            .await;
        match (hook, settled) {
            (Ok(_), settled) => settled.map(|()| workspace),
            (Err(error), Ok(())) => Err(error.into()),
            (Err(error), Err(stays)) => {
                tracing::warn!(
                    issue_id = %context.id,
                    issue_identifier = %context.identifier,
                    reason = %stays,
                    outcome = "failed",
                    "half-made workspace stays"
                );
                Err(error.into())
            }
        }
    }

    /// The workspace of `identifier` where it exists, checked but never made.
    ///
    /// # Errors
    /// When something that is no workspace stands there.
    pub async fn find(&self, identifier: &str) -> Result<Option<Workspace>, WorkspaceError> {
        let key = workspace_key(identifier);
        self.blocking(move |shared| {
            let path = directory::find(&shared.root, &key)?;
            Ok(path.map(|path| Workspace { path, key, created_now: false }))
        })
        .await
    }

    /// Checks that `cwd` is the workspace of `identifier`, right before an agent is launched there
    /// (Symphony §9.5).
    ///
    /// # Errors
    /// When it is not, or lies outside the root, or a symbolic link is in the way.
    pub async fn check_launch(&self, identifier: &str, cwd: &Path) -> Result<(), WorkspaceError> {
        let (key, cwd) = (workspace_key(identifier), cwd.to_owned());
        self.blocking(move |shared| match directory::find(&shared.root, &key)? {
            Some(path) if path == cwd => Ok(()),
            _ => Err(WorkspaceError::OutsideRoot { path: cwd, root: shared.root.clone() }),
        })
        .await
    }

    /// `before_run`; its failure aborts the attempt (Symphony §9.4).
    ///
    /// # Errors
    /// When the hook fails or runs into its time limit.
    pub async fn before_run(
        &self,
        workspace: &Workspace,
        context: &IssueContext,
        cancel: &CancellationToken,
    ) -> Result<(), WorkspaceError> {
        Ok(self.run(Hook::BeforeRun, workspace, context, cancel).await.map(|_| ())?)
    }

    /// `after_run`, also after attempts that reconciliation ended (ruling 9); failure is only logged.
    pub async fn after_run(
        &self,
        workspace: &Workspace,
        context: &IssueContext,
        cancel: &CancellationToken,
    ) {
        // The hook runner has logged it, and the attempt is over either way.
        let _ = self.run(Hook::AfterRun, workspace, context, cancel).await;
    }

    /// Runs `before_remove` and removes the workspace of `context`; `false` when there was none.
    /// Never follows a symbolic link out of the root.
    ///
    /// # Errors
    /// When the directory cannot be removed; a failing hook is only logged.
    pub async fn remove(
        &self,
        context: &IssueContext,
        cancel: &CancellationToken,
    ) -> Result<bool, WorkspaceError> {
        let Some(workspace) = self.find(&context.identifier).await? else { return Ok(false) };
        // The hook runner has logged it, and cleaning up goes on (Symphony §9.4).
        let _ = self.run(Hook::BeforeRemove, &workspace, context, cancel).await;
        let path = workspace.path.clone();
        let removed = self.blocking(move |shared| directory::remove(&shared.root, &path)).await;
        let outcome = if removed.is_ok() { "completed" } else { "failed" };
        tracing::info!(
            issue_id = %context.id,
            issue_identifier = %context.identifier,
            path = %workspace.path.display(),
            outcome,
            "workspace removed"
        );
        removed.map(|()| true)
    }

    /// Runs `hook` where it is configured.
    async fn run(
        &self,
        hook: Hook,
        workspace: &Workspace,
        context: &IssueContext,
        cancel: &CancellationToken,
    ) -> Result<Option<HookOutcome>, HookError> {
        let config = &self.shared.config.hooks;
        let script = match hook {
            Hook::AfterCreate => config.after_create.as_deref(),
            Hook::BeforeRun => config.before_run.as_deref(),
            Hook::AfterRun => config.after_run.as_deref(),
            Hook::BeforeRemove => config.before_remove.as_deref(),
        };
        let Some(script) = script else { return Ok(None) };
        let call = hooks::Call {
            hook,
            script,
            limit: Duration::from_millis(config.timeout_ms),
            workspace: &workspace.path,
            context,
            workflow_dir: &self.shared.workflow_dir,
            secret_names: &self.shared.secret_names,
            cancel,
        };
        hooks::run(call).await?.into_success().map(Some)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Shared) -> Result<T, WorkspaceError> + Send + 'static,
    ) -> Result<T, WorkspaceError> {
        let shared = Arc::clone(&self.shared);
        let task = tokio::task::spawn_blocking(move || what(&shared));
        task.await.unwrap_or_else(|error| {
            let source = io::Error::other(error);
            Err(WorkspaceError::Root { path: self.shared.root.clone(), source })
        })
    }
}

/// Makes the root where it is missing and checks that workspaces can be made in it; blocks the
/// thread.
///
/// # Errors
/// [`WorkspaceError::Root`], to be shown at start-up instead of once an attempt.
pub fn check_root(root: &Path) -> Result<(), WorkspaceError> {
    directory::check_root(root)
}

/// Whether anything stands where the workspace of `identifier` would be; one look, no hooks.
pub fn exists(root: &Path, identifier: &str) -> bool {
    root.join(workspace_key(identifier)).symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests;
