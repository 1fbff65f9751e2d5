//! Applying one event: what it changes, then what the change makes possible.

mod attempts;
mod claims;
mod fill;
mod operator;
mod questions;
mod reads;
mod startup;

use std::borrow::Cow;

use super::effect::{Effect, RefreshPurpose, TimerKey};
use super::event::Event;
use super::index::Index;
use super::state::{InFlight, State, Timer};

/// How far an event may have opened slots or brought issues to fill them with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fill {
    No,
    /// Candidates are read by id before their dispatch.
    Reread,
    /// A poll has just read the candidates.
    Fresh,
}

/// One event being applied.
pub(super) struct Step<'a> {
    s: &'a mut State,
    index: &'a mut Index,
    effects: Vec<Effect>,
    fill: Fill,
}

impl<'a> Step<'a> {
    pub(super) fn new(s: &'a mut State, index: &'a mut Index) -> Self {
        Self { s, index, effects: Vec::new(), fill: Fill::No }
    }

    pub(super) fn run(mut self, event: Event) -> Vec<Effect> {
        if self.s.started || matches!(event, Event::Started { .. }) {
            self.handle(event);
            self.fill_slots();
            self.send_reads();
            self.announce_shutdown();
        }
        self.effects
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Started { instance, config } => self.started(instance, config),
            Event::Restarted { config, alive } => self.restarted(config, &alive),
            Event::ConfigChanged { config } => self.config_changed(config),
            Event::WorkflowBroken { error } => self.s.broken = Some(error),
            Event::TimerFired { timer_id } => self.timer_fired(timer_id),
            Event::Tick { silence } => self.tick(&silence),
            Event::Reconciled { poll_id, reread } => self.reconciled(poll_id, reread),
            Event::ReconcileFailed { poll_id, error } => self.reconcile_failed(poll_id, error),
            Event::Polled { poll_id, delta } => self.polled(poll_id, delta),
            Event::PollFailed { poll_id, error } => self.poll_failed(poll_id, error),
            Event::Refreshed { refresh_id, reread } => self.refreshed(refresh_id, reread),
            Event::RefreshFailed { refresh_id, error } => self.refresh_failed(refresh_id, &error),
            Event::TerminalFetched { fetch_id, issues } => self.terminal_fetched(fetch_id, issues),
            Event::TerminalFetchFailed { fetch_id, .. } => {
                self.take_terminal_fetch(fetch_id);
            }
            Event::WorkspaceCleaned { cleanup_id, .. } => self.workspace_cleaned(cleanup_id),
            Event::SessionStarted { attempt_id, session } => {
                self.session_started(&attempt_id, session);
            }
            Event::TurnStarted { attempt_id, turn_no, session_id } => {
                self.turn_started(&attempt_id, turn_no, session_id);
            }
            Event::TurnEnded { attempt_id, turn_no, outcome, usage } => {
                self.turn_ended(&attempt_id, turn_no, outcome, usage);
            }
            Event::UsageReported { attempt_id, usage } => self.usage_reported(&attempt_id, usage),
            Event::RateLimits { limits } => self.s.rate_limits = Some(limits),
            Event::InputRequired { attempt_id, request, question } => {
                self.input_required(&attempt_id, request, question);
            }
            Event::InputAnswered { attempt_id, request } => {
                self.input_answered(&attempt_id, &request);
            }
            Event::AttemptEnded { attempt_id, outcome, usage, ran_ms, evidence } => {
                self.attempt_ended(&attempt_id, outcome, usage, ran_ms, evidence);
            }
            Event::RefreshRequested => self.start_poll("Symphony §13.7.2"),
            Event::Paused => self.s.paused = true,
            Event::Resumed => {
                self.s.paused = false;
                self.may_fill(Fill::Reread);
            }
            Event::StopRequested { issue_id } => self.stop_requested(&issue_id),
            Event::RetryNow { issue_id } => self.retry_now(&issue_id),
            Event::OperatorAnswered { issue_id, request, answer } => {
                self.operator_answered(&issue_id, &request, answer);
            }
            Event::ShutdownRequested { mode } => self.shutdown_requested(mode),
        }
    }

    fn now(&self) -> u64 {
        self.s.clock.now_ms
    }

    fn next_number(&mut self) -> u64 {
        self.s.counter += 1;
        self.s.counter
    }

    fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn may_fill(&mut self, how: Fill) {
        self.fill = self.fill.max(how);
    }

    /// Something happened that a poll begun before it cannot know of.
    fn changed(&mut self) {
        self.s.change += 1;
    }

    fn reindex(&mut self, id: &str) {
        self.index.update(self.s, id);
    }

    /// Marks an issue as known better than by the poll that is under way.
    fn mark_newer(&mut self, id: &str) {
        if self.s.poll.in_flight.is_some() {
            self.s.poll.newer.insert(id.to_owned());
        }
    }

    fn set_timer(&mut self, key: TimerKey, delay_ms: u64) -> Timer {
        let id = self.next_number();
        let timer = Timer { id, due_ms: self.now().saturating_add(delay_ms) };
        let due_at_ms = self.s.clock.to_wall(timer.due_ms);
        self.s.timers.insert(id, key.clone());
        self.emit(Effect::SetTimer { key, timer_id: id, delay_ms, due_at_ms });
        timer
    }

    fn cancel_timer(&mut self, timer: Option<Timer>) {
        let Some(timer) = timer else { return };
        if let Some(key) = self.s.timers.remove(&timer.id) {
            self.emit(Effect::CancelTimer { key, timer_id: timer.id });
        }
    }

    fn timer_fired(&mut self, timer_id: u64) {
        match self.s.timers.remove(&timer_id) {
            Some(TimerKey::Poll) => self.poll_due(),
            Some(TimerKey::Retry { issue_id }) => self.retry_due(&issue_id),
            None => {}
        }
    }

    /// Wants an issue read by id; goes out with others of the same purpose.
    fn want_read(&mut self, purpose: RefreshPurpose, id: &str) {
        let reads = self.s.refreshes.entry(purpose).or_default();
        if !reads.asked.contains(id) {
            reads.waiting.insert(id.to_owned());
        }
    }

    /// One batch for each purpose, where none is in flight.
    fn send_reads(&mut self) {
        for (purpose, rule) in [
            (RefreshPurpose::TurnBoundary, "Symphony §16.5"),
            (RefreshPurpose::Retry, "Symphony §8.4"),
            (RefreshPurpose::Slot, "ruling 16"),
        ] {
            let ready = self
                .s
                .refreshes
                .get(&purpose)
                .is_some_and(|reads| reads.in_flight.is_none() && !reads.waiting.is_empty());
            if !ready {
                continue;
            }
            let refresh_id = self.next_number();
            let since_ms = self.now();
            let Some(reads) = self.s.refreshes.get_mut(&purpose) else { continue };
            reads.in_flight = Some(InFlight { id: refresh_id, since_ms });
            reads.asked = std::mem::take(&mut reads.waiting);
            let ids = reads.asked.iter().cloned().collect();
            let rule = Cow::Borrowed(rule);
            self.emit(Effect::Refresh { refresh_id, purpose, ids, rule });
        }
    }
}
