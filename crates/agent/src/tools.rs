//! What a model can do: the [`Tool`] trait, its registry, and the tools of the loop spec §3.3.

mod access;
mod aliases;
mod apply_patch;
mod args;
mod content;
mod edit_file;
mod glob;
mod grep;
mod list_dir;
mod patterns;
mod read_file;
mod read_many_files;
mod registry;
mod shell;
mod sink;
mod subagents;
mod web_fetch;
mod write_file;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use canon_exec::ExecutionEnvironment;
use canon_llm::{ImageData, ToolDefinition};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

pub use access::Access;
pub use aliases::canonical_arguments;
pub use apply_patch::ApplyPatch;
pub use edit_file::EditFile;
pub use glob::Glob;
pub use grep::{Grep, GrepModes};
pub use list_dir::ListDir;
pub use read_file::ReadFile;
pub use read_many_files::ReadManyFiles;
pub use registry::{CallError, Prepared, ToolError, ToolRegistry};
pub use shell::Shell;
pub use sink::OutputDeltas;
pub use web_fetch::{FetchPolicy, HostPattern, HostPatternError, Resolve, WebFetch};
pub use write_file::WriteFile;

pub(crate) use access::{normal, waits_for};
pub(crate) use registry::Registered;
pub(crate) use sink::Pending;
pub(crate) use subagents::subagent_tools;

/// One thing that a model can do.
#[async_trait]
pub trait Tool: Send + Sync {
    /// Name, description and the JSON Schema of its arguments. Asked for once, when it is
    /// registered.
    fn definition(&self) -> ToolDefinition;

    /// What a call touches, so that calls of one reply which must not overlap run in order.
    fn access(&self, arguments: &Map<String, Value>, env: &dyn ExecutionEnvironment) -> Access {
        let _ = (arguments, env);
        Access::Independent
    }

    /// Where a call runs, for those that are asked whether it may.
    fn working_directory(
        &self,
        arguments: &Map<String, Value>,
        env: &dyn ExecutionEnvironment,
    ) -> PathBuf {
        let _ = arguments;
        env.working_directory().to_owned()
    }

    /// Runs one call. The arguments satisfy the schema. A failure is an output with `is_error`: the
    /// model reads it and tries something else. When `context.cancel` fires, it ends soon.
    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput;
}

/// What a tool works with.
#[derive(Debug, Clone)]
pub struct ToolContext {
    /// Where files are and commands run.
    pub env: Arc<dyn ExecutionEnvironment>,
    /// Fires when the host gives the call up.
    pub cancel: CancellationToken,
    /// The id of the call, as in the session's events.
    pub call_id: String,
    /// Takes output while the tool runs, for the host's eyes.
    pub output: OutputDeltas,
    /// Time limits of commands.
    pub timeouts: CommandTimeouts,
}

/// Time limits of commands, in milliseconds (loop spec §5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandTimeouts {
    /// When the call does not say.
    pub default_ms: u64,
    /// Whatever the call says.
    pub max_ms: u64,
}

/// What a tool answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolOutput {
    /// In full; what the model sees is cut later (loop spec §5).
    pub text: String,
    /// Whether the call failed.
    pub is_error: bool,
    /// Pictures for the model.
    pub images: Vec<ToolImage>,
    /// For the host's machines, not for the model; null for nothing.
    pub details: Value,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolImage {
    /// The encoded image.
    pub data: Vec<u8>,
    /// Such as `image/png`.
    pub media_type: String,
}

impl From<ToolImage> for ImageData {
    fn from(image: ToolImage) -> Self {
        Self { data: Some(image.data), media_type: Some(image.media_type), ..Self::default() }
    }
}

impl ToolOutput {
    /// Success.
    pub fn ok(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Failure; `text` says what to do about it.
    pub fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: true, ..Self::default() }
    }

    /// The same for a model that takes no pictures: it is told, and a call that was about nothing
    /// else has failed.
    #[must_use]
    pub fn without_images(mut self) -> Self {
        let count = self.images.len();
        if count == 0 {
            return self;
        }
        self.images.clear();
        self.is_error |= count == 1 && self.text.lines().count() <= 1;
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(&format!(
            "[This model takes no images: {count} left out. Look at the file with other programs.]"
        ));
        self
    }

    /// The same with something for machines.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
}

/// The six tools that every profile has.
pub fn core_tools() -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(ReadFile),
        Arc::new(WriteFile),
        Arc::new(EditFile::Plain),
        Arc::new(Shell),
        Arc::new(Grep),
        Arc::new(Glob),
    ]
}

/// A definition from a name, a description and `(property, schema, required)` rows.
fn define(name: &str, description: &str, rows: &[(&str, Value, bool)]) -> ToolDefinition {
    let properties: Map<String, Value> =
        rows.iter().map(|(name, schema, _)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<&str> =
        rows.iter().filter(|(_, _, required)| *required).map(|(name, _, _)| *name).collect();
    ToolDefinition {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        }),
    }
}

/// `path` as the environment sees it: absolute, `.` and `..` resolved by name.
fn resolve(env: &dyn ExecutionEnvironment, path: &str) -> PathBuf {
    normal(&env.working_directory().join(path))
}
