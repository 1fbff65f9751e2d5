//! From messages to the system prompt and turns that alternate (unified-llm §7.3).
//!
//! Neighbouring messages of one side become one turn, with tool results first. Blank text and the thinking
//! of an answer that was cut off are left out, since the API would refuse the whole conversation for them.
//! A call without its result, or a result without its call, is refused with its id.

use serde_json::Value;

use super::super::media::object;
use super::blocks::{self, Dropped, is_thinking, kind, misplaced};
use super::{calls, invalid};
use crate::error::LlmError;
use crate::types::{ContentPart, Message, Role, Warning};

/// What a request says, in the API's two places for it.
#[derive(Debug, PartialEq)]
pub(super) struct Conversation {
    pub(super) system: Vec<Value>,
    turns: Vec<Turn>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Turn {
    pub(super) of_model: bool,
    pub(super) blocks: Vec<Value>,
}

impl Conversation {
    /// # Errors
    /// [`crate::ErrorKind::InvalidRequest`] for content that has no place, calls and results that do not
    /// match, and a conversation of nothing but instructions.
    pub(super) fn of(messages: &[Message], warnings: &mut Vec<Warning>) -> Result<Self, LlmError> {
        let mut dropped = Dropped::default();
        let mut system = Vec::new();
        let mut turns = Vec::new();
        for message in messages {
            let blocks = match message.role {
                Role::System | Role::Developer => {
                    system.extend(instructions(message, &mut dropped)?);
                    continue;
                }
                Role::User | Role::Assistant => translated(message, &mut dropped)?,
                Role::Tool => results(message, &mut dropped)?,
            };
            turns.push(Turn { of_model: message.role == Role::Assistant, blocks });
        }
        let mut turns = alternating(turns);
        if turns.is_empty() {
            return Err(invalid("the conversation holds no message of a user or of the model"));
        }
        calls::settle(&mut turns)?;
        dropped.warn(warnings);
        Ok(Self { system, turns })
    }

    /// The tools that were called, each once.
    pub(super) fn called_tools(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let blocks = self.turns.iter().flat_map(|turn| &turn.blocks);
        for block in blocks.filter(|block| kind(block) == "tool_use") {
            let name = block.get("name").and_then(Value::as_str).unwrap_or("");
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Whether it ends in tool results for a turn of the model that did not begin by thinking. The API
    /// refuses to switch thinking on in the middle of such a turn.
    pub(super) fn loop_without_thinking(&self) -> bool {
        let is_result = |block: &Value| kind(block) == "tool_result";
        if !self.turns.last().is_some_and(|turn| turn.blocks.iter().any(is_result)) {
            return false;
        }
        let asks = |turn: &Turn| !turn.of_model && !turn.blocks.iter().all(is_result);
        let asked = self.turns.iter().rposition(asks);
        let begun = self.turns.iter().skip(asked.map_or(0, |at| at + 1)).find(|turn| turn.of_model);
        begun.is_some_and(|turn| !turn.blocks.first().is_some_and(is_thinking))
    }

    /// The list for the body.
    pub(super) fn into_messages(self) -> Value {
        let message = |turn: Turn| {
            let role = if turn.of_model { "assistant" } else { "user" };
            object([("role", role.into()), ("content", Value::Array(turn.blocks))])
        };
        self.turns.into_iter().map(message).collect()
    }
}

fn translated(message: &Message, dropped: &mut Dropped) -> Result<Vec<Value>, LlmError> {
    let mut out = Vec::new();
    for part in &message.content {
        blocks::add(part, message.role, dropped, &mut out)?;
    }
    Ok(out)
}

fn instructions(message: &Message, dropped: &mut Dropped) -> Result<Vec<Value>, LlmError> {
    let mut out = Vec::new();
    for part in &message.content {
        blocks::add(part, message.role, dropped, &mut out)?;
        if out.last().is_some_and(|block| kind(block) != "text") {
            return Err(misplaced(part, message.role));
        }
    }
    Ok(out)
}

/// A message without a part of kind tool result is one: its content is the answer to `tool_call_id`.
fn results(message: &Message, dropped: &mut Dropped) -> Result<Vec<Value>, LlmError> {
    let is_result = |part: &ContentPart| matches!(part, ContentPart::ToolResult { .. });
    let blocks = translated(message, dropped)?;
    if message.content.iter().any(is_result) {
        return Ok(blocks);
    }
    let id = message
        .tool_call_id
        .as_deref()
        .ok_or_else(|| invalid("a tool message has neither a tool result nor a tool_call_id"))?;
    Ok(vec![blocks::tool_result(id, blocks, false)])
}

fn alternating(turns: Vec<Turn>) -> Vec<Turn> {
    let mut turns = merged(turns);
    for turn in &mut turns {
        if turn.of_model {
            // Thinking that led to nothing cannot end a turn.
            while turn.blocks.last().is_some_and(is_thinking) {
                turn.blocks.pop();
            }
        }
    }
    let mut turns = merged(turns);
    if let Some(last) = turns.last_mut().filter(|turn| turn.of_model) {
        trim_end(last);
    }
    for turn in &mut turns {
        turn.blocks.sort_by_key(|block| !turn.of_model && kind(block) != "tool_result");
    }
    turns
}

/// An answer to be gone on with may not end in white space.
fn trim_end(turn: &mut Turn) {
    let last = turn.blocks.last_mut().filter(|block| kind(block) == "text");
    if let Some(Value::String(text)) = last.and_then(|block| block.get_mut("text")) {
        text.truncate(text.trim_end().len());
    }
}

fn merged(turns: Vec<Turn>) -> Vec<Turn> {
    let mut out: Vec<Turn> = Vec::with_capacity(turns.len());
    for turn in turns.into_iter().filter(|turn| !turn.blocks.is_empty()) {
        match out.last_mut() {
            Some(last) if last.of_model == turn.of_model => last.blocks.extend(turn.blocks),
            _ => out.push(turn),
        }
    }
    out
}

#[cfg(test)]
mod tests;
