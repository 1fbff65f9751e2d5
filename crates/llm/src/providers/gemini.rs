//! Gemini by its `generateContent` API (unified-llm §2.7, §7.3).

mod contents;
mod fold;
mod media;
mod partial;
mod request;
mod response;
mod stream;
mod thinking;

use std::collections::BTreeMap;

use canon_runtime::secret::Secret;
use serde_json::Value;

use super::adapter::HttpAdapter;
use super::http::{AdapterTimeout, base_url_from};
use super::wire::{Call, Mode, Wire};
use crate::error::{ErrorKind, LlmError};
use crate::types::{Request, Response};

pub use stream::GeminiStream;
use thinking::Thinking;

/// The name that requests route by.
pub const NAME: &str = "gemini";

/// Where requests go when nothing else is said; a base URL is without the `/v1beta`.
pub const DEFAULT_BASE_URL: &str = "https://generativelanguage.googleapis.com";

/// How to reach Gemini.
#[derive(Debug, Clone)]
pub struct GeminiConfig {
    /// Goes in the header `x-goog-api-key`, never in the URL.
    pub api_key: Secret,
    /// Without `/v1beta`.
    pub base_url: String,
    /// Further headers.
    pub default_headers: Vec<(String, String)>,
    /// Time limits; when absent they depend on whether the model thinks.
    pub timeout: Option<AdapterTimeout>,
}

impl GeminiConfig {
    /// From `GEMINI_API_KEY`, else `GOOGLE_API_KEY`, and `GEMINI_BASE_URL`; `None` without a key.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when the base URL is none.
    pub fn from_env_with(
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, LlmError> {
        let Some(key) = lookup("GEMINI_API_KEY").or_else(|| lookup("GOOGLE_API_KEY")) else {
            return Ok(None);
        };
        let mut config = Self::new(Secret::new(key));
        if let Some(url) = base_url_from(lookup, "GEMINI_BASE_URL")? {
            config.base_url = url;
        }
        Ok(Some(config))
    }

    /// The public endpoint with this key.
    pub fn new(api_key: Secret) -> Self {
        Self {
            api_key,
            base_url: DEFAULT_BASE_URL.to_owned(),
            default_headers: Vec::new(),
            timeout: None,
        }
    }
}

/// The wire format of `generateContent` and `streamGenerateContent`.
#[derive(Debug, Clone, Copy, Default)]
pub struct GenerateContent;

/// The adapter.
pub type Gemini = HttpAdapter<GenerateContent>;

impl Gemini {
    /// An adapter for one endpoint and key.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when a header is malformed or no HTTP client can be made.
    pub fn new(config: GeminiConfig) -> Result<Self, LlmError> {
        let headers = [("x-goog-api-key", config.api_key.expose())].into_iter().chain(
            config.default_headers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
        );
        Self::over(GenerateContent, &config.base_url, headers, config.timeout)
    }
}

impl Wire for GenerateContent {
    type Stream = GeminiStream;

    fn name(&self) -> &str {
        NAME
    }

    fn call(&self, request: &Request, mode: Mode) -> Result<Call, LlmError> {
        request::translate(request, mode)
    }

    fn response(&self, request: &Request, body: Value) -> Result<Response, LlmError> {
        response::translate(body, &request.model, &BTreeMap::new())
    }

    fn translator(&self, request: &Request) -> GeminiStream {
        GeminiStream::new(&request.model)
    }

    fn is_slow(&self, model: &str) -> bool {
        Thinking::of(model) != Thinking::Never
    }
}

fn invalid(message: impl Into<String>) -> LlmError {
    LlmError::new(ErrorKind::InvalidRequest, message).with_provider(NAME)
}
