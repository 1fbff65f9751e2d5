//! Runs a graph: the driver of the engine's machine, and what it keeps on disk.

mod attempt;
mod changes;
mod checkpoint;
mod directory;
mod driver;
mod events;
mod explain;
mod fork;
pub mod git;
mod history;
mod hooks;
pub mod journal;
mod list;
mod report;
mod resume;
mod workspaces;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use canon_digest::sha256;
use canon_runtime::secret::Redactor;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use changes::{Change, FileChange, Part, changes, diff, files_touched};
pub use checkpoint::Checkpoint;
pub use directory::RunDirectory;
pub(crate) use directory::{attempt_dir, file_name};
pub use events::{Event, Events};
pub(crate) use events::{redact_text, redact_value};
pub use explain::{ExplainedHop, explain};
pub use fork::fork;
pub use history::{Done, History};
pub use list::{RunState, RunSummary, list, remove, summary};
pub use report::{Report, StageReport, Stuck, report};
pub use resume::From;
pub use workspaces::{Shared, StageOwn, WorkspaceError, Workspaces};

use crate::artifacts::{ArtifactError, Artifacts};
use crate::engine::{Budget, Finish, Machine, Plan, ReplayError, Setup};
use crate::graph::{Dialect, Graph};
use crate::handler::Registry;
use crate::outcome::{Outcome, Usage};
use journal::{Header, Journal, JournalError};

/// What stages are told about the run that they are part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// The run's id.
    pub id: String,
    /// The graph's name.
    pub name: String,
    /// `--input` values.
    pub inputs: BTreeMap<String, String>,
    /// Where chance comes from.
    pub seed: u64,
    /// The directory of the source, where the paths in it begin.
    pub base: Option<PathBuf>,
    /// How many managers stand above it.
    pub depth: u32,
}

/// What a run needs beside its graph and its directory.
pub struct Environment {
    /// What does the work.
    pub registry: Registry,
    /// Where it is done.
    pub workspaces: Arc<dyn Workspaces>,
    /// Who watches.
    pub events: Option<tokio::sync::mpsc::UnboundedSender<Event>>,
    /// Cancelled to stop the run; it can be resumed.
    pub cancel: CancellationToken,
    /// What the run may use.
    pub budget: Budget,
    /// How long it may take, in this process.
    pub wall: Option<Duration>,
    /// Takes secrets out of whatever is written to disk or shown.
    pub redactor: Arc<Redactor>,
}

/// What distinguishes a new run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewRun {
    /// Its id.
    pub id: String,
    /// Where its chance comes from.
    pub seed: u64,
    /// `--input` values.
    pub inputs: BTreeMap<String, String>,
    /// Values that the context begins with, beside the graph's.
    pub context: BTreeMap<String, Value>,
    /// The repository that it works in, for the record.
    pub repository: Option<PathBuf>,
    /// The directory of the source, where the paths in it begin; none for a source that lies
    /// nowhere.
    pub base: Option<PathBuf>,
    /// How many managers stand above it: 0 for a run that somebody begins.
    pub depth: u32,
}

/// A run that could not be begun, resumed or carried on. What a run comes to, failures of stages
/// included, is no error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file of the run's directory.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The journal does not fit the graph.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The journal was written for another graph.
    #[error(
        "the graph is not the one that run {run} was begun with; resume it with that one, or begin \
         a new run"
    )]
    OtherGraph {
        /// The run.
        run: String,
    },
    /// The stage to go on from never ran.
    #[error("run {run} never came to a stage `{stage}`; it ran {}", ran.join(", "))]
    NoSuchStage {
        /// The run.
        run: String,
        /// The stage.
        stage: String,
        /// Stages that ran.
        ran: Vec<String>,
    },
    /// The graph has no start that a run could begin at.
    #[error("the graph cannot be run: {0}")]
    Unrunnable(String),
    /// What was asked for takes a repository.
    #[error("run {run} works in no repository; what its stages changed is not known")]
    NoRepository {
        /// The run.
        run: String,
    },
    /// The workspace.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The artifacts.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// How a run ended, and what it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// Status, reason, rule, cost.
    pub finish: Finish,
    /// Nodes that ended, in order.
    pub path: Vec<String>,
    /// The latest outcome of each, in order.
    pub outcomes: Vec<(String, Outcome)>,
    /// The values at the end.
    pub context: BTreeMap<String, Value>,
    /// What it cost.
    pub usage: Usage,
    /// Its directory.
    pub logs: PathBuf,
}

impl End {
    fn of(machine: &Machine, finish: Finish, directory: &RunDirectory) -> Self {
        let context = machine.context();
        Self {
            finish,
            path: machine.path(),
            outcomes: machine.outcomes(),
            context: context.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            usage: machine.usage(),
            logs: directory.root().to_owned(),
        }
    }
}

/// What does not change while a run runs.
struct Engine {
    graph: Graph,
    plan: Arc<Plan>,
    directory: RunDirectory,
    info: Arc<RunInfo>,
    registry: Registry,
    workspaces: Arc<dyn Workspaces>,
    events: Events,
    redactor: Arc<Redactor>,
    artifacts: Arc<Artifacts>,
}

/// What identifies a graph: the digest of what is run, transforms included; comments and layout do
/// not matter.
pub fn digest(graph: &Graph) -> String {
    let attrs = |attrs: &crate::graph::Attrs| -> BTreeMap<String, String> {
        attrs.iter().map(|attr| (attr.key.to_string(), attr.value.text().to_owned())).collect()
    };
    let nodes = graph.nodes().iter().map(|node| (node.id(), attrs(node.attrs())));
    let edges = graph
        .edges()
        .iter()
        .map(|edge| (graph.id(edge.from()), graph.id(edge.to()), attrs(edge.attrs())));
    let dialect = (graph.dialect() == Dialect::February2026).then_some(Dialect::FEBRUARY);
    let whole = serde_json::json!([
        graph.name(),
        dialect,
        attrs(graph.attrs()),
        nodes.collect::<Vec<_>>(),
        edges.collect::<Vec<_>>(),
    ]);
    sha256(whole.to_string().as_bytes()).to_string()
}

/// Begins a run in an empty directory and takes it to its end. `graph` has its transforms applied
/// and was checked; `source` is kept beside the journal.
///
/// # Errors
/// [`RunError`]; a run whose stages fail is none.
pub async fn start(
    graph: Graph,
    source: &str,
    directory: RunDirectory,
    new: NewRun,
    environment: Environment,
) -> Result<End, RunError> {
    let plan = Arc::new(Plan::of(&graph).map_err(RunError::Unrunnable)?);
    make(&directory, source)?;
    let snapshot = environment.workspaces.begin().await?;
    let begun = canon_runtime::clock::now_ms();
    let header = Header {
        v: journal::VERSION,
        run: new.id.clone(),
        name: graph.name().to_owned(),
        graph: digest(&graph),
        dialect: (graph.dialect() == Dialect::February2026).then(|| Dialect::FEBRUARY.to_owned()),
        seed: new.seed,
        begun,
        inputs: new.inputs.clone(),
        context: new.context.clone(),
        repository: new.repository,
        snapshot: snapshot.clone(),
        forked_from: None,
        base: new.base,
        depth: new.depth,
    };
    write_manifest(&directory, &graph, &header)?;
    let journal = Journal::create(&directory.journal(), header.clone())?;
    let setup = setup_of(&header, environment.budget);
    let mut machine = Machine::new(Arc::clone(&plan), setup);
    let effects = machine.apply(crate::engine::Input::Begin, begun);
    let (engine, rest) = engine(graph, plan, directory, &header, environment)?;
    let mut driver = driver::Driver::new(engine, machine, journal, rest);
    driver.prepare_root();
    driver.run(effects).await
}

/// Takes a run over from its journal and to its end: one that was interrupted goes on where it was,
/// one that failed tries its last stage again, and either can go on `from` an earlier stage.
///
/// # Errors
/// [`RunError`].
pub async fn resume(
    graph: Graph,
    directory: RunDirectory,
    from: From,
    environment: Environment,
) -> Result<End, RunError> {
    let plan = Arc::new(Plan::of(&graph).map_err(RunError::Unrunnable)?);
    let (mut journal, contents) = Journal::open(&directory.journal())?;
    let header = contents.header.clone();
    if header.graph != digest(&graph) {
        return Err(RunError::OtherGraph { run: header.run });
    }
    let setup = setup_of(&header, environment.budget);
    let replayed = resume::replayed(&plan, setup, contents, &from, &mut journal)?;
    let (engine, rest) = engine(graph, plan, directory, &header, environment)?;
    let mut driver = driver::Driver::new(engine, replayed.machine, journal, rest);
    driver.resume(replayed.history, replayed.unwritten)?;
    driver.go_on(matches!(from, From::Stage(_))).await
}

fn setup_of(header: &Header, budget: Budget) -> Setup {
    Setup {
        run: header.run.clone(),
        seed: header.seed,
        budget,
        snapshot: header.snapshot.clone(),
        context: header.context.clone(),
    }
}

/// What the driver itself needs of the environment.
struct Rest {
    cancel: CancellationToken,
    wall: Option<Duration>,
}

fn engine(
    graph: Graph,
    plan: Arc<Plan>,
    directory: RunDirectory,
    header: &Header,
    environment: Environment,
) -> Result<(Arc<Engine>, Rest), RunError> {
    let info = RunInfo {
        id: header.run.clone(),
        name: header.name.clone(),
        inputs: header.inputs.clone(),
        seed: header.seed,
        base: header.base.clone(),
        depth: header.depth,
    };
    let redactor = environment.redactor;
    let artifacts = Artifacts::open(directory.artifacts(), Arc::clone(&redactor))?;
    let engine = Engine {
        graph,
        plan,
        directory,
        events: Events::new(&info.id, environment.events, Arc::clone(&redactor)),
        info: Arc::new(info),
        registry: environment.registry,
        workspaces: environment.workspaces,
        redactor,
        artifacts: Arc::new(artifacts),
    };
    Ok((Arc::new(engine), Rest { cancel: environment.cancel, wall: environment.wall }))
}

fn make(directory: &RunDirectory, source: &str) -> Result<(), RunError> {
    let root = directory.root();
    std::fs::create_dir_all(root)
        .map_err(|source| RunError::Io { path: root.to_owned(), source })?;
    let path = directory.graph();
    std::fs::write(&path, source).map_err(|source| RunError::Io { path, source })
}

/// `manifest.json` (§5.6).
fn write_manifest(
    directory: &RunDirectory,
    graph: &Graph,
    header: &Header,
) -> Result<(), RunError> {
    let manifest = serde_json::json!({
        "v": 1,
        "run": header.run,
        "name": header.name,
        "goal": graph.goal(),
        "started_at": canon_runtime::clock::rfc3339(header.begun),
        "graph": header.graph,
        "inputs": header.inputs,
        "repository": header.repository,
    });
    let path = directory.manifest();
    std::fs::write(&path, format!("{manifest:#}\n")).map_err(|source| RunError::Io { path, source })
}
