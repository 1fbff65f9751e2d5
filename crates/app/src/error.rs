//! The one boundary where errors become an exit code, a message and hints.

use std::fmt;
use std::process::ExitCode;

use canon_llm::{ErrorKind, LlmError};

/// What kind of failure a command ended with; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The work itself failed: exit code 1.
    Work,
    /// The input is wrong, a file, a flag, a setting: exit code 2.
    Input,
    /// The environment is wrong, a tool, the network, a permission: exit code 3.
    Environment,
    /// Somebody interrupted it: exit code 130.
    Interrupted,
}

impl Kind {
    /// Whose fault a failed model call is: the input's, the environment's, or the call's own.
    pub fn of_model(error: &LlmError) -> Self {
        match error.kind() {
            ErrorKind::Configuration if error.error_code() == Some(canon_llm::NOT_CONFIGURED) => {
                Self::Environment
            }
            ErrorKind::Configuration | ErrorKind::UnsupportedToolChoice => Self::Input,
            // Without a status no provider has seen it: it cannot be said in the provider's words.
            ErrorKind::InvalidRequest if error.status_code().is_none() => Self::Input,
            ErrorKind::Network
            | ErrorKind::Authentication
            | ErrorKind::AccessDenied
            | ErrorKind::QuotaExceeded => Self::Environment,
            ErrorKind::Abort => Self::Interrupted,
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
            | ErrorKind::NoObjectGenerated => Self::Work,
        }
    }
}

/// A failure as a person sees it: what happened and where, then what to do.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hints: Vec<String>,
}

impl Error {
    /// A failure of the given kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// The input is wrong.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// The environment is wrong.
    pub fn environment(message: impl Into<String>) -> Self {
        Self::new(Kind::Environment, message)
    }

    /// The work failed.
    pub fn work(message: impl Into<String>) -> Self {
        Self::new(Kind::Work, message)
    }

    /// Says first what it is about.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What happened and where, without what to do.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whose fault it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Work => 1,
            Kind::Input => 2,
            Kind::Environment => 3,
            Kind::Interrupted => 130,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        for hint in &self.hints {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

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
            assert_eq!(Kind::of_model(&error), wanted, "{error}");
        }
    }
}
