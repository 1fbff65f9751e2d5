//! What the machine asks of its driver.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::{Failure, IssueRef};
use crate::issue::Issue;

/// Section of the specification, or ruling, that a decision follows.
pub type Rule = Cow<'static, str>;

/// Something to do. Performed after the event that caused it is on disk; a restart may demand it again, so
/// each is idempotent by the ids that it carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// Read issues in terminal states, once after a start; answered by `TerminalFetched` or `TerminalFetchFailed`.
    FetchTerminal {
        /// Names the request.
        fetch_id: u64,
        /// State names as configured.
        states: Vec<String>,
        /// Why.
        rule: Rule,
    },
    /// One tick: read `running` by ids (answer `Reconciled` or `ReconcileFailed`; skipped when empty), then the
    /// candidates by state (answer `Polled` or `PollFailed`).
    Poll {
        /// Names the request.
        poll_id: u64,
        /// State names as configured.
        states: Vec<String>,
        /// Ids of issues with sessions.
        running: Vec<String>,
        /// Why.
        rule: Rule,
    },
    /// Read issues by ids, in one request; answered by `Refreshed` or `RefreshFailed`.
    Refresh {
        /// Names the request.
        refresh_id: u64,
        /// What for.
        purpose: RefreshPurpose,
        /// Dispatch ids, each once.
        ids: Vec<String>,
        /// Why.
        rule: Rule,
    },
    /// Send `TimerFired` with this id after `delay_ms` on a monotonic clock. Replaces an earlier timer of the same key.
    SetTimer {
        /// What for.
        key: TimerKey,
        /// Names the timer.
        timer_id: u64,
        /// From now, in milliseconds.
        delay_ms: u64,
        /// For display: Unix milliseconds by the clock of this moment.
        due_at_ms: u64,
    },
    /// The timer is no longer needed; firing it does no harm.
    CancelTimer {
        /// What for.
        key: TimerKey,
        /// Names the timer.
        timer_id: u64,
    },
    /// Start an attempt: workspace, hooks, supervisor, session, first turn with the whole prompt. Reported by
    /// `SessionStarted`, `TurnStarted`, … and, whatever happens, by one `AttemptEnded`.
    StartAttempt {
        /// Names the attempt; never used for a second one.
        attempt_id: String,
        /// As just read.
        issue: Box<Issue>,
        /// For the prompt: `None` at first, from 1 in retries and continuations (Symphony §4.1.5).
        attempt: Option<u32>,
        /// Turn limit of the session, for the prompt.
        max_turns: u32,
        /// Why.
        rule: Rule,
    },
    /// Start the next turn in the same thread with continuation guidance (Symphony §7.1).
    NextTurn {
        /// Whose.
        attempt_id: String,
        /// From 2 within the attempt. A turn of this number that was started before is not started again.
        turn_no: u32,
        /// As just read.
        issue: Box<Issue>,
        /// Why.
        rule: Rule,
    },
    /// End the session in an orderly way, run `after_run`, then report `AttemptEnded`.
    EndSession {
        /// Whose.
        attempt_id: String,
        /// Set when the attempt counts as failed.
        failure: Option<Failure>,
        /// Why.
        rule: Rule,
    },
    /// Interrupt the attempt whatever it does, run `after_run`, then report `AttemptEnded`. Also for attempts that
    /// the machine does not know; nothing is reported for one that is already gone and unknown.
    StopAttempt {
        /// Whose.
        attempt_id: String,
        /// Why, for evidence and for people.
        reason: StopReason,
        /// Whether the workspace goes afterwards; done by a later `CleanupWorkspace`, for information here.
        cleanup: bool,
        /// Why.
        rule: Rule,
    },
    /// Hand an operator's answer to the agent, which counts as activity; confirmed by `InputAnswered`.
    Answer {
        /// Whose.
        attempt_id: String,
        /// As in `InputRequired`. A request that was answered before is not answered again.
        request: String,
        /// As the operator gave it.
        answer: Value,
        /// Why.
        rule: Rule,
    },
    /// Remove the issue's workspace, with `before_remove`; answered by `WorkspaceCleaned`. No workspace is a success.
    CleanupWorkspace {
        /// Names the request.
        cleanup_id: u64,
        /// Whose.
        issue: IssueRef,
        /// Why.
        rule: Rule,
    },
    /// The claim on an issue ended; for logs and people.
    Released {
        /// Whose.
        issue: IssueRef,
        /// Why.
        rule: Rule,
    },
    /// Nothing keeps the daemon from ending, as `ShutdownRequested` demanded.
    ShutdownReady,
}

/// What a read by ids is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshPurpose {
    /// A retry's timer fired (Symphony §8.4).
    Retry,
    /// A slot is free (ruling 16).
    Slot,
    /// A turn ended (Symphony §16.5).
    TurnBoundary,
}

/// What a timer is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum TimerKey {
    /// The next poll.
    Poll,
    /// The retry of one issue.
    Retry {
        /// Dispatch id.
        issue_id: String,
    },
}

/// Why an attempt is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The issue is in a terminal state.
    Terminal,
    /// The issue is neither active nor terminal.
    NotActive,
    /// The issue is active but no longer routable.
    NotRoutable,
    /// The tracker no longer shows the issue.
    Missing,
    /// The session was silent for too long.
    Stalled,
    /// The session asked what nobody answers, and policy is to fail.
    InputRequired,
    /// An operator said so.
    Operator,
    /// The daemon ends.
    Shutdown,
    /// A supervisor was found for an attempt that is over or unknown.
    Orphan,
}

impl StopReason {
    /// The rule behind it.
    pub fn rule(self) -> Rule {
        Cow::Borrowed(match self {
            Self::Terminal | Self::NotActive | Self::NotRoutable => "Symphony §8.5",
            Self::Missing => "Symphony §16.3",
            Self::Stalled => "ruling 5",
            Self::InputRequired => "ruling 7",
            Self::Operator => "operator",
            Self::Shutdown => "shutdown",
            Self::Orphan => "restart",
        })
    }
}
