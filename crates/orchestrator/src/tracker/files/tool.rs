//! The tool `issue_update`: state and comment of the session's own issue, nothing else.

use std::sync::PoisonError;

use serde_json::{Value, json};

use super::Shared;
use super::edit::{add_comment, set_state};
use super::store::{self, StoreError};
use crate::issue::state_key;
use crate::tracker::{ToolResult, ToolSpec};

/// Name that the agent calls.
pub(super) const NAME: &str = "issue_update";

/// Longest comment, in bytes.
const MAX_COMMENT: usize = 32 * 1024;

/// Checked arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    state: Option<String>,
    comment: Option<String>,
}

pub(super) fn spec(states: &[String]) -> ToolSpec {
    ToolSpec {
        name: NAME.to_owned(),
        description: "Updates the issue that this session works on: moves it to another state, adds a comment, or \
                      both. It cannot touch any other issue."
            .to_owned(),
        input_schema: json!({
            "type": "object",
            "properties": {
                "state": { "type": "string", "enum": states, "description": "State to move the issue to." },
                "comment": { "type": "string", "description": "Markdown to append to the issue as a comment." },
            },
            "additionalProperties": false,
            "minProperties": 1,
        }),
    }
}

impl Request {
    /// Checks `arguments` against the schema; `states` are the ones allowed.
    pub(super) fn read(arguments: &Value, states: &[String]) -> Result<Self, ToolResult> {
        let invalid = |message: String| ToolResult::failure("invalid_arguments", message);
        let Some(map) = arguments.as_object() else {
            return Err(invalid("expected an object with `state`, `comment`, or both".to_owned()));
        };
        if let Some(key) = map.keys().find(|key| !matches!(key.as_str(), "state" | "comment")) {
            return Err(invalid(format!(
                "there is no argument {key:?}; expected `state`, `comment`, or both"
            )));
        }
        let text = |key: &str| match map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(invalid(format!("`{key}` is no string"))),
        };
        let state = text("state")?.map(|state| allowed(&state, states)).transpose()?;
        let comment = text("comment")?.map(|comment| clean(&comment)).transpose()?;
        if state.is_none() && comment.is_none() {
            return Err(invalid("nothing to do: give `state`, `comment`, or both".to_owned()));
        }
        Ok(Self { state, comment })
    }
}

/// `state` in its configured spelling.
fn allowed(state: &str, states: &[String]) -> Result<String, ToolResult> {
    let key = state_key(state);
    states.iter().find(|known| state_key(known) == key).cloned().ok_or_else(|| {
        ToolResult::failure(
            "unknown_state",
            format!("there is no state {state:?}; use one of: {}", states.join(", ")),
        )
        .with("allowed_states", json!(states))
    })
}

/// `comment` with plain line ends and without control characters.
fn clean(comment: &str) -> Result<String, ToolResult> {
    if comment.len() > MAX_COMMENT {
        let message = format!(
            "the comment has {} bytes, the limit is {MAX_COMMENT}; shorten it",
            comment.len()
        );
        return Err(ToolResult::failure("comment_too_long", message));
    }
    let unified = comment.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    let cleaned: String =
        unified.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
    match cleaned.trim().is_empty() {
        true => Err(ToolResult::failure("invalid_arguments", "the comment is blank")),
        false => Ok(cleaned),
    }
}

/// Does what `request` says to the issue `id`; blocks the thread.
pub(super) fn execute(shared: &Shared, id: &str, request: &Request) -> ToolResult {
    match update(shared, id, request) {
        Ok(result) | Err(result) => result,
    }
}

fn update(shared: &Shared, id: &str, request: &Request) -> Result<ToolResult, ToolResult> {
    // In line within this process; between processes waiting is a matter of luck and patience.
    let _turn = shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
    let lock = store::lock(&shared.dir).map_err(|error| failure(&error))?;
    let ids = [id.to_owned()];
    let (before, path) = shared
        .scanner
        .some(&shared.dir, &ids, |catalogue| {
            // Told apart from a file that is there and cannot be read.
            catalogue.with_ids(&ids)?;
            Ok(catalogue.locate(id).map(|(issue, path)| (issue.clone(), path.to_owned())))
        })
        .flatten()
        .map_err(|error| ToolResult::failure(error.category(), error.to_string()))?
        .ok_or_else(|| {
            ToolResult::failure("issue_not_found", format!("issue {id:?} is no longer there"))
        })?;
    let now = canon_runtime::clock::rfc3339(canon_runtime::clock::now_ms());
    store::rewrite(&path, &lock, |text| {
        let text = match &request.state {
            Some(state) if *state != before.state => set_state(text, state, &now)?,
            _ => text.to_owned(),
        };
        Ok(match &request.comment {
            Some(comment) => add_comment(&text, comment, &now),
            None => text,
        })
    })
    .map_err(|error| failure(&error))?;
    let state = request.state.as_ref().unwrap_or(&before.state);
    tracing::info!(
        issue_id = %before.id,
        issue_identifier = %before.identifier,
        tool = NAME,
        from = %before.state,
        state = %state,
        comment = request.comment.is_some(),
        outcome = "completed",
        "issue updated"
    );
    Ok(ToolResult::ok(json!({
        "id": before.id,
        "identifier": before.identifier,
        "previous_state": before.state,
        "state": state,
        "comment_added": request.comment.is_some(),
    })))
}

fn failure(error: &StoreError) -> ToolResult {
    let code = match error {
        StoreError::Locked { .. } | StoreError::Contended { .. } => "busy",
        StoreError::Refused { .. } => "not_editable",
        StoreError::Lock { .. } | StoreError::Io { .. } => "write_failed",
    };
    ToolResult::failure(code, error.to_string())
}
