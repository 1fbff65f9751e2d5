//! Everything the machine knows: serialisable, ordered, without clocks or handles.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::DispatchConfig;
use super::effect::{RefreshPurpose, StopReason, TimerKey};
use super::event::{Failure, IssueRef, Question, SessionInfo, ShutdownMode, Usage};
use crate::issue::Issue;

/// Attempts kept per issue.
pub(super) const ATTEMPTS_KEPT: usize = 8;
/// Issues whose history is kept.
pub(super) const HISTORIES_KEPT: usize = 1_000;
/// A tracker request older than this (or five poll intervals, if longer) counts as failed.
pub(super) const REQUEST_PATIENCE_MS: u64 = 120_000;

/// The machine's whole state: what a ledger snapshot holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Prefix of attempt ids.
    pub(super) instance: String,
    /// Whether a first start was applied.
    pub(super) started: bool,
    pub(super) config: DispatchConfig,
    /// Why the workflow file cannot be used, while it cannot.
    pub(super) broken: Option<String>,
    pub(super) paused: bool,
    pub(super) shutdown: Option<ShutdownMode>,
    /// `ShutdownReady` was said.
    pub(super) shutdown_announced: bool,
    pub(super) clock: LogicalClock,
    /// Last number given to an attempt, timer or request.
    pub(super) counter: u64,

    /// All issues in active states, as last read; the claimed ones too.
    pub(super) candidates: BTreeMap<String, Issue>,
    /// Live attempts by issue id.
    pub(super) running: BTreeMap<String, Running>,
    /// Claims without an attempt by issue id.
    pub(super) retries: BTreeMap<String, Retry>,
    /// Issues that an operator stopped, by id.
    pub(super) held: BTreeMap<String, Held>,
    /// Workspaces being removed, by issue id; nothing is dispatched for them.
    pub(super) cleaning: BTreeMap<String, Cleaning>,

    /// What each pending timer is for.
    pub(super) timers: BTreeMap<u64, TimerKey>,
    pub(super) poll: PollState,
    pub(super) refreshes: BTreeMap<RefreshPurpose, RefreshState>,
    /// The startup request for terminal issues, while unanswered.
    pub(super) terminal_fetch: Option<InFlight>,
    /// Whether the last slot went to a waiting claim; the next one goes to a candidate, if both wait.
    pub(super) claim_went_last: bool,
    /// Free slots are not filled until the next poll: the tracker failed to answer.
    pub(super) slots_await_poll: bool,
    /// Number of the last change that can make issues eligible; see `PollState::settled`.
    pub(super) change: u64,

    pub(super) totals: Totals,
    pub(super) rate_limits: Option<Value>,
    pub(super) history: BTreeMap<String, IssueHistory>,
}

impl State {
    /// Whether the issue is reserved: running, waiting, held, or its workspace is being removed.
    pub(super) fn is_claimed(&self, id: &str) -> bool {
        self.running.contains_key(id)
            || self.retries.contains_key(id)
            || self.held.contains_key(id)
            || self.cleaning.contains_key(id)
    }

    /// Whether the issue is being read, or about to be, because a slot is free.
    pub(super) fn awaits_slot_read(&self, id: &str) -> bool {
        self.refreshes
            .get(&RefreshPurpose::Slot)
            .is_some_and(|reads| reads.asked.contains(id) || reads.waiting.contains(id))
    }

    /// The newest snapshot of an issue, claimed or not.
    pub(super) fn known(&self, id: &str) -> Option<&Issue> {
        let running = self.running.get(id).map(|running| &running.issue);
        let retry = self.retries.get(id).map(|retry| &retry.issue);
        running.or(retry).or_else(|| self.candidates.get(id))
    }

    /// Whether anything new may be dispatched at all.
    pub(super) fn may_dispatch(&self) -> bool {
        self.started && self.broken.is_none() && !self.paused && self.shutdown.is_none()
    }

    /// Whether a session that was silent for `ms` has stalled (Symphony §8.5 part A). One that waits for an
    /// operator or for the tracker, or is being ended, is silent for good reason.
    pub(super) fn is_stalled(&self, id: &str, ms: u64) -> bool {
        let Some(limit) = self.config.stall_timeout_ms.filter(|limit| *limit > 0) else {
            return false;
        };
        ms > limit
            && self.running.get(id).is_some_and(|running| {
                matches!(running.phase, Phase::Starting | Phase::Working | Phase::Continuing { .. })
            })
    }

    /// Whether a tracker request has been in flight for too long.
    pub(super) fn is_overdue(&self, request: InFlight, now_ms: u64) -> bool {
        let patience = REQUEST_PATIENCE_MS.max(self.config.poll_interval_ms.saturating_mul(5));
        now_ms.saturating_sub(request.since_ms) > patience
    }
}

impl Running {
    /// Whether every question has an answer.
    pub(super) fn all_answered(&self) -> bool {
        self.questions.values().all(|asked| asked.answer.is_some())
    }
}

impl IssueRef {
    /// The names of an issue.
    pub fn of(issue: &Issue) -> Self {
        Self { id: issue.id.clone(), identifier: issue.identifier.clone() }
    }
}

impl Usage {
    /// What each number grew by; a smaller number is no growth.
    pub(super) fn growth_since(self, earlier: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_sub(earlier.input_tokens),
            cached_input_tokens: self
                .cached_input_tokens
                .saturating_sub(earlier.cached_input_tokens),
            output_tokens: self.output_tokens.saturating_sub(earlier.output_tokens),
            reasoning_output_tokens: self
                .reasoning_output_tokens
                .saturating_sub(earlier.reasoning_output_tokens),
            total_tokens: self.total_tokens.saturating_sub(earlier.total_tokens),
        }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.input_tokens = self.input_tokens.saturating_add(more.input_tokens);
        self.cached_input_tokens =
            self.cached_input_tokens.saturating_add(more.cached_input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(more.output_tokens);
        self.reasoning_output_tokens =
            self.reasoning_output_tokens.saturating_add(more.reasoning_output_tokens);
        self.total_tokens = self.total_tokens.saturating_add(more.total_tokens);
    }
}

/// Time that never runs backwards, whatever the wall clock does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogicalClock {
    /// As last given, Unix milliseconds.
    pub(super) wall_ms: u64,
    /// Sum of all forward steps since the first reading, plus the first reading.
    pub(super) now_ms: u64,
}

impl LogicalClock {
    /// Takes a reading of the wall clock: steps back count as no time at all.
    pub(super) fn advance(&mut self, wall_ms: u64) {
        let step = wall_ms.saturating_sub(self.wall_ms);
        self.now_ms = self.now_ms.saturating_add(step);
        self.wall_ms = wall_ms;
    }

    /// A logical time as the wall clock would show it now.
    pub(super) fn to_wall(self, logical_ms: u64) -> u64 {
        if logical_ms >= self.now_ms {
            self.wall_ms.saturating_add(logical_ms - self.now_ms)
        } else {
            self.wall_ms.saturating_sub(self.now_ms - logical_ms)
        }
    }
}

/// A request to the tracker that has no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InFlight {
    pub(super) id: u64,
    pub(super) since_ms: u64,
}

/// The poll cycle.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PollState {
    pub(super) in_flight: Option<InFlight>,
    /// Ids given to the running cycle for reconciliation, until answered.
    pub(super) reconciling: Vec<String>,
    /// `State::change` when the running cycle began.
    pub(super) started_at_change: u64,
    /// `State::change` that the last successful poll had seen when it began.
    pub(super) settled: Option<u64>,
    /// Another poll was asked for while one was in flight.
    pub(super) again: bool,
    pub(super) timer: Option<Timer>,
    /// Issues read or released since the running cycle began: its data about them is older.
    pub(super) newer: BTreeSet<String>,
    pub(super) last_ok_ms: Option<u64>,
    /// Why the last read of the candidates failed, if it did.
    pub(super) error: Option<String>,
    /// What was wrong with the last read of the running issues, if anything was.
    #[serde(default)]
    pub(super) reconcile_error: Option<String>,
}

/// A timer at the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timer {
    pub(super) id: u64,
    pub(super) due_ms: u64,
}

/// Reads by ids of one purpose: at most one in flight, the rest waits to go out as one batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RefreshState {
    pub(super) in_flight: Option<InFlight>,
    pub(super) asked: BTreeSet<String>,
    pub(super) waiting: BTreeSet<String>,
}

/// A live attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Running {
    pub(super) attempt_id: String,
    /// Newest snapshot.
    pub(super) issue: Issue,
    pub(super) attempt: Option<u32>,
    /// Failures in a row before this attempt.
    pub(super) failures: u32,
    pub(super) phase: Phase,
    /// Whether it counts towards the limits.
    pub(super) slot: bool,
    pub(super) started_ms: u64,
    pub(super) last_event_ms: u64,
    pub(super) last_event: String,
    pub(super) session: Option<SessionInfo>,
    pub(super) session_id: Option<String>,
    /// Turns started.
    pub(super) turns: u32,
    /// Number of the last turn that ended.
    pub(super) turns_ended: u32,
    pub(super) usage: Usage,
    /// Questions without an answer that reached the agent.
    pub(super) questions: BTreeMap<String, Asked>,
    /// Requests that were answered, withdrawn, or ended with their turn.
    pub(super) settled: BTreeSet<String>,
    /// Since when all questions are answered and only a slot is missing.
    pub(super) resume_since: Option<u64>,
}

/// A question with what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) since_ms: u64,
    pub(super) answer: Option<Value>,
    /// The answer was handed to the driver.
    pub(super) sent: bool,
}

/// Where a live attempt is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(super) enum Phase {
    /// Workspace, hooks, launch, handshake.
    Starting,
    /// The session is up; a turn runs or is about to.
    Working,
    /// A turn ended well; the issue is being read.
    Boundary,
    /// The next turn was demanded and has not begun.
    Continuing { turn_no: u32 },
    /// Waits for an operator's answer, or with the answer for a slot.
    Blocked,
    /// `EndSession` was demanded.
    Ending { failure: Option<Failure> },
    /// `StopAttempt` was demanded.
    Stopping { reason: StopReason },
}

/// A claim without an attempt (Symphony §4.1.7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Retry {
    /// Newest snapshot.
    pub(super) issue: Issue,
    /// Number of the attempt to come.
    pub(super) attempt: Option<u32>,
    pub(super) failures: u32,
    pub(super) kind: RetryKind,
    pub(super) error: Option<String>,
    /// Pending timer; none while the issue is being read.
    pub(super) timer: Option<Timer>,
    pub(super) delay_ms: u64,
    /// Since when it waits for a slot, having been found eligible.
    pub(super) waiting_since: Option<u64>,
}

/// Why an issue is claimed without an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryKind {
    /// A session ended well and the issue may need another one.
    Continuation,
    /// An attempt failed.
    Failure,
    /// The daemon's end stopped the attempt.
    Interrupted,
    /// An operator asked for it.
    Operator,
}

/// An issue that stays claimed until something happens outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) issue: Issue,
    pub(super) since_ms: u64,
    pub(super) reason: String,
}

/// A workspace that is being removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cleaning {
    pub(super) id: u64,
    pub(super) issue: IssueRef,
}

/// Sums over everything that ran (Symphony §4.1.8, §13.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Tokens of all sessions.
    pub usage: Usage,
    /// Running time of ended attempts, in milliseconds.
    pub ended_ms: u64,
    /// Attempts started.
    pub attempts: u64,
    /// Attempts that ended well.
    pub completed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Attempts that were stopped for another reason than failure.
    pub stopped: u64,
}

/// What is remembered of an issue beyond its claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IssueHistory {
    /// What people call it.
    pub identifier: String,
    /// State when last seen.
    pub state: String,
    /// Attempts started in all.
    pub attempts_started: u32,
    /// Whether an attempt ended well; bookkeeping only (Symphony §4.1.8).
    pub completed: bool,
    /// Latest failure.
    pub last_error: Option<String>,
    /// The last few ended attempts, oldest first.
    pub attempts: Vec<AttemptRecord>,
    pub(super) touched_ms: u64,
}

/// One ended attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Names the attempt.
    pub attempt_id: String,
    /// As in [`Effect::StartAttempt`](super::Effect::StartAttempt).
    pub attempt: Option<u32>,
    /// Agent's thread.
    pub thread_id: Option<String>,
    /// `completed`, `failed`, or why it was stopped.
    pub result: String,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Turns started.
    pub turns: u32,
    /// Tokens of the session.
    pub usage: Usage,
    /// Running time, in milliseconds.
    pub ran_ms: u64,
    /// As the worker reported it.
    pub evidence: Value,
}
