//! `workspace` (Symphony §5.3.3).

use std::path::PathBuf;

/// Where the work happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceConfig {
    /// Absolute; default `<system-temp>/symphony_workspaces`. `~` and `$VAR` are expanded, a
    /// relative path is relative to the workflow file's directory.
    pub root: PathBuf,
}
