//! Claims: taking one, waiting with one, giving it up.

use std::borrow::Cow;

use super::{Fill, Step};
use crate::dispatch::config::Standing;
use crate::dispatch::effect::{Effect, RefreshPurpose, TimerKey};
use crate::dispatch::event::{Failure, IssueRef};
use crate::dispatch::slots::Slots;
use crate::dispatch::state::{
    Cleaning, HISTORIES_KEPT, IssueHistory, Phase, Retry, RetryKind, Running,
};
use crate::issue::Issue;

/// What a claim without an attempt waits with.
pub(super) struct Wait {
    pub(super) issue: Issue,
    pub(super) attempt: Option<u32>,
    pub(super) failures: u32,
    pub(super) kind: RetryKind,
    pub(super) error: Option<String>,
    pub(super) delay_ms: u64,
}

/// Delay before a continuation, in milliseconds (Symphony §8.4).
const CONTINUATION_MS: u64 = 1_000;

impl Step<'_> {
    /// Symphony §16.4. The caller has made sure that the issue is eligible and has room.
    pub(super) fn dispatch(&mut self, issue: Issue, rule: &'static str) {
        let id = issue.id.clone();
        if self.s.running.contains_key(&id) {
            return;
        }
        let waited = self.s.retries.remove(&id);
        let (mut attempt, mut failures) = (None, 0);
        if let Some(retry) = waited {
            self.cancel_timer(retry.timer);
            (attempt, failures) = (retry.attempt, retry.failures);
        }
        self.forget_reads(&id);
        self.mark_newer(&id);
        let number = self.next_number();
        let attempt_id = format!("{}-a{number}", self.s.instance);
        let now = self.now();
        self.index.attempt_started(&attempt_id, &id);
        self.s.totals.attempts += 1;
        let history = self.remember(&issue);
        history.attempts_started = history.attempts_started.saturating_add(1);
        self.s.running.insert(
            id.clone(),
            Running {
                attempt_id: attempt_id.clone(),
                issue: issue.clone(),
                attempt,
                failures,
                phase: Phase::Starting,
                slot: true,
                started_ms: now,
                last_event_ms: now,
                last_event: "dispatched".to_owned(),
                session: None,
                session_id: None,
                turns: 0,
                turns_ended: 0,
                usage: Default::default(),
                questions: Default::default(),
                settled: Default::default(),
                resume_since: None,
            },
        );
        self.reindex(&id);
        let max_turns = self.s.config.max_turns.max(1);
        let (issue, rule) = (Box::new(issue), Cow::Borrowed(rule));
        self.emit(Effect::StartAttempt { attempt_id, issue, attempt, max_turns, rule });
    }

    /// The record of an issue; the one untouched for longest makes room for a new one.
    pub(super) fn remember(&mut self, issue: &Issue) -> &mut IssueHistory {
        let now = self.now();
        if !self.s.history.contains_key(&issue.id) && self.s.history.len() >= HISTORIES_KEPT {
            let oldest = self
                .s
                .history
                .iter()
                .filter(|(id, _)| !self.s.is_claimed(id))
                .min_by_key(|(_, history)| history.touched_ms)
                .map(|(id, _)| id.clone());
            if let Some(id) = oldest {
                self.s.history.remove(&id);
            }
        }
        let history = self.s.history.entry(issue.id.clone()).or_insert_with(|| IssueHistory {
            identifier: issue.identifier.clone(),
            state: issue.state.clone(),
            attempts_started: 0,
            completed: false,
            last_error: None,
            attempts: Vec::new(),
            touched_ms: now,
        });
        history.identifier.clone_from(&issue.identifier);
        history.state.clone_from(&issue.state);
        history.touched_ms = now;
        history
    }

    /// Keeps the claim and looks again after a delay.
    pub(super) fn wait(&mut self, wait: Wait) {
        let id = wait.issue.id.clone();
        if let Some(old) = self.s.retries.remove(&id) {
            self.cancel_timer(old.timer);
        }
        let timer = self.set_timer(TimerKey::Retry { issue_id: id.clone() }, wait.delay_ms);
        self.s.retries.insert(
            id.clone(),
            Retry {
                issue: wait.issue,
                attempt: wait.attempt,
                failures: wait.failures,
                kind: wait.kind,
                error: wait.error,
                timer: Some(timer),
                delay_ms: wait.delay_ms,
                waiting_since: None,
            },
        );
        self.reindex(&id);
    }

    /// A clean exit: looks soon whether the issue needs another session; failures are forgotten (ruling 6).
    pub(super) fn continue_later(&mut self, issue: Issue) {
        let (attempt, kind) = (Some(1), RetryKind::Continuation);
        let delay_ms = CONTINUATION_MS;
        self.wait(Wait { issue, attempt, failures: 0, kind, error: None, delay_ms });
    }

    /// A failure: the attempt's number is the number of failures in a row (Symphony §8.4, ruling 6).
    pub(super) fn retry_later(&mut self, issue: Issue, failures_before: u32, failure: &Failure) {
        let failures = failures_before.saturating_add(1);
        let delay_ms = self.s.config.backoff_ms(failures);
        let error = Some(format!("{}: {}", failure.category, failure.error));
        self.remember(&issue).last_error.clone_from(&error);
        let (attempt, kind) = (Some(failures), RetryKind::Failure);
        self.wait(Wait { issue, attempt, failures, kind, error, delay_ms });
    }

    pub(super) fn retry_due(&mut self, id: &str) {
        let Some(retry) = self.s.retries.get_mut(id) else { return };
        retry.timer = None;
        self.want_read(RefreshPurpose::Retry, id);
    }

    /// Symphony §16.6, the read succeeded.
    pub(super) fn retry_read(&mut self, id: &str, answers: &mut super::reads::Answers) {
        if !self.s.retries.contains_key(id) {
            return;
        }
        let standing = self.learn(id, answers);
        let Some(retry) = self.s.retries.get(id) else { return };
        let issue = retry.issue.clone();
        match standing {
            None => self.give_up(id, "Symphony §8.4"),
            Some(Standing::Terminal) => {
                self.give_up(id, "Symphony §8.4");
                self.clean(IssueRef::of(&issue), "Symphony §8.4");
            }
            Some(Standing::Eligible) => {
                let room = Slots::with_promised(self.s).room_for(self.s, &issue.state);
                if room && self.s.may_dispatch() {
                    self.dispatch(issue, "Symphony §8.4");
                } else {
                    self.wait_for_slot(id, room);
                }
            }
            Some(_) => self.give_up(id, "Symphony §8.4"),
        }
    }

    /// Eligible, but there is no slot: the count does not rise (ruling 6), the next free slot may take it
    /// (ruling 16), and it is read again now and then.
    fn wait_for_slot(&mut self, id: &str, room: bool) {
        let error = if room { "dispatch is suspended" } else { "no available orchestrator slots" };
        self.look_again(id, error.to_owned());
        let now = self.now();
        if let Some(retry) = self.s.retries.get_mut(id) {
            retry.waiting_since.get_or_insert(now);
        }
    }

    pub(super) fn retry_unread(&mut self, id: &str, error: &str) {
        self.look_again(id, format!("retry refresh failed: {error}"));
    }

    fn look_again(&mut self, id: &str, error: String) {
        let Some(retry) = self.s.retries.get(id) else { return };
        let (old, failures) = (retry.timer, retry.failures.max(1));
        self.cancel_timer(old);
        let delay_ms = self.s.config.backoff_ms(failures);
        let timer = self.set_timer(TimerKey::Retry { issue_id: id.to_owned() }, delay_ms);
        if let Some(retry) = self.s.retries.get_mut(id) {
            retry.timer = Some(timer);
            retry.delay_ms = delay_ms;
            retry.error = Some(error);
        }
    }

    /// A free slot's read succeeded.
    pub(super) fn slot_read(&mut self, id: &str, answers: &mut super::reads::Answers) {
        if self.s.retries.contains_key(id) {
            return self.retry_read(id, answers);
        }
        let standing = self.learn(id, answers);
        if standing != Some(Standing::Eligible) || self.s.is_claimed(id) || !self.s.may_dispatch() {
            return;
        }
        let Some(issue) = self.s.candidates.get(id).cloned() else { return };
        if Slots::with_promised(self.s).room_for(self.s, &issue.state) {
            self.dispatch(issue, "Symphony §8.2");
        }
    }

    /// A free slot's read succeeded, but for this record: the slot goes to others. A claim looks again after its
    /// delay; a candidate is one again when a poll finds it readable.
    pub(super) fn slot_unread(&mut self, id: &str, error: &str) {
        if let Some(retry) = self.s.retries.get_mut(id) {
            retry.waiting_since = None;
            self.retry_unread(id, error);
        } else if !self.s.is_claimed(id) {
            self.s.candidates.remove(id);
            self.changed();
        }
        self.reindex(id);
    }

    /// Ends a claim that has no attempt.
    fn give_up(&mut self, id: &str, rule: &'static str) {
        let Some(retry) = self.s.retries.remove(id) else { return };
        self.cancel_timer(retry.timer);
        self.forget_reads(id);
        self.released(IssueRef::of(&retry.issue), rule);
    }

    /// The claim is gone; says so.
    pub(super) fn released(&mut self, issue: IssueRef, rule: &'static str) {
        self.changed();
        self.mark_newer(&issue.id);
        self.reindex(&issue.id);
        self.emit(Effect::Released { issue, rule: Cow::Borrowed(rule) });
        self.may_fill(Fill::Reread);
    }

    /// No read is wanted for the issue any more; answers in flight about it change nothing.
    pub(super) fn forget_reads(&mut self, id: &str) {
        for reads in self.s.refreshes.values_mut() {
            reads.waiting.remove(id);
            reads.asked.remove(id);
        }
    }

    /// Removes the workspace; until that is done, the issue is not dispatched.
    pub(super) fn clean(&mut self, issue: IssueRef, rule: &'static str) {
        let cleanup_id = self.next_number();
        let id = issue.id.clone();
        self.s.cleaning.insert(id.clone(), Cleaning { id: cleanup_id, issue: issue.clone() });
        self.reindex(&id);
        self.emit(Effect::CleanupWorkspace { cleanup_id, issue, rule: Cow::Borrowed(rule) });
    }

    pub(super) fn workspace_cleaned(&mut self, cleanup_id: u64) {
        let found = self.s.cleaning.iter().find(|(_, cleaning)| cleaning.id == cleanup_id);
        let Some(id) = found.map(|(id, _)| id.clone()) else { return };
        self.s.cleaning.remove(&id);
        self.changed();
        self.reindex(&id);
        self.may_fill(Fill::Reread);
    }
}
