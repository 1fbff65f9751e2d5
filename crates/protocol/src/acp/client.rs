//! What an agent asks of its client.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::tool::ToolCall;

/// `session/request_permission`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestPermission {
    /// The session.
    pub session_id: String,
    /// What wants to run.
    pub tool_call: ToolCall,
    /// What the user may choose.
    pub options: Vec<PermissionOption>,
}

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionOption {
    /// What comes back.
    pub option_id: String,
    /// For people.
    pub name: String,
    /// What it means.
    pub kind: PermissionKind,
}

/// What a choice means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionKind {
    /// This call may run.
    AllowOnce,
    /// This call may run, and calls like it.
    AllowAlways,
    /// This call may not.
    RejectOnce,
    /// Neither this call nor calls like it may.
    RejectAlways,
}

/// Result of `session/request_permission`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PermissionAnswer {
    /// What the user chose.
    pub outcome: PermissionOutcome,
}

/// What the user chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum PermissionOutcome {
    /// The prompt was cancelled.
    Cancelled,
    /// An option.
    Selected {
        /// Which.
        option_id: String,
    },
}

/// `fs/read_text_file`: the text as the editor has it, unsaved changes included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadTextFile {
    /// The session.
    pub session_id: String,
    /// Absolute.
    pub path: PathBuf,
    /// First line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Most lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Result of `fs/read_text_file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextFile {
    /// The text.
    pub content: String,
}

/// `fs/write_text_file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteTextFile {
    /// The session.
    pub session_id: String,
    /// Absolute.
    pub path: PathBuf,
    /// The whole text.
    pub content: String,
}
