//! Where the stages of a run work.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use canon_exec::sandbox::SandboxPolicy;
use canon_exec::{EnvPolicy, ExecutionEnvironment};
use canon_pipeline::Outcome;
use canon_pipeline::engine::{AttemptId, FrameId, Snapshot};
use canon_pipeline::run::{StageOwn, WorkspaceError, Workspaces};

use crate::bridge::agent::Sandbox;

/// Workspaces whose stages are each in a sandbox of their own: it writes the workspace and its own
/// directory, reads the run's other files, and sees nothing else of Canon's state. So no stage can
/// change what another one decided.
pub struct Confined {
    inner: Arc<dyn Workspaces>,
    sandbox: Sandbox,
    logs: PathBuf,
}

impl Confined {
    /// The places are those of `inner`; `logs` is the directory of the run, without links.
    pub fn new(inner: Arc<dyn Workspaces>, sandbox: Sandbox, logs: &Path) -> Self {
        Self { inner, sandbox, logs: logs.to_owned() }
    }

    async fn confine(
        &self,
        frame: &FrameId,
        own: Option<StageOwn<'_>>,
    ) -> Result<Arc<dyn ExecutionEnvironment>, WorkspaceError> {
        let place = self.inner.environment(frame).await?;
        let mut sandbox = self.sandbox.clone();
        let mut env = EnvPolicy::default();
        if let Some(own) = own {
            if let SandboxPolicy::WorkspaceWrite { writable_roots, .. } = &mut sandbox.policy {
                writable_roots.push(own.dir.to_owned());
            }
            env.set.extend(own.variables.iter().cloned());
        }
        let cwd = place.working_directory();
        let confined = sandbox.environment_with(cwd, vec![self.logs.clone()], env).await;
        confined.map_err(|error| WorkspaceError {
            what: format!("no sandbox for a stage in {}", cwd.display()),
            why: error.message().to_owned(),
        })
    }
}

#[async_trait]
impl Workspaces for Confined {
    async fn begin(&self) -> Result<Option<Snapshot>, WorkspaceError> {
        self.inner.begin().await
    }

    async fn prepare(&self, frame: &FrameId, at: Option<&Snapshot>) -> Result<(), WorkspaceError> {
        self.inner.prepare(frame, at).await
    }

    async fn environment(
        &self,
        frame: &FrameId,
    ) -> Result<Arc<dyn ExecutionEnvironment>, WorkspaceError> {
        self.confine(frame, None).await
    }

    async fn stage_environment(
        &self,
        frame: &FrameId,
        own: StageOwn<'_>,
    ) -> Result<Arc<dyn ExecutionEnvironment>, WorkspaceError> {
        self.confine(frame, Some(own)).await
    }

    async fn commit(
        &self,
        attempt: &AttemptId,
        outcome: &Outcome,
    ) -> Result<Option<Snapshot>, WorkspaceError> {
        self.inner.commit(attempt, outcome).await
    }

    async fn adopt(&self, frame: &FrameId, commit: &str) -> Result<(), WorkspaceError> {
        self.inner.adopt(frame, commit).await
    }

    async fn close(&self) -> Result<(), WorkspaceError> {
        self.inner.close().await
    }
}
