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
            Self::Model(error) => {
                let shown = Error::new(Kind::of_model(&error), plain(&error.to_string()));
                match error.retry_after() {
                    Some(wait) => {
                        let seconds = wait.as_secs_f64().ceil();
                        shown.hint(format!("the provider asks to wait {seconds} s"))
                    }
                    None => shown,
                }
            }
            Self::Other(error) => error,
            Self::Closed => interrupted(),
        }
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
    fn a_key_that_a_provider_quotes_is_taken_out() {
        let key = "sk-proj-abcdefghijklmnopqrstuvwxyz";
        let error = LlmError::new(ErrorKind::Authentication, format!("wrong key {key}"));
        assert!(!redacted(&error).to_string().contains("abcdef"));
        let shown = Failure::from(error).into_error().to_string();
        assert!(shown.contains("wrong key [redacted]"), "{shown}");
    }
}
