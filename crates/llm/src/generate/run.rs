//! The loop of model calls and tools (unified-llm §5.6).

use std::sync::Arc;

use super::AbortSignal;
use super::execute::Toolbox;
use super::limits::Limits;
use super::options::StopCondition;
use super::result::{GenerateResult, Progress, StepResult};
use crate::client::Client;
use crate::error::LlmError;
use crate::retry::{RetryPolicy, retry};
use crate::types::{FinishReasonKind, Message, Request, Response, ToolCall};

/// One operation on its way.
pub(super) struct Run {
    pub(super) client: Client,
    /// With the whole conversation so far.
    pub(super) request: Request,
    pub(super) toolbox: Toolbox,
    pub(super) max_tool_rounds: u32,
    pub(super) stop_when: Option<StopCondition>,
    pub(super) retry: RetryPolicy,
    pub(super) abort: AbortSignal,
    pub(super) limits: Limits,
    /// Messages that the caller brought.
    pub(super) brought: usize,
    pub(super) steps: Vec<StepResult>,
}

/// Whether another model call follows.
pub(super) enum Flow {
    GoOn(StepResult),
    Done(StepResult),
}

impl Run {
    /// Step by step, each answered as a whole.
    pub(super) async fn until_done(&mut self) -> Result<StepResult, LlmError> {
        loop {
            let call = || self.limits.step(self.client.complete(self.request.clone()));
            let response = retry(&self.retry, call).await?;
            if let Flow::Done(last) = self.after(response).await {
                return Ok(last);
            }
        }
    }

    /// Runs the tools that an answer calls, notes the step and decides what follows.
    pub(super) async fn after(&mut self, response: Response) -> Flow {
        let calls = response.tool_calls();
        let runs = self.runs_tools(&response, &calls);
        let mut added = vec![response.message.clone()];
        let at = self.steps.len();
        // Noted before its tools run: it is paid for, whatever becomes of them. The conversation grows only
        // after them, so that it never ends with calls that nobody answered.
        self.steps.push(StepResult::new(response, calls.clone()));
        if runs {
            let before = self.request.messages.iter();
            let conversation: Arc<[Message]> = before.chain(&added).cloned().collect();
            let results = self.toolbox.run(&calls, conversation, &self.abort).await;
            added.extend(results.iter().cloned().map(Message::from));
            self.steps[at].tool_results = results;
        }
        self.request.messages.extend(added);
        let step = self.steps[at].clone();
        let complete = runs && step.tool_results.len() == calls.len();
        let stop = || self.stop_when.as_ref().is_some_and(|stop| stop(&self.steps));
        if complete && !stop() { Flow::GoOn(step) } else { Flow::Done(step) }
    }

    /// Whether any call of this answer is run here: the model wants it, there is something to run, and rounds
    /// are left.
    fn runs_tools(&self, response: &Response, calls: &[ToolCall]) -> bool {
        let rounds = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        !calls.is_empty()
            && response.finish_reason.reason == FinishReasonKind::ToolCalls
            && rounds < self.max_tool_rounds
            && self.toolbox.has_active()
    }

    /// What the caller gets: the result, or the error and what was done before it.
    pub(super) fn conclude(
        mut self,
        outcome: Result<StepResult, LlmError>,
    ) -> Result<GenerateResult, LlmError> {
        let messages = self.request.messages.split_off(self.brought);
        match outcome {
            Ok(last) => Ok(GenerateResult::new(last, self.steps, messages)),
            Err(error) => Err(error.with_progress(Progress::new(self.steps, messages))),
        }
    }
}
