//! What must hold after each event, kept by a model of its own that sees only events and effects.

use std::collections::{BTreeMap, BTreeSet};

use canon_orchestrator::config::OnInputRequired;
use canon_orchestrator::dispatch::{
    AttemptOutcome, DispatchConfig, Effect, Event, Machine, RefreshPurpose, Standing, StopReason,
    TimerKey,
};
use canon_orchestrator::issue::state_key;

use super::agent::{Agent, Doing};
use super::tracker::Tracker;
use super::world::Tally;

/// What was last demanded of an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Demand {
    End { failed: bool },
    Stop(StopReason),
}

#[derive(Default)]
pub(crate) struct Checks {
    /// Attempts that hold a slot.
    slots: BTreeSet<String>,
    started: BTreeSet<String>,
    demands: BTreeMap<String, Demand>,
    /// Failures in a row, by issue.
    failures: BTreeMap<String, u32>,
    /// Since when attempts work on what they should not.
    wrong_since: BTreeMap<String, u64>,
}

/// Live attempts before an event, with their issues.
pub(crate) struct Before(BTreeMap<String, String>);

impl Checks {
    pub(crate) fn before(&self, machine: &Machine, event: &Event) -> Before {
        let relevant = matches!(
            event,
            Event::AttemptEnded { .. }
                | Event::Restarted { .. }
                | Event::InputRequired { .. }
                | Event::InputAnswered { .. }
        );
        let live = machine.live_attempts().filter(|_| relevant);
        Before(live.map(|(attempt, issue)| (attempt.to_owned(), issue.id.clone())).collect())
    }

    pub(crate) fn after(
        &mut self,
        machine: &Machine,
        before: &Before,
        event: &Event,
        effects: &[Effect],
        agents: &BTreeMap<String, Agent>,
        tally: &mut Tally,
    ) {
        self.ends(machine.config(), before, event, effects, tally);
        self.questions(machine.config(), before, event, effects, agents);
        for effect in effects {
            match effect {
                Effect::StartAttempt { attempt_id, issue, .. } => {
                    tally.dispatches += 1;
                    assert!(self.started.insert(attempt_id.clone()), "{attempt_id} twice");
                    self.slots.insert(attempt_id.clone());
                    let standing = machine.config().standing(issue);
                    assert_eq!(standing, Standing::Eligible, "dispatched {issue:?}");
                    self.limits(machine, &issue.state);
                }
                Effect::Answer { attempt_id, .. } => {
                    let gave = matches!(event, Event::Restarted { .. });
                    if self.slots.insert(attempt_id.clone()) && !gave {
                        let limit = machine.config().max_concurrent_agents as usize;
                        assert!(self.slots.len() <= limit, "an answer exceeds the slots");
                    }
                }
                Effect::EndSession { attempt_id, failure, .. } => {
                    let demand = Demand::End { failed: failure.is_some() };
                    self.demands.insert(attempt_id.clone(), demand);
                }
                Effect::StopAttempt { attempt_id, reason, cleanup, .. } => {
                    if *reason == StopReason::Stalled {
                        tally.stalls += 1;
                        waits_for_itself(agents.get(attempt_id));
                    }
                    assert_eq!(*cleanup, *reason == StopReason::Terminal);
                    self.demands.insert(attempt_id.clone(), Demand::Stop(*reason));
                }
                Effect::Refresh { purpose: RefreshPurpose::Slot, .. } => tally.slot_reads += 1,
                Effect::Released { issue, .. } => {
                    self.failures.remove(&issue.id);
                }
                _ => {}
            }
        }
        if !before.0.is_empty() {
            let used = machine.snapshot(0).slots_used as usize;
            assert_eq!(used, self.slots.len(), "slots leak after {event:?}");
        }
    }

    /// Symphony §8.3, at each dispatch.
    fn limits(&self, machine: &Machine, state: &str) {
        let snapshot = machine.snapshot(0);
        assert!(
            !snapshot.paused && snapshot.workflow_error.is_none(),
            "dispatched while suspended"
        );
        assert!(snapshot.shutdown.is_none(), "dispatched while shutting down");
        let config = machine.config();
        let used = self.slots.len();
        assert!(used <= config.max_concurrent_agents as usize, "{used} slots in use");
        let key = state_key(state);
        let Some(limit) = config.max_concurrent_agents_by_state.get(&key) else { return };
        let same = snapshot
            .running
            .iter()
            .filter(|row| state_key(&row.state) == key && self.slots.contains(&row.attempt_id))
            .count();
        assert!(same <= *limit as usize, "{same} slots in use in state {key}");
    }

    /// Symphony §8.4 after each end of an attempt.
    fn ends(
        &mut self,
        config: &DispatchConfig,
        before: &Before,
        event: &Event,
        effects: &[Effect],
        tally: &mut Tally,
    ) {
        match event {
            Event::AttemptEnded { attempt_id, outcome, .. } => {
                if let Some(issue) = before.0.get(attempt_id) {
                    let failed = *outcome != AttemptOutcome::Normal;
                    self.end(config, attempt_id, issue, failed, effects, tally);
                }
            }
            // Held from now on, if it waited for a retry.
            Event::StopRequested { issue_id } => {
                self.failures.remove(issue_id);
            }
            Event::Restarted { alive, .. } => {
                for (attempt_id, issue) in before.0.iter().filter(|(id, _)| !alive.contains(*id)) {
                    let asked = self.demands.contains_key(attempt_id);
                    self.end(config, attempt_id, issue, !asked, effects, tally);
                }
            }
            _ => {}
        }
    }

    fn end(
        &mut self,
        config: &DispatchConfig,
        attempt_id: &str,
        issue: &str,
        failed: bool,
        effects: &[Effect],
        tally: &mut Tally,
    ) {
        self.slots.remove(attempt_id);
        self.wrong_since.remove(attempt_id);
        let fails = match self.demands.remove(attempt_id) {
            Some(Demand::Stop(StopReason::Stalled | StopReason::InputRequired)) => true,
            Some(Demand::Stop(StopReason::Shutdown)) => {
                assert_eq!(retry_delay(effects, issue), Some(0), "an interrupted attempt waits");
                return;
            }
            Some(Demand::Stop(_)) => {
                self.failures.remove(issue);
                assert_eq!(retry_delay(effects, issue), None, "a released issue is retried");
                return;
            }
            Some(Demand::End { failed: demanded }) => demanded || failed,
            None => failed,
        };
        if fails {
            tally.failures += 1;
            let count = self.failures.entry(issue.to_owned()).or_default();
            *count += 1;
            let doubled = 10_000_f64 * 2_f64.powi(*count as i32 - 1);
            let expected = doubled.min(config.max_retry_backoff_ms as f64) as u64;
            assert_eq!(retry_delay(effects, issue), Some(expected), "after failure {count}");
        } else {
            tally.continuations += 1;
            self.failures.insert(issue.to_owned(), 0);
            assert_eq!(retry_delay(effects, issue), Some(1_000), "after a clean exit");
        }
    }

    /// Ruling 7: a question gives the slot back.
    fn questions(
        &mut self,
        config: &DispatchConfig,
        before: &Before,
        event: &Event,
        effects: &[Effect],
        agents: &BTreeMap<String, Agent>,
    ) {
        let doomed = |id: &str| agents.get(id).is_none_or(|agent| agent.doomed);
        match event {
            Event::InputRequired { attempt_id, .. } if before.0.contains_key(attempt_id) => {
                let stopped = effects.iter().any(
                    |e| matches!(e, Effect::StopAttempt { attempt_id: of, .. } if of == attempt_id),
                );
                if config.on_input_required == OnInputRequired::Fail {
                    assert!(stopped || doomed(attempt_id), "a question is left alone");
                } else if !stopped && !doomed(attempt_id) {
                    self.slots.remove(attempt_id);
                }
            }
            Event::InputAnswered { attempt_id, .. }
                if before.0.contains_key(attempt_id) && !doomed(attempt_id) =>
            {
                self.slots.insert(attempt_id.clone());
            }
            _ => {}
        }
    }

    /// A change of the rules starts the time to follow them anew.
    pub(crate) fn forgive(&mut self) {
        self.wrong_since.clear();
    }

    /// Symphony §8.5: what is terminal, inactive, unroutable or gone is stopped in bounded time.
    pub(crate) fn bounds(
        &mut self,
        now: u64,
        healthy: bool,
        tracker: &Tracker,
        config: &DispatchConfig,
        agents: &BTreeMap<String, Agent>,
    ) {
        if !healthy {
            return self.forgive();
        }
        let bound = 120_000 + 8 * config.poll_interval_ms + 120_000;
        for agent in agents.values() {
            let issue = tracker.issues.get(&agent.issue_id);
            let right = issue.is_some_and(|i| config.standing(i) == Standing::Eligible);
            let broken = tracker.is_broken(&agent.issue_id, now);
            if right || broken || agent.doomed || !agent.alive() {
                self.wrong_since.remove(&agent.attempt_id);
                continue;
            }
            let since = *self.wrong_since.entry(agent.attempt_id.clone()).or_insert(now);
            assert!(now - since <= bound, "{} goes on for {} ms", agent.attempt_id, now - since);
        }
    }
}

/// A session must not stall because of what the machine forgot to demand.
fn waits_for_itself(agent: Option<&Agent>) {
    let Some(agent) = agent else { return };
    let forgotten = matches!(agent.doing, Doing::Between | Doing::Asking(_));
    assert!(!forgotten || agent.doomed, "{} waits for the machine", agent.attempt_id);
}

fn retry_delay(effects: &[Effect], issue: &str) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::SetTimer { key: TimerKey::Retry { issue_id }, delay_ms, .. } => {
            (issue_id == issue).then_some(*delay_ms)
        }
        _ => None,
    })
}
