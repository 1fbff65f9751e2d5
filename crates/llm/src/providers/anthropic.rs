//! Anthropic by its Messages API (unified-llm §2.7, §7.3).

mod blocks;
mod cache;
mod calls;
mod conversation;
mod format;
mod models;
mod options;
mod reasoning;
mod request;
mod response;
mod stream;

use canon_runtime::secret::Secret;
use serde_json::Value;

use super::adapter::HttpAdapter;
use super::http::{AdapterTimeout, base_url_from};
use super::wire::{Call, Mode, Wire};
use crate::error::{ErrorKind, LlmError};
use crate::types::{Request, Response};

pub use stream::AnthropicStream;

/// The name that requests route by.
pub const NAME: &str = "anthropic";

/// Where requests go when nothing else is said; a base URL comes without the `/v1`.
pub const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";

/// The version of the API that this adapter speaks.
const VERSION: &str = "2023-06-01";

/// The header that switches on what the API does not do by itself.
const BETA: &str = "anthropic-beta";

/// How to reach Anthropic.
#[derive(Debug, Clone)]
pub struct AnthropicConfig {
    /// Sent as `x-api-key`.
    pub api_key: Secret,
    /// Without the `/v1`.
    pub base_url: String,
    /// Further headers. What `anthropic-beta` names is joined with what a request asks for.
    pub default_headers: Vec<(String, String)>,
    /// Time limits; when absent they depend on whether the model thinks.
    pub timeout: Option<AdapterTimeout>,
}

impl AnthropicConfig {
    /// From `ANTHROPIC_API_KEY` and `ANTHROPIC_BASE_URL`; `None` without a key.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Configuration`] when the base URL is none.
    pub fn from_env_with(
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, LlmError> {
        let Some(key) = lookup("ANTHROPIC_API_KEY") else {
            return Ok(None);
        };
        let mut config = Self::new(Secret::new(key));
        if let Some(url) = base_url_from(lookup, "ANTHROPIC_BASE_URL")? {
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

/// The wire format of the Messages API.
#[derive(Debug, Clone, Default)]
pub struct Messages {
    /// Betas of every call.
    betas: Vec<String>,
}

/// The adapter.
pub type Anthropic = HttpAdapter<Messages>;

impl Anthropic {
    /// An adapter for one endpoint and key.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Configuration`] when a header is malformed or no HTTP client can be made.
    pub fn new(config: AnthropicConfig) -> Result<Self, LlmError> {
        let (betas, headers): (Vec<_>, Vec<_>) =
            config.default_headers.iter().partition(|(name, _)| name.eq_ignore_ascii_case(BETA));
        let betas = betas.iter().flat_map(|(_, value)| options::names(value)).collect();
        let headers = [("x-api-key", config.api_key.expose()), ("anthropic-version", VERSION)]
            .into_iter()
            .chain(headers.into_iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Self::over(Messages { betas }, &config.base_url, headers, config.timeout)
    }
}

impl Wire for Messages {
    type Stream = AnthropicStream;

    fn name(&self) -> &str {
        NAME
    }

    fn call(&self, request: &Request, mode: Mode) -> Result<Call, LlmError> {
        request::translate(request, mode, &self.betas)
    }

    fn response(&self, _request: &Request, body: Value) -> Result<Response, LlmError> {
        response::translate(body)
    }

    fn translator(&self, _request: &Request) -> AnthropicStream {
        AnthropicStream::default()
    }

    fn is_slow(&self, model: &str) -> bool {
        models::Abilities::of(model).thinking != models::ThinkingForm::None
    }
}

fn invalid(message: impl Into<String>) -> LlmError {
    LlmError::new(ErrorKind::InvalidRequest, message).with_provider(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llm_8_2_the_key_and_the_base_url_come_from_the_environment() {
        let config = |pairs: &[(&str, &str)]| {
            let value = |name: &str| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            AnthropicConfig::from_env_with(&value)
        };
        assert!(config(&[("ANTHROPIC_BASE_URL", "https://x")]).unwrap().is_none());
        let plain = config(&[("ANTHROPIC_API_KEY", "k")]).unwrap().unwrap();
        assert_eq!((plain.api_key.expose(), plain.base_url.as_str()), ("k", DEFAULT_BASE_URL));
        let both = [("ANTHROPIC_API_KEY", "k"), ("ANTHROPIC_BASE_URL", "http://gw/anthropic")];
        assert_eq!(config(&both).unwrap().unwrap().base_url, "http://gw/anthropic");
        let bad = [("ANTHROPIC_API_KEY", "k"), ("ANTHROPIC_BASE_URL", "gw")];
        let error = config(&bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.message().contains("ANTHROPIC_BASE_URL"), "{error}");
    }

    #[test]
    fn models_that_think_get_longer_time_limits() {
        let wire = Messages::default();
        assert!(wire.is_slow("claude-opus-5") && wire.is_slow("claude-sonnet-4-5"));
        assert!(!wire.is_slow("claude-3-5-haiku-20241022"));
    }
}
