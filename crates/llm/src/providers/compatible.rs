//! Any endpoint that speaks Chat Completions: vLLM, Ollama, llama.cpp, LM Studio, Together, Groq, DeepSeek,
//! OpenRouter, LiteLLM and their like (unified-llm §7.10).
//!
//! These servers agree on a core and differ at the edges, so requests keep to the core and answers are read
//! with patience. What one server needs beyond that goes into `provider_options["openai-compatible"]`:
//! its fields are merged into the body, and a field whose value is `null` is left out of it, e.g.
//! `{"max_tokens": null, "max_completion_tokens": 500}`. Two options are read by the adapter itself:
//!
//! - `developer_role` (default false): developer messages keep their role instead of being sent as system
//!   messages, which more servers know.
//! - `return_reasoning`: whether reasoning goes back to the server under the field that it came in. When
//!   absent, it does where tools are in play: DeepSeek demands it there, and elsewhere it only costs tokens.

mod request;
mod response;
mod stream;

use canon_runtime::secret::Secret;
use serde_json::Value;

use super::adapter::HttpAdapter;
use super::http::{AdapterTimeout, base_url_from};
use super::wire::{Call, Mode, Wire};
use crate::error::LlmError;
use crate::types::{ContentPart, Request, Response};

pub use stream::ChatStream;

/// The name that requests route by.
pub const NAME: &str = "openai-compatible";

/// How to reach an endpoint.
#[derive(Debug, Clone)]
pub struct CompatibleConfig {
    /// The bearer token, if the server wants one.
    pub api_key: Option<Secret>,
    /// What `/chat/completions` follows, mostly with a `/v1`.
    pub base_url: String,
    /// Further headers.
    pub default_headers: Vec<(String, String)>,
    /// Time limits; generous when absent, because nothing is known of the model.
    pub timeout: Option<AdapterTimeout>,
}

impl CompatibleConfig {
    /// From `OPENAI_COMPATIBLE_BASE_URL` and `OPENAI_COMPATIBLE_API_KEY`; `None` without the former.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Configuration`] when the base URL is none.
    pub fn from_env_with(
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, LlmError> {
        let Some(base_url) = base_url_from(lookup, "OPENAI_COMPATIBLE_BASE_URL")? else {
            return Ok(None);
        };
        let api_key = lookup("OPENAI_COMPATIBLE_API_KEY").map(Secret::new);
        Ok(Some(Self { api_key, ..Self::new(base_url) }))
    }

    /// An endpoint that wants no key.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            api_key: None,
            base_url: base_url.into(),
            default_headers: Vec::new(),
            timeout: None,
        }
    }
}

/// The wire format of Chat Completions.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChatCompletions;

/// The adapter.
pub type Compatible = HttpAdapter<ChatCompletions>;

impl Compatible {
    /// An adapter for one endpoint.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Configuration`] when a header is malformed or no HTTP client can be made.
    pub fn new(config: CompatibleConfig) -> Result<Self, LlmError> {
        let bearer = config.api_key.as_ref().map(|key| format!("Bearer {}", key.expose()));
        let further =
            config.default_headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers =
            bearer.as_deref().map(|bearer| ("Authorization", bearer)).into_iter().chain(further);
        Self::over(ChatCompletions, &config.base_url, headers, config.timeout)
    }
}

impl Wire for ChatCompletions {
    type Stream = ChatStream;

    fn name(&self) -> &str {
        NAME
    }

    fn call(&self, request: &Request, mode: Mode) -> Result<Call, LlmError> {
        request::translate(request, mode)
    }

    fn response(&self, request: &Request, body: Value) -> Result<Response, LlmError> {
        response::translate(body, calls_so_far(request))
    }

    fn translator(&self, request: &Request) -> ChatStream {
        ChatStream::new(calls_so_far(request))
    }

    /// Any model may be a reasoning one, and a local one may read a long prompt for minutes.
    fn is_slow(&self, _model: &str) -> bool {
        true
    }
}

/// Tool calls in the conversation: what ids are counted on from for calls that come without one.
fn calls_so_far(request: &Request) -> usize {
    let parts = request.messages.iter().flat_map(|message| &message.content);
    parts.filter(|part| matches!(part, ContentPart::ToolCall { .. })).count()
}

/// The id of call `number` of a conversation, for servers that give none (unified-llm §3.5).
fn synthetic_id(number: usize) -> String {
    format!("call_canon_{number}")
}

/// Fields of a message that hold readable reasoning, the preferred one first. Servers have one of them, or
/// say the same in both.
const REASONING_TEXTS: [&str; 2] = ["reasoning_content", "reasoning"];

/// The field for reasoning in pieces, some of them opaque.
const REASONING_DETAILS: &str = "reasoning_details";
