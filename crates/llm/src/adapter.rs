//! What every provider implements (unified-llm §2.4, §7.1).

use async_trait::async_trait;

use crate::error::LlmError;
use crate::types::{EventStream, Request, Response, ToolChoice};

/// One provider. Safe for concurrent use; never retries.
#[async_trait]
pub trait ProviderAdapter: Send + Sync {
    /// The name that requests route by, e.g. `openai`.
    fn name(&self) -> &str;

    /// One call, answered as a whole.
    ///
    /// # Errors
    /// The taxonomy of unified-llm §6.
    async fn complete(&self, request: &Request) -> Result<Response, LlmError>;

    /// One call, answered as it comes. Errors before the first event are returned here.
    ///
    /// # Errors
    /// The taxonomy of unified-llm §6.
    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError>;

    /// Whether this provider can do this tool choice.
    fn supports_tool_choice(&self, choice: &ToolChoice) -> bool {
        let _ = choice;
        true
    }
}
