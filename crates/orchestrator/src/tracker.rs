//! Where issues come from: the read kernel of Symphony §11.1, the tools of §10.5, and the adapters.

mod error;
pub mod files;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::complaint::Report;
use crate::config::{Environment, TrackerConfig};
use crate::issue::Issue;

pub use error::TrackerError;

/// One tracker in one effective configuration. Reads are atomic: all or an error (Symphony §11.1).
#[async_trait]
pub trait Tracker: Send + Sync + fmt::Debug {
    /// The adapter's `tracker.kind`.
    fn kind(&self) -> &'static str;

    /// Issues in the configured scope whose state is one of `states`, dispatchable or not.
    ///
    /// Records that cannot be issues are left out and reported by [`Tracker::problems`]. No states,
    /// no request.
    ///
    /// # Errors
    /// Any [`TrackerError`]; never a partial list.
    async fn fetch_issues_by_states(&self, states: &[String]) -> Result<Vec<Issue>, TrackerError>;

    /// Current snapshots of the issues `ids`, in any order; one that is not there is not in scope any more.
    ///
    /// # Errors
    /// Any [`TrackerError`]; also when one of the records asked for is malformed (ruling 11).
    async fn fetch_issues_by_ids(&self, ids: &[String]) -> Result<Vec<Issue>, TrackerError>;

    /// Records that the last read left out or could not fully use, for people to mend.
    fn problems(&self) -> Vec<RecordProblem> {
        Vec::new()
    }

    /// Tools that a session is offered, bound to this configuration (Symphony §10.5).
    fn tool_specs(&self) -> Vec<ToolSpec> {
        Vec::new()
    }

    /// Environment variables that hold this tracker's secrets; children never see them (ruling 14).
    fn secret_environment_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// Runs the tool `name` on behalf of the session that works on `context.issue`.
    ///
    /// Never fails as a call: what went wrong is a result that says so.
    async fn execute_tool(
        &self,
        name: &str,
        arguments: &Value,
        context: &ToolContext,
    ) -> ToolResult {
        let _ = (arguments, context);
        ToolResult::unsupported(name, &self.tool_specs())
    }
}

/// A record of the tracker that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordProblem {
    /// File, or the provider's name for the record.
    pub place: PathBuf,
    /// Line in the file, from 1.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for RecordProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place.display(), self.message),
            None => write!(f, "{}: {}", self.place.display(), self.message),
        }
    }
}

/// A tool as a session is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Name that the agent calls.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of the arguments.
    pub input_schema: Value,
}

/// What a tool may know besides its arguments; never a credential.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolContext {
    /// The issue that the session works on, and the only one that a scoped tool touches.
    pub issue: Issue,
}

/// What a tool answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// Whether the tool did what it was asked.
    pub success: bool,
    /// JSON for the agent; on failure `{"error": {"code", "message", …}}`.
    pub output: Value,
}

impl ToolResult {
    /// Success with `output`.
    pub fn ok(output: Value) -> Self {
        Self { success: true, output }
    }

    /// Failure with a stable `code` and a message that says what to do.
    pub fn failure(code: &str, message: impl Into<String>) -> Self {
        Self {
            success: false,
            output: json!({ "error": { "code": code, "message": message.into() } }),
        }
    }

    /// The same failure with one more member in `error`.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        if let Some(error) = self.output.get_mut("error").and_then(Value::as_object_mut) {
            error.insert(key.to_owned(), value);
        }
        self
    }

    /// Failure for a tool that was never offered; the session goes on (Symphony §10.5).
    pub fn unsupported(name: &str, offered: &[ToolSpec]) -> Self {
        let names: Vec<&str> = offered.iter().map(|tool| tool.name.as_str()).collect();
        Self::failure("unsupported_tool", format!("there is no tool {name:?}"))
            .with("tools", json!(names))
    }
}

/// What configuration needs to know of an adapter before it is opened.
pub(crate) struct Profile {
    /// Value of `tracker.kind`.
    pub(crate) kind: &'static str,
    /// Default of `tracker.active_states`.
    pub(crate) active_states: &'static [&'static str],
    /// Default of `tracker.terminal_states`.
    pub(crate) terminal_states: &'static [&'static str],
    /// Complains about `tracker.provider`, without touching disk or network.
    pub(crate) check: fn(&TrackerConfig, &Environment, &mut Report),
}

const PROFILES: [Profile; 1] = [files::PROFILE];

/// The adapter for `kind`.
pub(crate) fn profile(kind: &str) -> Result<&'static Profile, TrackerError> {
    PROFILES.iter().find(|profile| profile.kind == kind).ok_or_else(|| {
        TrackerError::UnsupportedKind {
            kind: kind.to_owned(),
            supported: PROFILES.iter().map(|profile| profile.kind).collect::<Vec<_>>().join(", "),
        }
    })
}

/// Opens the tracker of `config`; relative paths start at the workflow file's directory.
///
/// # Errors
/// `unsupported_tracker_kind`, `invalid_tracker_config`, `missing_tracker_secret`.
pub fn open(config: &TrackerConfig, env: &Environment) -> Result<Arc<dyn Tracker>, TrackerError> {
    match profile(&config.kind)?.kind {
        files::KIND => Ok(Arc::new(files::FilesTracker::open(config, env)?)),
        other => Err(TrackerError::InvalidConfig {
            key: "tracker.kind".to_owned(),
            message: format!("adapter {other:?} is listed but cannot be opened"),
        }),
    }
}
