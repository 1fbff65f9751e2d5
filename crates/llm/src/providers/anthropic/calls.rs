//! Calls of tools and their results in alternating turns: ids that the API takes, and nothing left open.

use serde_json::{Value, json};

use super::super::call_ids::CallIds;
use super::blocks::kind;
use super::conversation::Turn;
use super::invalid;
use crate::error::LlmError;

/// Makes every call's id one that the API takes, and the only one of its kind: letters, digits, `_` and `-`.
/// Some providers' ids hold other characters, and some count from zero in every answer.
///
/// # Errors
/// [`crate::ErrorKind::InvalidRequest`] with the id of a call without a result in the turn after it, or of a
/// result without a call in the turn before it.
pub(super) fn settle(turns: &mut [Turn]) -> Result<(), LlmError> {
    let mut known = CallIds::new(usize::MAX);
    for turn in turns {
        if turn.of_model {
            for (id, field) in ids(turn, "tool_use", "id") {
                let (sent, was_open) = known.call(&id, &spelled(&id));
                *field = json!(sent);
                if was_open {
                    return Err(invalid(format!("two tool calls of one turn have the id `{id}`")));
                }
            }
            continue;
        }
        for (id, field) in ids(turn, "tool_result", "tool_use_id") {
            *field = json!(known.result(&id).ok_or_else(|| {
                invalid(format!("the tool result for `{id}` answers no call of the turn before it"))
            })?);
        }
        answered(&known)?;
    }
    answered(&known)
}

fn answered(known: &CallIds) -> Result<(), LlmError> {
    match known.unanswered() {
        Some(id) => {
            Err(invalid(format!("the tool call `{id}` has no result in the turn after it")))
        }
        None => Ok(()),
    }
}

/// The ids in the blocks of one type, with their places.
fn ids<'a>(
    turn: &'a mut Turn,
    of: &'a str,
    name: &'a str,
) -> impl Iterator<Item = (String, &'a mut Value)> {
    let blocks = turn.blocks.iter_mut().filter(move |block| kind(block) == of);
    blocks.filter_map(move |block| {
        let field = block.get_mut(name)?;
        Some((field.as_str()?.to_owned(), field))
    })
}

fn spelled(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    id.chars().map(|c| if plain(c) { c } else { '_' }).collect()
}
