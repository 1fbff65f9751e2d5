//! How a call can fail, and what exit code that is.

use canon_llm::{ErrorKind, LlmError};
use serde::Serialize;
use serde_json::Value;

use super::interrupted;
use crate::bridge::agent::redactor;
use crate::error::{Error, Kind};

/// Why there is no answer.
pub(super) enum Failure {
    /// The model, its provider or the way to it.
    Model(LlmError),
    /// Anything else.
    Other(Error),
    /// Whoever read the answer went away: nothing to say, and nobody to say it to.
    Closed,
}

impl From<LlmError> for Failure {
    fn from(error: LlmError) -> Self {
        Self::Model(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Other(Error::environment(format!("standard output: {error}"))),
        }
    }
}

impl Failure {
    /// As a person sees it.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Model(error) if error.kind() == ErrorKind::Abort => interrupted(),
            Self::Model(error) => Error::new(kind(&error), plain(&error.to_string())),
            Self::Other(error) => error,
            Self::Closed => interrupted(),
        }
    }
}

/// Whose fault it is: the input's, the environment's, or the call's own.
fn kind(error: &LlmError) -> Kind {
    match error.kind() {
        ErrorKind::Configuration if error.error_code() == Some(canon_llm::NOT_CONFIGURED) => {
            Kind::Environment
        }
        ErrorKind::Configuration | ErrorKind::UnsupportedToolChoice => Kind::Input,
        // Without a status no provider has seen it: it cannot be said in the provider's words.
        ErrorKind::InvalidRequest if error.status_code().is_none() => Kind::Input,
        ErrorKind::Network
        | ErrorKind::Authentication
        | ErrorKind::AccessDenied
        | ErrorKind::QuotaExceeded => Kind::Environment,
        ErrorKind::Abort => Kind::Interrupted,
        ErrorKind::InvalidRequest
        | ErrorKind::NotFound
        | ErrorKind::RateLimit
        | ErrorKind::Server
        | ErrorKind::ContentFilter
        | ErrorKind::ContextLength
        | ErrorKind::Provider
        | ErrorKind::RequestTimeout
        | ErrorKind::Stream
        | ErrorKind::InvalidToolCall
        | ErrorKind::NoObjectGenerated => Kind::Work,
    }
}

/// `text` without keys: a provider may quote the one that it was sent.
pub(super) fn plain(text: &str) -> String {
    redactor().redact(text).into_owned()
}

/// `value` as JSON without keys.
pub(super) fn redacted(value: &impl Serialize) -> Value {
    let text = serde_json::to_string(value).unwrap_or_default();
    serde_json::from_str(&plain(&text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_whose_fault_it_is() {
        let error = |kind| LlmError::new(kind, "x");
        let missing =
            error(ErrorKind::Configuration).with_code(Some(canon_llm::NOT_CONFIGURED.to_owned()));
        let cases = [
            (missing, Kind::Environment),
            (error(ErrorKind::Configuration), Kind::Input),
            (error(ErrorKind::InvalidRequest), Kind::Input),
            (error(ErrorKind::InvalidRequest).with_status(400), Kind::Work),
            (error(ErrorKind::Authentication).with_status(401), Kind::Environment),
            (error(ErrorKind::Network), Kind::Environment),
            (error(ErrorKind::RateLimit).with_status(429), Kind::Work),
            (error(ErrorKind::RequestTimeout), Kind::Work),
            (error(ErrorKind::Abort), Kind::Interrupted),
        ];
        for (error, wanted) in cases {
            assert_eq!(kind(&error), wanted, "{error}");
        }
    }

    #[test]
    fn a_key_that_a_provider_quotes_is_taken_out() {
        let key = "sk-proj-abcdefghijklmnopqrstuvwxyz";
        let error = LlmError::new(ErrorKind::Authentication, format!("wrong key {key}"));
        assert!(!redacted(&error).to_string().contains("abcdef"));
        let shown = Failure::from(error).into_error().to_string();
        assert!(shown.contains("wrong key [redacted]"), "{shown}");
    }
}
