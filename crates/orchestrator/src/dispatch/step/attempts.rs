//! What live attempts report, and what ends them.

use std::borrow::Cow;

use serde_json::Value;

use super::claims::Wait;
use super::reads::Answers;
use super::{Fill, Step};
use crate::dispatch::config::Standing;
use crate::dispatch::effect::{Effect, RefreshPurpose, StopReason};
use crate::dispatch::event::{
    AttemptOutcome, Failure, IssueRef, SessionInfo, ShutdownMode, TurnOutcome, Usage,
};
use crate::dispatch::slots::Slots;
use crate::dispatch::state::{ATTEMPTS_KEPT, AttemptRecord, Phase, RetryKind, Running};

/// What follows from the end of an attempt.
enum Aftermath {
    Continue,
    Fail(Failure),
    Release { cleanup: bool, rule: &'static str },
    Hold,
    RunAgain,
}

impl Step<'_> {
    /// The live attempt of this id, with a note of what was just reported.
    pub(super) fn live(&mut self, attempt_id: &str, event: &str) -> Option<(String, &mut Running)> {
        let id = self.index.issue_of(attempt_id)?.clone();
        let now = self.now();
        let running = self.s.running.get_mut(&id)?;
        running.last_event_ms = now;
        event.clone_into(&mut running.last_event);
        Some((id, running))
    }

    pub(super) fn session_started(&mut self, attempt_id: &str, session: SessionInfo) {
        let Some((_, running)) = self.live(attempt_id, "session_started") else { return };
        running.session = Some(session);
        if running.phase == Phase::Starting {
            running.phase = Phase::Working;
        }
    }

    pub(super) fn turn_started(&mut self, attempt_id: &str, turn_no: u32, session_id: String) {
        let Some((_, running)) = self.live(attempt_id, "turn_started") else { return };
        if turn_no <= running.turns {
            return;
        }
        running.turns = turn_no;
        running.session_id = Some(session_id);
        if matches!(running.phase, Phase::Starting | Phase::Continuing { .. }) {
            running.phase = Phase::Working;
        }
    }

    pub(super) fn usage_reported(&mut self, attempt_id: &str, usage: Usage) {
        let Some(id) = self.index.issue_of(attempt_id).cloned() else { return };
        self.count_usage(&id, usage);
    }

    /// Totals grow by what a session's absolute numbers grew (Symphony §13.5).
    fn count_usage(&mut self, id: &str, usage: Usage) {
        let Some(running) = self.s.running.get_mut(id) else { return };
        let grown = usage.growth_since(running.usage);
        running.usage.add(grown);
        self.s.totals.usage.add(grown);
    }

    /// Ruling 3: only `completed` is a success.
    pub(super) fn turn_ended(
        &mut self,
        attempt_id: &str,
        turn_no: u32,
        outcome: TurnOutcome,
        usage: Usage,
    ) {
        let Some(id) = self.index.issue_of(attempt_id).cloned() else { return };
        self.count_usage(&id, usage);
        let event = match outcome {
            TurnOutcome::Completed => "turn_completed",
            TurnOutcome::Failed { .. } => "turn_failed",
        };
        let Some((_, running)) = self.live(attempt_id, event) else { return };
        if turn_no <= running.turns_ended {
            return;
        }
        running.turns_ended = turn_no;
        running.turns = running.turns.max(turn_no);
        let in_turn = match running.phase {
            Phase::Starting | Phase::Working | Phase::Continuing { .. } | Phase::Blocked => true,
            Phase::Boundary | Phase::Ending { .. } | Phase::Stopping { .. } => false,
        };
        if !in_turn {
            return;
        }
        running.settled.extend(std::mem::take(&mut running.questions).into_keys());
        running.resume_since = None;
        match outcome {
            TurnOutcome::Completed => {
                running.phase = Phase::Boundary;
                self.want_read(RefreshPurpose::TurnBoundary, &id);
            }
            TurnOutcome::Failed { failure } => self.end_session(&id, Some(failure), "ruling 3"),
        }
    }

    /// Symphony §16.5: the issue was read after a turn.
    pub(super) fn boundary_read(&mut self, id: &str, answers: &mut Answers) {
        if !self.at_boundary(id) {
            return;
        }
        let standing = self.learn(id, answers);
        let drain = self.s.shutdown == Some(ShutdownMode::Drain);
        let Some(running) = self.s.running.get(id) else { return };
        let exhausted = running.turns_ended >= self.s.config.max_turns.max(1);
        if standing != Some(Standing::Eligible) || exhausted || drain {
            return self.end_session(id, None, "Symphony §16.5");
        }
        if !running.questions.is_empty() {
            return self.block(id);
        }
        if !running.slot && !Slots::with_promised(self.s).room_for(self.s, &running.issue.state) {
            // It waits in line with its continuation instead.
            return self.end_session(id, None, "Symphony §8.3");
        }
        self.next_turn(id);
    }

    /// Symphony §16.5: "issue state refresh error" fails the attempt.
    pub(super) fn boundary_unread(&mut self, id: &str, error: &str) {
        if self.at_boundary(id) {
            let failure = Failure {
                category: "issue_refresh_failed".to_owned(),
                error: format!("issue state refresh error: {error}"),
            };
            self.end_session(id, Some(failure), "Symphony §16.5");
        }
    }

    fn at_boundary(&self, id: &str) -> bool {
        self.s.running.get(id).is_some_and(|running| running.phase == Phase::Boundary)
    }

    /// Demands the turn after the last one that ended, with a slot.
    pub(super) fn next_turn(&mut self, id: &str) {
        let Some(running) = self.s.running.get_mut(id) else { return };
        let turn_no = running.turns_ended.saturating_add(1);
        running.slot = true;
        running.phase = Phase::Continuing { turn_no };
        let attempt_id = running.attempt_id.clone();
        let issue = Box::new(running.issue.clone());
        let rule = Cow::Borrowed("Symphony §7.1");
        self.emit(Effect::NextTurn { attempt_id, turn_no, issue, rule });
    }

    fn end_session(&mut self, id: &str, failure: Option<Failure>, rule: &'static str) {
        let Some(running) = self.s.running.get_mut(id) else { return };
        running.phase = Phase::Ending { failure: failure.clone() };
        let attempt_id = running.attempt_id.clone();
        self.emit(Effect::EndSession { attempt_id, failure, rule: Cow::Borrowed(rule) });
    }

    /// Stops an attempt. It keeps its claim, and its slot if it has one, until `AttemptEnded`. A stop for a reason
    /// that keeps the claim gives way to an operator's.
    pub(super) fn stop(&mut self, id: &str, reason: StopReason) {
        let Some(running) = self.s.running.get_mut(id) else { return };
        if let Phase::Stopping { reason: earlier } = running.phase {
            let replace = reason == StopReason::Operator
                && matches!(
                    earlier,
                    StopReason::Stalled | StopReason::InputRequired | StopReason::Shutdown
                );
            if !replace {
                return;
            }
        }
        if matches!(running.phase, Phase::Ending { .. }) && reason != StopReason::Operator {
            return;
        }
        running.phase = Phase::Stopping { reason };
        running.resume_since = None;
        let attempt_id = running.attempt_id.clone();
        let cleanup = reason == StopReason::Terminal;
        if let Some(reads) = self.s.refreshes.get_mut(&RefreshPurpose::TurnBoundary) {
            reads.waiting.remove(id);
            reads.asked.remove(id);
        }
        self.emit(Effect::StopAttempt { attempt_id, reason, cleanup, rule: reason.rule() });
    }

    /// Symphony §16.6.
    pub(super) fn attempt_ended(
        &mut self,
        attempt_id: &str,
        outcome: AttemptOutcome,
        usage: Usage,
        ran_ms: u64,
        evidence: Value,
    ) {
        let Some(id) = self.index.issue_of(attempt_id).cloned() else { return };
        self.count_usage(&id, usage);
        let Some(running) = self.s.running.remove(&id) else { return };
        self.index.attempt_ended(attempt_id);
        self.forget_reads(&id);
        self.mark_newer(&id);
        self.changed();
        self.s.totals.ended_ms = self.s.totals.ended_ms.saturating_add(ran_ms);
        let aftermath = self.aftermath(&running, outcome);
        self.record(&running, &aftermath, ran_ms, evidence);
        let issue = running.issue;
        match aftermath {
            Aftermath::Continue => self.continue_later(issue),
            Aftermath::Fail(failure) => self.retry_later(issue, running.failures, &failure),
            Aftermath::Release { cleanup, rule } => {
                self.released(IssueRef::of(&issue), rule);
                if cleanup {
                    self.clean(IssueRef::of(&issue), rule);
                }
            }
            Aftermath::Hold => self.hold(&issue),
            Aftermath::RunAgain => {
                let (attempt, failures) = (running.attempt, running.failures);
                let kind = RetryKind::Interrupted;
                self.wait(Wait { issue, attempt, failures, kind, error: None, delay_ms: 0 });
            }
        }
        self.reindex(&id);
        self.may_fill(Fill::Reread);
    }

    fn aftermath(&self, running: &Running, outcome: AttemptOutcome) -> Aftermath {
        let failed = |category: &str, error: String| {
            Aftermath::Fail(Failure { category: category.to_owned(), error })
        };
        let release = |cleanup, rule| Aftermath::Release { cleanup, rule };
        match (&running.phase, outcome) {
            (Phase::Stopping { reason }, _) => match reason {
                StopReason::Terminal => release(true, "Symphony §8.5"),
                StopReason::NotActive | StopReason::NotRoutable => release(false, "Symphony §8.5"),
                StopReason::Missing | StopReason::Orphan => release(false, "Symphony §16.3"),
                StopReason::Operator => Aftermath::Hold,
                StopReason::Shutdown => Aftermath::RunAgain,
                StopReason::InputRequired => failed("turn_input_required", questions_of(running)),
                StopReason::Stalled => {
                    let limit = self.s.config.stall_timeout_ms.unwrap_or(0);
                    failed("stalled", format!("no activity for more than {limit} ms"))
                }
            },
            (Phase::Ending { failure: Some(failure) }, _) => Aftermath::Fail(failure.clone()),
            (_, AttemptOutcome::Normal) => Aftermath::Continue,
            (_, AttemptOutcome::Failed { failure }) => Aftermath::Fail(failure),
            (_, AttemptOutcome::Stopped) => {
                failed("stopped", "the attempt was stopped from outside".to_owned())
            }
        }
    }

    fn record(&mut self, running: &Running, aftermath: &Aftermath, ran_ms: u64, evidence: Value) {
        let stopped = match running.phase {
            Phase::Stopping { reason } => serde_json::to_value(reason).ok(),
            _ => None,
        };
        let stopped = stopped.and_then(|v| v.as_str().map(str::to_owned));
        let (result, failure) = match aftermath {
            Aftermath::Continue => {
                self.s.totals.completed += 1;
                ("completed".to_owned(), None)
            }
            Aftermath::Fail(failure) => {
                self.s.totals.failed += 1;
                ("failed".to_owned(), Some(failure.clone()))
            }
            Aftermath::Release { .. } | Aftermath::Hold | Aftermath::RunAgain => {
                self.s.totals.stopped += 1;
                (stopped.unwrap_or_else(|| "stopped".to_owned()), None)
            }
        };
        let history = self.remember(&running.issue);
        history.completed |= result == "completed";
        history.attempts.push(AttemptRecord {
            attempt_id: running.attempt_id.clone(),
            attempt: running.attempt,
            thread_id: running.session.as_ref().map(|s| s.thread_id.clone()),
            result,
            failure,
            turns: running.turns,
            usage: running.usage,
            ran_ms,
            evidence,
        });
        let excess = history.attempts.len().saturating_sub(ATTEMPTS_KEPT);
        history.attempts.drain(..excess);
    }
}

fn questions_of(running: &Running) -> String {
    let asked: Vec<&str> =
        running.questions.values().map(|asked| asked.question.text.as_str()).collect();
    format!("the agent needs an answer that policy does not give: {}", asked.join("; "))
}
