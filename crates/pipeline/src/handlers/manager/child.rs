//! The child's run: begun, or taken up from its journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use canon_runtime::secret::Redactor;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::settings::Settings;
use super::workspaces::Lent;
use crate::check::Checker;
use crate::engine::Budget;
use crate::graph::Graph;
use crate::handler::{Registry, Stage};
use crate::limits::MAX_SOURCE;
use crate::run::{self, End, Environment, Event, From, NewRun, RunDirectory, RunError, journal};
use crate::transform::Prepare;

/// A child that can be run.
pub(super) struct Child {
    directory: RunDirectory,
    graph: Graph,
    source: String,
    new: NewRun,
    /// Whether it has run before.
    begun: bool,
    workspaces: Lent,
    registry: Registry,
    budget: Budget,
    redactor: Arc<Redactor>,
}

impl Child {
    /// The child of a manager: what it ran with before, else what its source says now.
    pub(super) fn of(stage: &Stage, settings: &Settings) -> Result<Self, String> {
        let name = match stage.attempt.attempt {
            1 => "child".to_owned(),
            again => format!("child-{again}"),
        };
        let directory = RunDirectory::new(stage.dir.join(name));
        if !stage.resumed {
            set_aside(&directory)?;
        }
        let begun = has_begun(&directory)?;
        let kept = directory.graph();
        let path = if begun { &kept } else { &settings.dotfile };
        let source = read(path)?;
        let base = settings.dotfile.parent().unwrap_or(Path::new("")).to_owned();
        let types: Vec<&str> = stage.registry.names().collect();
        let prepared = Prepare::new()
            .base(&base)
            .inputs(stage.run.inputs.clone())
            .checker(Checker::with_types(&types))
            .prepare(&source)
            .map_err(|refused| {
                format!("the child {} is refused: {refused}", settings.dotfile.display())
            })?;
        let new = NewRun {
            id: format!("{}.{}.{}", stage.run.id, stage.node().id(), stage.attempt.visit),
            seed: stage.run.seed,
            inputs: stage.run.inputs.clone(),
            base: Some(base),
            depth: stage.run.depth + 1,
            ..NewRun::default()
        };
        Ok(Self {
            directory,
            graph: prepared.graph,
            source,
            new,
            begun,
            workspaces: Lent::by(stage, settings.workdir.as_deref()),
            registry: stage.registry.clone(),
            budget: Budget { tokens: stage.remaining.tokens, usd: stage.remaining.usd },
            redactor: Arc::clone(&stage.redactor),
        })
    }

    pub(super) fn directory(&self) -> RunDirectory {
        self.directory.clone()
    }

    /// Runs it to its end, or until it is told to stop.
    pub(super) async fn run(
        self,
        events: mpsc::UnboundedSender<Event>,
        cancel: CancellationToken,
    ) -> Result<End, String> {
        let lent = self.workspaces.clone();
        let environment = Environment {
            registry: self.registry,
            workspaces: Arc::new(self.workspaces),
            events: Some(events),
            cancel,
            budget: self.budget,
            wall: None,
            redactor: self.redactor,
        };
        let journal = self.directory.journal();
        let end = if self.begun {
            let end = run::resume(self.graph, self.directory, From::Here, environment).await;
            restore(&lent, &journal, end).await
        } else {
            let (source, new) = (self.source, self.new);
            run::start(self.graph, &source, self.directory, new, environment).await
        };
        end.map_err(|error| format!("the child cannot be run: {error}"))
    }
}

/// A child that had ended before the manager was interrupted runs no stage any more; what it left
/// in the files has to be there again all the same.
async fn restore(lent: &Lent, path: &Path, end: Result<End, RunError>) -> Result<End, RunError> {
    let end = end?;
    let contents = journal::read(path)?;
    let last = contents.stages.iter().rev().find(|record| record.attempt.frame.is_root());
    if let Some(snapshot) = last.and_then(|record| record.snapshot.as_ref()) {
        lent.restore(snapshot).await?;
    }
    Ok(end)
}

/// Only a stage that was under way when its run was interrupted has a child to go on with: any
/// other is of a time that the run was taken back from.
fn set_aside(directory: &RunDirectory) -> Result<(), String> {
    let root = directory.root();
    let old = |n: u32| root.with_extension(format!("old-{n}"));
    match (1..).map(old).find(|old| !old.exists()) {
        Some(old) if root.exists() => std::fs::rename(root, &old)
            .map_err(|error| format!("{} cannot be moved: {error}", root.display())),
        _ => Ok(()),
    }
}

/// Whether there is a run to go on with. A process that was killed before the first record leaves
/// a directory without one; that begins anew.
fn has_begun(directory: &RunDirectory) -> Result<bool, String> {
    let path = directory.journal();
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.len() > 0 => Ok(true),
        Ok(_) => {
            let cleared = std::fs::remove_file(&path);
            cleared.map(|()| false).map_err(|error| format!("{}: {error}", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn read(path: &PathBuf) -> Result<String, String> {
    let cannot = |why: String| format!("the child {} cannot be read: {why}", path.display());
    let metadata = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?;
    if !metadata.is_file() {
        return Err(cannot("it is no file".to_owned()));
    }
    if metadata.len() > MAX_SOURCE as u64 {
        return Err(cannot(format!("it is larger than {MAX_SOURCE} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))
}
