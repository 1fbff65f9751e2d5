//! Fan-outs: branches leave the line and come back to it (Attractor §4.8, ruling 8).

use std::collections::BTreeMap;

use super::Machine;
use super::advance::Stage;
use crate::engine::frame::{Branch, BranchResult, Fork, Frame, FrameId, Phase};
use crate::engine::io::{AttemptId, Effect, EventKind};
use crate::engine::plan::Join;
use crate::engine::route::{Rule, Way};
use crate::outcome::{Outcome, Status};

impl Machine {
    /// Opens a fan-out at the node that the frame is at.
    pub(super) fn fork(&mut self, id: &FrameId, now: u64) {
        let Some(frame) = self.frames.get(id) else { return };
        let (node, visit) = (frame.at, frame.visit());
        let at = &self.plan.nodes[node];
        if at.out.is_empty() {
            let outcome = Outcome::fail("no branches: the fan-out has no edges");
            self.settle(id, outcome, None, now);
            return;
        }
        let mut names: BTreeMap<&str, u32> = BTreeMap::new();
        let mut branches = Vec::new();
        for edge in &at.out {
            let target = self.plan.edges[*edge].to;
            let name: &str = &self.plan.nodes[target].id;
            let again = names.entry(name).or_default();
            *again += 1;
            let name = if *again > 1 { format!("{name}.{again}") } else { name.to_owned() };
            let frame = id.branch(&at.id, visit, &name);
            branches.push(Branch { frame, name, target });
        }
        let fork = Fork {
            results: vec![None; branches.len()],
            started: 0,
            at: now,
            ended: BTreeMap::new(),
            branches,
        };
        let branch_count = fork.branches.len();
        let node = at.id.to_string();
        self.out.push(Effect::Emit(EventKind::ParallelStarted { node, branch_count }));
        if let Some(frame) = self.frames.get_mut(id) {
            frame.phase = Phase::Forked(fork);
        }
        self.start_branches(id);
    }

    /// Starts branches as far as `max_parallel` lets it.
    fn start_branches(&mut self, id: &FrameId) {
        loop {
            let Some(frame) = self.frames.get_mut(id) else { return };
            let at = &self.plan.nodes[frame.at];
            let Phase::Forked(fork) = &mut frame.phase else { return };
            let open = fork.started - fork.results[..fork.started].iter().flatten().count();
            if fork.started == fork.branches.len() || open >= at.max_parallel {
                return;
            }
            let index = fork.started;
            fork.started += 1;
            let Branch { frame: branch, target, .. } = fork.branches[index].clone();
            let via = at.out.get(index).copied();
            let mut child =
                Frame::new(branch.clone(), frame.context.clone(), target, at.join.node());
            child.snapshot = frame.snapshot.clone();
            child.last = frame.last.clone();
            let (parent, snapshot) = (id.clone(), child.snapshot.clone());
            self.frames.insert(branch.clone(), child);
            self.out.push(Effect::Branch { frame: branch.clone(), parent, snapshot });
            self.out.push(Effect::Emit(EventKind::ParallelBranchStarted {
                branch: branch.clone(),
                index,
            }));
            self.enter(&branch, target, via);
        }
    }

    /// A branch is at the join, at an end, or failed.
    pub(super) fn branch_ended(&mut self, id: &FrameId, end: Result<(), String>, now: u64) {
        let parent = id.parent();
        let Some(mut child) = self.frames.remove(id) else { return };
        child.phase = Phase::Ended;
        let Some(frame) = self.frames.get_mut(&parent) else { return };
        let Phase::Forked(fork) = &mut frame.phase else { return };
        let Some(index) = fork.branches.iter().position(|branch| branch.frame == *id) else {
            return;
        };
        let success = end.is_ok();
        fork.results[index] = Some(result_of(&fork.branches[index].name, &child, end));
        fork.ended.insert(index, child);
        let duration_ms = now.saturating_sub(fork.at);
        self.out.push(Effect::Emit(EventKind::ParallelBranchCompleted {
            branch: id.clone(),
            index,
            duration_ms,
            success,
        }));
        if success && self.first_success(&parent) {
            self.drop_others(&parent);
        }
        self.start_branches(&parent);
        self.join_if_all_are_back(&parent, now);
    }

    fn first_success(&self, id: &FrameId) -> bool {
        self.frames.get(id).is_some_and(|frame| self.plan.nodes[frame.at].first_success)
    }

    /// Stops what still runs, and what had not begun (`first_success`).
    fn drop_others(&mut self, id: &FrameId) {
        let Some(frame) = self.frames.get_mut(id) else { return };
        let Phase::Forked(fork) = &mut frame.phase else { return };
        fork.started = fork.branches.len();
        let mut gone = Vec::new();
        for (index, result) in fork.results.iter_mut().enumerate() {
            if result.is_none() {
                let branch = fork.branches[index].clone();
                *result = Some(BranchResult {
                    id: branch.name,
                    status: Status::Skipped,
                    notes: "another branch succeeded first".to_owned(),
                    updates: BTreeMap::new(),
                    commit: None,
                });
                gone.push(branch.frame);
            }
        }
        for branch in gone {
            self.drop_frames(&branch);
        }
    }

    /// Drops a frame and all below it.
    fn drop_frames(&mut self, branch: &FrameId) {
        let below = format!("{branch}/");
        let within = |id: &FrameId| id == branch || id.as_str().starts_with(&below);
        let gone: Vec<FrameId> = self.frames.keys().filter(|id| within(id)).cloned().collect();
        for id in gone {
            let Some(frame) = self.frames.remove(&id) else { continue };
            if matches!(frame.phase, Phase::Running | Phase::Pausing { .. }) {
                let attempt: AttemptId = self.attempt(&frame);
                self.out.push(Effect::Cancel { attempt });
            }
        }
    }

    fn join_if_all_are_back(&mut self, id: &FrameId, now: u64) {
        let Some(frame) = self.frames.get_mut(id) else { return };
        let Phase::Forked(fork) = &frame.phase else { return };
        if fork.results.iter().any(Option::is_none) {
            return;
        }
        let Phase::Forked(fork) = std::mem::replace(&mut frame.phase, Phase::Ended) else { return };
        let results: Vec<BranchResult> = fork.results.into_iter().flatten().collect();
        let node = frame.at;
        let at = &self.plan.nodes[node];
        let failure_count = count(&results, Status::Fail);
        let success_count = results.iter().filter(|r| r.status.satisfies_gate()).count();
        let outcome = verdict(&results, at.first_success);
        let duration_ms = now.saturating_sub(fork.at);
        let (join, name) = (at.join, at.id.to_string());
        self.out.push(Effect::Emit(EventKind::ParallelCompleted {
            node: name,
            duration_ms,
            success_count,
            failure_count,
        }));
        let results = results.iter().map(BranchResult::to_json).collect::<Vec<_>>();
        let outcome = outcome.with("parallel.results", results);
        self.take_back(id, node, &outcome, fork.ended.into_values());
        let way = self.way_from_fork(node, join, &outcome);
        self.conclude(id, Stage::own(outcome), way, now);
    }

    /// What the branches leave in the line: their verdicts and their path, not their context.
    fn take_back(
        &mut self,
        id: &FrameId,
        node: usize,
        outcome: &Outcome,
        branches: impl Iterator<Item = Frame>,
    ) {
        let Some(frame) = self.frames.get_mut(id) else { return };
        frame.context.apply(&outcome.context_updates);
        frame.context.set("outcome", outcome.status.as_str());
        frame.last = outcome.clone();
        frame.keep(node, outcome.clone());
        for branch in branches {
            let mut latest: Vec<_> = branch.latest.into_iter().collect();
            latest.sort_by_key(|(_, latest)| latest.order);
            for (node, mut latest) in latest {
                frame.order += 1;
                latest.order = frame.order;
                // What a branch judged is its own tree, which the line may never have.
                latest.tree = None;
                frame.latest.insert(node, latest);
            }
            frame.path.extend(branch.path);
        }
    }

    /// Ruling 8: on to the join whatever became of the branches, whose fan-in decides. Where no
    /// fan-in is there to decide, a fan-out that failed takes the way of a failure.
    fn way_from_fork(&self, node: usize, join: Join, outcome: &Outcome) -> Way {
        let to = |node, rule| Way::Jump { node, rule, detail: outcome.notes.clone() };
        match join {
            Join::At { node: target, fan_in } if fan_in || outcome.status != Status::Fail => {
                return to(target, Rule::Join);
            }
            Join::None if outcome.status != Status::Fail => return Way::End,
            _ => {}
        }
        let at = &self.plan.nodes[node];
        if let Some(target) = at.retry_target {
            return to(target, Rule::RetryTarget);
        }
        if let Some(target) = at.fallback_retry_target {
            return to(target, Rule::FallbackRetryTarget);
        }
        let reason = format!("stage_failed: `{}`: {}", at.id, outcome.failure_reason);
        Way::Fail { rule: Rule::Failed, reason }
    }
}

fn count(results: &[BranchResult], status: Status) -> usize {
    results.iter().filter(|result| result.status == status).count()
}

/// The fan-out's own status (§4.8, ruling 8).
fn verdict(results: &[BranchResult], first_success: bool) -> Outcome {
    let failed = count(results, Status::Fail);
    let notes = format!("{} branches, {failed} failed", results.len());
    let status = match failed {
        0 => Status::Success,
        all if all == results.len() => Status::Fail,
        _ if first_success => Status::Success,
        _ => Status::PartialSuccess,
    };
    if status == Status::Fail {
        return Outcome { notes, ..Outcome::fail("all branches failed") };
    }
    Outcome { notes, ..Outcome::of(status) }
}

/// What a branch came to: FAIL if a stage of it ended in a failure that no edge took.
fn result_of(name: &str, branch: &Frame, end: Result<(), String>) -> BranchResult {
    let (status, notes) = match end {
        Err(reason) => (Status::Fail, reason),
        Ok(()) if branch.last.status == Status::PartialSuccess => {
            (Status::PartialSuccess, branch.last.notes.clone())
        }
        Ok(()) => (Status::Success, branch.last.notes.clone()),
    };
    BranchResult {
        id: name.to_owned(),
        status,
        notes,
        updates: branch.context.changes_since(&branch.base),
        commit: branch.snapshot.as_ref().map(|snapshot| snapshot.commit.clone()),
    }
}
