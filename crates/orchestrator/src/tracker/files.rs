//! Tracker `files`: a directory of Markdown files with YAML front matter.
//!
//! The profile (Symphony §11.2) is `docs/trackers/files.md`.

mod catalogue;
mod edit;
mod record;
mod scan;
mod seed;
mod store;
mod tool;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;

use super::{Profile, RecordProblem, ToolContext, ToolResult, ToolSpec, Tracker, TrackerError};
use crate::config::complaint::Report;
use crate::config::path::expand;
use crate::config::section::Section;
use crate::config::{Environment, TrackerConfig};
use crate::issue::{Issue, state_in, state_key};
use scan::Scanner;

/// Value of `tracker.kind`.
pub const KIND: &str = "files";

/// Directory where `provider.path` is missing, beside the workflow file.
const DEFAULT_PATH: &str = "issues";

pub(super) const PROFILE: Profile = Profile {
    kind: KIND,
    active_states: &["Todo", "In Progress"],
    terminal_states: &["Done", "Cancelled", "Canceled", "Closed", "Duplicate"],
    check,
};

/// The adapter; cheap to share, every read and write happens on a blocking thread.
#[derive(Debug)]
pub struct FilesTracker {
    shared: Arc<Shared>,
}

/// What blocking threads need.
#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    /// Active, terminal and further states, each once, in the configured spelling.
    known_states: Vec<String>,
    scanner: Scanner,
    /// Held while a file is written.
    writing: Mutex<()>,
}

/// Settings of `tracker.provider`.
struct Settings {
    dir: PathBuf,
    seed: Option<PathBuf>,
    states: Vec<String>,
}

fn settings(config: &TrackerConfig, env: &Environment, report: &mut Report) -> Settings {
    let mut root = serde_json::Map::new();
    root.insert("provider".to_owned(), Value::Object(config.provider.clone()));
    let mut inner = Report::default();
    let mut section = Section::root(&root, &mut inner);
    let mut provider = section.section("provider");
    let path = provider.text("path").unwrap_or_else(|| DEFAULT_PATH.to_owned());
    let dir = expand(&path, &config.workflow_dir, env).unwrap_or_else(|message| {
        provider.error("path", message);
        config.workflow_dir.join(DEFAULT_PATH)
    });
    let seed = provider.text("seed").and_then(|seed| {
        let expanded = expand(&seed, &config.workflow_dir, env);
        expanded.map_err(|message| provider.error("seed", message)).ok()
    });
    let states = provider.texts("states").unwrap_or_default();
    provider.finish();
    for mut error in inner.errors {
        error.class = "invalid_tracker_config";
        error.key = format!("tracker.{}", error.key);
        report.errors.push(error);
    }
    for mut warning in inner.warnings {
        warning.key = format!("tracker.{}", warning.key);
        report.warnings.push(warning);
    }
    Settings { dir, seed, states }
}

fn check(config: &TrackerConfig, env: &Environment, report: &mut Report) {
    let _ = settings(config, env, report);
}

impl FilesTracker {
    /// Opens the directory that `config` names.
    ///
    /// # Errors
    /// `invalid_tracker_config` when a setting is wrong or the directory cannot be read.
    pub fn open(config: &TrackerConfig, env: &Environment) -> Result<Self, TrackerError> {
        let mut report = Report::default();
        let settings = settings(config, env, &mut report);
        if let Some(error) = report.errors.into_iter().next() {
            return Err(TrackerError::InvalidConfig { key: error.key, message: error.message });
        }
        if let Some(from) = &settings.seed {
            seed::seed(from, &settings.dir).map_err(|error| TrackerError::InvalidConfig {
                key: "tracker.provider.seed".to_owned(),
                message: format!(
                    "cannot copy {} to {}: {error}",
                    from.display(),
                    settings.dir.display()
                ),
            })?;
        }
        std::fs::read_dir(&settings.dir).map_err(|error| TrackerError::InvalidConfig {
            key: "tracker.provider.path".to_owned(),
            message: format!(
                "cannot read the directory {}: {error}; create it or name another",
                settings.dir.display()
            ),
        })?;
        let mut known_states: Vec<String> = Vec::new();
        for state in
            config.active_states.iter().chain(&config.terminal_states).chain(&settings.states)
        {
            if !state.trim().is_empty() && !state_in(state, &known_states) {
                known_states.push(state.trim().to_owned());
            }
        }
        let shared = Shared {
            dir: settings.dir,
            known_states,
            scanner: Scanner::new(
                config.terminal_states.iter().map(|state| state_key(state)).collect(),
            ),
            writing: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Directory that is read.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Shared) -> Result<T, TrackerError> + Send + 'static,
    ) -> Result<T, TrackerError> {
        let shared = Arc::clone(&self.shared);
        let task = tokio::task::spawn_blocking(move || what(&shared));
        task.await.unwrap_or_else(|error| {
            Err(TrackerError::Request {
                what: "reading the issue files failed".to_owned(),
                source: error.into(),
            })
        })
    }
}

#[async_trait]
impl Tracker for FilesTracker {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn fetch_issues_by_states(&self, states: &[String]) -> Result<Vec<Issue>, TrackerError> {
        if states.is_empty() {
            return Ok(Vec::new());
        }
        let states: Vec<String> = states.iter().map(|state| state_key(state)).collect();
        self.blocking(move |shared| shared.scanner.all(&shared.dir, |all| all.in_states(&states)))
            .await
    }

    async fn fetch_issues_by_ids(&self, ids: &[String]) -> Result<Vec<Issue>, TrackerError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.to_vec();
        self.blocking(move |shared| {
            shared.scanner.some(&shared.dir, &ids, |known| known.with_ids(&ids)).flatten()
        })
        .await
    }

    fn problems(&self) -> Vec<RecordProblem> {
        self.shared.scanner.problems()
    }

    fn tool_specs(&self) -> Vec<ToolSpec> {
        vec![tool::spec(&self.shared.known_states)]
    }

    async fn execute_tool(
        &self,
        name: &str,
        arguments: &Value,
        context: &ToolContext,
    ) -> ToolResult {
        if name != tool::NAME {
            return ToolResult::unsupported(name, &self.tool_specs());
        }
        let request = match tool::Request::read(arguments, &self.shared.known_states) {
            Ok(request) => request,
            Err(refusal) => return refusal,
        };
        let id = context.issue.id.clone();
        let result = self.blocking(move |shared| Ok(tool::execute(shared, &id, &request))).await;
        result.unwrap_or_else(|error| ToolResult::failure(error.category(), error.to_string()))
    }
}

#[cfg(test)]
mod tests;
