//! One attempt at one stage, from an empty directory to a committed outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::{Engine, History, StageOwn, hooks};
use crate::engine::{Execute, Snapshot};
use crate::graph::{EdgeIx, NodeIx};
use crate::handler::{self, Handler, Stage};
use crate::outcome::{FailureClass, Outcome};
use crate::verdict;

/// How long a handler may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(5);

/// What an attempt needs beside the engine.
pub(super) struct Attempt {
    pub execute: Execute,
    pub history: History,
    pub cancel: tokio_util::sync::CancellationToken,
    /// Whether the workspace has to be made, or brought back to where it was.
    pub prepare: Option<Option<Snapshot>>,
    pub resumed: bool,
}

/// What came of it.
pub(super) struct Attempted {
    pub outcome: Outcome,
    pub snapshot: Option<Snapshot>,
}

/// Runs it. Whatever goes wrong becomes an outcome.
pub(super) async fn run(engine: Arc<Engine>, attempt: Attempt) -> Attempted {
    match try_run(&engine, attempt).await {
        Ok(attempted) => attempted,
        Err(reason) => Attempted { outcome: Outcome::fail(reason), snapshot: None },
    }
}

async fn try_run(engine: &Engine, attempt: Attempt) -> Result<Attempted, String> {
    let id = attempt.execute.attempt.clone();
    if let Some(at) = &attempt.prepare {
        let prepared = engine.workspaces.prepare(&id.frame, at.as_ref()).await;
        prepared.map_err(|error| error.to_string())?;
    }
    let stage = stage(engine, attempt).await?;
    let outcome = match hooks::before(&stage).await {
        Some(outcome) => outcome,
        None => judged(engine, &stage).await,
    };
    let outcome = hooks::after(&stage, outcome).await;
    let usage = outcome.usage;
    // What was used counts, whatever becomes of the files.
    Ok(conclude(engine, &stage, outcome).await.unwrap_or_else(|reason| Attempted {
        outcome: Outcome { usage, ..Outcome::fail(reason) },
        snapshot: None,
    }))
}

/// What the handler came to, and what was written while it worked (ruling 7).
async fn judged(engine: &Engine, stage: &Stage) -> Outcome {
    let outcome = work(engine, stage).await;
    match engine.registry.get(&stage.graph.kind(stage.node)) {
        Some(handler) if !handler.takes_written_verdict() => outcome,
        _ => verdict::settle(stage, outcome),
    }
}

/// Puts on disk what came of a stage.
async fn conclude(engine: &Engine, stage: &Stage, outcome: Outcome) -> Result<Attempted, String> {
    let mut outcome = outcome;
    outcome.redact(&engine.redactor);
    let large = engine.artifacts.take_large(&stage.attempt, &mut outcome);
    large.map_err(|error| error.to_string())?;
    verdict::write(&stage.dir, &outcome)
        .map_err(|error| format!("cannot write status.json in {}: {error}", stage.dir.display()))?;
    if outcome.failure_class == Some(FailureClass::Canceled) {
        // Nobody waits for it any more, and it begins anew when the run is resumed: a commit of what
        // it was at would be of no stage.
        return Ok(Attempted { outcome, snapshot: None });
    }
    let snapshot = engine.workspaces.commit(&stage.attempt, &outcome).await;
    Ok(Attempted { snapshot: snapshot.map_err(|error| error.to_string())?, outcome })
}

async fn stage(engine: &Engine, attempt: Attempt) -> Result<Stage, String> {
    let Attempt { execute, history, cancel, resumed, .. } = attempt;
    let dir = engine.directory.open_stage(&execute.attempt);
    let dir = dir.map_err(|error| {
        let dir = engine.directory.stage(&execute.attempt);
        format!("cannot prepare the stage's directory {}: {error}", dir.display())
    })?;
    let logs_root = engine.directory.logs_root(execute.attempt.restart, &execute.attempt.frame);
    let variables = handler::variables(&execute.attempt.node, &dir, &logs_root, &engine.info);
    let own = StageOwn { dir: &dir, variables: &variables };
    let environment = engine.workspaces.stage_environment(&execute.attempt.frame, own).await;
    let environment = environment.map_err(|error| error.to_string())?;
    Ok(Stage {
        run: Arc::clone(&engine.info),
        graph: engine.graph.clone(),
        node: NodeIx::new(execute.node),
        via: execute.via.map(EdgeIx::new),
        previous: execute.previous.map(NodeIx::new),
        attempt: execute.attempt,
        context: execute.context,
        history,
        dir,
        logs_root,
        environment,
        workspaces: Arc::clone(&engine.workspaces),
        remaining: execute.remaining,
        resumed,
        cancel,
        events: engine.events.clone(),
        redactor: Arc::clone(&engine.redactor),
        registry: engine.registry.clone(),
        artifacts: Arc::clone(&engine.artifacts),
    })
}

/// Runs the handler within the node's time (ruling 23).
async fn work(engine: &Engine, stage: &Stage) -> Outcome {
    let kind = stage.graph.kind(stage.node);
    let Some(handler) = engine.registry.get(&kind) else {
        return Outcome::fail(format!("no handler is registered for the type `{kind}`"));
    };
    let mut handled = Box::pin(guarded(handler.as_ref(), stage));
    let limit = if handler.keeps_time() { None } else { stage.node().timeout() };
    let over = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        outcome = &mut handled => return outcome,
        () = stage.cancel.cancelled() => {}
        () = over => {}
    }
    let canceled = stage.cancel.is_cancelled();
    stage.cancel.cancel();
    let late = tokio::time::timeout(GRACE, &mut handled).await.ok();
    let usage = late.map(|outcome| outcome.usage).unwrap_or_default();
    let outcome = match limit {
        Some(limit) if !canceled => {
            let seconds = limit.as_secs_f64();
            Outcome::fail(format!("timeout: not done within {seconds} s"))
                .class(FailureClass::Timeout)
        }
        _ => Outcome::fail("canceled").class(FailureClass::Canceled),
    };
    Outcome { usage, ..outcome }
}

/// A panic of a handler is a failure of its stage (§4.12).
async fn guarded(handler: &dyn Handler, stage: &Stage) -> Outcome {
    match AssertUnwindSafe(handler.execute(stage)).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_owned());
            Outcome::fail(format!("the handler panicked: {text}"))
        }
    }
}

/// Writes the status file of a stage that the machine settled itself.
pub(super) fn write_own(
    engine: &Engine,
    record: &crate::engine::StageRecord,
) -> std::io::Result<()> {
    let dir = engine.directory.open_stage(&record.attempt)?;
    verdict::write(&dir, &record.outcome)
}
