//! `session/update`: what an agent tells while it works, or while it replays a session.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agent::ConfigOption;
use super::content::ContentBlock;
use super::tool::ToolCall;

/// Parameters of `session/update`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionNotification {
    /// The session.
    pub session_id: String,
    /// What is new.
    pub update: SessionUpdate,
}

/// What is new in a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "sessionUpdate", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum SessionUpdate {
    /// More of what the user said, in a replay.
    UserMessageChunk(ContentChunk),
    /// More of what the model says.
    AgentMessageChunk(ContentChunk),
    /// More of what the model thinks.
    AgentThoughtChunk(ContentChunk),
    /// A tool call; with a title.
    ToolCall(ToolCall),
    /// News of a tool call.
    ToolCallUpdate(ToolCall),
    /// The whole plan.
    Plan {
        /// In order.
        entries: Vec<PlanEntry>,
    },
    /// The commands that a prompt may begin with.
    AvailableCommandsUpdate {
        /// All of them.
        available_commands: Vec<Value>,
    },
    /// The mode is another.
    CurrentModeUpdate {
        /// Which.
        current_mode_id: String,
    },
    /// Options or their values are others.
    ConfigOptionUpdate {
        /// All of them.
        config_options: Vec<ConfigOption>,
    },
    /// Facts about the session.
    SessionInfoUpdate {
        /// Its title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// RFC 3339.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        updated_at: Option<String>,
    },
    /// What was used up.
    UsageUpdate {
        /// Tokens in the model's window now.
        used: u64,
        /// Tokens that fit in.
        size: u64,
        /// Of the session so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost: Option<Cost>,
    },
    /// A word to the user; only to clients that take notices.
    Notice {
        /// `info`, `warning` or `error`.
        severity: String,
        /// One line of plain text.
        title: String,
        /// More.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
    /// A kind that is not known here, or a broken one.
    #[serde(untagged)]
    Unknown(Value),
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentChunk {
    /// It.
    pub content: ContentBlock,
    /// Pieces of one message share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEntry {
    /// What is to be done.
    pub content: String,
    /// `high`, `medium` or `low`.
    pub priority: String,
    /// `pending`, `in_progress` or `completed`.
    pub status: String,
}

/// Money.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// How much.
    pub amount: f64,
    /// ISO 4217.
    pub currency: String,
}
