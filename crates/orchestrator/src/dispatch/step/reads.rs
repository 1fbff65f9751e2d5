//! What the tracker says: polls, reconciliation, reads by id, and requests that nobody answers.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{Fill, Step};
use crate::dispatch::config::Standing;
use crate::dispatch::effect::{Effect, RefreshPurpose, StopReason, TimerKey};
use crate::dispatch::event::{PollDelta, Reread};
use crate::dispatch::state::{InFlight, Phase};
use crate::issue::Issue;

/// One successful read, ready to be asked about single ids.
pub(super) struct Answers {
    changed: BTreeMap<String, Issue>,
    missing: BTreeSet<String>,
}

impl From<Reread> for Answers {
    fn from(reread: Reread) -> Self {
        Self {
            changed: reread.changed.into_iter().map(|i| (i.id.clone(), i)).collect(),
            missing: reread.missing.into_iter().collect(),
        }
    }
}

/// Issues named in one message, at most.
const NAMED: usize = 3;

/// What people are told of running issues that could not be read.
fn passed_over(unread: &BTreeMap<String, String>) -> Option<String> {
    if unread.is_empty() {
        return None;
    }
    let named = unread.iter().take(NAMED).map(|(id, error)| format!("{id}: {error}"));
    let mut named: Vec<String> = named.collect();
    if unread.len() > NAMED {
        named.push(format!("and {} more", unread.len() - NAMED));
    }
    Some(format!("running issues that cannot be read go on as they are: {}", named.join("; ")))
}

impl Step<'_> {
    /// The poll's timer fired: the period is kept, whatever the polls cost (ruling 16).
    pub(super) fn poll_due(&mut self) {
        let interval = self.s.config.poll_interval_ms.max(1);
        let now = self.now();
        let due = self.s.poll.timer.map_or(now, |timer| timer.due_ms).saturating_add(interval);
        let delay = if due > now { (due - now).min(interval) } else { interval };
        self.s.poll.timer = Some(self.set_timer(TimerKey::Poll, delay));
        if self.s.poll.in_flight.is_none() {
            self.start_poll("Symphony §8.1");
        }
    }

    /// Polls now, or after the poll that is under way.
    pub(super) fn start_poll(&mut self, rule: &'static str) {
        if self.s.poll.in_flight.is_some() {
            self.s.poll.again = true;
            return;
        }
        let poll_id = self.next_number();
        let running: Vec<String> = self
            .s
            .running
            .iter()
            .filter(|(_, r)| !matches!(r.phase, Phase::Ending { .. } | Phase::Stopping { .. }))
            .map(|(id, _)| id.clone())
            .collect();
        let since_ms = self.now();
        let poll = &mut self.s.poll;
        poll.again = false;
        poll.newer.clear();
        poll.started_at_change = self.s.change;
        poll.in_flight = Some(InFlight { id: poll_id, since_ms });
        poll.reconciling.clone_from(&running);
        if running.is_empty() {
            poll.reconcile_error = None;
        }
        let states = self.s.config.active_states.clone();
        self.emit(Effect::Poll { poll_id, states, running, rule: Cow::Borrowed(rule) });
    }

    fn is_current_poll(&self, poll_id: u64) -> bool {
        self.s.poll.in_flight.is_some_and(|poll| poll.id == poll_id)
    }

    /// Symphony §8.5 part B. An issue that could not be read goes on, and holds up no other (ruling 11).
    pub(super) fn reconciled(&mut self, poll_id: u64, mut reread: Reread) {
        if !self.is_current_poll(poll_id) {
            return;
        }
        let unread = std::mem::take(&mut reread.unread);
        self.s.poll.reconcile_error = passed_over(&unread);
        let mut answers = Answers::from(reread);
        for id in std::mem::take(&mut self.s.poll.reconciling) {
            if unread.contains_key(&id) {
                continue;
            }
            let unmoved =
                self.s.running.get(&id).is_some_and(|r| {
                    !matches!(r.phase, Phase::Ending { .. } | Phase::Stopping { .. })
                });
            if unmoved && !self.s.poll.newer.contains(&id) {
                self.reconcile_one(&id, &mut answers);
            }
        }
    }

    fn reconcile_one(&mut self, id: &str, answers: &mut Answers) {
        let standing = self.learn(id, answers);
        let reason = match standing {
            None => StopReason::Missing,
            Some(Standing::Eligible) => return,
            Some(Standing::Terminal) => StopReason::Terminal,
            Some(Standing::NotActive) => StopReason::NotActive,
            Some(_) => StopReason::NotRoutable,
        };
        self.stop(id, reason);
    }

    pub(super) fn reconcile_failed(&mut self, poll_id: u64, error: String) {
        if self.is_current_poll(poll_id) {
            self.s.poll.reconciling.clear();
            self.s.poll.reconcile_error = Some(error);
        }
    }

    /// Symphony §8.1, steps 3 to 5.
    pub(super) fn polled(&mut self, poll_id: u64, delta: PollDelta) {
        if !self.is_current_poll(poll_id) {
            return;
        }
        self.s.poll.in_flight = None;
        self.s.poll.reconciling.clear();
        for issue in delta.changed {
            if !self.s.poll.newer.contains(&issue.id) {
                let id = issue.id.clone();
                self.s.candidates.insert(id.clone(), issue);
                self.reindex(&id);
            }
        }
        for id in delta.removed {
            if !self.s.poll.newer.contains(&id) {
                self.s.candidates.remove(&id);
                self.reindex(&id);
            }
        }
        self.release_held_that_moved();
        self.s.poll.settled = Some(self.s.poll.started_at_change);
        self.s.poll.last_ok_ms = Some(self.now());
        self.s.poll.error = None;
        self.s.slots_await_poll = false;
        self.may_fill(Fill::Fresh);
        self.poll_again();
    }

    pub(super) fn poll_failed(&mut self, poll_id: u64, error: String) {
        if !self.is_current_poll(poll_id) {
            return;
        }
        self.s.poll.in_flight = None;
        self.s.poll.reconciling.clear();
        self.s.poll.error = Some(error);
        self.poll_again();
    }

    fn poll_again(&mut self) {
        if self.s.poll.again {
            // The candidates just read are dispatched first; `newer` starts empty for the next cycle.
            self.fill_slots();
            self.start_poll("coalesced");
        }
    }

    /// Takes in what a read says about one id; `None` when the tracker no longer shows it.
    pub(super) fn learn(&mut self, id: &str, answers: &mut Answers) -> Option<Standing> {
        self.mark_newer(id);
        if answers.missing.contains(id) {
            self.s.candidates.remove(id);
            self.reindex(id);
            return None;
        }
        if let Some(issue) = answers.changed.remove(id) {
            if let Some(running) = self.s.running.get_mut(id) {
                running.issue = issue.clone();
            }
            if let Some(retry) = self.s.retries.get_mut(id) {
                retry.issue = issue.clone();
            }
            if let Some(history) = self.s.history.get_mut(id) {
                history.state.clone_from(&issue.state);
            }
            self.s.candidates.insert(id.to_owned(), issue);
        }
        let standing = self.s.known(id).map(|issue| self.s.config.standing(issue))?;
        if matches!(standing, Standing::Terminal | Standing::NotActive) {
            self.s.candidates.remove(id);
        }
        self.reindex(id);
        Some(standing)
    }

    /// Purpose and ids of a read in flight, which is over with this.
    fn take_read(&mut self, refresh_id: u64) -> Option<(RefreshPurpose, BTreeSet<String>)> {
        let (purpose, reads) = self
            .s
            .refreshes
            .iter_mut()
            .find(|(_, reads)| reads.in_flight.is_some_and(|read| read.id == refresh_id))?;
        reads.in_flight = None;
        Some((*purpose, std::mem::take(&mut reads.asked)))
    }

    pub(super) fn refreshed(&mut self, refresh_id: u64, mut reread: Reread) {
        let Some((purpose, asked)) = self.take_read(refresh_id) else { return };
        let unread = std::mem::take(&mut reread.unread);
        let mut answers = Answers::from(reread);
        if purpose == RefreshPurpose::Slot && asked.iter().all(|id| unread.contains_key(id)) {
            // Asking for one after the other would not end soon if all are like this.
            self.s.slots_await_poll = true;
        }
        let mut ids: Vec<String> = asked.into_iter().collect();
        if purpose == RefreshPurpose::Slot {
            // Those that have waited longest come first.
            ids.sort_by_key(|id| {
                let retry = self.s.retries.get(id);
                let waiting = retry.and_then(|retry| retry.waiting_since);
                (
                    waiting.unwrap_or(u64::MAX),
                    self.s.known(id).map(crate::dispatch::index::OrderKey::of),
                )
            });
        }
        for id in ids {
            if let Some(error) = unread.get(&id) {
                match purpose {
                    RefreshPurpose::TurnBoundary => self.boundary_unread(&id, error),
                    RefreshPurpose::Retry => self.retry_unread(&id, error),
                    RefreshPurpose::Slot => self.slot_unread(&id, error),
                }
                continue;
            }
            match purpose {
                RefreshPurpose::TurnBoundary => self.boundary_read(&id, &mut answers),
                RefreshPurpose::Retry => self.retry_read(&id, &mut answers),
                RefreshPurpose::Slot => self.slot_read(&id, &mut answers),
            }
        }
        self.may_fill(Fill::Reread);
    }

    /// An error is never "gone" (ruling 11).
    pub(super) fn refresh_failed(&mut self, refresh_id: u64, error: &str) {
        let Some((purpose, asked)) = self.take_read(refresh_id) else { return };
        if purpose == RefreshPurpose::Slot {
            self.s.slots_await_poll = true;
        }
        for id in asked {
            match purpose {
                RefreshPurpose::TurnBoundary => self.boundary_unread(&id, error),
                RefreshPurpose::Retry => self.retry_unread(&id, error),
                RefreshPurpose::Slot => self.reindex(&id),
            }
        }
        self.may_fill(Fill::Reread);
    }

    /// Stalls (ruling 5), and requests that nobody answers: they count as failed, so that nothing waits for ever.
    pub(super) fn tick(&mut self, silence: &BTreeMap<String, u64>) {
        for (attempt_id, ms) in silence {
            let Some(id) = self.index.issue_of(attempt_id).cloned() else { continue };
            if self.s.is_stalled(&id, *ms) {
                self.stop(&id, StopReason::Stalled);
            }
        }
        let overdue = |request: InFlight, step: &Self| step.s.is_overdue(request, step.now());
        let error = "the tracker did not answer in time";
        if let Some(poll) = self.s.poll.in_flight
            && overdue(poll, self)
        {
            self.poll_failed(poll.id, error.to_owned());
        }
        if let Some(fetch) = self.s.terminal_fetch
            && overdue(fetch, self)
        {
            self.take_terminal_fetch(fetch.id);
        }
        let reads: Vec<InFlight> =
            self.s.refreshes.values().filter_map(|reads| reads.in_flight).collect();
        for read in reads {
            if overdue(read, self) {
                self.refresh_failed(read.id, error);
            }
        }
    }
}
