//! Where a child works: in the workspace of its manager, which keeps a commit of each of its stages
//! too, so that a child that was interrupted finds what its stages had left.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use canon_exec::{ExecutionEnvironment, Subdirectory};

use crate::engine::{AttemptId, FrameId, Snapshot};
use crate::handler::Stage;
use crate::outcome::{Outcome, Status};
use crate::run::{WorkspaceError, Workspaces};

/// The workspaces of the run above, under names that are the child's alone.
#[derive(Clone)]
pub(super) struct Lent {
    from: Arc<dyn Workspaces>,
    manager: AttemptId,
    workdir: Option<PathBuf>,
}

impl Lent {
    pub(super) fn by(stage: &Stage, workdir: Option<&Path>) -> Self {
        Self {
            from: Arc::clone(&stage.workspaces),
            manager: stage.attempt.clone(),
            workdir: workdir.map(Path::to_owned),
        }
    }

    /// The child itself works in its manager's frame; its branches have frames below that.
    fn above(&self, frame: &FrameId) -> FrameId {
        if frame.is_root() {
            return self.manager.frame.clone();
        }
        let AttemptId { node, visit, attempt, .. } = &self.manager;
        let child = self.manager.frame.branch(node, *visit, &format!("child-{attempt}"));
        FrameId::from(format!("{child}/{frame}"))
    }

    /// A child's stage under the name that the run above knows it by.
    fn stage_above(&self, attempt: &AttemptId) -> AttemptId {
        AttemptId {
            restart: self.manager.restart,
            frame: self.above(&attempt.frame),
            node: format!("{}/{}", self.manager.node, attempt.node),
            ..attempt.clone()
        }
    }

    pub(super) async fn restore(&self, snapshot: &Snapshot) -> Result<(), WorkspaceError> {
        self.from.prepare(&self.manager.frame, Some(snapshot)).await
    }
}

#[async_trait]
impl Workspaces for Lent {
    async fn begin(&self) -> Result<Option<Snapshot>, WorkspaceError> {
        // What the manager's own workspace holds now.
        self.from.commit(&self.manager, &Outcome::of(Status::Success)).await
    }

    async fn prepare(&self, frame: &FrameId, at: Option<&Snapshot>) -> Result<(), WorkspaceError> {
        // The manager's own was made ready for the manager; only a known state may replace it.
        if frame.is_root() && at.is_none() {
            return Ok(());
        }
        self.from.prepare(&self.above(frame), at).await
    }

    async fn environment(
        &self,
        frame: &FrameId,
    ) -> Result<Arc<dyn ExecutionEnvironment>, WorkspaceError> {
        let environment = self.from.environment(&self.above(frame)).await?;
        Ok(match &self.workdir {
            Some(workdir) => Arc::new(Subdirectory::new(environment, workdir)),
            None => environment,
        })
    }

    async fn commit(
        &self,
        attempt: &AttemptId,
        outcome: &Outcome,
    ) -> Result<Option<Snapshot>, WorkspaceError> {
        self.from.commit(&self.stage_above(attempt), outcome).await
    }

    async fn adopt(&self, frame: &FrameId, commit: &str) -> Result<(), WorkspaceError> {
        self.from.adopt(&self.above(frame), commit).await
    }

    async fn close(&self) -> Result<(), WorkspaceError> {
        // They are the run's above, which goes on.
        Ok(())
    }
}
