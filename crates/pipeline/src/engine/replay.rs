//! From a journal's records back to the machine that wrote them (ruling 16).

use std::collections::VecDeque;
use std::sync::Arc;

use super::io::{Effect, Input, StageRecord};
use super::machine::{Budget, Machine, Setup};
use super::plan::Plan;

/// A journal that the graph at hand could not have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "record {at} of the journal is about {found}, where this graph comes to {expected}: the journal \
     belongs to another graph or was changed"
)]
pub struct ReplayError {
    /// Which record, from 1.
    pub at: usize,
    /// The stage that it tells of.
    pub found: String,
    /// The stage that it should tell of.
    pub expected: String,
}

/// Where a run was when its journal ended.
#[derive(Debug)]
pub struct Replayed {
    /// The machine after the last record.
    pub machine: Machine,
    /// Records that follow from the last input but were not written any more, in order.
    pub unwritten: Vec<StageRecord>,
}

/// Takes a new machine through `records`, which began at `begun` (Unix milliseconds). Budgets are
/// those of `setup` from the end of the journal on: what was used is used.
///
/// # Errors
/// [`ReplayError`] where a record is not what the machine comes to by itself.
pub fn replay(
    plan: Arc<Plan>,
    mut setup: Setup,
    begun: u64,
    records: impl IntoIterator<Item = StageRecord>,
) -> Result<Replayed, ReplayError> {
    let budget = std::mem::take(&mut setup.budget);
    let mut machine = Machine::new(plan, setup);
    let mut written: VecDeque<StageRecord> = VecDeque::new();
    take(machine.apply(Input::Begin, begun), &mut written);
    for (at, record) in records.into_iter().enumerate() {
        if written.is_empty() {
            let due = Input::Due { attempt: record.attempt.clone() };
            machine.apply(due, record.at);
            take(machine.apply(input_of(&record), record.at), &mut written);
        }
        let made = written.pop_front();
        let same = made
            .as_ref()
            .is_some_and(|made| made.attempt == record.attempt && made.hop.next == record.hop.next);
        if !same {
            return Err(ReplayError {
                at: at + 1,
                found: told(&record),
                expected: made.as_ref().map_or_else(|| "no stage".to_owned(), told),
            });
        }
    }
    machine.set_budget(budget);
    Ok(Replayed { machine, unwritten: written.into() })
}

fn input_of(record: &StageRecord) -> Input {
    Input::Ended {
        attempt: record.attempt.clone(),
        outcome: Box::new(record.outcome.clone()),
        snapshot: record.snapshot.clone(),
    }
}

fn take(effects: Vec<Effect>, written: &mut VecDeque<StageRecord>) {
    written.extend(effects.into_iter().filter_map(|effect| match effect {
        Effect::Record(record) => Some(*record),
        _ => None,
    }));
}

fn told(record: &StageRecord) -> String {
    let attempt = &record.attempt;
    let next = record.hop.next.as_deref().unwrap_or("no stage");
    format!("`{}` visit {} attempt {} → {next}", attempt.node, attempt.visit, attempt.attempt)
}

impl Budget {
    /// Whether nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        self.tokens.is_none() && self.usd.is_none()
    }
}
