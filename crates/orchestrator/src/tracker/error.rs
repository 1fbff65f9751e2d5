//! What a tracker can answer instead of issues (Symphony §11.4).

/// Failure of a tracker; the scheduler only tells success from failure and honours
/// [`TrackerError::retry_after_ms`].
#[derive(Debug, thiserror::Error)]
pub enum TrackerError {
    /// No adapter has this kind.
    #[error("found {kind:?}; this version supports: {supported}")]
    UnsupportedKind {
        /// `tracker.kind` as written.
        kind: String,
        /// Kinds that there are, separated by commas.
        supported: String,
    },
    /// The adapter does not accept its settings.
    #[error("{key}: {message}")]
    InvalidConfig {
        /// Dotted path of the key.
        key: String,
        /// What was found, what is expected.
        message: String,
    },
    /// A credential is missing or empty.
    #[error("{key}: the secret is missing; set {names}")]
    MissingSecret {
        /// Dotted path of the key.
        key: String,
        /// Environment variables that may hold it.
        names: String,
    },
    /// The tracker cannot be reached or read.
    #[error("{what}: {source}")]
    Request {
        /// What was tried, on what.
        what: String,
        /// Why it did not work.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tracker answered with a status that is no success.
    #[error("{what}: status {status}: {message}")]
    Status {
        /// What was tried.
        what: String,
        /// HTTP status or the like.
        status: u16,
        /// The tracker's own words, shortened.
        message: String,
    },
    /// The answer makes no sense, or holds a malformed record that was asked for by id.
    #[error("{message}")]
    Response {
        /// What is wrong, where, what to do.
        message: String,
    },
    /// Pages do not fit together.
    #[error("{message}")]
    Pagination {
        /// What is wrong.
        message: String,
    },
    /// Too many requests.
    #[error("{message}; retry in {retry_after_ms} ms")]
    RateLimited {
        /// The tracker's own words, shortened.
        message: String,
        /// When the tracker wants to be asked again, in milliseconds from now.
        retry_after_ms: u64,
    },
}

impl TrackerError {
    /// Portable category (Symphony §11.4).
    pub fn category(&self) -> &'static str {
        match self {
            Self::UnsupportedKind { .. } => "unsupported_tracker_kind",
            Self::InvalidConfig { .. } => "invalid_tracker_config",
            Self::MissingSecret { .. } => "missing_tracker_secret",
            Self::Request { .. } => "tracker_request",
            Self::Status { .. } => "tracker_status",
            Self::Response { .. } => "tracker_response",
            Self::Pagination { .. } => "tracker_pagination",
            Self::RateLimited { .. } => "tracker_rate_limited",
        }
    }

    /// When the tracker wants to be asked again, in milliseconds from now.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after_ms, .. } => Some(*retry_after_ms),
            _ => None,
        }
    }

    /// Whether the same request may work later without anybody changing the configuration.
    pub fn retryable(&self) -> bool {
        match self {
            Self::UnsupportedKind { .. }
            | Self::InvalidConfig { .. }
            | Self::MissingSecret { .. } => false,
            Self::Status { status, .. } => *status == 408 || *status == 429 || *status >= 500,
            Self::Request { .. }
            | Self::Response { .. }
            | Self::Pagination { .. }
            | Self::RateLimited { .. } => true,
        }
    }
}
