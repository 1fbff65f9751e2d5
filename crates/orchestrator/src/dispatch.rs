//! Decides what runs: claims, slots, retries, stalls and reconciliation as a pure state machine
//! (Symphony §7, §8, §14, §16; rulings 3, 5–8, 10–12, 15, 16).
//!
//! [`Machine::apply`] takes one [`Event`] and the time, and returns [`Effect`]s. It does no IO and reads no clock.
//! The driver stores each event (with the time that it was applied at) before it performs the effects, so that
//! [`Machine::restore`] of a snapshot plus a replay of later events gives the same state again.
//!
//! What the machine relies on:
//! - Every demand is answered in bounded time: a `StartAttempt` by one `AttemptEnded` in the end, `EndSession` and
//!   `StopAttempt` by `AttemptEnded`, `CleanupWorkspace` by `WorkspaceCleaned`. Only the tracker may stay silent:
//!   [`Machine::tick`] gives up on its requests.
//! - Reports of one attempt come in order; they may come twice. A request's name is not used again in the attempt.
//! - Deltas ([`Machine::poll_delta`], [`Machine::reread`]) are taken immediately before their event is applied.
//! - After a replay no effect is performed; the effects of [`Event::Restarted`] contain all that is still due.
//!   `alive` names each attempt that will still report, one that ended unnoticed included.
//!
//! Time given to the machine may jump. Inside it only moves forward: a step back counts as no time. Timers are
//! handed out as delays, so a jump neither fires nor holds back any of them.
//!
//! A session that waits for an operator (ruling 7) keeps its process and its claim and gives its slot back, so
//! that questions at night do not stop the other issues. With its answer it takes the next free slot, before
//! retries and candidates. An agent that withdraws its own question works on at once, even above the limit;
//! nothing new starts until the count is below it again.
//!
//! When a slot is free, claims that wait for one (oldest first) and candidates (in dispatch order) take turns,
//! so that neither can starve the other.

use std::collections::BTreeMap;

mod config;
mod effect;
mod event;
mod index;
mod slots;
mod snapshot;
mod state;
mod step;
mod view;

pub use config::{DispatchConfig, Standing};
pub use effect::{Effect, RefreshPurpose, Rule, StopReason, TimerKey};
pub use event::{
    AttemptOutcome, EVENT_VERSION, Event, Failure, IssueRef, PollDelta, Question, Reread,
    SessionInfo, ShutdownMode, TurnOutcome, Usage,
};
pub use snapshot::{
    BlockedRow, HeldRow, IdleStatus, IssueView, QuestionRow, RetryRow, RunningRow, Snapshot,
    TotalsRow, Why,
};
pub use state::{AttemptRecord, IssueHistory, RetryKind, State, Totals};

use crate::issue::Issue;
use index::Index;
use step::Step;

/// The dispatch machine: one owner, no locks, no clock.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    state: State,
    index: Index,
}

impl Machine {
    /// A machine that nothing has happened to; feed it the recorded events, or [`Event::Started`].
    pub fn new() -> Self {
        Self::default()
    }

    /// The machine as it was when `state` was taken.
    pub fn restore(state: State) -> Self {
        let index = Index::of(&state);
        Self { state, index }
    }

    /// Whether nothing was ever applied: the first event is to be [`Event::Started`].
    pub fn is_new(&self) -> bool {
        !self.state.started
    }

    /// What a snapshot in the ledger holds.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Issues in active states as last read, the claimed ones included.
    pub fn candidates(&self) -> &BTreeMap<String, Issue> {
        &self.state.candidates
    }

    /// Applies one event at `now_ms` (Unix milliseconds, may jump) and says what to do. Never panics; what does not
    /// fit the state (late answers, unknown ids, repeated reports) changes nothing.
    pub fn apply(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        self.state.clock.advance(now_ms);
        Step::new(&mut self.state, &mut self.index).run(event)
    }

    /// Difference between a complete poll and [`Machine::candidates`], for [`Event::Polled`]. Take it immediately
    /// before the event is applied.
    pub fn poll_delta(&self, issues: Vec<Issue>) -> PollDelta {
        let mut seen = std::collections::BTreeSet::new();
        let mut changed = Vec::new();
        for issue in issues {
            if seen.insert(issue.id.clone()) && self.state.candidates.get(&issue.id) != Some(&issue)
            {
                changed.push(issue);
            }
        }
        let removed =
            self.state.candidates.keys().filter(|id| !seen.contains(*id)).cloned().collect();
        PollDelta { changed, removed }
    }

    /// Difference between what a successful read of `ids` returned and what is known, for [`Event::Reconciled`] and
    /// [`Event::Refreshed`]. Take it immediately before the event is applied. Ids that could not be read are not
    /// among `ids`, but in [`Reread::unread`].
    pub fn reread(&self, ids: &[String], issues: Vec<Issue>) -> Reread {
        let found: BTreeMap<&str, &Issue> = issues.iter().map(|i| (i.id.as_str(), i)).collect();
        let missing = ids.iter().filter(|id| !found.contains_key(id.as_str())).cloned().collect();
        let changed = issues.into_iter().filter(|i| self.known(&i.id) != Some(i)).collect();
        Reread { changed, missing, unread: BTreeMap::new() }
    }

    /// Attempt id and issue of every live attempt: what to re-attach after a replay, before
    /// [`Event::Restarted`], and whose silence to measure.
    pub fn live_attempts(&self) -> impl Iterator<Item = (&str, &Issue)> {
        self.state.running.values().map(|running| (running.attempt_id.as_str(), &running.issue))
    }

    /// The settings in force.
    pub fn config(&self) -> &DispatchConfig {
        &self.state.config
    }

    /// The newest snapshot of an issue, claimed or not.
    pub fn known(&self, issue_id: &str) -> Option<&Issue> {
        self.state.known(issue_id)
    }
}
