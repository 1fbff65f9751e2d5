//! Starts, restarts, reloads and the end of the daemon.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use super::{Fill, Step};
use crate::dispatch::config::DispatchConfig;
use crate::dispatch::effect::{Effect, RefreshPurpose, StopReason, TimerKey};
use crate::dispatch::event::{AttemptOutcome, Failure, IssueRef, ShutdownMode};
use crate::dispatch::index::Index;
use crate::dispatch::state::{InFlight, Phase, PollState, RefreshState};

impl Step<'_> {
    /// Symphony §16.1: cleanup and the first tick at once.
    pub(super) fn started(&mut self, instance: String, config: DispatchConfig) {
        if self.s.started {
            return;
        }
        self.s.started = true;
        self.s.instance = instance;
        self.s.config = config;
        self.begin();
    }

    fn begin(&mut self) {
        let fetch_id = self.next_number();
        self.s.terminal_fetch = Some(InFlight { id: fetch_id, since_ms: self.now() });
        let states = self.s.config.terminal_states.clone();
        self.emit(Effect::FetchTerminal {
            fetch_id, states, rule: Cow::Borrowed("Symphony §8.6")
        });
        let interval = self.s.config.poll_interval_ms.max(1);
        self.s.poll.timer = Some(self.set_timer(TimerKey::Poll, interval));
        self.start_poll("Symphony §8.1");
    }

    /// Carries on where the recorded events end. What was demanded and has no answer is demanded again; attempts
    /// without a supervisor are lost.
    pub(super) fn restarted(&mut self, config: DispatchConfig, alive: &BTreeSet<String>) {
        self.s.config = config;
        self.s.broken = None;
        self.s.shutdown = None;
        self.s.shutdown_announced = false;
        self.s.slots_await_poll = false;
        self.s.timers.clear();
        let settled = self.s.poll.settled;
        let last_ok_ms = self.s.poll.last_ok_ms;
        self.s.poll = PollState { settled, last_ok_ms, ..PollState::default() };
        let reads = std::mem::take(&mut self.s.refreshes);
        *self.index = Index::of(self.s);
        self.changed();

        let live: Vec<(String, String)> =
            self.s.running.iter().map(|(id, r)| (id.clone(), r.attempt_id.clone())).collect();
        let ours: BTreeSet<&String> = live.iter().map(|(_, attempt)| attempt).collect();
        for orphan in alive.iter().filter(|attempt| !ours.contains(attempt)) {
            self.emit(Effect::StopAttempt {
                attempt_id: orphan.clone(),
                reason: StopReason::Orphan,
                cleanup: false,
                rule: StopReason::Orphan.rule(),
            });
        }
        self.rearm_retries(reads.get(&RefreshPurpose::Retry));
        for (id, attempt_id) in &live {
            if alive.contains(attempt_id) {
                self.demand_again(id);
            } else {
                self.lost(id, attempt_id);
            }
        }
        for cleaning in self.s.cleaning.clone().into_values() {
            self.emit(Effect::CleanupWorkspace {
                cleanup_id: cleaning.id,
                issue: cleaning.issue,
                rule: Cow::Borrowed("Symphony §8.5"),
            });
        }
        self.begin();
        self.may_fill(Fill::Reread);
    }

    fn rearm_retries(&mut self, reads: Option<&RefreshState>) {
        let ids: Vec<String> = self.s.retries.keys().cloned().collect();
        for id in ids {
            let asked = reads.is_some_and(|r| r.asked.contains(&id) || r.waiting.contains(&id));
            let now = self.now();
            let Some(retry) = self.s.retries.get(&id) else { continue };
            let left = match retry.timer {
                Some(timer) if !asked => timer.due_ms.saturating_sub(now).min(retry.delay_ms),
                _ => 0,
            };
            let timer = self.set_timer(TimerKey::Retry { issue_id: id.clone() }, left);
            if let Some(retry) = self.s.retries.get_mut(&id) {
                retry.timer = Some(timer);
            }
        }
    }

    fn demand_again(&mut self, id: &str) {
        let Some(running) = self.s.running.get(id) else { return };
        let attempt_id = running.attempt_id.clone();
        let rule = Cow::Borrowed("restart");
        for (request, asked) in &running.questions {
            if let (true, Some(answer)) = (asked.sent, asked.answer.clone()) {
                self.effects.push(Effect::Answer {
                    attempt_id: attempt_id.clone(),
                    request: request.clone(),
                    answer,
                    rule: rule.clone(),
                });
            }
        }
        match running.phase.clone() {
            Phase::Starting | Phase::Working | Phase::Blocked => {}
            Phase::Boundary => self.want_read(RefreshPurpose::TurnBoundary, id),
            Phase::Continuing { turn_no } => {
                let issue = Box::new(running.issue.clone());
                self.emit(Effect::NextTurn { attempt_id, turn_no, issue, rule });
            }
            Phase::Ending { failure } => {
                self.emit(Effect::EndSession { attempt_id, failure, rule });
            }
            Phase::Stopping { reason } => self.emit(Effect::StopAttempt {
                attempt_id,
                reason,
                cleanup: reason == StopReason::Terminal,
                rule,
            }),
        }
    }

    /// The session did not survive the restart. What had been asked of it counts as done; otherwise it failed.
    fn lost(&mut self, id: &str, attempt_id: &str) {
        let Some(running) = self.s.running.get(id) else { return };
        let outcome = match running.phase {
            Phase::Stopping { .. } => AttemptOutcome::Stopped,
            Phase::Ending { .. } => AttemptOutcome::Normal,
            _ => AttemptOutcome::Failed {
                failure: Failure {
                    category: "lost".to_owned(),
                    error: "the session did not survive the restart".to_owned(),
                },
            },
        };
        let usage = running.usage;
        let ran_ms = running.last_event_ms.saturating_sub(running.started_ms);
        self.attempt_ended(attempt_id, outcome, usage, ran_ms, Value::Null);
    }

    /// Symphony §6.2: everything counts from now on; a valid file ends a broken one.
    pub(super) fn config_changed(&mut self, config: DispatchConfig) {
        let old = std::mem::replace(&mut self.s.config, config);
        self.s.broken = None;
        let new = &self.s.config;
        let selects_others = old.active_states != new.active_states
            || old.terminal_states != new.terminal_states
            || old.required_labels != new.required_labels;
        let interval = new.poll_interval_ms.max(1);
        *self.index = Index::of(self.s);
        self.changed();
        if let Some(timer) = self.s.poll.timer
            && timer.due_ms > self.now().saturating_add(interval)
        {
            self.cancel_timer(Some(timer));
            self.s.poll.timer = Some(self.set_timer(TimerKey::Poll, interval));
        }
        if selects_others {
            self.start_poll("Symphony §6.2");
        }
        self.may_fill(Fill::Reread);
    }

    pub(super) fn take_terminal_fetch(&mut self, fetch_id: u64) -> bool {
        let current = self.s.terminal_fetch.is_some_and(|fetch| fetch.id == fetch_id);
        if current {
            self.s.terminal_fetch = None;
        }
        current
    }

    /// Symphony §8.6. Live attempts are left to reconciliation, and what a later poll saw active is active.
    pub(super) fn terminal_fetched(&mut self, fetch_id: u64, issues: Vec<IssueRef>) {
        if !self.take_terminal_fetch(fetch_id) {
            return;
        }
        for issue in issues {
            let id = issue.id.clone();
            let live = self.s.running.contains_key(&id) || self.s.cleaning.contains_key(&id);
            if live || self.s.candidates.contains_key(&id) {
                continue;
            }
            if let Some(retry) = self.s.retries.remove(&id) {
                self.cancel_timer(retry.timer);
                self.forget_reads(&id);
                self.released(issue.clone(), "Symphony §8.6");
            }
            if self.s.held.remove(&id).is_some() {
                self.released(issue.clone(), "Symphony §8.6");
            }
            self.clean(issue, "Symphony §8.6");
        }
    }

    pub(super) fn shutdown_requested(&mut self, mode: ShutdownMode) {
        self.s.shutdown = Some(mode);
        self.s.shutdown_announced = false;
        let stops: Vec<String> = self
            .s
            .running
            .iter()
            .filter(|(_, running)| match mode {
                ShutdownMode::Detach => false,
                ShutdownMode::Drain => running.phase == Phase::Blocked,
                ShutdownMode::Stop => true,
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in stops {
            self.stop(&id, StopReason::Shutdown);
        }
    }

    pub(super) fn announce_shutdown(&mut self) {
        let Some(mode) = self.s.shutdown else { return };
        let quiet = mode == ShutdownMode::Detach
            || (self.s.running.is_empty() && self.s.cleaning.is_empty());
        if quiet && !self.s.shutdown_announced {
            self.s.shutdown_announced = true;
            self.emit(Effect::ShutdownReady);
        }
    }
}
