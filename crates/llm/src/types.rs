//! The unified data model of unified-llm §3. JSON carries the specification's field names in snake_case,
//! enum values in lower snake case, content parts tagged by `kind`, stream events by `type`.

mod base64_bytes;
mod content;
mod message;
mod request;
mod response;
mod stream;
mod tool;
mod usage;

pub use content::{
    AudioData, ContentPart, DocumentData, ImageData, ProviderRaw, ThinkingData, ToolCallData,
    ToolResultData,
};
pub use message::{Message, Role};
pub use request::{Request, ResponseFormat, ResponseFormatKind};
pub use response::{FinishReason, FinishReasonKind, RateLimitInfo, Response, Warning};
pub use stream::{EventStream, PartialToolCall, StreamEvent};
pub use tool::{ToolCall, ToolChoice, ToolDefinition, ToolResult};
pub use usage::Usage;

#[cfg(test)]
mod tests;
