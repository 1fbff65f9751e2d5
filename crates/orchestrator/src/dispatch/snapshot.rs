//! The machine as surfaces show it (Symphony §13.3). All times are Unix milliseconds.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::effect::{Rule, StopReason};
use super::event::{Question, ShutdownMode, Usage};
use super::state::{IssueHistory, RetryKind};

/// Everything a status surface shows, at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// Time of the snapshot.
    pub at_ms: u64,
    /// Live attempts that are not blocked, by identifier.
    pub running: Vec<RunningRow>,
    /// Claims that wait for their time or for a slot, by due time.
    pub retrying: Vec<RetryRow>,
    /// Live attempts that wait for an operator.
    pub blocked: Vec<BlockedRow>,
    /// Issues that are parked until something outside happens.
    pub held: Vec<HeldRow>,
    /// Counts of the candidates of the last poll by what keeps them from running; `eligible` ones only lack a turn.
    pub waiting: BTreeMap<String, u64>,
    /// Sums.
    pub totals: TotalsRow,
    /// Latest rate limits, as the agent gave them.
    pub rate_limits: Option<Value>,
    /// When the tracker was last read with success.
    pub last_poll_ms: Option<u64>,
    /// Why the last poll failed, if it did.
    pub poll_error: Option<String>,
    /// What was wrong with the last read of the running issues, if anything was.
    pub reconcile_error: Option<String>,
    /// When the next poll is due.
    pub next_poll_ms: Option<u64>,
    /// Why the workflow file cannot be used, while it cannot.
    pub workflow_error: Option<String>,
    /// An operator stopped new dispatches.
    pub paused: bool,
    /// The daemon is about to end.
    pub shutdown: Option<ShutdownMode>,
    /// Slots in use.
    pub slots_used: u32,
    /// Slots in all.
    pub slots: u32,
}

impl Snapshot {
    /// What is wrong with reading the tracker, of candidates and of running issues, in one line.
    pub fn tracker_error(&self) -> Option<String> {
        let mut errors: Vec<&str> =
            self.poll_error.iter().chain(&self.reconcile_error).map(String::as_str).collect();
        errors.dedup();
        (!errors.is_empty()).then(|| errors.join("; "))
    }
}

/// One live attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunningRow {
    /// Dispatch id.
    pub issue_id: String,
    /// What people call the issue.
    pub identifier: String,
    /// Its title.
    pub title: String,
    /// Where to read it.
    pub url: Option<String>,
    /// Tracked state.
    pub state: String,
    /// Names the attempt.
    pub attempt_id: String,
    /// Retry or continuation number.
    pub attempt: Option<u32>,
    /// `starting`, `working`, `boundary`, `continuing`, `ending`, `stopping`.
    pub phase: &'static str,
    /// Why it is being stopped, if it is.
    pub stopping: Option<StopReason>,
    /// Agent's thread.
    pub thread_id: Option<String>,
    /// `<thread_id>-<turn_id>`.
    pub session_id: Option<String>,
    /// Model in use.
    pub model: Option<String>,
    /// Process id of the agent.
    pub pid: Option<u32>,
    /// Turns started.
    pub turn_count: u32,
    /// When the attempt started.
    pub started_at_ms: u64,
    /// Last event of the machine about it.
    pub last_event: String,
    /// When that was.
    pub last_event_at_ms: u64,
    /// Tokens so far.
    pub usage: Usage,
}

/// One waiting claim.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetryRow {
    /// Dispatch id.
    pub issue_id: String,
    /// What people call the issue.
    pub identifier: String,
    /// Where to read it.
    pub url: Option<String>,
    /// State when last seen.
    pub state: String,
    /// Number of the attempt to come.
    pub attempt: Option<u32>,
    /// Why it waits.
    pub kind: RetryKind,
    /// Latest error.
    pub error: Option<String>,
    /// When it is looked at again.
    pub due_at_ms: u64,
    /// Whether only a slot is missing.
    pub waiting_for_slot: bool,
}

/// One attempt that waits for an operator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BlockedRow {
    /// The attempt.
    #[serde(flatten)]
    pub attempt: RunningRow,
    /// Questions by request.
    pub questions: BTreeMap<String, QuestionRow>,
    /// All are answered and only a slot is missing.
    pub waiting_for_slot: bool,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuestionRow {
    /// What is asked.
    #[serde(flatten)]
    pub question: Question,
    /// Since when.
    pub asked_at_ms: u64,
    /// Whether an answer was given.
    pub answered: bool,
}

/// One held issue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeldRow {
    /// Dispatch id.
    pub issue_id: String,
    /// What people call the issue.
    pub identifier: String,
    /// Where to read it.
    pub url: Option<String>,
    /// Why, and what releases it.
    pub reason: String,
    /// Since when.
    pub since_ms: u64,
}

/// Sums at one moment (Symphony §13.5).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TotalsRow {
    /// Tokens of all sessions.
    pub usage: Usage,
    /// Running time of all attempts, the live ones included.
    pub seconds_running: f64,
    /// Attempts started.
    pub attempts: u64,
    /// Attempts that ended well.
    pub completed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Attempts stopped for another reason.
    pub stopped: u64,
}

/// What the machine knows about one issue, for the issue's own page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IssueView {
    /// Dispatch id.
    pub issue_id: String,
    /// What people call it.
    pub identifier: String,
    /// `running`, `blocked`, `retrying`, `held`, `cleaning`, `waiting` or `released`.
    pub status: &'static str,
    /// Present while running.
    pub running: Option<RunningRow>,
    /// Present while blocked.
    pub blocked: Option<BlockedRow>,
    /// Present while retrying.
    pub retry: Option<RetryRow>,
    /// Present while held.
    pub held: Option<HeldRow>,
    /// What is remembered.
    pub history: Option<IssueHistory>,
    /// What keeps it from running, or that nothing does.
    pub why: Why,
}

/// The rule that decides about an issue now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// Stable name: `running`, `blocked`, `held`, `retry_delay`, `no_slot`, `no_slot_in_state`, `not_active`,
    /// `terminal`, `not_dispatchable`, `missing_label`, `incomplete`, `paused`, `workflow_broken`, `shutting_down`,
    /// `cleaning`, `eligible`.
    pub reason: &'static str,
    /// For people.
    pub detail: String,
    /// Section or ruling.
    pub rule: Rule,
}

/// Whether `--until-idle` may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdleStatus {
    /// Something runs, is eligible, or will be retried.
    Busy,
    /// Nothing to do as far as is known, but no poll began since the last change; ask for one with `RefreshRequested`.
    Unconfirmed,
    /// Nothing to do; blocked and held issues do not count.
    Idle,
}
