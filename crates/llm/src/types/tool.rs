//! Tools: unified-llm §5.1, §5.3, §5.4.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::base64_bytes;
use super::content::{ContentPart, ToolCallData, ToolResultData};
use super::message::{Message, Role};
use crate::error::{ErrorKind, LlmError};

/// A tool that the model may call (unified-llm §5.1); running it is the caller's business.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolDefinition {
    /// `[a-zA-Z][a-zA-Z0-9_]*`, at most 64 characters.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of its input; `"type": "object"` at the root.
    pub parameters: Value,
}

impl ToolDefinition {
    /// A checked definition.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when the name or the schema's root break the rules above.
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: Value,
    ) -> Result<Self, LlmError> {
        let tool = Self { name: name.into(), description: description.into(), parameters };
        tool.validate()?;
        Ok(tool)
    }

    /// Whether name and schema keep to what all providers accept.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] with the tool's name and what is wrong.
    pub fn validate(&self) -> Result<(), LlmError> {
        let mut chars = self.name.chars();
        let starts_well = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
        if !starts_well
            || self.name.len() > 64
            || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            return Err(LlmError::new(
                ErrorKind::Configuration,
                format!(
                    "tool name `{}` is not a letter followed by letters, digits or `_`, 64 characters at most",
                    self.name
                ),
            ));
        }
        if self.parameters.get("type").and_then(Value::as_str) != Some("object") {
            return Err(LlmError::new(
                ErrorKind::Configuration,
                format!(
                    "tool `{}`: its parameters must be a JSON Schema with \"type\": \"object\" at the root",
                    self.name
                ),
            ));
        }
        Ok(())
    }
}

/// Whether and which tools the model calls (unified-llm §5.3).
///
/// In JSON `{"mode": "auto" | "none" | "required"}` or `{"mode": "named", "tool_name": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No tool may be called.
    None,
    /// At least one tool must be called.
    Required,
    /// This tool must be called.
    Named {
        /// Its name.
        tool_name: String,
    },
}

impl ToolChoice {
    /// The mode's name as it stands in JSON.
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Required => "required",
            Self::Named { .. } => "named",
        }
    }
}

/// A tool call taken out of a response (unified-llm §5.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What the result must refer to.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The parsed arguments; empty when `raw_arguments` holds text that is no JSON object.
    pub arguments: Map<String, Value>,
    /// The text that the model wrote, when it could not be parsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_arguments: Option<String>,
}

impl ToolCall {
    /// The arguments, or the error that the model should be told.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidToolCall`] when the model's text is no JSON object.
    pub fn parsed(&self) -> Result<&Map<String, Value>, LlmError> {
        match &self.raw_arguments {
            None => Ok(&self.arguments),
            Some(raw) => {
                let reason = match serde_json::from_str::<Value>(raw) {
                    Ok(_) => "not a JSON object".to_owned(),
                    Err(error) => error.to_string(),
                };
                Err(LlmError::new(
                    ErrorKind::InvalidToolCall,
                    format!("arguments of tool `{}`: {reason}", self.name),
                ))
            }
        }
    }
}

impl From<&ToolCallData> for ToolCall {
    fn from(data: &ToolCallData) -> Self {
        let (arguments, raw_arguments) = match &data.arguments {
            Value::Object(map) => (map.clone(), None),
            Value::String(raw) => (Map::new(), Some(raw.clone())),
            other => (Map::new(), Some(other.to_string())),
        };
        Self { id: data.id.clone(), name: data.name.clone(), arguments, raw_arguments }
    }
}

impl From<ToolCall> for ToolCallData {
    fn from(call: ToolCall) -> Self {
        let arguments = match call.raw_arguments {
            Some(raw) => Value::String(raw),
            None => Value::Object(call.arguments),
        };
        Self::new(call.id, call.name, arguments)
    }
}

/// What a tool answered, before it becomes a message (unified-llm §5.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The [`ToolCall::id`].
    pub tool_call_id: String,
    /// Text or any JSON.
    pub content: Value,
    /// Whether the tool failed.
    #[serde(default)]
    pub is_error: bool,
    /// A picture as part of the result; base64 in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "base64_bytes")]
    pub image_data: Option<Vec<u8>>,
    /// MIME type of `image_data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_media_type: Option<String>,
}

impl ToolResult {
    /// A failure that the model is told in words.
    pub fn error(tool_call_id: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            tool_call_id: tool_call_id.into(),
            content: Value::String(message.into()),
            is_error: true,
            image_data: None,
            image_media_type: None,
        }
    }
}

impl From<ToolResult> for ToolResultData {
    fn from(result: ToolResult) -> Self {
        Self {
            tool_call_id: result.tool_call_id,
            content: result.content,
            is_error: result.is_error,
            image_data: result.image_data,
            image_media_type: result.image_media_type,
        }
    }
}

impl From<ToolResult> for Message {
    fn from(result: ToolResult) -> Self {
        let tool_call_id = Some(result.tool_call_id.clone());
        let part = ContentPart::tool_result(result.into());
        Self { tool_call_id, ..Self::new(Role::Tool, vec![part]) }
    }
}
