//! What surfaces ask the machine: snapshot, one issue, why, idle. Reads only.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Machine;
use super::config::Standing;
use super::event::Event;
use super::slots::Slots;
use super::snapshot::{
    BlockedRow, HeldRow, IdleStatus, IssueView, QuestionRow, RetryRow, RunningRow, Snapshot,
    TotalsRow, Why,
};
use super::state::{LogicalClock, Phase, State};

impl Machine {
    /// Everything a status surface shows, as of `now_ms`; changes nothing.
    pub fn snapshot(&self, now_ms: u64) -> Snapshot {
        let s = &self.state;
        let clock = self.clock_at(now_ms);
        let blocked = |id: &&String| s.running.get(*id).is_some_and(|r| r.phase == Phase::Blocked);
        let ids = || s.running.keys();
        let mut running: Vec<RunningRow> =
            ids().filter(|id| !blocked(id)).filter_map(|id| running_row(s, id, clock)).collect();
        running.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        let mut retrying: Vec<RetryRow> =
            s.retries.keys().filter_map(|id| retry_row(s, id, clock)).collect();
        retrying.sort_by(|a, b| (a.due_at_ms, &a.identifier).cmp(&(b.due_at_ms, &b.identifier)));
        let name = |standing: &Standing| match standing {
            Standing::Eligible => "eligible",
            Standing::Terminal => "terminal",
            Standing::NotActive => "not_active",
            Standing::NotDispatchable => "not_dispatchable",
            Standing::MissingLabel => "missing_label",
            Standing::Incomplete => "incomplete",
        };
        Snapshot {
            at_ms: now_ms,
            running,
            retrying,
            blocked: ids().filter_map(|id| blocked_row(s, id, clock)).collect(),
            held: s.held.keys().filter_map(|id| held_row(s, id, clock)).collect(),
            waiting: self
                .index
                .counts()
                .iter()
                .filter(|(_, count)| **count > 0)
                .map(|(standing, count)| (name(standing).to_owned(), *count))
                .collect(),
            totals: totals(s, clock),
            rate_limits: s.rate_limits.clone(),
            last_poll_ms: s.poll.last_ok_ms.map(|ms| clock.to_wall(ms)),
            poll_error: s.poll.error.clone(),
            reconcile_error: s.poll.reconcile_error.clone(),
            next_poll_ms: s.poll.timer.map(|timer| clock.to_wall(timer.due_ms)),
            workflow_error: s.broken.clone(),
            paused: s.paused,
            shutdown: s.shutdown,
            slots_used: Slots::in_use(s).used,
            slots: s.config.max_concurrent_agents,
        }
    }

    /// Dispatch id of what people call `identifier`, among everything known or remembered; an id is taken as it is.
    pub fn find(&self, identifier: &str) -> Option<String> {
        let s = &self.state;
        if s.known(identifier).is_some()
            || s.is_claimed(identifier)
            || s.history.contains_key(identifier)
        {
            return Some(identifier.to_owned());
        }
        let issues = s
            .running
            .values()
            .map(|r| &r.issue)
            .chain(s.retries.values().map(|r| &r.issue))
            .chain(s.held.values().map(|h| &h.issue))
            .chain(s.candidates.values());
        let live = issues.map(|i| (&i.id, &i.identifier));
        let cleaning = s.cleaning.values().map(|c| (&c.issue.id, &c.issue.identifier));
        let past = s.history.iter().map(|(id, h)| (id, &h.identifier));
        live.chain(cleaning)
            .chain(past)
            .find(|(_, name)| *name == identifier)
            .map(|(id, _)| id.clone())
    }

    /// Identifiers of the issues that were worked on and are remembered.
    pub fn remembered(&self) -> impl Iterator<Item = &str> {
        self.state.history.values().map(|history| history.identifier.as_str())
    }

    /// Identifier of the issue that an attempt, live or remembered, belongs to.
    pub fn issue_of_attempt(&self, attempt_id: &str) -> Option<&str> {
        let live = self.live_attempts().find(|(id, _)| *id == attempt_id);
        live.map(|(_, issue)| issue.identifier.as_str()).or_else(|| {
            let mut past = self.state.history.values();
            past.find(|history| {
                history.attempts.iter().any(|attempt| attempt.attempt_id == attempt_id)
            })
            .map(|history| history.identifier.as_str())
        })
    }

    /// What is known about one issue, by id or identifier.
    pub fn issue_view(&self, issue: &str, now_ms: u64) -> Option<IssueView> {
        let id = self.find(issue)?;
        let s = &self.state;
        let clock = self.clock_at(now_ms);
        let history = s.history.get(&id).cloned();
        let identifier = s
            .known(&id)
            .map(|i| i.identifier.clone())
            .or_else(|| s.held.get(&id).map(|h| h.issue.identifier.clone()))
            .or_else(|| s.cleaning.get(&id).map(|c| c.issue.identifier.clone()))
            .or_else(|| history.as_ref().map(|h| h.identifier.clone()))?;
        let blocked = blocked_row(s, &id, clock);
        let running = running_row(s, &id, clock).filter(|_| blocked.is_none());
        let (retry, held) = (retry_row(s, &id, clock), held_row(s, &id, clock));
        let status = if blocked.is_some() {
            "blocked"
        } else if running.is_some() {
            "running"
        } else if retry.is_some() {
            "retrying"
        } else if held.is_some() {
            "held"
        } else if s.cleaning.contains_key(&id) {
            "cleaning"
        } else if s.candidates.contains_key(&id) {
            "waiting"
        } else {
            "released"
        };
        let why = self.why(&id, now_ms)?;
        Some(IssueView {
            issue_id: id,
            identifier,
            status,
            running,
            blocked,
            retry,
            held,
            history,
            why,
        })
    }

    /// The rule that decides about an issue now, by id or identifier; `None` for an unknown one.
    pub fn why(&self, issue: &str, now_ms: u64) -> Option<Why> {
        let id = self.find(issue)?;
        Some(self.claim_why(&id, now_ms).unwrap_or_else(|| self.candidate_why(&id)))
    }

    fn claim_why(&self, id: &str, now_ms: u64) -> Option<Why> {
        let s = &self.state;
        if let Some(running) = s.running.get(id) {
            return Some(match (&running.phase, running.resume_since) {
                (Phase::Blocked, None) => {
                    why("blocked", "a question waits for an operator", "ruling 7")
                }
                (Phase::Blocked, Some(_)) => {
                    why("no_slot", "its questions are answered; it waits for a slot", "ruling 7")
                }
                _ => why("running", "an attempt is live", "Symphony §7.1"),
            });
        }
        if let Some(retry) = s.retries.get(id) {
            if retry.waiting_since.is_some() {
                let detail = retry.error.as_deref().unwrap_or("no available orchestrator slots");
                return Some(why("no_slot", detail, "Symphony §8.4"));
            }
            let now = self.clock_at(now_ms).now_ms;
            let left = retry.timer.map_or(0, |timer| timer.due_ms.saturating_sub(now));
            let error = retry.error.as_deref().unwrap_or("the last session ended well");
            return Some(why(
                "retry_delay",
                &format!("looked at again in {left} ms: {error}"),
                "Symphony §8.4",
            ));
        }
        if let Some(held) = s.held.get(id) {
            return Some(why("held", &held.reason, "operator"));
        }
        s.cleaning
            .contains_key(id)
            .then(|| why("cleaning", "its workspace is being removed", "Symphony §8.5"))
    }

    fn candidate_why(&self, id: &str) -> Why {
        let s = &self.state;
        let Some(issue) = s.candidates.get(id) else {
            return why(
                "not_active",
                "the last poll did not find it in an active state",
                "Symphony §8.2",
            );
        };
        let rule = "Symphony §8.2";
        match s.config.standing(issue) {
            Standing::Terminal => why("terminal", &issue.state, rule),
            Standing::NotActive => why("not_active", &issue.state, rule),
            Standing::Incomplete => {
                why("incomplete", "id, identifier, title or state is blank", rule)
            }
            Standing::NotDispatchable => {
                let blockers: Vec<&str> = issue
                    .blocked_by
                    .iter()
                    .filter_map(|b| b.identifier.as_deref().or(b.id.as_deref()))
                    .collect();
                let detail = if blockers.is_empty() {
                    "the tracker's rules forbid it".to_owned()
                } else {
                    format!("waits for {}", blockers.join(", "))
                };
                why("not_dispatchable", &detail, rule)
            }
            Standing::MissingLabel => {
                let wanted = s.config.required_labels.join(", ");
                why("missing_label", &format!("needs {wanted}"), rule)
            }
            Standing::Eligible => self.eligible_why(&issue.state),
        }
    }

    fn eligible_why(&self, state: &str) -> Why {
        let s = &self.state;
        let slots = Slots::with_promised(s);
        if let Some(error) = &s.broken {
            why("workflow_broken", error, "ruling 8")
        } else if s.shutdown.is_some() {
            why("shutting_down", "the daemon is about to end", "shutdown")
        } else if s.paused {
            why("paused", "an operator stopped new dispatches", "operator")
        } else if !slots.any_free(s) {
            let detail = format!("all {} slots are in use", s.config.max_concurrent_agents);
            why("no_slot", &detail, "Symphony §8.3")
        } else if !slots.room_for(s, state) {
            why(
                "no_slot_in_state",
                &format!("all slots of state {state} are in use"),
                "Symphony §8.3",
            )
        } else {
            why("eligible", "runs next", "Symphony §8.2")
        }
    }

    /// Whether `--until-idle` may end: nothing runs, nothing is eligible, and nothing waits for its retry (every
    /// retry is due within the longest backoff). Blocked and held issues do not count.
    pub fn idle(&self) -> IdleStatus {
        let s = &self.state;
        let works =
            s.running.values().any(|r| r.phase != Phase::Blocked || r.resume_since.is_some());
        let reads = s.refreshes.values().any(|r| r.in_flight.is_some() || !r.waiting.is_empty());
        let claims = !s.retries.is_empty() || !s.cleaning.is_empty() || s.terminal_fetch.is_some();
        if !s.started || works || reads || claims || self.index.any_eligible() {
            IdleStatus::Busy
        } else if s.poll.settled == Some(s.change) {
            IdleStatus::Idle
        } else {
            IdleStatus::Unconfirmed
        }
    }

    /// The event of a periodic check, or `None` when applying it would change nothing. `silence`: milliseconds
    /// since the last activity of each live attempt, on a monotonic clock.
    pub fn tick(&self, silence: &BTreeMap<String, u64>, now_ms: u64) -> Option<Event> {
        let s = &self.state;
        let silence: BTreeMap<String, u64> = silence
            .iter()
            .filter(|(attempt, ms)| {
                self.index.issue_of(attempt).is_some_and(|id| s.is_stalled(id, **ms))
            })
            .map(|(attempt, ms)| (attempt.clone(), *ms))
            .collect();
        let clock = self.clock_at(now_ms);
        let overdue = s
            .refreshes
            .values()
            .filter_map(|reads| reads.in_flight)
            .chain(s.poll.in_flight)
            .chain(s.terminal_fetch)
            .any(|request| s.is_overdue(request, clock.now_ms));
        (overdue || !silence.is_empty()).then_some(Event::Tick { silence })
    }

    fn clock_at(&self, now_ms: u64) -> LogicalClock {
        let mut clock = self.state.clock;
        clock.advance(now_ms);
        clock
    }
}

fn why(reason: &'static str, detail: &str, rule: &'static str) -> Why {
    Why { reason, detail: detail.to_owned(), rule: Cow::Borrowed(rule) }
}

fn running_row(s: &State, id: &str, clock: LogicalClock) -> Option<RunningRow> {
    let running = s.running.get(id)?;
    let (phase, stopping) = match running.phase {
        Phase::Starting => ("starting", None),
        Phase::Working => ("working", None),
        Phase::Boundary => ("boundary", None),
        Phase::Continuing { .. } => ("continuing", None),
        Phase::Blocked => ("blocked", None),
        Phase::Ending { .. } => ("ending", None),
        Phase::Stopping { reason } => ("stopping", Some(reason)),
    };
    let session = running.session.as_ref();
    Some(RunningRow {
        issue_id: id.to_owned(),
        identifier: running.issue.identifier.clone(),
        title: running.issue.title.clone(),
        url: running.issue.url.clone(),
        state: running.issue.state.clone(),
        attempt_id: running.attempt_id.clone(),
        attempt: running.attempt,
        phase,
        stopping,
        thread_id: session.map(|s| s.thread_id.clone()),
        session_id: running.session_id.clone(),
        model: session.and_then(|s| s.model.clone()),
        pid: session.and_then(|s| s.pid),
        turn_count: running.turns,
        started_at_ms: clock.to_wall(running.started_ms),
        last_event: running.last_event.clone(),
        last_event_at_ms: clock.to_wall(running.last_event_ms),
        usage: running.usage,
    })
}

fn blocked_row(s: &State, id: &str, clock: LogicalClock) -> Option<BlockedRow> {
    let running = s.running.get(id).filter(|running| running.phase == Phase::Blocked)?;
    let questions = running
        .questions
        .iter()
        .map(|(request, asked)| {
            let row = QuestionRow {
                question: asked.question.clone(),
                asked_at_ms: clock.to_wall(asked.since_ms),
                answered: asked.answer.is_some(),
            };
            (request.clone(), row)
        })
        .collect();
    let waiting_for_slot = running.resume_since.is_some();
    Some(BlockedRow { attempt: running_row(s, id, clock)?, questions, waiting_for_slot })
}

fn retry_row(s: &State, id: &str, clock: LogicalClock) -> Option<RetryRow> {
    let retry = s.retries.get(id)?;
    Some(RetryRow {
        issue_id: id.to_owned(),
        identifier: retry.issue.identifier.clone(),
        url: retry.issue.url.clone(),
        state: retry.issue.state.clone(),
        attempt: retry.attempt,
        kind: retry.kind,
        error: retry.error.clone(),
        due_at_ms: clock.to_wall(retry.timer.map_or(clock.now_ms, |timer| timer.due_ms)),
        waiting_for_slot: retry.waiting_since.is_some(),
    })
}

fn held_row(s: &State, id: &str, clock: LogicalClock) -> Option<HeldRow> {
    let held = s.held.get(id)?;
    Some(HeldRow {
        issue_id: id.to_owned(),
        identifier: held.issue.identifier.clone(),
        url: held.issue.url.clone(),
        reason: held.reason.clone(),
        since_ms: clock.to_wall(held.since_ms),
    })
}

/// Ruling 15: live sessions count.
fn totals(s: &State, clock: LogicalClock) -> TotalsRow {
    let live: u64 = s.running.values().map(|r| clock.now_ms.saturating_sub(r.started_ms)).sum();
    let totals = s.totals;
    TotalsRow {
        usage: totals.usage,
        seconds_running: std::time::Duration::from_millis(totals.ended_ms.saturating_add(live))
            .as_secs_f64(),
        attempts: totals.attempts,
        completed: totals.completed,
        failed: totals.failed,
        stopped: totals.stopped,
    }
}
