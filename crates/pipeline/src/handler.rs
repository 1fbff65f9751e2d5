//! What does the work of a stage (Attractor §4.1, §4.2, §4.12).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use canon_exec::ExecutionEnvironment;
use canon_runtime::secret::Redactor;
use tokio_util::sync::CancellationToken;

use crate::artifacts::{self, ArtifactError, ArtifactInfo, Artifacts};
use crate::context::Context;
use crate::engine::{AttemptId, Remaining};
use crate::graph::{EdgeIx, Graph, Kind, Node, NodeIx};
use crate::outcome::Outcome;
use crate::run::{Events, History, RunInfo, Workspaces};
use crate::transform::input_variable;

/// One attempt at one stage, as its handler sees it.
#[derive(Clone)]
pub struct Stage {
    /// The run that it is part of.
    pub run: Arc<RunInfo>,
    /// The graph, transforms applied.
    pub graph: Graph,
    /// The node.
    pub node: NodeIx,
    /// Which frame, visit and attempt.
    pub attempt: AttemptId,
    /// The edge that led here.
    pub via: Option<EdgeIx>,
    /// The stage that ended before in this frame.
    pub previous: Option<NodeIx>,
    /// The values of the frame; changes are handed back in the outcome.
    pub context: Context,
    /// The stages that ended before in this frame, the newest first.
    pub history: History,
    /// The stage's own directory; exists, and holds no verdict of an earlier attempt.
    pub dir: PathBuf,
    /// The directory that the stages of this frame have theirs in (`ATTRACTOR_LOGS_ROOT`).
    pub logs_root: PathBuf,
    /// Where its commands run and its files lie.
    pub environment: Arc<dyn ExecutionEnvironment>,
    /// The workspaces of the run, for handlers that take a branch's work over.
    pub workspaces: Arc<dyn Workspaces>,
    /// What the run may still use.
    pub remaining: Remaining,
    /// Whether the run was resumed and this is the first stage of its frame since.
    pub resumed: bool,
    /// Cancelled when the stage is to end: the run was stopped, or its time is up.
    pub cancel: CancellationToken,
    /// Tells those who watch; takes secrets out itself.
    pub events: Events,
    /// Takes secrets out of what is written.
    pub redactor: Arc<Redactor>,
    /// The handlers of the run, for stages that run another pipeline.
    pub registry: Registry,
    /// The artifacts of the run (§5.5).
    pub artifacts: Arc<Artifacts>,
}

impl Stage {
    /// The node's attributes.
    pub fn node(&self) -> &Node {
        self.graph.node(self.node)
    }

    /// Writes a file of the stage's directory, secrets taken out.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        std::fs::write(self.dir.join(name), self.redactor.redact(text).as_bytes())
    }

    /// Keeps something larger than what belongs into the context, under a name; the same name of
    /// another attempt of this visit is replaced.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub fn keep(&self, name: &str, data: serde_json::Value) -> Result<ArtifactInfo, ArtifactError> {
        self.artifacts.store(&artifacts::id_of(&self.attempt, name), name, data)
    }

    /// Environment variables that commands of a stage get: `ATTRACTOR_NODE_ID`,
    /// `ATTRACTOR_STAGE_DIR`, `ATTRACTOR_LOGS_ROOT`, `ATTRACTOR_PROMPT_FILE`, and for each input
    /// of the run `ATTRACTOR_INPUT_NAME`.
    pub fn variables(&self) -> Vec<(String, String)> {
        variables(self.node().id(), &self.dir, &self.logs_root, &self.run)
    }
}

/// [`Stage::variables`] of a stage that is still being made.
pub(crate) fn variables(
    node: &str,
    dir: &Path,
    logs_root: &Path,
    run: &RunInfo,
) -> Vec<(String, String)> {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let mut variables = vec![
        ("ATTRACTOR_NODE_ID".to_owned(), node.to_owned()),
        ("ATTRACTOR_STAGE_DIR".to_owned(), path(dir)),
        ("ATTRACTOR_LOGS_ROOT".to_owned(), path(logs_root)),
        ("ATTRACTOR_PROMPT_FILE".to_owned(), path(&dir.join("prompt.md"))),
    ];
    let input = |(name, value): (&String, &String)| (input_variable(name), value.clone());
    variables.extend(run.inputs.iter().map(input));
    variables
}

/// Does the work of the stages of one kind.
///
/// A handler is shared between branches that run at the same time. A panic in it is a FAIL of the
/// stage. When [`Stage::cancel`] is cancelled it should end what it started and return; it is
/// dropped a little later.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Runs one attempt.
    async fn execute(&self, stage: &Stage) -> Outcome;

    /// Whether it keeps the node's `timeout` itself, because running out of time is no failure to
    /// it. Otherwise an attempt that takes longer fails (ruling 23).
    fn keeps_time(&self) -> bool {
        false
    }

    /// Whether a `status.json` in the stage's directory speaks for the stage (ruling 7). Not where
    /// no agent and no command works: nobody else then may answer in a person's place.
    fn takes_written_verdict(&self) -> bool {
        true
    }
}

/// Handlers by the `type` that names them. A clone costs nothing.
#[derive(Clone, Default)]
pub struct Registry {
    handlers: Arc<HashMap<String, Arc<dyn Handler>>>,
}

impl Registry {
    /// No handlers; see [`crate::handlers::standard`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the handler of a type, in place of one that was there.
    pub fn register(&mut self, kind: impl Into<String>, handler: Arc<dyn Handler>) {
        Arc::make_mut(&mut self.handlers).insert(kind.into(), handler);
    }

    /// The handler of a kind.
    pub fn get(&self, kind: &Kind) -> Option<&Arc<dyn Handler>> {
        self.handlers.get(kind.as_str())
    }

    /// The types that there are handlers for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.handlers.keys().map(String::as_str)
    }
}
