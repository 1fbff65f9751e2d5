//! Carries out what the machine orders, and tells it what came of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use canon_runtime::task::{TaskSpec, spawn};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::attempt::{self, Attempt};
use super::checkpoint::Checkpoint;
use super::history::History;
use super::hooks::{self, Hook};
use super::journal::{Entry, Journal};
use super::resume::remember;
use super::{End, Engine, Rest, RunError};
use crate::engine::{
    AttemptId, Effect, EventKind, Execute, Finish, FrameId, Input, Machine, Snapshot, StageRecord,
};
use crate::graph::{Dialect, Kind, NodeIx};

/// How long attempts that were told to stop may take before they are dropped.
const GRACE: Duration = Duration::from_secs(10);

/// An attempt that is under way, or waits for its time.
struct Running {
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

/// The one owner of a run.
pub(super) struct Driver {
    engine: Arc<Engine>,
    machine: Machine,
    journal: Journal,
    rest: Rest,
    running: HashMap<AttemptId, Running>,
    stopping: Vec<JoinHandle<()>>,
    history: BTreeMap<FrameId, History>,
    /// Frames whose workspace is not ready yet, and what it has to hold.
    unprepared: HashMap<FrameId, Option<Snapshot>>,
    /// Frames that have run no stage since the run was resumed.
    resumed: HashSet<FrameId>,
    digest: String,
    /// Size of the last checkpoint, and of the journal when it was written.
    checkpoint: (u64, u64),
    inputs: mpsc::UnboundedSender<Input>,
    incoming: mpsc::UnboundedReceiver<Input>,
}

impl Driver {
    pub(super) fn new(engine: Arc<Engine>, machine: Machine, journal: Journal, rest: Rest) -> Self {
        let (inputs, incoming) = mpsc::unbounded_channel();
        Self {
            digest: super::digest(&engine.graph),
            engine,
            machine,
            journal,
            rest,
            running: HashMap::new(),
            stopping: Vec::new(),
            history: BTreeMap::new(),
            unprepared: HashMap::new(),
            resumed: HashSet::new(),
            checkpoint: (0, 0),
            inputs,
            incoming,
        }
    }

    /// Has the workspace of the run itself made before its first stage.
    pub(super) fn prepare_root(&mut self) {
        self.unprepared.insert(FrameId::root(), self.machine.snapshot().cloned());
    }

    /// Takes over where a journal ended; writes what was decided but not written any more.
    pub(super) fn resume(
        &mut self,
        history: BTreeMap<FrameId, History>,
        unwritten: Vec<StageRecord>,
    ) -> Result<(), RunError> {
        self.history = history;
        self.prepare_root();
        self.resumed.insert(FrameId::root());
        self.engine.events.emit(EventKind::PipelineResumed {
            name: self.engine.info.name.clone(),
            id: self.engine.info.id.clone(),
            stages: self.machine.path().len() as u64,
        });
        self.write(unwritten)
    }

    /// Goes on with what was under way.
    /// Where it was taken back to an earlier stage, what that left is no part of it any more.
    pub(super) async fn go_on(mut self, taken_back: bool) -> Result<End, RunError> {
        let now = canon_runtime::clock::now_ms();
        let effects = self.machine.pending(now);
        let branches = effects.iter().filter_map(|effect| match effect {
            Effect::Branch { frame, .. } => Some(frame.clone()),
            _ => None,
        });
        self.resumed.extend(branches.collect::<Vec<_>>());
        for effect in effects.iter().filter(|_| taken_back) {
            if let Effect::Execute(execute) = effect {
                let directory = &self.engine.directory;
                directory.set_aside(&execute.attempt).map_err(|source| RunError::Io {
                    path: directory.stage(&execute.attempt),
                    source,
                })?;
            }
        }
        self.run(effects).await
    }

    /// Carries out effects and takes inputs until the run is over.
    pub(super) async fn run(mut self, effects: Vec<Effect>) -> Result<End, RunError> {
        let wall = self.rest.wall;
        let over = async move {
            match wall {
                Some(wall) => tokio::time::sleep(wall).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        let cancel = self.rest.cancel.clone();
        match self.call_run_start().await? {
            Ok(()) => self.carry_out(effects)?,
            Err(reason) => {
                // What was decided is kept, and nothing of it begins.
                let begins =
                    |effect: &Effect| matches!(effect, Effect::Execute(_) | Effect::Pause { .. });
                self.carry_out(effects.into_iter().filter(|effect| !begins(effect)).collect())?;
                let now = canon_runtime::clock::now_ms();
                let stop = self.machine.apply(Input::Stop { reason }, now);
                self.carry_out(stop)?;
            }
        }
        loop {
            if let Some(finish) = self.machine.finish().cloned() {
                return self.finish(finish).await;
            }
            let input = tokio::select! {
                // Once it is to stop, nothing new begins.
                biased;
                () = cancel.cancelled() => Input::Stop { reason: "canceled".to_owned() },
                () = &mut over => Input::Stop { reason: wall_reason(wall) },
                Some(input) = self.incoming.recv() => input,
            };
            let effects = self.machine.apply(input, canon_runtime::clock::now_ms());
            self.carry_out(effects)?;
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), RunError> {
        let mut records = Vec::new();
        let mut others = Vec::new();
        for effect in effects {
            match effect {
                Effect::Record(record) => records.push(*record),
                other => others.push(other),
            }
        }
        let pause = others.iter().any(|effect| self.may_wait_long(effect));
        let wrote = !records.is_empty();
        self.write(records)?;
        for effect in others {
            self.perform(effect);
        }
        if wrote {
            self.save_checkpoint(pause)?;
        }
        Ok(())
    }

    /// Whether a run may stay for long where this takes it: a pause, or a question to people.
    fn may_wait_long(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Pause { .. } => true,
            Effect::Execute(execute) => {
                self.engine.graph.kind(NodeIx::new(execute.node)) == Kind::WaitHuman
            }
            _ => false,
        }
    }

    /// Records on disk first, all of one decision at once; then what rests on them.
    fn write(&mut self, records: Vec<StageRecord>) -> Result<(), RunError> {
        if records.is_empty() {
            return Ok(());
        }
        for record in &records {
            remember(&mut self.history, record);
            if !self.engine.plan.is_work(&record.attempt.node) {
                attempt::write_own(&self.engine, record).map_err(|source| RunError::Io {
                    path: self.engine.directory.stage(&record.attempt),
                    source,
                })?;
            }
        }
        let entries: Vec<Entry> = records.into_iter().map(Entry::Stage).collect();
        Ok(self.journal.append_all(&entries)?)
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Record(_) | Effect::Finish(_) => {}
            Effect::Emit(EventKind::PipelineCompleted { duration_ms, .. }) => {
                let artifact_count = self.engine.artifacts.len();
                let completed = EventKind::PipelineCompleted { duration_ms, artifact_count };
                self.engine.events.emit(completed);
            }
            Effect::Emit(event) => self.engine.events.emit(event),
            Effect::Execute(execute) => self.execute(*execute),
            Effect::Pause { attempt, delay } => self.pause(attempt, delay),
            Effect::Cancel { attempt } => self.cancel(&attempt),
            Effect::Branch { frame, parent, snapshot } => {
                let before = self.history.get(&parent).cloned().unwrap_or_default();
                self.history.entry(frame.clone()).or_insert(before);
                self.unprepared.insert(frame, snapshot);
            }
            Effect::Restart { .. } => self.history.clear(),
        }
    }

    fn execute(&mut self, execute: Execute) {
        let id = execute.attempt.clone();
        let cancel = CancellationToken::new();
        let attempt = Attempt {
            history: self.history.get(&id.frame).cloned().unwrap_or_default(),
            prepare: self.unprepared.remove(&id.frame),
            resumed: self.resumed.remove(&id.frame),
            cancel: cancel.clone(),
            execute,
        };
        let (engine, inputs, about) = (Arc::clone(&self.engine), self.inputs.clone(), id.clone());
        let task = spawn(TaskSpec::new("pipeline stage").signalled(), async move {
            let attempted = attempt::run(engine, attempt).await;
            let outcome = Box::new(attempted.outcome);
            // The run may be over already.
            let _ =
                inputs.send(Input::Ended { attempt: about, outcome, snapshot: attempted.snapshot });
        });
        self.begin(id, Running { cancel, task });
    }

    fn pause(&mut self, attempt: AttemptId, delay: Duration) {
        let (inputs, about) = (self.inputs.clone(), attempt.clone());
        let cancel = CancellationToken::new();
        let told = cancel.clone();
        let task = spawn(TaskSpec::new("pause before a retry").signalled(), async move {
            tokio::select! {
                () = tokio::time::sleep(delay) => {
                    let _ = inputs.send(Input::Due { attempt: about });
                }
                () = told.cancelled() => {}
            }
        });
        self.begin(attempt, Running { cancel, task });
    }

    fn begin(&mut self, attempt: AttemptId, running: Running) {
        self.running.retain(|_, running| !running.task.is_finished());
        self.running.insert(attempt, running);
    }

    fn cancel(&mut self, attempt: &AttemptId) {
        if let Some(running) = self.running.remove(attempt) {
            running.cancel.cancel();
            self.stopping.push(running.task);
        }
    }

    /// The derived checkpoint, as often as keeps the cost of a run linear.
    fn save_checkpoint(&mut self, now: bool) -> Result<(), RunError> {
        let (size, at) = self.checkpoint;
        let bytes = self.journal.bytes();
        if !now && bytes.saturating_sub(at) < size {
            return Ok(());
        }
        let old = self.engine.graph.dialect() == Dialect::February2026;
        let dialect = old.then_some(Dialect::FEBRUARY);
        let checkpoint = Checkpoint::of(&self.machine, &self.digest, dialect);
        let path = self.engine.directory.checkpoint();
        let size = checkpoint.save(&path).map_err(|source| RunError::Io { path, source })?;
        self.checkpoint = (size, bytes);
        if let Some(node_id) = checkpoint.current_node {
            self.engine.events.emit(EventKind::CheckpointSaved { node_id });
        }
        Ok(())
    }

    /// `hooks.run_start`, in the workspace of the run itself: why nothing may begin.
    async fn call_run_start(&mut self) -> Result<Result<(), String>, RunError> {
        let engine = Arc::clone(&self.engine);
        let finished = self.machine.finish().is_some();
        if finished || Hook::RunStart.command(&engine.graph).is_none() {
            return Ok(Ok(()));
        }
        let root = FrameId::root();
        if let Some(at) = self.unprepared.remove(&root) {
            engine.workspaces.prepare(&root, at.as_ref()).await?;
        }
        let environment = engine.workspaces.environment(&root).await?;
        let resumed = self.resumed.contains(&root);
        let about = json!({ "run": engine.info.id, "name": engine.info.name, "resumed": resumed });
        let cancel = self.rest.cancel.clone();
        Ok(hooks::on_run(Hook::RunStart, &engine.graph, &environment, about, cancel).await)
    }

    /// `hooks.run_end`: the run is over whatever it says.
    async fn call_run_end(&self, finish: &Finish) {
        let engine = &self.engine;
        if Hook::RunEnd.command(&engine.graph).is_none() {
            return;
        }
        let about = json!({
            "run": engine.info.id, "name": engine.info.name, "logs": engine.directory.root(),
            "status": finish.status, "reason": finish.reason, "usage": finish.usage,
        });
        let cancel = CancellationToken::new();
        let said = match engine.workspaces.environment(&FrameId::root()).await {
            Ok(environment) => {
                hooks::on_run(Hook::RunEnd, &engine.graph, &environment, about, cancel).await
            }
            Err(error) => Err(format!("hooks.run_end has nowhere to run: {error}")),
        };
        if let Err(message) = said {
            engine.events.emit(EventKind::PipelineWarning { message });
        }
    }

    /// Ends what still runs, writes the last record and the last checkpoint.
    async fn finish(mut self, finish: Finish) -> Result<End, RunError> {
        let mut left = std::mem::take(&mut self.stopping);
        left.extend(self.running.drain().map(|(_, running)| {
            running.cancel.cancel();
            running.task
        }));
        let _ = tokio::time::timeout(GRACE, futures_util::future::join_all(&mut left)).await;
        for task in left {
            task.abort();
        }
        let at = canon_runtime::clock::now_ms();
        self.journal.append(&Entry::End { finish: finish.clone(), at })?;
        self.save_checkpoint(true)?;
        self.call_run_end(&finish).await;
        if let Err(error) = self.engine.workspaces.close().await {
            // The run came to its end; what is left over is no other end.
            let message = format!("the run's worktrees were not cleared away: {error}");
            self.engine.events.emit(EventKind::PipelineWarning { message });
        }
        Ok(End::of(&self.machine, finish, &self.engine.directory))
    }
}

fn wall_reason(wall: Option<Duration>) -> String {
    let seconds = wall.unwrap_or_default().as_secs_f64();
    format!("budget_wall: {seconds} s are used up")
}
