//! Tool calls as a client shows them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::content::ContentBlock;

/// What a tool does; clients choose a picture by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Reads files or data.
    Read,
    /// Changes files.
    Edit,
    /// Removes files.
    Delete,
    /// Moves files.
    Move,
    /// Looks for something.
    Search,
    /// Runs a command.
    Execute,
    /// Plans or reasons.
    Think,
    /// Gets data from elsewhere.
    Fetch,
    /// Changes the session's mode.
    SwitchMode,
    /// Anything else.
    #[default]
    #[serde(other)]
    Other,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolStatus {
    /// Not begun: it waits for permission.
    Pending,
    /// Running.
    InProgress,
    /// Done.
    Completed,
    /// Done, and failed.
    Failed,
}

/// What a call produced or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ToolContent {
    /// Content.
    Content {
        /// It.
        content: ContentBlock,
    },
    /// A change of a file.
    Diff {
        /// Absolute.
        path: PathBuf,
        /// Text that was there; absent for a new file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old_text: Option<String>,
        /// Text in its place.
        new_text: String,
    },
    /// A terminal of the client's.
    Terminal {
        /// Its id.
        terminal_id: String,
    },
    /// A type that is not known here.
    #[serde(untagged)]
    Unknown(Value),
}

/// A place that a call touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolLocation {
    /// Absolute.
    pub path: PathBuf,
    /// Counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// A tool call, or what is new about one. Absent members stay as they are; lists replace lists.
///
/// The protocol has two shapes, `ToolCall` for the first word about a call, in which the title is
/// required, and `ToolCallUpdate` for all later ones; this is both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    /// Its id, unique in the session.
    pub tool_call_id: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The tool's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ToolKind>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ToolStatus>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Vec<ToolContent>>,
    /// What it touches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locations: Option<Vec<ToolLocation>>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_input: Option<Value>,
    /// Its result, for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_output: Option<Value>,
    /// What clients agree on with agents beside the protocol.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Value>,
}

impl ToolContent {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Content { content: ContentBlock::text(text) }
    }
}

impl ToolCall {
    /// Nothing about a call yet but which.
    pub fn new(id: impl Into<String>) -> Self {
        Self { tool_call_id: id.into(), ..Self::default() }
    }
}
