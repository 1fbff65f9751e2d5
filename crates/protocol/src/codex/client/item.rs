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

impl Item {
    /// Reads an item as the agent sends it; an unknown one is kept whole.
    pub(super) fn read(raw: &Value) -> Item {
        let text = |name: &str| raw[name].as_str().unwrap_or_default().to_owned();
        let kind = match raw["type"].as_str().unwrap_or_default() {
            "agentMessage" => ItemKind::AgentMessage { text: text("text") },
            "commandExecution" => ItemKind::CommandExecution {
                command: text("command"),
                status: text("status"),
                exit_code: raw["exitCode"].as_i64(),
                duration_ms: raw["durationMs"].as_u64(),
                output: raw["aggregatedOutput"].as_str().map(str::to_owned),
            },
            "fileChange" => ItemKind::FileChange { status: text("status"), paths: paths(raw) },
            "dynamicToolCall" => {
                ItemKind::ToolCall { server: None, tool: text("tool"), status: text("status") }
            }
            "mcpToolCall" => ItemKind::ToolCall {
                server: Some(text("server")),
                tool: text("tool"),
                status: text("status"),
            },
            "reasoning" => ItemKind::Reasoning { summary: joined(&raw["summary"]) },
            "userMessage" => ItemKind::UserMessage,
            other => ItemKind::Other { kind: other.to_owned(), raw: raw.clone() },
        };
        Item { id: text("id"), kind }
    }

    /// The item in a few words.
    pub fn summary(&self) -> String {
        match &self.kind {
            ItemKind::AgentMessage { text } => format!("agent: {}", short(text)),
            ItemKind::CommandExecution { command, status, exit_code, .. } => match exit_code {
                Some(code) => format!("command {status} with {code}: {}", short(command)),
                None => format!("command {status}: {}", short(command)),
            },
            ItemKind::FileChange { status, paths } => {
                format!("file change {status}: {}", short(&paths.join(", ")))
            }
            ItemKind::ToolCall { server: Some(server), tool, status } => {
                format!("tool {server}/{tool} {status}")
            }
            ItemKind::ToolCall { server: None, tool, status } => format!("tool {tool} {status}"),
            ItemKind::Reasoning { summary } if summary.is_empty() => "reasoning".to_owned(),
            ItemKind::Reasoning { summary } => format!("reasoning: {}", short(summary)),
            ItemKind::UserMessage => "prompt".to_owned(),
            ItemKind::Other { kind, .. } => format!("item {}", short(kind)),
        }
    }
}

fn paths(raw: &Value) -> Vec<String> {
    let changes = raw["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    changes.iter().filter_map(|change| change["path"].as_str()).map(str::to_owned).collect()
}

fn joined(parts: &Value) -> String {
    let parts = parts.as_array().map(Vec::as_slice).unwrap_or_default();
    parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

/// The first line, at most 120 characters of it; an ellipsis stands for the rest.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 120;
    let text = text.trim();
    let line = text.lines().next().unwrap_or_default();
    let mut out: String = line.chars().take(MOST).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}
