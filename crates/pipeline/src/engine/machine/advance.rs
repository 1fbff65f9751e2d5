//! From stage to stage.

use super::{Entry, Machine};
use crate::engine::frame::{FrameId, Phase, Snapshot};
use crate::engine::io::{AttemptId, Effect, EventKind, Hop};
use crate::engine::plan::Role;
use crate::engine::route::{Rule, Way, way};
use crate::outcome::{FailureClass, Outcome, Status};

impl Machine {
    /// Goes to a node; what needs no handler is settled at once.
    pub(super) fn step(&mut self, entry: Entry, now: u64) {
        let Entry { frame: id, node, via } = entry;
        let Some(frame) = self.frames.get(&id) else { return };
        if frame.stop == Some(node) {
            self.branch_ended(&id, Ok(()), now);
            return;
        }
        if let Err(reason) = self.arrive(&id, node, via, now) {
            self.stop(Rule::Limit, reason, now);
            return;
        }
        match self.plan.nodes[node].role {
            Role::Start => self.settle(&id, Outcome::of(Status::Success), None, now),
            Role::Conditional => {
                let outcome = self.reported(&id, node);
                self.settle(&id, outcome, None, now);
            }
            Role::Exit => self.exit(&id, now),
            Role::Parallel => self.fork(&id, now),
            Role::Work => {
                if let Some(frame) = self.frames.get(&id) {
                    let effect = self.execute(frame);
                    self.out.push(effect);
                }
            }
        }
    }

    /// What ruling 1 has a conditional report.
    fn reported(&self, id: &FrameId, node: usize) -> Outcome {
        let Some(frame) = self.frames.get(id) else { return Outcome::of(Status::Success) };
        Outcome {
            notes: format!("Conditional node evaluated: {}", self.plan.nodes[node].id),
            preferred_label: frame.last.preferred_label.clone(),
            failure_reason: frame.last.failure_reason.clone(),
            failure_class: frame.last.failure_class,
            ..Outcome::of(frame.last.status)
        }
    }

    /// Counts a visit and opens the stage; the error names the cap that it would pass.
    fn arrive(
        &mut self,
        id: &FrameId,
        node: usize,
        via: Option<usize>,
        now: u64,
    ) -> Result<(), String> {
        self.within_limits(id, node)?;
        self.stages += 1;
        let index = self.stages - 1;
        let Some(frame) = self.frames.get_mut(id) else { return Ok(()) };
        *frame.visits.entry(node).or_default() += 1;
        (frame.at, frame.via, frame.attempt, frame.since) = (node, via, 1, now);
        frame.phase = Phase::Running;
        frame.context.set("current_node", self.plan.nodes[node].id.as_ref());
        let attempt = self.frames.get(id).map(|frame| self.attempt(frame));
        if let Some(attempt) = attempt {
            self.out.push(Effect::Emit(EventKind::StageStarted { attempt, index }));
        }
        Ok(())
    }

    fn within_limits(&self, id: &FrameId, node: usize) -> Result<(), String> {
        let at = &self.plan.nodes[node];
        let visits = self.frames.get(id).and_then(|frame| frame.visits.get(&node)).copied();
        if visits.unwrap_or(0) >= at.max_visits {
            return Err(format!(
                "max_visits: `{}` was visited {} times; see what keeps the loop going, or raise \
                 max_visits",
                at.id, at.max_visits
            ));
        }
        if self.stages >= self.plan.max_stages {
            let all = self.plan.max_stages;
            return Err(format!("max_stages: {all} stages ran; raise max_stages to go on"));
        }
        if at.role != Role::Work {
            return Ok(());
        }
        let remaining = self.remaining();
        if remaining.tokens == Some(0) {
            let used = self.usage.total_tokens();
            return Err(format!("budget_tokens: {used} tokens are used up before `{}`", at.id));
        }
        if remaining.usd.is_some_and(|usd| usd <= 0.0) {
            let used = self.usage.cost_usd;
            return Err(format!("budget_usd: ${used:.4} are used up before `{}`", at.id));
        }
        Ok(())
    }

    /// An attempt ended: it is tried again, or the stage is settled.
    pub(super) fn ended(
        &mut self,
        attempt: &AttemptId,
        outcome: Outcome,
        snapshot: Option<Snapshot>,
        now: u64,
    ) {
        let Some(frame) = self.frames.get_mut(&attempt.frame) else { return };
        if frame.phase != Phase::Running {
            return;
        }
        let (node, number) = (frame.at, frame.attempt);
        let running = self.frames.get(&attempt.frame).map(|frame| self.attempt(frame));
        if running.as_ref() != Some(attempt) {
            return;
        }
        self.usage.add(&outcome.usage);
        let policy = self.plan.nodes[node].policy;
        if policy.tries_again(number, &outcome) {
            self.try_again(attempt, node, outcome, snapshot, now);
            return;
        }
        self.settle(&attempt.frame, outcome, snapshot, now);
    }

    fn try_again(
        &mut self,
        attempt: &AttemptId,
        node: usize,
        outcome: Outcome,
        snapshot: Option<Snapshot>,
        now: u64,
    ) {
        let policy = self.plan.nodes[node].policy;
        let delay = policy.delay(attempt.attempt, &mut self.random);
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let Some(frame) = self.frames.get_mut(&attempt.frame) else { return };
        let since = frame.since;
        frame.attempt += 1;
        if snapshot.is_some() {
            // The next attempt finds what this one left, also after a restart of the process.
            frame.snapshot.clone_from(&snapshot);
        }
        frame.phase = Phase::Pausing { until: now.saturating_add(delay_ms) };
        let next = AttemptId { attempt: attempt.attempt + 1, ..attempt.clone() };
        self.set_retry_count(&attempt.frame, node, attempt.attempt);
        let hop = Hop {
            rule: Rule::Retry,
            next: None,
            edge: None,
            detail: format!("attempt {} of {}", attempt.attempt, policy.max_attempts),
        };
        self.record(attempt.clone(), &outcome, since, now, snapshot, hop);
        self.out.push(Effect::Emit(EventKind::StageFailed {
            attempt: attempt.clone(),
            error: outcome.failure_reason,
            will_retry: true,
            duration_ms: now.saturating_sub(since),
            usage: outcome.usage,
            next: None,
            rule: Rule::Retry,
        }));
        self.out.push(Effect::Emit(EventKind::StageRetrying { attempt: next.clone(), delay_ms }));
        self.out.push(Effect::Pause { attempt: next, delay });
    }

    /// The pause before an attempt is over.
    pub(super) fn due(&mut self, attempt: &AttemptId) {
        let Some(frame) = self.frames.get(&attempt.frame) else { return };
        if !matches!(frame.phase, Phase::Pausing { .. }) || self.attempt(frame) != *attempt {
            return;
        }
        let effect = self.execute(frame);
        if let Some(frame) = self.frames.get_mut(&attempt.frame) {
            frame.phase = Phase::Running;
        }
        self.out.push(effect);
    }

    /// A stage is over: its outcome is kept, the way on chosen, recorded and taken.
    pub(super) fn settle(
        &mut self,
        id: &FrameId,
        handed: Outcome,
        snapshot: Option<Snapshot>,
        now: u64,
    ) {
        let Some(frame) = self.frames.get(id) else { return };
        let (node, attempt) = (frame.at, frame.attempt);
        let outcome = self.after_retries(node, attempt, handed.clone());
        self.keep(id, node, &outcome, snapshot.clone());
        let way = self.choose(id, node, &outcome);
        self.conclude(id, Stage { handed, outcome, snapshot }, way, now);
    }

    /// Records a stage with the way that was chosen, and takes it. The end of the run is no end
    /// before the gates were looked at.
    pub(super) fn conclude(&mut self, id: &FrameId, stage: Stage, way: Way, now: u64) {
        let way =
            if way == Way::End && id.is_root() { self.at_the_end(id, Rule::End) } else { way };
        let Some(frame) = self.frames.get(id) else { return };
        let (attempt, since) = (self.attempt(frame), frame.since);
        let hop = self.hop(&way);
        self.record(attempt.clone(), &stage.handed, since, now, stage.snapshot, hop.clone());
        self.tell(attempt, &stage.outcome, &hop, now.saturating_sub(since));
        self.go(id, way, now);
    }

    /// The outcome that counts once no further attempt is made (§3.5).
    fn after_retries(&self, node: usize, attempts: u32, outcome: Outcome) -> Outcome {
        if outcome.status != Status::Retry {
            return outcome;
        }
        let usage = outcome.usage;
        let updates = outcome.context_updates;
        let why = outcome.failure_reason;
        let ended = if self.plan.nodes[node].allow_partial {
            Outcome {
                notes: format!("retries exhausted, partial accepted: {why}"),
                ..Outcome::of(Status::PartialSuccess)
            }
        } else {
            let class = outcome.failure_class;
            let reason = format!("max retries exceeded after {attempts} attempts: {why}");
            Outcome { failure_class: class, ..Outcome::fail(reason) }
        };
        Outcome { usage, context_updates: updates, ..ended }
    }

    fn keep(&mut self, id: &FrameId, node: usize, outcome: &Outcome, snapshot: Option<Snapshot>) {
        self.set_retry_count(id, node, 0);
        let conditional = self.plan.nodes[node].is_conditional();
        let Some(frame) = self.frames.get_mut(id) else { return };
        frame.phase = Phase::Ended;
        if snapshot.is_some() {
            frame.snapshot = snapshot;
        }
        frame.context.apply(&outcome.context_updates);
        if !conditional {
            frame.context.set("outcome", outcome.status.as_str());
            frame.last = outcome.clone();
        }
        if !outcome.preferred_label.is_empty() {
            frame.context.set("preferred_label", outcome.preferred_label.as_str());
        }
        frame.keep(node, outcome.clone());
    }

    fn choose(&mut self, id: &FrameId, node: usize, outcome: &Outcome) -> Way {
        if outcome.status == Status::Fail && outcome.failure_class == Some(FailureClass::Budget) {
            return Way::Fail { rule: Rule::Limit, reason: outcome.failure_reason.clone() };
        }
        let Some(frame) = self.frames.get_mut(id) else { return Way::End };
        let back = frame.recheck.take();
        if let Some(from) = back.filter(|_| outcome.status.satisfies_gate()) {
            let is_exit = self.plan.nodes[from].role == Role::Exit;
            let detail = String::new();
            return if is_exit {
                Way::Jump { node: from, rule: Rule::Rechecked, detail }
            } else {
                Way::End
            };
        }
        let context = frame.context.clone();
        way(&self.plan, node, outcome, &context, &mut self.random)
    }

    fn hop(&self, way: &Way) -> Hop {
        let id = |node: usize| Some(self.plan.nodes[node].id.to_string());
        match way {
            Way::Edge { edge, rule, detail } => Hop {
                rule: *rule,
                next: id(self.plan.edges[*edge].to),
                edge: Some(*edge),
                detail: detail.clone(),
            },
            Way::Jump { node, rule, detail } => {
                Hop { rule: *rule, next: id(*node), edge: None, detail: detail.clone() }
            }
            Way::Back { node, rule, detail, .. } => {
                Hop { rule: *rule, next: id(*node), edge: None, detail: detail.clone() }
            }
            Way::Done { rule } => {
                Hop { rule: *rule, next: None, edge: None, detail: String::new() }
            }
            Way::End => Hop { rule: Rule::End, next: None, edge: None, detail: String::new() },
            Way::Fail { rule, reason } => {
                Hop { rule: *rule, next: None, edge: None, detail: reason.clone() }
            }
        }
    }

    fn tell(&mut self, attempt: AttemptId, outcome: &Outcome, hop: &Hop, ms: u64) {
        let (next, rule, usage) = (hop.next.clone(), hop.rule, outcome.usage);
        self.out.push(Effect::Emit(if outcome.status == Status::Fail {
            EventKind::StageFailed {
                attempt,
                error: outcome.failure_reason.clone(),
                will_retry: false,
                duration_ms: ms,
                usage,
                next,
                rule,
            }
        } else {
            EventKind::StageCompleted {
                attempt,
                status: outcome.status,
                notes: outcome.notes.clone(),
                duration_ms: ms,
                usage,
                next,
                rule,
            }
        }));
    }

    /// Takes a way.
    fn go(&mut self, id: &FrameId, way: Way, now: u64) {
        match way {
            Way::Edge { edge, .. } if self.plan.edges[edge].loop_restart => {
                self.begin_anew(id, self.plan.edges[edge].to, now);
            }
            Way::Edge { edge, .. } => self.enter(id, self.plan.edges[edge].to, Some(edge)),
            Way::Jump { node, .. } => self.enter(id, node, None),
            Way::Back { node, gate, stale, .. } => self.redirect(id, node, gate, stale),
            Way::Done { rule } => self.end(Status::Success, rule, None, now),
            Way::End => self.branch_ended(id, Ok(()), now),
            Way::Fail { rule, reason } if id.is_root() => self.stop(rule, reason, now),
            Way::Fail { reason, .. } => self.branch_ended(id, Err(reason), now),
        }
    }

    /// The run begins anew at `node` (ruling 18).
    fn begin_anew(&mut self, id: &FrameId, node: usize, now: u64) {
        if !id.is_root() {
            let reason = "loop_restart: a branch of a fan-out cannot restart the run".to_owned();
            self.branch_ended(id, Err(reason), now);
            return;
        }
        if self.restart >= self.plan.max_restarts {
            let all = self.plan.max_restarts;
            self.stop(Rule::Limit, format!("max_restarts: the run restarted {all} times"), now);
            return;
        }
        let snapshot = self.snapshot().cloned();
        self.restart += 1;
        let restart = self.restart;
        self.frames.clear();
        self.out.push(Effect::Restart { restart });
        self.out.push(Effect::Emit(EventKind::PipelineRestarted { restart }));
        self.launch(node, snapshot);
    }

    /// The exit of the run itself, or of a branch.
    fn exit(&mut self, id: &FrameId, now: u64) {
        if !id.is_root() {
            self.branch_ended(id, Ok(()), now);
            return;
        }
        let way = self.at_the_end(id, Rule::Exit);
        let outcome = match &way {
            Way::Done { .. } => Outcome::of(Status::Success),
            way => Outcome::fail(self.hop(way).detail),
        };
        if let (Way::Done { .. }, Some(frame)) = (&way, self.frames.get_mut(id)) {
            frame.keep(frame.at, outcome.clone());
        }
        self.conclude(id, Stage::own(outcome), way, now);
    }
}

/// A stage that is over.
pub(super) struct Stage {
    /// What its handler returned: the input that is recorded.
    handed: Outcome,
    /// What counts after retries.
    outcome: Outcome,
    snapshot: Option<Snapshot>,
}

impl Stage {
    /// One that the machine settled itself.
    pub(super) fn own(outcome: Outcome) -> Self {
        Self { handed: outcome.clone(), outcome, snapshot: None }
    }
}
