//! What a call gives back: unified-llm §3.7, §3.8, §3.11, §3.12.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::message::Message;
use super::tool::ToolCall;
use super::usage::Usage;

/// A whole answer of a model (unified-llm §3.7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The provider's id of it.
    pub id: String,
    /// The model that really answered.
    pub model: String,
    /// The provider that answered; `scripted` when the words came from a file.
    pub provider: String,
    /// The answer.
    pub message: Message,
    /// Why generation ended.
    pub finish_reason: FinishReason,
    /// Tokens.
    pub usage: Usage,
    /// The provider's own object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Value>,
    /// What went slightly wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// What the headers said about limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitInfo>,
}

impl Response {
    /// All text of the answer.
    pub fn text(&self) -> String {
        self.message.text()
    }

    /// The tool calls of the answer, in order.
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        self.message.tool_calls()
    }

    /// All readable reasoning, if there is any.
    pub fn reasoning(&self) -> Option<String> {
        self.message.reasoning()
    }
}

/// Why generation ended, portable and as the provider said it (unified-llm §3.8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishReason {
    /// The portable reason.
    pub reason: FinishReasonKind,
    /// The provider's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

impl FinishReason {
    /// A reason with the provider's word for it.
    pub fn new(reason: FinishReasonKind, raw: Option<&str>) -> Self {
        Self { reason, raw: raw.map(str::to_owned) }
    }
}

/// The portable reasons (unified-llm §3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReasonKind {
    /// The model was done.
    Stop,
    /// The token limit was reached.
    Length,
    /// The model wants tools to run.
    ToolCalls,
    /// A filter blocked the answer.
    ContentFilter,
    /// Generation failed.
    Error,
    /// Anything else; see [`FinishReason::raw`].
    Other,
}

/// Something non-fatal (unified-llm §3.11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// For people.
    pub message: String,
    /// For machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Warning {
    /// A warning with a code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), code: Some(code.to_owned()) }
    }
}

/// Limits as the provider's headers state them (unified-llm §3.12); informational.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimitInfo {
    /// Requests left in the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_remaining: Option<u64>,
    /// Requests per window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_limit: Option<u64>,
    /// Tokens left in the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_remaining: Option<u64>,
    /// Tokens per window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_limit: Option<u64>,
    /// When all windows that are stated are full again, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<String>,
}
