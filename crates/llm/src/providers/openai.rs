//! OpenAI by its Responses API (unified-llm §2.7, §7.3).

mod request;
mod response;
mod stream;

use async_trait::async_trait;
use canon_runtime::secret::Secret;

use super::http::{AdapterTimeout, HttpDriver, events};
use super::media::inline_local_images;
use crate::adapter::ProviderAdapter;
use crate::catalogue::get_model_info;
use crate::error::LlmError;
use crate::types::{EventStream, Request, Response};

pub use request::{Translated, translate as translate_request};
pub use response::translate as translate_response;
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

/// The adapter.
#[derive(Debug)]
pub struct OpenAi {
    http: HttpDriver,
    url: String,
    timeout: Option<AdapterTimeout>,
}

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
        Ok(Self {
            http: HttpDriver::new(NAME, headers)?,
            url: format!("{}/responses", config.base_url.trim_end_matches('/')),
            timeout: config.timeout,
        })
    }

    fn limits(&self, model: &str) -> AdapterTimeout {
        self.timeout.unwrap_or_else(|| {
            if is_reasoning_model(model) {
                AdapterTimeout::reasoning()
            } else {
                AdapterTimeout::default()
            }
        })
    }
}

#[async_trait]
impl ProviderAdapter for OpenAi {
    fn name(&self) -> &str {
        NAME
    }

    async fn complete(&self, request: &Request) -> Result<Response, LlmError> {
        let request = inline_local_images(request).await?;
        let Translated { body, warnings } = request::translate(&request, false)?;
        let limits = self.limits(&request.model);
        let answer = self.http.post(&self.url, &body, limits.request).await?;
        let mut response = response::translate(answer.body)?;
        response.warnings.splice(0..0, warnings);
        response.rate_limit = answer.rate_limit;
        Ok(response)
    }

    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError> {
        let request = inline_local_images(request).await?;
        let Translated { body, warnings } = request::translate(&request, true)?;
        let limits = self.limits(&request.model);
        let answer = self.http.open(&self.url, &body, limits.request).await?;
        let translator = OpenAiStream::new(warnings, answer.rate_limit);
        Ok(events(NAME, answer.response, translator, limits.stream_read))
    }
}

/// Models that do not reason refuse the parameters of those that do; an unknown model is taken for new.
fn is_reasoning_model(model: &str) -> bool {
    match get_model_info(model) {
        Some(info) => info.supports_reasoning,
        None => !["gpt-4", "gpt-3", "chatgpt"].iter().any(|old| model.starts_with(old)),
    }
}
