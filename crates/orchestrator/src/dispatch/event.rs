//! What the machine is told. Each event is a ledger record of its [`kind`](Event::kind) and version.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::DispatchConfig;
use crate::issue::Issue;

/// Version of the records that events are stored as.
pub const EVENT_VERSION: u32 = 1;

/// Something that happened. Applied in the order in which it is recorded; unknown or outdated ids are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The very first start on an empty ledger.
    Started {
        /// Prefix of every attempt id, unique to this ledger.
        instance: String,
        /// Settings in force.
        config: DispatchConfig,
    },
    /// A later start, after every recorded event was replayed.
    Restarted {
        /// Settings in force now.
        config: DispatchConfig,
        /// Attempts that will still report their end: those whose supervisors were found alive, and
        /// those that are being finished. All others are lost.
        alive: BTreeSet<String>,
    },
    /// The workflow file was read anew and is valid; also ends a [`Event::WorkflowBroken`].
    ConfigChanged {
        /// Settings in force from now on.
        config: DispatchConfig,
    },
    /// The workflow file cannot be read or parsed: nothing new is dispatched (ruling 8).
    WorkflowBroken {
        /// What is wrong, for people.
        error: String,
    },

    /// A timer set by [`Effect::SetTimer`](super::Effect::SetTimer) fired.
    TimerFired {
        /// As in the effect.
        timer_id: u64,
    },
    /// Time for the checks that no timer triggers: stalled sessions, unanswered tracker requests.
    ///
    /// Made by [`Machine::tick`](super::Machine::tick), which says when there is nothing to check.
    Tick {
        /// Milliseconds since the last activity of sessions, by attempt id, on a monotonic clock.
        silence: BTreeMap<String, u64>,
    },

    /// First answer to [`Effect::Poll`](super::Effect::Poll): the running issues were read.
    Reconciled {
        /// As in the effect.
        poll_id: u64,
        /// What the tracker said.
        reread: Reread,
    },
    /// First answer to [`Effect::Poll`](super::Effect::Poll): the running issues could not be read; all go on.
    ReconcileFailed {
        /// As in the effect.
        poll_id: u64,
        /// What is wrong, for people.
        error: String,
    },
    /// Last answer to [`Effect::Poll`](super::Effect::Poll): the candidates were read.
    Polled {
        /// As in the effect.
        poll_id: u64,
        /// Difference to the candidates known before.
        delta: PollDelta,
    },
    /// Last answer to [`Effect::Poll`](super::Effect::Poll): the candidates could not be read.
    PollFailed {
        /// As in the effect.
        poll_id: u64,
        /// What is wrong, for people.
        error: String,
    },
    /// Answer to [`Effect::Refresh`](super::Effect::Refresh).
    Refreshed {
        /// As in the effect.
        refresh_id: u64,
        /// What the tracker said.
        reread: Reread,
    },
    /// The tracker did not answer an [`Effect::Refresh`](super::Effect::Refresh); never read as absence (ruling 11).
    RefreshFailed {
        /// As in the effect.
        refresh_id: u64,
        /// What is wrong, for people.
        error: String,
    },
    /// Answer to [`Effect::FetchTerminal`](super::Effect::FetchTerminal).
    TerminalFetched {
        /// As in the effect.
        fetch_id: u64,
        /// Issues in terminal states; those without a workspace on disk are best left out.
        issues: Vec<IssueRef>,
    },
    /// The terminal issues could not be read; start-up goes on (Symphony §8.6).
    TerminalFetchFailed {
        /// As in the effect.
        fetch_id: u64,
        /// What is wrong, for people.
        error: String,
    },
    /// Answer to [`Effect::CleanupWorkspace`](super::Effect::CleanupWorkspace), whether it worked or not.
    WorkspaceCleaned {
        /// As in the effect.
        cleanup_id: u64,
        /// Why the workspace is still there, if it is.
        error: Option<String>,
    },

    /// The agent's session is up.
    SessionStarted {
        /// Whose.
        attempt_id: String,
        /// What is known about it.
        session: SessionInfo,
    },
    /// A turn began.
    TurnStarted {
        /// Whose.
        attempt_id: String,
        /// From 1 within the attempt.
        turn_no: u32,
        /// `<thread_id>-<turn_id>` (Symphony §4.2).
        session_id: String,
    },
    /// A turn ended.
    TurnEnded {
        /// Whose.
        attempt_id: String,
        /// From 1 within the attempt.
        turn_no: u32,
        /// How.
        outcome: TurnOutcome,
        /// Absolute totals of the session so far.
        usage: Usage,
    },
    /// Absolute token totals of a session, between turns; optional, never needed for correctness.
    UsageReported {
        /// Whose.
        attempt_id: String,
        /// Absolute totals of the session so far.
        usage: Usage,
    },
    /// Latest rate limits that an agent reported.
    RateLimits {
        /// As the agent gave them.
        limits: Value,
    },
    /// The agent asks what policy does not answer.
    InputRequired {
        /// Whose.
        attempt_id: String,
        /// Names the question within the attempt.
        request: String,
        /// What is asked.
        question: Question,
    },
    /// A question was settled: the answer reached the agent, or the agent withdrew the question.
    InputAnswered {
        /// Whose.
        attempt_id: String,
        /// As in [`Event::InputRequired`].
        request: String,
    },
    /// The attempt is over: its processes are gone and `after_run` has run.
    AttemptEnded {
        /// Whose.
        attempt_id: String,
        /// How.
        outcome: AttemptOutcome,
        /// Absolute totals of the session.
        usage: Usage,
        /// How long the attempt ran, in milliseconds on a monotonic clock.
        ran_ms: u64,
        /// Commits, tests, tools: kept with the attempt, never interpreted.
        evidence: Value,
    },

    /// An operator asks for a poll now (Symphony §13.7.2).
    RefreshRequested,
    /// An operator stops new dispatches.
    Paused,
    /// An operator allows new dispatches again.
    Resumed,
    /// An operator stops an issue; it is held until [`Event::RetryNow`] or until it leaves the active states.
    StopRequested {
        /// Dispatch id.
        issue_id: String,
    },
    /// An operator wants a waiting, retrying or held issue to run as soon as there is a slot.
    RetryNow {
        /// Dispatch id.
        issue_id: String,
    },
    /// An operator answers a question (ruling 7).
    OperatorAnswered {
        /// Dispatch id.
        issue_id: String,
        /// As in [`Event::InputRequired`].
        request: String,
        /// Handed to the agent as it is.
        answer: Value,
    },
    /// The daemon is to end.
    ShutdownRequested {
        /// What becomes of the sessions.
        mode: ShutdownMode,
    },
}

/// Difference between a complete poll and the candidates known before; see
/// [`Machine::poll_delta`](super::Machine::poll_delta).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PollDelta {
    /// New issues and issues that changed.
    pub changed: Vec<Issue>,
    /// Ids that the poll no longer returned.
    pub removed: Vec<String>,
}

/// What a read by ids told; an id that is nowhere here is as known before. See
/// [`Machine::reread`](super::Machine::reread).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reread {
    /// Issues that differ from what is known.
    pub changed: Vec<Issue>,
    /// Ids that the tracker no longer shows.
    pub missing: Vec<String>,
    /// Ids whose records could not be read, with why; never read as absence (ruling 11).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<String, String>,
}

/// An issue by its two names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IssueRef {
    /// Dispatch id.
    pub id: String,
    /// What people call it; names the workspace.
    pub identifier: String,
}

/// What is known about a live session (Symphony §4.1.6).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Thread of the agent.
    pub thread_id: String,
    /// Model in use, as the agent named it.
    pub model: Option<String>,
    /// Sandbox in force.
    pub sandbox: Option<String>,
    /// Process id of the agent.
    pub pid: Option<u32>,
}

/// Tokens, as absolute totals of one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// All input.
    pub input_tokens: u64,
    /// Part of the input that came from a cache.
    pub cached_input_tokens: u64,
    /// All output.
    pub output_tokens: u64,
    /// Part of the output that was reasoning.
    pub reasoning_output_tokens: u64,
    /// As reported, not computed.
    pub total_tokens: u64,
}

/// Why something failed: a stable category (Symphony §10.6) and a message for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For example `turn_timeout`, `port_exit`, `workspace_error`, `stalled`, `lost`.
    pub category: String,
    /// What happened, where, what to do.
    pub error: String,
}

/// How a turn ended (ruling 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum TurnOutcome {
    /// The only success.
    Completed,
    /// Failed, was interrupted, or timed out; the category says which.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// How an attempt ended, as its worker saw it; the machine also knows what it had asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// Ended as [`Effect::EndSession`](super::Effect::EndSession) demanded.
    Normal,
    /// Failed by itself: workspace, hook, start-up, prompt, exit of the process.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// Ended because of [`Effect::StopAttempt`](super::Effect::StopAttempt).
    Stopped,
}

/// What an agent asks an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// For example `approval`, `user_input`, `elicitation`.
    pub kind: String,
    /// What to show.
    pub text: String,
    /// The request as the agent sent it.
    pub payload: Value,
}

/// What becomes of live sessions when the daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShutdownMode {
    /// They go on under their supervisors; the next start re-attaches them.
    Detach,
    /// They end after their current turn; nothing new starts.
    Drain,
    /// They are stopped now and run again after the next start.
    Stop,
}

impl Event {
    /// Name of the record, as in its serialised `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Restarted { .. } => "restarted",
            Self::ConfigChanged { .. } => "config_changed",
            Self::WorkflowBroken { .. } => "workflow_broken",
            Self::TimerFired { .. } => "timer_fired",
            Self::Tick { .. } => "tick",
            Self::Reconciled { .. } => "reconciled",
            Self::ReconcileFailed { .. } => "reconcile_failed",
            Self::Polled { .. } => "polled",
            Self::PollFailed { .. } => "poll_failed",
            Self::Refreshed { .. } => "refreshed",
            Self::RefreshFailed { .. } => "refresh_failed",
            Self::TerminalFetched { .. } => "terminal_fetched",
            Self::TerminalFetchFailed { .. } => "terminal_fetch_failed",
            Self::WorkspaceCleaned { .. } => "workspace_cleaned",
            Self::SessionStarted { .. } => "session_started",
            Self::TurnStarted { .. } => "turn_started",
            Self::TurnEnded { .. } => "turn_ended",
            Self::UsageReported { .. } => "usage_reported",
            Self::RateLimits { .. } => "rate_limits",
            Self::InputRequired { .. } => "input_required",
            Self::InputAnswered { .. } => "input_answered",
            Self::AttemptEnded { .. } => "attempt_ended",
            Self::RefreshRequested => "refresh_requested",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::StopRequested { .. } => "stop_requested",
            Self::RetryNow { .. } => "retry_now",
            Self::OperatorAnswered { .. } => "operator_answered",
            Self::ShutdownRequested { .. } => "shutdown_requested",
        }
    }
}
