//! What a client tells its host (Symphony §10.4).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::item::{Item, ItemPhase};
use super::usage::Usage;
use crate::jsonrpc::Id;

mod summary;

/// Names one request of the agent while it is unanswered. Prints as the JSON of its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestKey(String);

impl RequestKey {
    /// The key of a request id.
    pub fn of(id: &Id) -> Self {
        RequestKey(id.to_string())
    }

    /// The key as an earlier `Display` or serialisation printed it.
    pub fn from_text(text: impl Into<String>) -> Self {
        RequestKey(text.into())
    }
}

impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Error categories (Symphony §10.6). Names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCategory {
    /// The agent's command does not exist (exit status 127 before the session was ready).
    CodexNotFound,
    /// The workspace path cannot be a working directory.
    InvalidWorkspaceCwd,
    /// The agent did not answer a request in time.
    ResponseTimeout,
    /// The agent was silent for too long during a turn.
    TurnTimeout,
    /// The agent's process ended.
    PortExit,
    /// The agent answered a request with an error, or with something unreadable.
    ResponseError,
    /// The agent said that the turn failed.
    TurnFailed,
    /// The turn was interrupted.
    TurnCancelled,
    /// The turn needs input that policy does not provide.
    TurnInputRequired,
}

impl ErrorCategory {
    /// The stable name, in snake case.
    pub fn name(self) -> &'static str {
        match self {
            ErrorCategory::CodexNotFound => "codex_not_found",
            ErrorCategory::InvalidWorkspaceCwd => "invalid_workspace_cwd",
            ErrorCategory::ResponseTimeout => "response_timeout",
            ErrorCategory::TurnTimeout => "turn_timeout",
            ErrorCategory::PortExit => "port_exit",
            ErrorCategory::ResponseError => "response_error",
            ErrorCategory::TurnFailed => "turn_failed",
            ErrorCategory::TurnCancelled => "turn_cancelled",
            ErrorCategory::TurnInputRequired => "turn_input_required",
        }
    }
}

impl fmt::Display for ErrorCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a turn ended (ruling 3): only `Completed` is a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnOutcome {
    /// The agent said `completed`.
    Completed,
    /// The agent said `failed`.
    Failed,
    /// The agent said `interrupted`.
    Cancelled,
    /// It ended without the agent saying so: silence, exit, refused request, input required.
    Error,
}

/// The end of a turn; exactly one for each [`Event::TurnRequested`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnEnd {
    /// Number of the turn in this session, from 1.
    pub turn: u32,
    /// The agent's id of the turn, if it got so far.
    pub turn_id: Option<String>,
    /// How it ended.
    pub outcome: TurnOutcome,
    /// Why, unless it completed.
    pub category: Option<ErrorCategory>,
    /// Why in words, unless it completed.
    pub message: Option<String>,
    /// `codexErrorInfo` of the agent, as it came.
    pub error_info: Option<Value>,
    /// Text of the last agent message of the turn.
    pub last_message: Option<String>,
    /// Tokens that this turn added.
    pub usage: Usage,
    /// False when no further turn can run in this session.
    pub session_open: bool,
}

/// What kind of answer a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InputKind {
    /// Answers to questions.
    UserInput,
    /// A form, a visit to an address, or a verification, for an MCP server.
    Elicitation,
    /// Leave to run a command or change files.
    Approval,
    /// Leave to widen the sandbox.
    Permissions,
}

/// One question of a [`InputKind::UserInput`] request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Key of its answer.
    pub id: String,
    /// Short title.
    pub header: String,
    /// The question.
    pub question: String,
    /// Answers to choose from, if the agent offers any.
    pub options: Vec<String>,
    /// The answer must not be shown or logged.
    pub secret: bool,
}

/// The agent needs a person (ruling 7).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputRequired {
    /// To be given to [`super::Client::answer`].
    pub key: RequestKey,
    /// What kind of answer it needs.
    pub kind: InputKind,
    /// The question in words, ready to be shown.
    pub question: String,
    /// The single questions of a user input request.
    pub questions: Vec<Question>,
    /// Method of the request.
    pub method: String,
    /// Its parameters as they came.
    pub raw: Value,
    /// True when it waits for an answer; false when policy ended the turn over it.
    pub waiting: bool,
}

/// The agent calls a tool of the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// To be given to [`super::Client::answer`].
    pub key: RequestKey,
    /// The agent's id of the call.
    pub call_id: String,
    /// Name of the tool.
    pub tool: String,
    /// Its arguments as they came, not checked against the tool's schema.
    pub arguments: Value,
}

/// How the agent's process ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit status, when it ended by itself.
    pub code: Option<i32>,
    /// Signal, when one ended it.
    pub signal: Option<i32>,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit status {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => f.write_str("unknown exit status"),
        }
    }
}

/// Something that the host may want to know or must act on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The thread is there; a turn may start.
    SessionStarted {
        /// The agent's id of the thread.
        thread_id: String,
        /// The model that the agent will use, as it reports it.
        model: Option<String>,
        /// Its provider, as the agent reports it.
        model_provider: Option<String>,
        /// What the agent says it is (`userAgent`).
        agent: Option<String>,
        /// True when an earlier thread goes on.
        resumed: bool,
    },
    /// There will be no session.
    StartupFailed {
        /// The category.
        category: ErrorCategory,
        /// In words.
        message: String,
    },
    /// A turn was asked for.
    TurnRequested {
        /// Number of the turn in this session, from 1.
        turn: u32,
    },
    /// The agent took the turn up.
    TurnStarted {
        /// Number of the turn in this session, from 1.
        turn: u32,
        /// The agent's id of the turn.
        turn_id: String,
        /// `"<thread_id>-<turn_id>"` (Symphony §10.2).
        session_id: String,
    },
    /// The turn is over.
    TurnEnded(TurnEnd),
    /// The agent needs a person; see [`InputRequired::waiting`].
    InputRequired(InputRequired),
    /// The agent calls a tool; answer with [`super::Client::answer`].
    ToolCall(ToolCall),
    /// A request of the agent no longer waits: answered, timed out, resolved or outlived.
    RequestClosed {
        /// Its key.
        key: RequestKey,
        /// Why.
        reason: RequestEnd,
    },
    /// Policy granted an approval.
    ApprovalAutoApproved {
        /// Method of the request.
        method: String,
        /// What was granted, in words.
        what: String,
    },
    /// Policy refused an approval (approval policy `never`).
    ApprovalDeclined {
        /// Method of the request.
        method: String,
        /// What was refused, in words.
        what: String,
    },
    /// The agent called a tool that was not advertised; it was told so.
    UnsupportedToolCall {
        /// The name that it called.
        tool: String,
    },
    /// An unknown request of the agent; it got an error.
    UnsupportedRequest {
        /// Its method.
        method: String,
        /// Its parameters.
        params: Value,
    },
    /// New token totals.
    Usage {
        /// Tokens of this session so far, over all its threads.
        total: Usage,
        /// What this report added.
        delta: Usage,
        /// Size of the model's context window in tokens, if reported.
        context_window: Option<u64>,
    },
    /// New rate limits, merged with what was known.
    RateLimits {
        /// The whole snapshot after the merge, in the agent's spelling.
        limits: Value,
    },
    /// The agent changed to another model.
    Model {
        /// Its name.
        model: String,
    },
    /// An item of the turn started or ended.
    Item {
        /// Which of the two.
        phase: ItemPhase,
        /// The item.
        item: Item,
    },
    /// More text of an agent message, or more output of a command.
    Delta {
        /// The item that grows.
        item_id: String,
        /// Method of the notification.
        method: String,
        /// What was added.
        text: String,
    },
    /// The agent reports an error; the turn goes on until its end is said.
    AgentError {
        /// In words.
        message: String,
        /// The agent will try again by itself.
        will_retry: bool,
        /// `codexErrorInfo`, as it came.
        info: Option<Value>,
    },
    /// A request of ours that the session can live without went wrong.
    RequestFailed {
        /// Its method.
        method: String,
        /// The category.
        category: ErrorCategory,
        /// In words.
        message: String,
    },
    /// Any other notification.
    Notification {
        /// Its method.
        method: String,
        /// Its parameters.
        params: Value,
    },
    /// A message that belongs to nothing that is known here.
    OtherMessage {
        /// The line, lossily as text.
        raw: String,
    },
    /// A line that is no JSON, or was longer than the cap.
    Malformed {
        /// Why.
        reason: String,
        /// Length of the line in bytes.
        len: u64,
        /// Its beginning, lossily as text.
        head: String,
    },
    /// The agent's process ended.
    Exited(Exit),
}

/// Why a request of the agent no longer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestEnd {
    /// The host or an operator answered.
    Answered,
    /// The host did not answer in time; the agent got a failure.
    TimedOut,
    /// The agent resolved it by itself.
    Resolved,
    /// Its turn, or the session, is over.
    TurnOver,
}

impl Event {
    /// The event's name; those of Symphony §10.4 where they fit.
    pub fn name(&self) -> &'static str {
        match self {
            Event::SessionStarted { .. } => "session_started",
            Event::StartupFailed { .. } => "startup_failed",
            Event::TurnRequested { .. } => "turn_requested",
            Event::TurnStarted { .. } => "turn_started",
            Event::TurnEnded(end) => match end.outcome {
                TurnOutcome::Completed => "turn_completed",
                TurnOutcome::Failed => "turn_failed",
                TurnOutcome::Cancelled => "turn_cancelled",
                TurnOutcome::Error => "turn_ended_with_error",
            },
            Event::InputRequired(_) => "turn_input_required",
            Event::ToolCall(_) => "tool_call",
            Event::RequestClosed { .. } => "request_closed",
            Event::ApprovalAutoApproved { .. } => "approval_auto_approved",
            Event::ApprovalDeclined { .. } => "approval_declined",
            Event::UnsupportedToolCall { .. } => "unsupported_tool_call",
            Event::UnsupportedRequest { .. } => "unsupported_request",
            Event::Exited(_) => "session_ended",
            Event::Malformed { .. } => "malformed",
            Event::OtherMessage { .. } => "other_message",
            Event::Usage { .. }
            | Event::RateLimits { .. }
            | Event::Model { .. }
            | Event::Item { .. }
            | Event::Delta { .. }
            | Event::AgentError { .. }
            | Event::RequestFailed { .. }
            | Event::Notification { .. } => "notification",
        }
    }
}
