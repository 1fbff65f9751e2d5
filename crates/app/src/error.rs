//! The one boundary where errors become an exit code, a message and hints.

use std::fmt;
use std::process::ExitCode;

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

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
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
