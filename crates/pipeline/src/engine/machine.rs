//! The pipeline engine as a pure machine: inputs in, effects out (Attractor §3).
//!
//! Everything that depends on time, chance, files or other programs comes in through
//! [`Input`]; what the machine decides comes out as [`Effect`]s, in the order in which they are to
//! be carried out. Feeding it the records of a journal again takes it where it was.

mod advance;
mod fork;
mod gates;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::json;

use super::frame::{Frame, FrameId, Phase, Snapshot};
use super::io::{
    AttemptId, Effect, EventKind, Execute, Finish, Hop, Input, Remaining, StageRecord,
};
use super::plan::Plan;
use super::random::Random;
use super::route::Rule;
use crate::context::Context;
use crate::outcome::{Outcome, Status, Usage};

/// What a run may use in all; a run that has used it begins no further stage (ruling 19).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    /// Tokens, in and out.
    pub tokens: Option<u64>,
    /// US dollars.
    pub usd: Option<f64>,
}

/// What distinguishes one run of a graph from another.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The run's id.
    pub run: String,
    /// Where its chance comes from.
    pub seed: u64,
    /// What it may use.
    pub budget: Budget,
    /// The workspace that it begins with, where there is a repository.
    pub snapshot: Option<Snapshot>,
    /// Values that the context begins with, beside the graph's.
    pub context: BTreeMap<String, serde_json::Value>,
}

/// The state of a run. `apply` is the only way to change it.
#[derive(Debug, Clone)]
pub struct Machine {
    plan: Arc<Plan>,
    setup: Setup,
    restart: u32,
    frames: BTreeMap<FrameId, Frame>,
    begun: Option<u64>,
    stages: u64,
    redirects: u32,
    usage: Usage,
    random: Random,
    finish: Option<Finish>,
    /// Nodes to enter: a queue, so that no graph is too long for the stack.
    todo: VecDeque<Entry>,
    out: Vec<Effect>,
}

/// A frame that is to go to a node, by an edge or by none.
#[derive(Debug, Clone)]
struct Entry {
    frame: FrameId,
    node: usize,
    via: Option<usize>,
}

impl Machine {
    /// A run that has not begun.
    pub fn new(plan: Arc<Plan>, setup: Setup) -> Self {
        let random = Random::new(setup.seed);
        Self {
            plan,
            setup,
            restart: 0,
            frames: BTreeMap::new(),
            begun: None,
            stages: 0,
            redirects: 0,
            usage: Usage::default(),
            random,
            finish: None,
            todo: VecDeque::new(),
            out: Vec::new(),
        }
    }

    /// Takes one input at `now` (Unix milliseconds). Late and repeated inputs change nothing.
    pub fn apply(&mut self, input: Input, now: u64) -> Vec<Effect> {
        if self.finish.is_none() {
            match input {
                Input::Begin => self.begin(now),
                Input::Ended { attempt, outcome, snapshot } => {
                    self.ended(&attempt, *outcome, snapshot, now);
                }
                Input::Due { attempt } => self.due(&attempt),
                Input::Stop { reason } => self.stop(Rule::Stopped, reason, now),
            }
        }
        while let Some(entry) = self.todo.pop_front() {
            if self.finish.is_none() {
                self.step(entry, now);
            }
        }
        std::mem::take(&mut self.out)
    }

    /// How it ended, if it did.
    pub const fn finish(&self) -> Option<&Finish> {
        self.finish.as_ref()
    }

    /// What was used so far.
    pub const fn usage(&self) -> Usage {
        self.usage
    }

    /// How many stages began.
    pub const fn stages(&self) -> u64 {
        self.stages
    }

    /// How often an edge restarted the run.
    pub const fn restart(&self) -> u32 {
        self.restart
    }

    /// The frame of the run itself, once it has begun.
    fn root(&self) -> Option<&Frame> {
        self.frames.get(&FrameId::root())
    }

    /// The context of the run itself.
    pub fn context(&self) -> Context {
        self.root().map(|frame| frame.context.clone()).unwrap_or_default()
    }

    /// Ids of the nodes that ended, in order; those of a fan-out's branches stand behind it in
    /// declaration order.
    pub fn path(&self) -> Vec<String> {
        let id = |node: &usize| self.plan.nodes[*node].id.to_string();
        self.root().map(|frame| frame.path.iter().map(id).collect()).unwrap_or_default()
    }

    /// The latest outcome of every node that ended, in the order in which they ended.
    pub fn outcomes(&self) -> Vec<(String, Outcome)> {
        let Some(root) = self.root() else { return Vec::new() };
        let mut latest: Vec<_> = root.latest.iter().collect();
        latest.sort_by_key(|(_, latest)| latest.order);
        let outcome = |(node, latest): (&usize, &super::frame::Latest)| {
            (self.plan.nodes[*node].id.to_string(), latest.outcome.clone())
        };
        latest.into_iter().map(outcome).collect()
    }

    /// The node that the run itself is at, and how often each node was visited there.
    pub fn visits(&self) -> BTreeMap<String, u32> {
        let Some(root) = self.root() else { return BTreeMap::new() };
        let visit =
            |(node, visits): (&usize, &u32)| (self.plan.nodes[*node].id.to_string(), *visits);
        root.visits.iter().map(visit).collect()
    }

    /// The node that the run itself goes on with.
    pub fn next_node(&self) -> Option<&str> {
        let root = self.root().filter(|_| self.finish.is_none())?;
        Some(&self.plan.nodes[root.at].id)
    }

    /// The state of the workspace of the run itself.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.root().and_then(|frame| frame.snapshot.as_ref()).or(self.setup.snapshot.as_ref())
    }

    /// What a driver that takes the machine over has to do: what was under way when the last record
    /// was written, in the order of frames.
    pub fn pending(&mut self, now: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        // A stage that begins again begins now: while nobody ran it, it took no time.
        for frame in self.frames.values_mut() {
            if frame.phase == Phase::Running {
                frame.since = now;
            }
        }
        for frame in self.frames.values() {
            if !frame.id.is_root() {
                let parent = frame.id.parent();
                effects.push(Effect::Branch {
                    frame: frame.id.clone(),
                    parent,
                    snapshot: frame.snapshot.clone(),
                });
            }
            match frame.phase {
                Phase::Running => {
                    let index = self.stages.saturating_sub(1);
                    let attempt = self.attempt(frame);
                    effects.push(Effect::Emit(EventKind::StageStarted { attempt, index }));
                    effects.push(self.execute(frame));
                }
                Phase::Pausing { until } => effects.push(Effect::Pause {
                    attempt: self.attempt(frame),
                    delay: std::time::Duration::from_millis(until.saturating_sub(now)),
                }),
                Phase::Forked(_) | Phase::Ended => {}
            }
        }
        effects
    }

    fn begin(&mut self, now: u64) {
        if self.begun.is_some() {
            return;
        }
        self.begun = Some(now);
        self.out.push(Effect::Emit(EventKind::PipelineStarted {
            name: self.plan.name.clone(),
            id: self.setup.run.clone(),
        }));
        self.launch(self.plan.start, self.setup.snapshot.clone());
    }

    /// A fresh root frame that begins with `node`.
    fn launch(&mut self, node: usize, snapshot: Option<Snapshot>) {
        let mut context: Context = self.plan.mirrored.iter().cloned().collect();
        context.apply(&self.setup.context);
        if self.restart > 0 {
            context.set("internal.restart_count", self.restart);
        }
        let mut frame = Frame::new(FrameId::root(), context, node, None);
        frame.snapshot = snapshot;
        self.frames = BTreeMap::from([(FrameId::root(), frame)]);
        self.enter(&FrameId::root(), node, None);
    }

    fn attempt(&self, frame: &Frame) -> AttemptId {
        AttemptId {
            restart: self.restart,
            frame: frame.id.clone(),
            node: self.plan.nodes[frame.at].id.to_string(),
            visit: frame.visit(),
            attempt: frame.attempt,
        }
    }

    fn execute(&self, frame: &Frame) -> Effect {
        Effect::Execute(Box::new(Execute {
            attempt: self.attempt(frame),
            node: frame.at,
            via: frame.via,
            context: frame.context.clone(),
            previous: frame.path.last().copied(),
            remaining: self.remaining(),
        }))
    }

    fn remaining(&self) -> Remaining {
        let used = self.usage.total_tokens();
        Remaining {
            tokens: self.setup.budget.tokens.map(|all| all.saturating_sub(used)),
            usd: self.setup.budget.usd.map(|all| (all - self.usage.cost_usd).max(0.0)),
        }
    }

    fn enter(&mut self, frame: &FrameId, node: usize, via: Option<usize>) {
        self.todo.push_back(Entry { frame: frame.clone(), node, via });
    }

    /// Ends the run: whatever is under way is stopped first.
    fn end(&mut self, status: Status, rule: Rule, reason: Option<String>, now: u64) {
        let running: Vec<AttemptId> = self
            .frames
            .values()
            .filter(|frame| matches!(frame.phase, Phase::Running | Phase::Pausing { .. }))
            .map(|frame| self.attempt(frame))
            .collect();
        self.out.extend(running.into_iter().map(|attempt| Effect::Cancel { attempt }));
        let duration_ms = now.saturating_sub(self.begun.unwrap_or(now));
        self.out.push(Effect::Emit(match &reason {
            Some(error) => EventKind::PipelineFailed { error: error.clone(), duration_ms },
            None => EventKind::PipelineCompleted { duration_ms, artifact_count: 0 },
        }));
        let finish = Finish { status, reason, rule, usage: self.usage };
        self.finish = Some(finish.clone());
        self.out.push(Effect::Finish(finish));
    }

    fn stop(&mut self, rule: Rule, reason: String, now: u64) {
        self.end(Status::Fail, rule, Some(reason), now);
    }

    fn record(
        &mut self,
        attempt: AttemptId,
        outcome: &Outcome,
        started: u64,
        at: u64,
        snapshot: Option<Snapshot>,
        hop: Hop,
    ) {
        let outcome = outcome.clone();
        let record = StageRecord { attempt, outcome, started, at, snapshot, hop };
        self.out.push(Effect::Record(Box::new(record)));
    }

    /// Changes what the run may use, from now on.
    pub fn set_budget(&mut self, budget: Budget) {
        self.setup.budget = budget;
    }

    fn set_retry_count(&mut self, frame: &FrameId, node: usize, count: u32) {
        let key = format!("internal.retry_count.{}", self.plan.nodes[node].id);
        if let Some(frame) = self.frames.get_mut(frame) {
            match count {
                0 => frame.context.remove(&key),
                count => frame.context.set(key, json!(count)),
            }
        }
    }
}
