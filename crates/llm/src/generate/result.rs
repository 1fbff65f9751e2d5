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
    pub(super) fn new(
        response: Response,
        tool_calls: Vec<ToolCall>,
        tool_results: Vec<ToolResult>,
    ) -> Self {
        Self {
            text: response.text(),
            reasoning: response.reasoning(),
            tool_calls,
            tool_results,
            finish_reason: response.finish_reason.clone(),
            usage: response.usage.clone(),
            warnings: response.warnings.clone(),
            response,
        }
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
            total_usage: steps.iter().map(|step| step.usage.clone()).sum(),
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
