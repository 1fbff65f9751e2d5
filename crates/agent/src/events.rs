//! What a session tells its host (loop spec §2.9).

use canon_llm::{RateLimitInfo, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One event of a session, in the order in which things happened.
///
/// As JSON: `{"timestamp": "2026-02-24T20:15:30.250Z", "session_id": "…", "kind": "user_input",
/// "data": {…}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// Unix milliseconds; RFC 3339 in JSON.
    #[serde(with = "instant")]
    pub timestamp: u64,
    /// The session.
    pub session_id: String,
    /// What happened.
    #[serde(flatten)]
    pub data: EventData,
}

/// What happened: `kind` and `data` of a [`SessionEvent`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum EventData {
    /// The session is there; the first event.
    SessionStart {
        /// The provider that answers; `scripted` when the words come from a file.
        provider: String,
        /// The provider's own model id.
        model: String,
        /// Where tools run.
        working_directory: String,
    },
    /// The session is closed; the last event.
    SessionEnd {
        /// Always [`SessionState::Closed`].
        state: SessionState,
        /// How it ended, with the totals of the session.
        outcome: Outcome,
    },
    /// An input entered the conversation.
    UserInput {
        /// Its text.
        content: String,
        /// How many pictures came with it.
        #[serde(default, skip_serializing_if = "is_zero")]
        images: usize,
    },
    /// Everything that was submitted is dealt with.
    ProcessingEnd {
        /// [`SessionState::Idle`] or [`SessionState::AwaitingInput`].
        state: SessionState,
        /// What came of the last input, with the totals of the session so far.
        outcome: Outcome,
    },
    /// The model began to write.
    AssistantTextStart {},
    /// The model wrote more.
    AssistantTextDelta {
        /// The new text.
        delta: String,
    },
    /// The model reasoned where the host can see it.
    ReasoningDelta {
        /// The new text.
        delta: String,
    },
    /// One reply of the model is complete. It may have no text, only tool calls.
    AssistantTextEnd {
        /// All text of the reply.
        text: String,
        /// Its readable reasoning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reasoning: Option<String>,
        /// The provider's id of the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        response_id: Option<String>,
    },
    /// Tokens of one reply, after each reply.
    TokenUsage {
        /// Of this reply.
        last: Usage,
        /// Of the session and its subagents.
        total: Usage,
        /// US dollars of both; absent when the price of one is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_usd: Option<f64>,
        /// Tokens that the model can hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context_window: Option<u64>,
        /// What the provider said about its rate limits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rate_limit: Option<RateLimitInfo>,
    },
    /// A tool begins to run.
    ToolCallStart {
        /// The tool.
        tool_name: String,
        /// The provider's id of the call; in a subagent behind the agents that lead to it, as in
        /// `agent-1/call_7`, so that it is unique among a session and its subagents.
        call_id: String,
        /// The arguments, by the names that the tool gives them whatever the model called them: an
        /// object, or the model's text where that is none.
        arguments: Value,
    },
    /// A running tool wrote something.
    ToolCallOutputDelta {
        /// The call.
        call_id: String,
        /// The new output.
        delta: String,
    },
    /// A tool is done.
    ToolCallEnd {
        /// The tool.
        tool_name: String,
        /// The call.
        call_id: String,
        /// The full output; what the model sees may be less.
        output: String,
        /// Whether the call failed.
        is_error: bool,
        /// Whether the model sees less than `output`.
        truncated: bool,
        /// What the tool says for machines, such as `{"exit_code": 0}`; null for nothing.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        details: Value,
        /// Milliseconds from start to end.
        duration_ms: u64,
    },
    /// Something happened in a subagent (loop spec §7). Events of one subagent come in order; those
    /// of its own subagents are nested.
    Subagent {
        /// The id that the tools know it by; the event has the id of its session.
        agent_id: String,
        /// What happened.
        event: Box<SessionEvent>,
    },
    /// A steering message entered the conversation.
    SteeringInjected {
        /// Its text.
        content: String,
        /// How many pictures came with it.
        #[serde(default, skip_serializing_if = "is_zero")]
        images: usize,
    },
    /// A limit or a budget stopped the work.
    TurnLimit {
        /// Which.
        limit: Limit,
        /// The count that reached it, where it is a count: rounds, replies or tokens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reached: Option<u64>,
        /// For people.
        message: String,
    },
    /// The last tool calls repeat; the model was told.
    LoopDetection {
        /// What the model was told.
        message: String,
        /// How many calls the cycle has.
        pattern_length: usize,
    },
    /// Something that does not stop the session.
    Warning {
        /// For machines.
        code: WarningCode,
        /// For people.
        message: String,
    },
    /// What the session failed of.
    Error {
        /// For machines: a kind of the model client's errors, such as `authentication`.
        code: String,
        /// For people.
        message: String,
    },
}

impl EventData {
    /// The kind as it stands in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SessionStart { .. } => "session_start",
            Self::SessionEnd { .. } => "session_end",
            Self::UserInput { .. } => "user_input",
            Self::ProcessingEnd { .. } => "processing_end",
            Self::AssistantTextStart {} => "assistant_text_start",
            Self::AssistantTextDelta { .. } => "assistant_text_delta",
            Self::ReasoningDelta { .. } => "reasoning_delta",
            Self::AssistantTextEnd { .. } => "assistant_text_end",
            Self::TokenUsage { .. } => "token_usage",
            Self::ToolCallStart { .. } => "tool_call_start",
            Self::ToolCallOutputDelta { .. } => "tool_call_output_delta",
            Self::ToolCallEnd { .. } => "tool_call_end",
            Self::Subagent { .. } => "subagent",
            Self::SteeringInjected { .. } => "steering_injected",
            Self::TurnLimit { .. } => "turn_limit",
            Self::LoopDetection { .. } => "loop_detection",
            Self::Warning { .. } => "warning",
            Self::Error { .. } => "error",
        }
    }
}

/// Where a session stands (loop spec §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Waiting for input.
    Idle,
    /// Running the loop.
    Processing,
    /// The model asked a question.
    AwaitingInput,
    /// Over, for good.
    Closed,
}

/// Which limit stopped the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// `max_tool_rounds_per_input`.
    ToolRounds,
    /// `max_turns`.
    Turns,
    /// The token budget.
    Tokens,
    /// The money budget.
    Cost,
}

/// What a [`EventData::Warning`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// The conversation fills more than 80 % of the model's window.
    ContextUsage,
    /// Old tool outputs were shortened because the provider refused the conversation's length.
    ContextTrimmed,
    /// A model call failed before its first delta and is made again.
    ModelRetry,
    /// A reply broke off; what came of it is dropped and the model is asked again. A text that had
    /// started ends here, without an `assistant_text_end`.
    ReplyDiscarded,
    /// The reply reached its token limit.
    ReplyCut,
    /// A filter of the provider withheld the reply or a part of it.
    ReplyFiltered,
    /// The reply had neither text nor tool calls.
    ReplyEmpty,
    /// The model client found something odd.
    ModelClient,
    /// Messages that were still queued when the session closed.
    UndeliveredMessages,
    /// A cancelled tool did not end in time.
    ToolDidNotEnd,
    /// An input was dealt with while subagents are still at work.
    SubagentsRunning,
    /// Subagents that were closed did not end in time.
    SubagentDidNotEnd,
}

/// How the work on an input, or a session, ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    #[serde(flatten)]
    pub status: Status,
    /// The last text that the model wrote in it.
    pub text: String,
    /// Tokens of the session and its subagents.
    pub usage: Usage,
    /// US dollars of the session and its subagents; absent when the price of one is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Model replies in the session.
    pub turns: u32,
    /// Tool calls in the session.
    pub tool_calls: u32,
    /// What the conversation had used up before this session resumed it. Limits and budgets do not
    /// count it, nor do the totals beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Earlier>,
}

/// The totals of a history that a session began with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// Tokens.
    pub usage: Usage,
    /// US dollars; absent when the price of some reply was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Model replies.
    pub turns: u32,
    /// Tool calls.
    pub tool_calls: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The way in which something ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// The model was done.
    Completed,
    /// The model asked a question, in interactive mode.
    AwaitingInput,
    /// A limit or a budget stopped it.
    Limit {
        /// Which.
        limit: Limit,
    },
    /// The host stopped it.
    Aborted,
    /// It could not go on.
    Failed {
        /// As in [`EventData::Error`].
        code: String,
        /// As in [`EventData::Error`].
        message: String,
    },
}

/// Unix milliseconds as RFC 3339.
mod instant {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn serialize<S: Serializer>(ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&canon_runtime::clock::rfc3339(*ms))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        canon_runtime::clock::parse_rfc3339(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is no RFC 3339 instant")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_documented_json_form() {
        let event = SessionEvent {
            timestamp: 1_771_964_130_250,
            session_id: "s1".to_owned(),
            data: EventData::ProcessingEnd {
                state: SessionState::Idle,
                outcome: Outcome {
                    status: Status::Limit { limit: Limit::ToolRounds },
                    text: "so far".to_owned(),
                    usage: Usage::new(3, 4),
                    cost_usd: None,
                    turns: 1,
                    tool_calls: 2,
                    earlier: None,
                },
            },
        };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "timestamp": "2026-02-24T20:15:30.250Z",
                "session_id": "s1",
                "kind": "processing_end",
                "data": {
                    "state": "idle",
                    "outcome": {
                        "status": "limit", "limit": "tool_rounds", "text": "so far",
                        "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
                        "turns": 1, "tool_calls": 2,
                    },
                },
            })
        );
        assert_eq!(serde_json::from_value::<SessionEvent>(json).unwrap(), event);
    }

    #[test]
    fn kinds_are_spelled_as_in_json() {
        let start = EventData::AssistantTextStart {};
        assert_eq!(serde_json::to_value(&start).unwrap()["kind"], start.kind());
        let end = EventData::SteeringInjected { content: String::new(), images: 0 };
        assert_eq!(serde_json::to_value(&end).unwrap()["kind"], end.kind());
    }
}
