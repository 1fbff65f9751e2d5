//! What a high-level call gives back (unified-llm §4.3).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::types::{FinishReason, Message, Response, ToolCall, ToolResult, Usage, Warning};

/// One model call, and the tools that ran after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// Its text.
    pub text: String,
    /// Its readable reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The calls in it.
    pub tool_calls: Vec<ToolCall>,
    /// What the tools answered, in the order of the calls; empty when none ran.
    pub tool_results: Vec<ToolResult>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Its tokens.
    pub usage: Usage,
    /// The whole answer.
    pub response: Response,
    /// What was odd about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl StepResult {
    /// A step whose tools have not run.
    pub(super) fn new(response: Response, tool_calls: Vec<ToolCall>) -> Self {
        Self {
            text: response.text(),
            reasoning: response.reasoning(),
            tool_calls,
            tool_results: Vec::new(),
            finish_reason: response.finish_reason.clone(),
            usage: response.usage.clone(),
            warnings: response.warnings.clone(),
            response,
        }
    }
}

fn total(steps: &[StepResult]) -> Usage {
    steps.iter().map(|step| step.usage.clone()).sum()
}

/// What an operation had done when it failed: [`crate::LlmError::progress`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The answers that had come, in order. The last one has no results when its tools were cut short.
    pub steps: Vec<StepResult>,
    /// Tokens of all of them.
    pub total_usage: Usage,
    /// What was added to the conversation, up to the last step whose tools were done: appended to the messages
    /// of the request it is where another operation goes on.
    pub messages: Vec<Message>,
}

impl Progress {
    pub(super) fn new(steps: Vec<StepResult>, messages: Vec<Message>) -> Self {
        Self { total_usage: total(&steps), steps, messages }
    }
}

/// The outcome of an operation. What is not said to be of all steps is that of the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerateResult {
    /// The text.
    pub text: String,
    /// The readable reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The calls.
    pub tool_calls: Vec<ToolCall>,
    /// What the tools answered; empty when none ran.
    pub tool_results: Vec<ToolResult>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens.
    pub usage: Usage,
    /// Tokens of all steps. Tries that failed are not in it: providers do not report theirs.
    pub total_usage: Usage,
    /// All steps, in order.
    pub steps: Vec<StepResult>,
    /// The whole last answer.
    pub response: Response,
    /// What was added to the conversation: every answer, and the results of tools. Appended to the messages of
    /// the request it is where the next one goes on.
    pub messages: Vec<Message>,
    /// The object, for [`super::generate_object`] and [`super::stream_object`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

impl GenerateResult {
    /// `steps` are all of them, `last` the last one again.
    pub(super) fn new(last: StepResult, steps: Vec<StepResult>, messages: Vec<Message>) -> Self {
        Self {
            text: last.text,
            reasoning: last.reasoning,
            tool_calls: last.tool_calls,
            tool_results: last.tool_results,
            finish_reason: last.finish_reason,
            usage: last.usage,
            total_usage: total(&steps),
            steps,
            response: last.response,
            messages,
            output: None,
        }
    }

    /// The calls of the last step that nobody has answered: those of passive tools, or all of them when the
    /// rounds were used up.
    pub fn pending_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.tool_calls
            .iter()
            .filter(|call| !self.tool_results.iter().any(|result| result.tool_call_id == call.id))
    }
}
