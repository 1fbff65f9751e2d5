//! What the user may set about a session.

use serde::{Deserialize, Serialize};

/// A choice of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigOption {
    /// For `session/set_config_option`.
    pub id: String,
    /// For people.
    pub name: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `mode`, `model`, `thought_level` or one of the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// `select`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One of `options`.
    pub current_value: String,
    /// What it may be.
    pub options: Vec<ConfigValue>,
}

/// What an option may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigValue {
    /// What is sent.
    pub value: String,
    /// For people.
    pub name: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The modes of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Modes {
    /// The one that holds.
    pub current_mode_id: String,
    /// All of them.
    pub available_modes: Vec<Mode>,
}

/// A mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mode {
    /// For `session/set_mode`.
    pub id: String,
    /// For people.
    pub name: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
