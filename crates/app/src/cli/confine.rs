//! What commands and file operations may touch, as flags say it.

use canon_exec::sandbox::SandboxPolicy;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// `--sandbox`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mode {
    ReadOnly,
    #[default]
    WorkspaceWrite,
    DangerFullAccess,
}

impl Mode {
    /// The policy, with the network closed where that can be.
    pub(super) fn policy(self) -> SandboxPolicy {
        match self {
            Self::ReadOnly => SandboxPolicy::read_only(),
            Self::WorkspaceWrite => SandboxPolicy::workspace_write(),
            Self::DangerFullAccess => SandboxPolicy::DangerFullAccess,
        }
    }
}
