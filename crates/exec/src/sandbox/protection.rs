//! What a policy means for an environment that mounts directories by itself.

use std::path::{Path, PathBuf};

use super::git::{Guard, NotRestored};
use super::plan::{Seen, Tmp, zones};
use super::{SandboxError, SandboxPolicy};
use crate::host::zones::Zones;

/// Which places may be seen, and what looks after git's files among them.
#[derive(Debug)]
pub(crate) struct Protection {
    pub(crate) zones: Zones,
    pub(crate) guard: Guard,
    /// repositories elsewhere that worktrees belong to
    pub(crate) repositories: Vec<PathBuf>,
}

impl Protection {
    /// Of a policy other than full access, for mounts that keep what the zones say.
    ///
    /// # Errors
    /// A path cannot be used, or git's files there cannot be protected.
    pub(crate) fn of(
        policy: &SandboxPolicy,
        cwd: &Path,
        masked: &[PathBuf],
    ) -> Result<Self, SandboxError> {
        let (zones, layouts) = zones(policy, cwd, Seen { masked, readable: &[] }, &Tmp::No)?;
        let guard = Guard::new(&layouts, false)
            .map_err(|NotRestored { path, why }| SandboxError::BadPath { path, why })?;
        let repositories = layouts.into_iter().filter_map(|layout| layout.repository).collect();
        Ok(Self { zones, guard, repositories })
    }
}
