//! `workspace` (Symphony §5.3.3).

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::path;
use super::section::Section;

/// Where the work happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceConfig {
    /// Absolute; default `<system-temp>/symphony_workspaces`. `~` and `$VAR` are expanded, a
    /// relative path is relative to the workflow file's directory.
    pub root: PathBuf,
}

impl WorkspaceConfig {
    pub(super) fn read(mut section: Section<'_>, dir: &Path, env: &Environment) -> Self {
        let fallback = system_temp(env).join("symphony_workspaces");
        let root = match section.text("root") {
            None => fallback,
            Some(text) => path::expand(&text, dir, env).unwrap_or_else(|message| {
                section.error("root", message);
                fallback
            }),
        };
        if root.parent().is_none() {
            section.error("root", "found \"/\", expected a directory of its own for workspaces");
        }
        section.finish();
        Self { root }
    }
}

fn system_temp(env: &Environment) -> PathBuf {
    env.get("TMPDIR")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute())
        .unwrap_or_else(|| "/tmp".into())
}
