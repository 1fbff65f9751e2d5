//! What is wrong with a configuration: all of it, not the first thing.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong, or only suspicious, at one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Stable class: `invalid_value`, `unknown_key`, `unsupported`, `missing_tracker_kind`,
    /// `unsupported_tracker_kind`, `invalid_tracker_config`, `missing_tracker_secret`.
    pub class: &'static str,
    /// Dotted path of the key: `polling.interval_ms`.
    pub key: String,
    /// Line of the workflow file, where it can be told.
    pub line: Option<usize>,
    /// What was found, what is expected, what to do.
    pub message: String,
}

impl Complaint {
    /// A complaint without a line; the resolver adds it.
    pub fn new(class: &'static str, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { class, key: key.into(), line: None, message: message.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// A configuration that cannot be used: every error found, and the warnings beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// Workflow file that holds the configuration.
    pub path: PathBuf,
    /// Never empty.
    pub errors: Vec<Complaint>,
    /// What is ignored.
    pub warnings: Vec<Complaint>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: the configuration is not valid: ", self.path.display())?;
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Complaints as they are collected.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) errors: Vec<Complaint>,
    pub(crate) warnings: Vec<Complaint>,
}

impl Report {
    pub(crate) fn error(
        &mut self,
        class: &'static str,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.errors.push(Complaint::new(class, key, message));
    }

    pub(crate) fn warn(
        &mut self,
        class: &'static str,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.warnings.push(Complaint::new(class, key, message));
    }
}
