//! The lines of a thread's file: a header, then turns, changes and marks.

use std::path::PathBuf;

use canon_agent::Turn;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Meta;

/// The version of the form. A later one is refused; within one, fields and kinds of lines are
/// added.
pub const VERSION: u64 = 1;

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) v: u64,
    /// Always `thread`.
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) cwd: PathBuf,
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) source: String,
    pub(super) created_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instructions: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) forked_from: Option<String>,
}

impl Header {
    pub(super) fn of(meta: &Meta) -> Self {
        Self {
            v: VERSION,
            kind: "thread".to_owned(),
            id: meta.id.clone(),
            cwd: meta.cwd.clone(),
            provider: meta.provider.clone(),
            model: meta.model.clone(),
            source: meta.source.clone(),
            created_at: meta.created_at,
            name: meta.name.clone(),
            instructions: meta.instructions.clone(),
            forked_from: meta.forked_from.clone(),
        }
    }

    pub(super) fn meta(self, updated_at: u64) -> Meta {
        Meta {
            id: self.id,
            cwd: self.cwd,
            provider: self.provider,
            model: self.model,
            source: self.source,
            name: self.name,
            instructions: self.instructions,
            forked_from: self.forked_from,
            archived: false,
            created_at: self.created_at,
            updated_at,
            preview: String::new(),
            turns: 0,
        }
    }
}

/// A line that is no turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Change {
    Name {
        name: Option<String>,
    },
    Model {
        provider: String,
        model: String,
    },
    Archived {
        archived: bool,
    },
    /// Only the first `keep` turns still count.
    Cut {
        keep: usize,
    },
    Mark {
        label: String,
        data: Value,
    },
}

/// How a line of a turn begins: the tag comes first.
pub(super) const TURN: &str = "{\"turn\":";
/// How a line of a mark begins.
pub(super) const MARK: &str = "{\"kind\":\"mark\"";

/// What a line says; an error when this version does not understand it.
pub(super) enum Line {
    Turn(Turn),
    Change(Change),
}

impl Line {
    pub(super) fn of(value: Value) -> Result<Self, serde_json::Error> {
        match value.get("turn") {
            Some(_) => serde_json::from_value(value).map(Self::Turn),
            None => serde_json::from_value(value).map(Self::Change),
        }
    }
}
