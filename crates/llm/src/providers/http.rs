//! The one driver that speaks HTTP for every adapter: posts JSON, reads an answer or an event stream,
//! turns failures into the taxonomy. It never retries.

mod headers;
mod stream;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use canon_runtime::secret::{Redactor, Secret};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::wire::Call;
use crate::error::{ErrorKind, LlmError, from_http, quote};
use crate::types::{RateLimitInfo, Response, StreamEvent, Warning};

pub use headers::{rate_limit, retry_after};
pub use stream::events;

/// Time limits of one call (unified-llm §4.7). The limit on connecting, 10 s, is the HTTP client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdapterTimeout {
    /// Whole call of `complete`; for `stream`, until the answer begins.
    pub request: Duration,
    /// Longest silence inside a stream.
    pub stream_read: Duration,
}

impl Default for AdapterTimeout {
    fn default() -> Self {
        Self { request: Duration::from_secs(120), stream_read: Duration::from_secs(30) }
    }
}

impl AdapterTimeout {
    /// For models that think for minutes before they say a word.
    pub fn reasoning() -> Self {
        Self { request: Duration::from_secs(900), stream_read: Duration::from_secs(300) }
    }
}

/// What the driver knows beside the answer itself: put into the response, and into the events of a stream
/// where it belongs.
#[derive(Debug, Default)]
pub struct Envelope {
    /// What of the request could not be said.
    pub warnings: Vec<Warning>,
    /// What the headers said about limits.
    pub rate_limit: Option<RateLimitInfo>,
}

impl Envelope {
    /// Completes a response; its own warnings come after those about the request. Money hangs on the counts, so
    /// an answer that states none says so.
    pub fn wrap(self, response: &mut Response) {
        response.warnings.splice(0..0, self.warnings);
        response.rate_limit = self.rate_limit;
        if response.usage.raw.is_none() {
            let message = format!("{}: the answer has no token counts", response.provider);
            response.warnings.push(Warning::new("usage_missing", message));
        }
    }

    /// Completes an event of a stream.
    pub fn wrap_event(&mut self, event: &mut StreamEvent) {
        match event {
            StreamEvent::StreamStart { warnings } => {
                warnings.splice(0..0, self.warnings.iter().cloned());
            }
            StreamEvent::Finish { response, .. } => std::mem::take(self).wrap(response),
            _ => {}
        }
    }
}

/// A whole answer with status 2xx.
#[derive(Debug)]
pub struct Answer {
    /// The body.
    pub body: Value,
    /// What the headers said about limits.
    pub rate_limit: Option<RateLimitInfo>,
}

/// An answer with status 2xx whose body still flows.
#[derive(Debug)]
pub struct StreamingAnswer {
    /// The body to come.
    pub response: reqwest::Response,
    /// What the headers said about limits.
    pub rate_limit: Option<RateLimitInfo>,
}

/// Posts JSON for one provider.
#[derive(Debug, Clone)]
pub struct HttpDriver {
    provider: String,
    client: reqwest::Client,
    headers: HeaderMap,
    /// Knows the keys in `headers`: gateways quote them in their refusals.
    redactor: Redactor,
}

impl HttpDriver {
    /// A driver that sends `headers` with every request; values are marked as sensitive.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when a header is malformed or no HTTP client can be made.
    pub fn new<'a>(
        provider: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, LlmError> {
        let refuse = |message: String| {
            LlmError::new(ErrorKind::Configuration, message).with_provider(provider)
        };
        let mut map = HeaderMap::new();
        let mut secrets = Vec::new();
        for (name, value) in headers {
            secrets.extend(secret(name, value));
            let parsed: reqwest::header::HeaderName =
                name.parse().map_err(|_| refuse(format!("`{name}` is no header name")))?;
            // The value may be a key, so it is not quoted.
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                refuse(format!(
                    "the value of header `{name}` holds characters that no header can carry"
                ))
            })?;
            value.set_sensitive(true);
            map.insert(parsed, value);
        }
        let client = canon_runtime::http::client()
            .map_err(|error| refuse(error.to_string()).with_source(error))?;
        let redactor = Redactor::new(secrets);
        Ok(Self { provider: provider.to_owned(), client, headers: map, redactor })
    }

    /// Makes `call` below `base_url` and reads the whole answer within `limit`.
    ///
    /// # Errors
    /// The taxonomy of unified-llm §6.
    pub async fn post(
        &self,
        base_url: &str,
        call: &Call,
        limit: Duration,
    ) -> Result<Answer, LlmError> {
        let call = async {
            let response = self.send(base_url, call, "application/json").await?;
            let limits = rate_limit(response.headers(), SystemTime::now());
            let bytes = self.body(response).await?;
            let body = serde_json::from_slice(&bytes).map_err(|error| {
                let start = quote(&self.redacted(&bytes));
                let message = format!("the answer is no JSON: {error}; it is `{start}`");
                self.error(ErrorKind::Provider, message).with_source(error)
            })?;
            Ok(Answer { body, rate_limit: limits })
        };
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer,
            Err(_) => Err(self.timeout("no complete answer", limit)),
        }
    }

    /// Makes `call` below `base_url` and returns once the answer begins, within `limit`.
    ///
    /// # Errors
    /// The taxonomy of unified-llm §6.
    pub async fn open(
        &self,
        base_url: &str,
        call: &Call,
        limit: Duration,
    ) -> Result<StreamingAnswer, LlmError> {
        let call = async {
            let response = self.send(base_url, call, "text/event-stream").await?;
            self.require_events(response).await
        };
        match tokio::time::timeout(limit, call).await {
            Ok(response) => {
                let response = response?;
                let rate_limit = rate_limit(response.headers(), SystemTime::now());
                Ok(StreamingAnswer { response, rate_limit })
            }
            Err(_) => Err(self.timeout("no answer", limit)),
        }
    }

    /// A gateway that answers 200 with a page or an error object is quoted, not read as an empty stream.
    async fn require_events(
        &self,
        response: reqwest::Response,
    ) -> Result<reqwest::Response, LlmError> {
        let kind = response.headers().get(reqwest::header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("text/event-stream");
        if kind.starts_with("text/event-stream") {
            return Ok(response);
        }
        let kind = kind.to_owned();
        let status = response.status().as_u16();
        let bytes = self.body(response).await?;
        let said = from_http(&self.provider, status, None, &self.redacted(&bytes));
        let message = format!("the answer is `{kind}` and no event stream: {}", said.message());
        Err(self
            .error(ErrorKind::Provider, message)
            .with_status(status)
            .with_raw(said.raw().cloned()))
    }

    async fn send(
        &self,
        base_url: &str,
        call: &Call,
        accept: &'static str,
    ) -> Result<reqwest::Response, LlmError> {
        let mut request = self
            .client
            .post(format!("{base_url}{}", call.path))
            .headers(self.headers.clone())
            .header(reqwest::header::ACCEPT, accept);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let response =
            request.json(&call.body).send().await.map_err(|error| self.transport(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() {
            return Err(self.redirected(&response));
        }
        let wait = retry_after(response.headers(), SystemTime::now());
        let bytes = self.body(response).await.unwrap_or_default();
        Err(from_http(&self.provider, status.as_u16(), wait, &self.redacted(&bytes)))
    }

    /// A request with a key in it goes only where the settings say.
    fn redirected(&self, response: &reqwest::Response) -> LlmError {
        let to = response.headers().get(reqwest::header::LOCATION);
        let to = to.map(|to| String::from_utf8_lossy(to.as_bytes()));
        // What stands behind the path may be a token of some login page.
        let to = to.as_deref().and_then(|to| to.split(['?', '#']).next()).unwrap_or("nowhere");
        let message = format!("redirected to `{to}`, which is not followed; see to the base URL");
        self.error(ErrorKind::Configuration, message).with_status(response.status().as_u16())
    }

    fn redacted(&self, body: &[u8]) -> Vec<u8> {
        self.redactor.redact(&String::from_utf8_lossy(body)).into_owned().into_bytes()
    }

    async fn body(&self, response: reqwest::Response) -> Result<Bytes, LlmError> {
        response.bytes().await.map_err(|error| self.transport(error))
    }

    fn transport(&self, error: reqwest::Error) -> LlmError {
        // The URL of a proxy or gateway may carry a key.
        let error = error.without_url();
        let kind = if error.is_timeout() && !error.is_connect() {
            ErrorKind::RequestTimeout
        } else if error.is_builder() {
            ErrorKind::Configuration
        } else {
            ErrorKind::Network
        };
        self.error(kind, causes(&error)).with_source(error)
    }

    fn timeout(&self, what: &str, limit: Duration) -> LlmError {
        self.error(ErrorKind::RequestTimeout, format!("{what} within {} s", limit.as_secs_f64()))
    }

    fn error(&self, kind: ErrorKind, message: String) -> LlmError {
        LlmError::new(kind, message).with_provider(self.provider.as_str())
    }
}

/// The key in a header, if it is one that carries keys.
fn secret(name: &str, value: &str) -> Option<Secret> {
    let name = name.to_ascii_lowercase();
    let carries = ["auth", "key", "token"].iter().any(|word| name.contains(word));
    carries.then(|| Secret::new(value.split_whitespace().next_back().unwrap_or_default()))
}

/// The base URL that a variable names, taken as it is.
///
/// # Errors
/// [`ErrorKind::Configuration`] naming the variable when its value is no http or https URL.
pub(super) fn base_url_from(
    lookup: &dyn Fn(&str) -> Option<String>,
    variable: &str,
) -> Result<Option<String>, LlmError> {
    let Some(url) = lookup(variable) else { return Ok(None) };
    // The value may hold a password, so it is not quoted.
    let refuse =
        |why: &str| Err(LlmError::new(ErrorKind::Configuration, format!("{variable} {why}")));
    match reqwest::Url::parse(&url) {
        Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") => {
            refuse("is no http or https URL")
        }
        // Paths are put behind it.
        Ok(parsed) if parsed.query().is_some() || parsed.fragment().is_some() => {
            refuse("has a query or a fragment, which a base URL cannot have")
        }
        Ok(_) => Ok(Some(url.trim().to_owned())),
        Err(error) => refuse(&format!("is no http or https URL: {error}")),
    }
}

/// An error with all causes in one line: the transport's outermost message says next to nothing.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
