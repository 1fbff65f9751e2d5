//! `tracker` (Symphony §5.3.1).

use std::fmt;
use std::path::PathBuf;

use serde_json::{Map, Value};

/// Where issues come from.
#[derive(Clone, PartialEq)]
pub struct TrackerConfig {
    /// Selects the adapter: `files` in this version.
    pub kind: String,
    /// The adapter's own keys, verbatim; `$VAR` is resolved by the adapter where it documents that.
    pub provider: Map<String, Value>,
    /// Keys of older workflow files that stand beside `provider`: `api_key`, `project_slug`, `endpoint`, `assignee`.
    pub aliases: Map<String, Value>,
    /// Every one of these labels must be on an issue; as written.
    pub required_labels: Vec<String>,
    /// States in which issues are worked on; never empty.
    pub active_states: Vec<String>,
    /// States in which issues are finished and their workspaces removed; never empty.
    pub terminal_states: Vec<String>,
    /// Directory of the workflow file: what relative paths of the adapter are relative to.
    pub workflow_dir: PathBuf,
}

/// Values of `provider` may be literal secrets: only the keys are shown.
impl fmt::Debug for TrackerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackerConfig")
            .field("kind", &self.kind)
            .field("provider", &self.provider.keys().collect::<Vec<_>>())
            .field("aliases", &self.aliases.keys().collect::<Vec<_>>())
            .field("required_labels", &self.required_labels)
            .field("active_states", &self.active_states)
            .field("terminal_states", &self.terminal_states)
            .finish_non_exhaustive()
    }
}
