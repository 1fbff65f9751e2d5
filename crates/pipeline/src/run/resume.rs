//! Where a run goes on (ruling 16).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::RunError;
use super::history::{Done, History};
use super::journal::{Contents, Entry, Journal};
use crate::engine::{FrameId, Machine, Plan, Replayed, Setup, StageRecord, replay};
use crate::outcome::Status;

/// Where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum From {
    /// Where it was; a run that failed tries its last stage again.
    #[default]
    Here,
    /// From the latest visit of a stage, as if what came after had not happened.
    Stage(String),
}

/// A run that was taken back to where it goes on.
pub(super) struct Resumed {
    pub machine: Machine,
    pub unwritten: Vec<StageRecord>,
    pub history: BTreeMap<FrameId, History>,
}

/// Replays a journal up to where the run goes on; what is taken back is recorded first.
pub(super) fn replayed(
    plan: &Arc<Plan>,
    setup: Setup,
    contents: Contents,
    from: &From,
    journal: &mut Journal,
) -> Result<Resumed, RunError> {
    let Contents { header, mut stages, .. } = contents;
    let all = |stages: &[StageRecord]| {
        replay(Arc::clone(plan), setup.clone(), header.begun, stages.iter().cloned())
    };
    let mut whole = all(&stages)?;
    let keep = match from {
        From::Stage(stage) => Some(before_stage(&header.run, &stages, stage)?),
        From::Here => failed(&whole).then(|| before_last(plan, &stages)),
    };
    if let Some(keep) = keep {
        let at = canon_runtime::clock::now_ms();
        journal.append(&Entry::Rewind { keep, at })?;
        stages.truncate(keep);
        whole = all(&stages)?;
    }
    let history = history_of(&stages);
    Ok(Resumed { machine: whole.machine, unwritten: whole.unwritten, history })
}

fn failed(replayed: &Replayed) -> bool {
    replayed.machine.finish().is_some_and(|finish| finish.status == Status::Fail)
}

/// How many records come before the latest visit of a stage.
pub(super) fn before_stage(
    run: &str,
    records: &[StageRecord],
    stage: &str,
) -> Result<usize, RunError> {
    let first = |record: &StageRecord| record.attempt.node == stage && record.attempt.attempt == 1;
    records.iter().rposition(first).ok_or_else(|| {
        let mut ran: Vec<String> = Vec::new();
        for record in records {
            if !ran.contains(&record.attempt.node) {
                ran.push(record.attempt.node.clone());
            }
        }
        RunError::NoSuchStage { run: run.to_owned(), stage: stage.to_owned(), ran }
    })
}

/// How many records come before the last stage that a handler worked on.
fn before_last(plan: &Plan, records: &[StageRecord]) -> usize {
    let worked = |record: &&StageRecord| plan.is_work(&record.attempt.node);
    let Some(last) = records.iter().rev().find(worked) else { return 0 };
    let same = |record: &StageRecord| {
        let (a, b) = (&record.attempt, &last.attempt);
        (a.restart, &a.frame, &a.node, a.visit) == (b.restart, &b.frame, &b.node, b.visit)
    };
    records.iter().position(same).unwrap_or(0)
}

/// What ended before, frame by frame.
fn history_of(records: &[StageRecord]) -> BTreeMap<FrameId, History> {
    let mut history: BTreeMap<FrameId, History> = BTreeMap::new();
    let mut restart = 0;
    for record in records {
        if record.attempt.restart != restart {
            restart = record.attempt.restart;
            history.clear();
        }
        remember(&mut history, record);
    }
    history
}

/// Adds a record to the history of its frame. An attempt that is followed by another is none, and a
/// restart begins with none.
pub(super) fn remember(history: &mut BTreeMap<FrameId, History>, record: &StageRecord) {
    if record.hop.rule == crate::engine::Rule::Retry {
        return;
    }
    let attempt = &record.attempt;
    let before = match history.get(&attempt.frame) {
        Some(before) => before.clone(),
        None => history.get(&attempt.frame.parent()).cloned().unwrap_or_default(),
    };
    let done = Done::new(&attempt.node, attempt.visit, attempt.attempt, &record.outcome);
    history.insert(attempt.frame.clone(), before.with(done));
}
