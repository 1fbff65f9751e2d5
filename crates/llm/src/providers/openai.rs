//! OpenAI by its Responses API (unified-llm §2.7, §7.3).
//!
//! `provider_options.openai` is merged into the body: fields that the unified request lacks
//! (`service_tier`, `parallel_tool_calls`, `prompt_cache_key`, `store`, …), and built-in tools under `tools`,
//! which are added to the request's own. Summaries of reasoning are not asked for, since OpenAI gives them to
//! verified organisations only and refuses the whole request of others;
//! `{"reasoning": {"summary": "auto"}}` asks for them.
//!
//! A tool is sent as strict when its schema lies within the subset that OpenAI enforces. An output schema
//! that is asked to be strict and does not lie within it is sent as a hint, with a warning
//! `schema_not_strict`. The API takes no audio: a request that holds some is refused before it is sent.

mod request;
mod response;
mod stream;

use canon_runtime::secret::Secret;
use serde_json::Value;

use super::adapter::HttpAdapter;
use super::http::{AdapterTimeout, base_url_from};
use super::wire::{Call, Mode, Wire};
use crate::catalogue::get_model_info;
use crate::error::LlmError;
use crate::types::{Request, Response};

pub use stream::OpenAiStream;

/// The name that requests route by.
pub const NAME: &str = "openai";

/// Where requests go when nothing else is said; a base URL includes the `/v1`.
pub const DEFAULT_BASE_URL: &str = "https://api.openai.com/v1";

/// How to reach OpenAI.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// The bearer token.
    pub api_key: Secret,
    /// With its `/v1`.
    pub base_url: String,
    /// `OpenAI-Organization`.
    pub organization: Option<String>,
    /// `OpenAI-Project`.
    pub project: Option<String>,
    /// Further headers.
    pub default_headers: Vec<(String, String)>,
    /// Time limits; when absent they depend on whether the model reasons.
    pub timeout: Option<AdapterTimeout>,
}

impl OpenAiConfig {
    /// From `OPENAI_API_KEY`, `OPENAI_BASE_URL`, `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID`; `None` without a key.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Configuration`] when the base URL is none.
    pub fn from_env_with(
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, LlmError> {
        let Some(key) = lookup("OPENAI_API_KEY") else {
            return Ok(None);
        };
        let mut config = Self::new(Secret::new(key));
        if let Some(url) = base_url_from(lookup, "OPENAI_BASE_URL")? {
            config.base_url = url;
        }
        config.organization = lookup("OPENAI_ORG_ID");
        config.project = lookup("OPENAI_PROJECT_ID");
        Ok(Some(config))
    }

    /// The public endpoint with this key.
    pub fn new(api_key: Secret) -> Self {
        Self {
            api_key,
            base_url: DEFAULT_BASE_URL.to_owned(),
            organization: None,
            project: None,
            default_headers: Vec::new(),
            timeout: None,
        }
    }
}

/// The wire format of the Responses API.
#[derive(Debug, Clone, Copy, Default)]
pub struct Responses;

/// The adapter.
pub type OpenAi = HttpAdapter<Responses>;

impl OpenAi {
    /// An adapter for one endpoint and key.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Configuration`] when a header is malformed or no HTTP client can be made.
    pub fn new(config: OpenAiConfig) -> Result<Self, LlmError> {
        let bearer = format!("Bearer {}", config.api_key.expose());
        let named =
            [("OpenAI-Organization", &config.organization), ("OpenAI-Project", &config.project)];
        let headers = [("Authorization", bearer.as_str())]
            .into_iter()
            .chain(named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))))
            .chain(
                config.default_headers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            );
        Self::over(Responses, &config.base_url, headers, config.timeout)
    }
}

impl Wire for Responses {
    type Stream = OpenAiStream;

    fn name(&self) -> &str {
        NAME
    }

    fn call(&self, request: &Request, mode: Mode) -> Result<Call, LlmError> {
        request::translate(request, mode)
    }

    fn response(&self, _request: &Request, body: Value) -> Result<Response, LlmError> {
        response::translate(body)
    }

    fn translator(&self, _request: &Request) -> OpenAiStream {
        OpenAiStream::default()
    }

    fn is_slow(&self, model: &str) -> bool {
        is_reasoning_model(model)
    }
}

/// Models that do not reason refuse the parameters of those that do; an unknown model is taken for new.
fn is_reasoning_model(model: &str) -> bool {
    match get_model_info(model) {
        Some(info) => info.supports_reasoning,
        None => !["gpt-4", "gpt-3", "chatgpt"].iter().any(|old| model.starts_with(old)),
    }
}
