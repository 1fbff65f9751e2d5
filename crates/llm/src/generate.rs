//! The high-level calls (unified-llm §4.3–§4.7, §5): a prompt in, an answer out, with tools that run by
//! themselves, retries, time limits and cancellation in between.
//!
//! Where the specification leaves a choice:
//!
//! - When one answer holds calls of active and of passive tools, the active ones run and the call returns:
//!   the last step has results for those, [`GenerateResult::pending_calls`] are the caller's to answer.
//! - Calls of unknown tools get an error result if there is any active tool; without one nothing loops.
//! - Retries, backoff and tools all count against the total time limit; the limit per step is for each single
//!   try of a model call. The time that a stream's consumer takes counts too.
//! - A stream may begin anew as long as nothing but its start, and events without a unified form, has been
//!   delivered.
//! - An error after the first answer carries what was done and paid for: [`LlmError::progress`].

mod execute;
mod extract;
mod limits;
mod object;
mod object_stream;
mod options;
mod partial_json;
mod result;
mod run;
mod stream;
mod tool;

use crate::error::LlmError;

pub use extract::extract as extract_object;
pub use limits::{AbortSignal, TimeoutConfig};
pub use object::{generate_object, generate_object_as};
pub use object_stream::{ObjectStream, stream_object};
pub use options::{Generate, StopCondition};
pub use partial_json::PartialJson;
pub use result::{GenerateResult, Progress, StepResult};
pub use stream::{StreamResult, stream};
pub use tool::{FailedCall, RepairToolCall, Tool, ToolContext, ToolHandler, ToolOutput};

/// Asks the model, runs the tools that it calls, asks again, until it is done (unified-llm §4.3).
///
/// ```no_run
/// # async fn example() -> Result<(), canon_llm::LlmError> {
/// use canon_llm::{Generate, generate};
///
/// let result = generate(Generate::new("gpt-5.2").prompt("Explain photosynthesis.")).await?;
/// println!("{} ({} tokens)", result.text, result.total_usage.total_tokens);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The taxonomy of unified-llm §6: [`crate::ErrorKind::Configuration`] for options that contradict themselves,
/// `RequestTimeout` and `Abort` when a limit passed or the caller cancelled, else the error of the last try. What
/// was done before it, and what that cost, is in [`LlmError::progress`].
pub async fn generate(options: Generate) -> Result<GenerateResult, LlmError> {
    let (mut run, limits) = options.prepare()?;
    let outcome = limits.whole(run.until_done()).await;
    run.conclude(outcome)
}
