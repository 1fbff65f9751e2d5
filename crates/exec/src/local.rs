//! This machine, with nothing confined (coding agent loop §4.2).

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::environment::FileError;
use crate::environment::delegate::delegate_to_host;
use crate::host::Host;
use crate::process::{DEFAULT_GRACE, DEFAULT_OUTPUT_LIMIT, EnvPolicy, Shell};

/// What a local environment may be told; the defaults are the specification's.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// which variables commands see
    pub env: EnvPolicy,
    /// interpreter of commands
    pub shell: Shell,
    /// bytes kept of each stream
    pub output_limit: usize,
    /// time between TERM and KILL
    pub grace: Duration,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            env: EnvPolicy::default(),
            shell: Shell::default(),
            output_limit: DEFAULT_OUTPUT_LIMIT,
            grace: DEFAULT_GRACE,
        }
    }
}

/// Runs everything on this machine with the rights of this process.
#[derive(Debug)]
pub struct LocalExecutionEnvironment {
    host: Host,
}

impl LocalExecutionEnvironment {
    /// An environment whose relative paths start at `cwd`.
    ///
    /// # Errors
    /// `cwd` is missing or not a directory.
    pub fn new(cwd: impl Into<PathBuf>) -> Result<Self, FileError> {
        Self::with_options(cwd, LocalOptions::default())
    }

    /// [`new`](Self::new) with other settings.
    ///
    /// # Errors
    /// `cwd` is missing or not a directory.
    pub fn with_options(cwd: impl Into<PathBuf>, options: LocalOptions) -> Result<Self, FileError> {
        let cwd = canonical_directory(&cwd.into())?;
        Ok(Self { host: Host::unconfined(cwd, options) })
    }
}

/// Resolved once, so that a later change of a link above does not move the environment.
pub(crate) fn canonical_directory(path: &Path) -> Result<PathBuf, FileError> {
    let canonical = path.canonicalize().map_err(|error| FileError::from_io(path, error))?;
    if canonical.is_dir() {
        Ok(canonical)
    } else {
        Err(FileError::NotADirectory { path: path.to_owned() })
    }
}

delegate_to_host!(LocalExecutionEnvironment);
