//! The items of a turn: messages, commands, file changes, tool calls.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whether an item started or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemPhase {
    /// `item/started`.
    Started,
    /// `item/completed`.
    Completed,
}

/// One item of a turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The agent's id of it.
    pub id: String,
    /// What it is.
    pub kind: ItemKind,
}

/// What an item is. Statuses are in the agent's spelling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ItemKind {
    /// Text of the agent.
    AgentMessage {
        /// The whole text once completed.
        text: String,
    },
    /// A command that the agent ran.
    CommandExecution {
        /// The command line.
        command: String,
        /// `inProgress | completed | failed | declined`.
        status: String,
        /// Exit status, once it ended.
        exit_code: Option<i64>,
        /// Run time in milliseconds, once it ended.
        duration_ms: Option<u64>,
        /// What it printed, if the agent passes it on.
        output: Option<String>,
    },
    /// Files that the agent changed.
    FileChange {
        /// `inProgress | completed | failed | declined`.
        status: String,
        /// The paths, in the agent's spelling.
        paths: Vec<String>,
    },
    /// A tool call: a dynamic tool of ours or one of an MCP server.
    ToolCall {
        /// Name of the MCP server; none for a dynamic tool.
        server: Option<String>,
        /// Name of the tool.
        tool: String,
        /// `inProgress | completed | failed`.
        status: String,
    },
    /// What the model says it thinks.
    Reasoning {
        /// Its summary.
        summary: String,
    },
    /// The prompt, echoed.
    UserMessage,
    /// Anything else, whole.
    Other {
        /// Its `type`.
        kind: String,
        /// The item as it came.
        raw: Value,
    },
}
