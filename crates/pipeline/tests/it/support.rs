//! Whole runs with the standard handlers.

use std::path::Path;
use std::sync::Arc;

use canon_exec::LocalExecutionEnvironment;
use canon_pipeline::backend::Backend;
use canon_pipeline::engine::{Budget, EventKind};
use canon_pipeline::handlers::Standard;
use canon_pipeline::run::{
    End, Environment, Event, From, NewRun, RunDirectory, RunError, Shared, resume, start,
};
use canon_pipeline::{Graph, Interviewer, Registry};
use canon_runtime::secret::Redactor;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A directory to run in (`work`), and the run's own (`logs`).
pub(crate) struct Place {
    pub(crate) temp: tempfile::TempDir,
    pub(crate) cancel: CancellationToken,
    pub(crate) registry: Registry,
    pub(crate) budget: Budget,
}

impl Place {
    pub(crate) fn new(standard: Standard) -> Self {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("work")).unwrap();
        Self {
            temp,
            cancel: CancellationToken::new(),
            registry: standard.registry(),
            budget: Budget::default(),
        }
    }

    pub(crate) fn simulated() -> Self {
        Self::new(Standard::simulated())
    }

    pub(crate) fn with_backend(backend: impl Backend + 'static) -> Self {
        Self::new(Standard::new(Arc::new(backend)))
    }

    pub(crate) fn asking(interviewer: impl Interviewer + 'static) -> Self {
        Self::new(Standard::simulated().interviewer(Arc::new(interviewer)))
    }

    pub(crate) fn work(&self) -> std::path::PathBuf {
        self.temp.path().join("work")
    }

    pub(crate) fn logs(&self) -> std::path::PathBuf {
        self.temp.path().join("logs")
    }

    pub(crate) fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.logs().join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    pub(crate) fn environment(&self) -> (Environment, mpsc::UnboundedReceiver<Event>) {
        let local = LocalExecutionEnvironment::new(self.work()).unwrap();
        let (events, received) = mpsc::unbounded_channel();
        let environment = Environment {
            registry: self.registry.clone(),
            workspaces: Arc::new(Shared(Arc::new(local))),
            events: Some(events),
            cancel: self.cancel.clone(),
            budget: self.budget,
            wall: None,
            redactor: Arc::new(Redactor::default()),
        };
        (environment, received)
    }

    pub(crate) async fn try_start(&self, source: &str) -> (Result<End, RunError>, Vec<EventKind>) {
        let (environment, events) = self.environment();
        let new = NewRun {
            id: "run_1".to_owned(),
            seed: 1,
            base: Some(self.temp.path().to_owned()),
            ..NewRun::default()
        };
        let directory = RunDirectory::new(self.logs());
        let end = start(graph(source), source, directory, new, environment).await;
        (end, drained(events))
    }

    pub(crate) async fn start(&self, source: &str) -> (End, Vec<EventKind>) {
        let (end, events) = self.try_start(source).await;
        (end.unwrap(), events)
    }

    pub(crate) async fn resume(&self, source: &str) -> End {
        let (environment, _events) = self.environment();
        let directory = RunDirectory::new(self.logs());
        resume(graph(source), directory, From::Here, environment).await.unwrap()
    }
}

pub(crate) fn graph(source: &str) -> Graph {
    Graph::parse(source).unwrap().graph
}

/// A graph with a start and an exit.
pub(crate) fn pipeline(body: &str) -> String {
    format!("digraph g {{ start [shape=Mdiamond] exit [shape=Msquare] {body} }}")
}

fn drained(mut events: mpsc::UnboundedReceiver<Event>) -> Vec<EventKind> {
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(event.what);
    }
    seen
}
