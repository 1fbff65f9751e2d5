//! One typed client for model providers, with a scripted provider and a recorder.
//!
//! The data model is that of unified-llm §3 ([`Request`], [`Response`], [`StreamEvent`]). A [`Client`]
//! routes requests to its [`ProviderAdapter`]s through [`Middleware`]; it never guesses and never retries.
//! [`generate()`], [`stream()`], [`generate_object`] and [`stream_object`] add what most callers want on top:
//! tools that run by themselves, retries, time limits, cancellation, objects that fit a schema.
//! [`Scripted`] plays a transcript without key or network, [`Recorder`] writes one from a live session.

mod accumulator;
mod adapter;
pub mod catalogue;
mod client;
mod error;
mod generate;
mod middleware;
mod model_ref;
pub mod providers;
mod record;
mod retry;
mod scripted;
pub mod sse;
mod types;

pub use accumulator::StreamAccumulator;
pub use adapter::ProviderAdapter;
pub use catalogue::{
    Capability, LongContextCost, ModelInfo, Price, Rates, catalogue_date, get_latest_model,
    get_model_info, list_models,
};
pub use client::{
    Client, ClientBuilder, Connected, NOT_CONFIGURED, ProviderStatus, default_client,
    set_default_client,
};
pub use error::{ErrorKind, LlmError};
pub use generate::{
    AbortSignal, FailedCall, Generate, GenerateResult, ObjectStream, PartialJson, Progress,
    RepairToolCall, StepResult, StopCondition, StreamResult, TimeoutConfig, Tool, ToolContext,
    ToolHandler, ToolOutput, extract_object, generate, generate_object, generate_object_as, stream,
    stream_object,
};
pub use middleware::{Middleware, Next};
pub use model_ref::{ModelRef, PROVIDERS};
pub use providers::anthropic::{Anthropic, AnthropicConfig};
pub use providers::compatible::{Compatible, CompatibleConfig};
pub use providers::gemini::{Gemini, GeminiConfig};
pub use providers::openai::{OpenAi, OpenAiConfig};
pub use record::{RecordError, Recorder};
pub use retry::{OnRetry, RetryPolicy, ShouldRetry, retry, retry_with};
pub use scripted::{NAME as SCRIPTED, ScriptError, Scripted};
pub use types::*;
