//! Stream events: unified-llm §3.13, §3.14.

use std::pin::Pin;

use futures_util::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::response::{FinishReason, Response, Warning};
use super::tool::ToolCall;
use super::usage::Usage;
use crate::error::LlmError;

/// Events of one streamed call, in order.
///
/// It ends after [`StreamEvent::Finish`], or with one `Err`. An end without either does not happen:
/// a connection that breaks off is an `Err` of kind `Stream`.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<StreamEvent, LlmError>> + Send>>;

/// One event of a streamed answer, tagged by `type` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StreamEvent {
    /// The stream has begun.
    StreamStart {
        /// What was odd about the request.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<Warning>,
    },
    /// A text segment begins.
    TextStart {
        /// Names the segment.
        text_id: String,
    },
    /// More text of a segment.
    TextDelta {
        /// The segment.
        text_id: String,
        /// The new text.
        delta: String,
    },
    /// A text segment is complete.
    TextEnd {
        /// The segment.
        text_id: String,
        /// All of its text.
        text: String,
    },
    /// A piece of reasoning begins.
    ReasoningStart,
    /// More reasoning.
    ReasoningDelta {
        /// The new text.
        reasoning_delta: String,
    },
    /// A piece of reasoning is complete.
    ReasoningEnd,
    /// A tool call begins.
    ToolCallStart {
        /// Which call, of which tool.
        tool_call: PartialToolCall,
    },
    /// More of a call's arguments.
    ToolCallDelta {
        /// Which call, of which tool.
        tool_call: PartialToolCall,
        /// The next piece of the argument text.
        delta: String,
    },
    /// A tool call is whole and can run.
    ToolCallEnd {
        /// The call.
        tool_call: ToolCall,
    },
    /// One step of several is over and its tools have run (unified-llm §5.9); the next model call follows.
    StepFinish {
        /// Why generation ended in this step.
        finish_reason: FinishReason,
        /// Tokens of this step.
        usage: Usage,
    },
    /// Generation is complete; the last event.
    Finish {
        /// Why.
        finish_reason: FinishReason,
        /// Tokens.
        usage: Usage,
        /// The whole answer, equal to what `complete` would have given.
        response: Box<Response>,
    },
    /// The JSON form of a failed stream; inside Rust the stream yields an `Err` instead.
    Error {
        /// What failed.
        error: LlmError,
    },
    /// An event of the provider that has no unified form, as it came.
    #[serde(alias = "raw")]
    ProviderEvent {
        /// The provider's event.
        raw: Value,
    },
}

impl StreamEvent {
    /// One item of an [`EventStream`] as an event that can be written out.
    pub fn from_item(item: Result<Self, LlmError>) -> Self {
        item.unwrap_or_else(|error| Self::Error { error })
    }
}

/// The id and the name of a call whose arguments are still coming.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialToolCall {
    /// What the result must refer to.
    pub id: String,
    /// The tool.
    pub name: String,
}
