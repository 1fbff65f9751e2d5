//! The error taxonomy of unified-llm §6 and how a provider's answer is sorted into it.

mod classify;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::generate::Progress;

pub(crate) use classify::{from_body, from_code_and_message, from_http, parse_retry_after, quote};

/// The classes of unified-llm §6.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// 401: the key is missing, wrong or expired.
    Authentication,
    /// 403: the key may not do this.
    AccessDenied,
    /// 404: no such model or endpoint.
    NotFound,
    /// 400, 422: the request is malformed.
    InvalidRequest,
    /// 429: too many requests or tokens.
    RateLimit,
    /// 5xx: the provider failed.
    Server,
    /// The answer was blocked.
    ContentFilter,
    /// Input and output exceed the model's context.
    ContextLength,
    /// The account has no money or quota left.
    QuotaExceeded,
    /// The provider refused in a way that none of the above names; retryable (unified-llm §6.3).
    Provider,
    /// A time limit passed.
    RequestTimeout,
    /// The caller cancelled.
    Abort,
    /// No connection, or it broke before an answer.
    Network,
    /// The stream broke off or could not be understood.
    Stream,
    /// The arguments of a tool call are unusable.
    InvalidToolCall,
    /// The provider cannot do this tool choice.
    UnsupportedToolChoice,
    /// No object of the wanted schema came out.
    NoObjectGenerated,
    /// The client is set up wrongly.
    Configuration,
}

impl ErrorKind {
    /// Whether trying again may help, unless the error says otherwise (unified-llm §6.3).
    pub fn retryable(self) -> bool {
        match self {
            Self::RateLimit | Self::Server | Self::Provider | Self::Network | Self::Stream => true,
            Self::Authentication
            | Self::AccessDenied
            | Self::NotFound
            | Self::InvalidRequest
            | Self::ContentFilter
            | Self::ContextLength
            | Self::QuotaExceeded
            | Self::RequestTimeout
            | Self::Abort
            | Self::InvalidToolCall
            | Self::UnsupportedToolChoice
            | Self::NoObjectGenerated
            | Self::Configuration => false,
        }
    }

    /// What happened, for messages.
    fn phrase(self) -> &'static str {
        match self {
            Self::Authentication => "authentication failed",
            Self::AccessDenied => "access denied",
            Self::NotFound => "not found",
            Self::InvalidRequest => "invalid request",
            Self::RateLimit => "rate limit reached",
            Self::Server => "provider error",
            Self::ContentFilter => "blocked by a content filter",
            Self::ContextLength => "context length exceeded",
            Self::QuotaExceeded => "quota exceeded",
            Self::Provider => "provider refused",
            Self::RequestTimeout => "timed out",
            Self::Abort => "cancelled",
            Self::Network => "network failure",
            Self::Stream => "stream failure",
            Self::InvalidToolCall => "invalid tool call",
            Self::UnsupportedToolChoice => "unsupported tool choice",
            Self::NoObjectGenerated => "no object generated",
            Self::Configuration => "configuration",
        }
    }
}

/// Anything that can go wrong with a model call; small, cheap to clone, kept whole in JSON but for its source and progress.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LlmError(Box<Detail>);

#[derive(Clone, Serialize, Deserialize)]
struct Detail {
    kind: ErrorKind,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "seconds")]
    retry_after: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<Value>,
    #[serde(skip)]
    progress: Option<Arc<Progress>>,
    #[serde(skip)]
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl LlmError {
    /// An error of this kind with the kind's own retryability. `message` says what was at fault, and where.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Detail {
            kind,
            message: message.into(),
            provider: None,
            status_code: None,
            error_code: None,
            retryable: kind.retryable(),
            retry_after: None,
            raw: None,
            progress: None,
            source: None,
        }))
    }

    /// Names the provider.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<String>) -> Self {
        self.0.provider = Some(provider.into());
        self
    }

    /// Adds the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status_code = Some(status);
        self
    }

    /// Adds the provider's own code.
    #[must_use]
    pub fn with_code(mut self, code: Option<String>) -> Self {
        self.0.error_code = code;
        self
    }

    /// Overrides whether trying again may help.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Adds how long the provider wants callers to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Adds the provider's body.
    #[must_use]
    pub fn with_raw(mut self, raw: Option<Value>) -> Self {
        self.0.raw = raw;
        self
    }

    /// Adds what was done before; nothing is no progress.
    #[must_use]
    pub(crate) fn with_progress(mut self, progress: Progress) -> Self {
        self.0.progress = (!progress.steps.is_empty()).then(|| Arc::new(progress));
        self
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// The class.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without class, provider and status; the provider's own words where it spoke.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The provider that was asked.
    pub fn provider(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }

    /// The HTTP status, if there was one.
    pub fn status_code(&self) -> Option<u16> {
        self.0.status_code
    }

    /// The provider's own code.
    pub fn error_code(&self) -> Option<&str> {
        self.0.error_code.as_deref()
    }

    /// Whether trying again may help.
    pub fn retryable(&self) -> bool {
        self.0.retryable
    }

    /// How long the provider wants callers to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The provider's body.
    pub fn raw(&self) -> Option<&Value> {
        self.0.raw.as_ref()
    }

    /// What `generate`, `stream` and their kin had done, and paid for, before they failed; `None` when no answer
    /// had come. JSON and `Debug` leave it out: it holds the conversation.
    pub fn progress(&self) -> Option<&Progress> {
        self.0.progress.as_deref()
    }
}

impl fmt::Display for LlmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail { kind, message, provider, status_code, .. } = &*self.0;
        if let Some(provider) = provider {
            write!(f, "{provider}: ")?;
        }
        f.write_str(kind.phrase())?;
        if let Some(status) = status_code {
            write!(f, " (HTTP {status})")?;
        }
        write!(f, ": {message}")
    }
}

impl fmt::Debug for LlmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmError")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("provider", &self.0.provider)
            .field("status_code", &self.0.status_code)
            .field("error_code", &self.0.error_code)
            .field("retryable", &self.0.retryable)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source)
            .finish()
    }
}

/// Equal in everything that JSON keeps.
impl PartialEq for LlmError {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.0, &*other.0);
        a.kind == b.kind
            && a.message == b.message
            && a.provider == b.provider
            && a.status_code == b.status_code
            && a.error_code == b.error_code
            && a.retryable == b.retryable
            && a.retry_after == b.retry_after
            && a.raw == b.raw
    }
}

impl Error for LlmError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// A duration as a number of seconds (unified-llm §6.2).
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(wait) => serializer.serialize_some(&wait.as_secs_f64()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Option::<f64>::deserialize(deserializer)?
            .map(|seconds| Duration::try_from_secs_f64(seconds).map_err(de::Error::custom))
            .transpose()
    }
}
