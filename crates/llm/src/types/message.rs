//! Messages and roles: unified-llm §3.1, §3.2.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::content::{ContentPart, ToolResultData};
use super::tool::ToolCall;

/// Who produced a message (unified-llm §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions that shape the model's behaviour.
    System,
    /// Human input.
    User,
    /// Output of the model.
    Assistant,
    /// Results of tools.
    Tool,
    /// Instructions of the application, above the user's.
    Developer,
}

/// One entry of a conversation (unified-llm §3.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who produced it.
    pub role: Role,
    /// Its parts; a plain string is read as one text part.
    #[serde(deserialize_with = "parts_or_text")]
    pub content: Vec<ContentPart>,
    /// The tool's name, or whom a developer message is attributed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The call that a tool message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    /// A message of `role` with these parts.
    pub fn new(role: Role, content: Vec<ContentPart>) -> Self {
        Self { role, content, name: None, tool_call_id: None }
    }

    /// A system message.
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, vec![ContentPart::text(text)])
    }

    /// A developer message.
    pub fn developer(text: impl Into<String>) -> Self {
        Self::new(Role::Developer, vec![ContentPart::text(text)])
    }

    /// A user message.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, vec![ContentPart::text(text)])
    }

    /// A message of the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, vec![ContentPart::text(text)])
    }

    /// The answer of one tool call.
    pub fn tool_result(
        tool_call_id: impl Into<String>,
        content: impl Into<Value>,
        is_error: bool,
    ) -> Self {
        let id = tool_call_id.into();
        let part = ContentPart::tool_result(ToolResultData::new(id.clone(), content, is_error));
        Self { tool_call_id: Some(id), ..Self::new(Role::Tool, vec![part]) }
    }

    /// All text parts joined; empty when there are none.
    pub fn text(&self) -> String {
        self.content
            .iter()
            .filter_map(|part| match part {
                ContentPart::Text { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The tool calls in this message, in order.
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        self.content
            .iter()
            .filter_map(|part| match part {
                ContentPart::ToolCall { tool_call, .. } => Some(ToolCall::from(tool_call)),
                _ => None,
            })
            .collect()
    }

    /// The tool results in this message, in order.
    pub fn tool_results(&self) -> impl Iterator<Item = &ToolResultData> {
        self.content.iter().filter_map(|part| match part {
            ContentPart::ToolResult { tool_result, .. } => Some(tool_result),
            _ => None,
        })
    }

    /// All readable reasoning joined; `None` when there is none.
    pub fn reasoning(&self) -> Option<String> {
        let text: String = self
            .content
            .iter()
            .filter_map(|part| match part {
                ContentPart::Thinking { thinking, .. } => Some(thinking.text.as_str()),
                _ => None,
            })
            .collect();
        (!text.is_empty()).then_some(text)
    }
}

fn parts_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ContentPart>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(vec![ContentPart::text(text)]),
        other => serde_json::from_value(other).map_err(serde::de::Error::custom),
    }
}
