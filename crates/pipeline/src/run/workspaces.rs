//! Where the stages of a run work.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use canon_exec::ExecutionEnvironment;

use crate::engine::{AttemptId, FrameId, Snapshot};
use crate::outcome::Outcome;

/// A workspace that could not be made, committed or restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct WorkspaceError {
    /// What was tried, and where.
    pub what: String,
    /// What went wrong.
    pub why: String,
}

/// What is one stage's own, beside the workspace of its frame.
#[derive(Debug, Clone, Copy)]
pub struct StageOwn<'a> {
    /// Its directory, which it may write.
    pub dir: &'a Path,
    /// Variables that its commands get, see [`crate::Stage::variables`].
    pub variables: &'a [(String, String)],
}

/// The workspaces of one run: one for the run itself, one for each branch where there is a
/// repository to make them from.
#[async_trait]
pub trait Workspaces: Send + Sync {
    /// The state that a new run begins with; none without a repository.
    async fn begin(&self) -> Result<Option<Snapshot>, WorkspaceError>;

    /// Sees to it that the workspace of `frame` is there and holds exactly `at`: what an
    /// interrupted stage left in it is gone afterwards. Without a repository nothing is done.
    async fn prepare(&self, frame: &FrameId, at: Option<&Snapshot>) -> Result<(), WorkspaceError>;

    /// Where stages of `frame` run; it was prepared before.
    async fn environment(
        &self,
        frame: &FrameId,
    ) -> Result<Arc<dyn ExecutionEnvironment>, WorkspaceError>;

    /// Where one stage of `frame` runs, for those that confine stages one by one; without that, it
    /// is where all stages of the frame run.
    async fn stage_environment(
        &self,
        frame: &FrameId,
        own: StageOwn<'_>,
    ) -> Result<Arc<dyn ExecutionEnvironment>, WorkspaceError> {
        let _ = own;
        self.environment(frame).await
    }

    /// Commits what a stage left in its workspace.
    async fn commit(
        &self,
        attempt: &AttemptId,
        outcome: &Outcome,
    ) -> Result<Option<Snapshot>, WorkspaceError>;

    /// Takes a branch's commit over into the workspace of `frame` (ruling 9).
    async fn adopt(&self, frame: &FrameId, commit: &str) -> Result<(), WorkspaceError>;

    /// The run is over: workspaces of branches are removed, commits stay.
    async fn close(&self) -> Result<(), WorkspaceError>;
}

/// One directory for all stages, without a repository.
#[derive(Debug, Clone)]
pub struct Shared(pub Arc<dyn ExecutionEnvironment>);

#[async_trait]
impl Workspaces for Shared {
    async fn begin(&self) -> Result<Option<Snapshot>, WorkspaceError> {
        Ok(None)
    }

    async fn prepare(&self, _: &FrameId, _: Option<&Snapshot>) -> Result<(), WorkspaceError> {
        Ok(())
    }

    async fn environment(
        &self,
        _: &FrameId,
    ) -> Result<Arc<dyn ExecutionEnvironment>, WorkspaceError> {
        Ok(Arc::clone(&self.0))
    }

    async fn commit(&self, _: &AttemptId, _: &Outcome) -> Result<Option<Snapshot>, WorkspaceError> {
        Ok(None)
    }

    async fn adopt(&self, _: &FrameId, _: &str) -> Result<(), WorkspaceError> {
        Ok(())
    }

    async fn close(&self) -> Result<(), WorkspaceError> {
        Ok(())
    }
}
