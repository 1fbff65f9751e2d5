//! Content parts: the tagged union of unified-llm §3.3–§3.5.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::base64_bytes;

/// A provider's own block behind a unified part, kept so that it can be sent back verbatim.
///
/// Only the provider that wrote it ever gets it back; for any other the unified fields are translated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderRaw {
    /// The provider whose wire format `block` has, e.g. `openai`.
    pub provider: String,
    /// The block exactly as received.
    pub block: Value,
}

impl ProviderRaw {
    /// A block as `provider` sent it.
    pub fn new(provider: impl Into<String>, block: Value) -> Self {
        Self { provider: provider.into(), block }
    }
}

/// One piece of a message (unified-llm §3.3), tagged by `kind` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ContentPart {
    /// Plain text.
    Text {
        /// The text.
        text: String,
        /// The provider's block, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_raw: Option<ProviderRaw>,
    },
    /// An image, by URL, by local path or inline.
    Image {
        /// The image.
        image: ImageData,
        /// The provider's block, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_raw: Option<ProviderRaw>,
    },
    /// A sound, by URL or inline.
    Audio {
        /// The sound.
        audio: AudioData,
        /// The provider's block, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_raw: Option<ProviderRaw>,
    },
    /// A document such as a PDF, by URL or inline.
    Document {
        /// The document.
        document: DocumentData,
        /// The provider's block, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_raw: Option<ProviderRaw>,
    },
    /// The model asks for a tool.
    ToolCall {
        /// The call.
        tool_call: ToolCallData,
        /// The provider's block, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_raw: Option<ProviderRaw>,
    },
    /// What a tool answered.
    ToolResult {
        /// The result.
        tool_result: ToolResultData,
        /// The provider's block, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_raw: Option<ProviderRaw>,
    },
    /// Reasoning of the model, as far as the provider shows it.
    Thinking {
        /// The reasoning.
        thinking: ThinkingData,
        /// The provider's block, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_raw: Option<ProviderRaw>,
    },
    /// Reasoning that nobody but the provider can read; goes back verbatim.
    RedactedThinking {
        /// The opaque reasoning.
        thinking: ThinkingData,
        /// The provider's block, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_raw: Option<ProviderRaw>,
    },
    /// A kind that this version does not model; every field is kept.
    #[serde(untagged)]
    Raw {
        /// The kind as it was spelled: the provider's own block type, or the `kind` of the JSON read.
        kind: String,
        /// All fields beside `kind` and `provider_raw`.
        #[serde(flatten)]
        data: Map<String, Value>,
        /// The provider's block, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_raw: Option<ProviderRaw>,
    },
}

impl ContentPart {
    /// A text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), provider_raw: None }
    }

    /// An image part.
    pub fn image(image: ImageData) -> Self {
        Self::Image { image, provider_raw: None }
    }

    /// A tool call of the model.
    pub fn tool_call(tool_call: ToolCallData) -> Self {
        Self::ToolCall { tool_call, provider_raw: None }
    }

    /// The answer of a tool.
    pub fn tool_result(tool_result: ToolResultData) -> Self {
        Self::ToolResult { tool_result, provider_raw: None }
    }

    /// Reasoning in the clear.
    pub fn thinking(text: impl Into<String>) -> Self {
        Self::Thinking {
            thinking: ThinkingData { text: text.into(), signature: None, redacted: false },
            provider_raw: None,
        }
    }

    /// A provider's block of a kind that has no unified form.
    pub fn provider_block(provider: &str, block_type: impl Into<String>, block: Value) -> Self {
        Self::Raw {
            kind: block_type.into(),
            data: Map::new(),
            provider_raw: Some(ProviderRaw::new(provider, block)),
        }
    }

    /// The same part, remembering the provider's block.
    #[must_use]
    pub fn with_provider_raw(mut self, raw: ProviderRaw) -> Self {
        *self.provider_raw_mut() = Some(raw);
        self
    }

    /// The tag of this part as it stands in JSON.
    pub fn kind(&self) -> &str {
        match self {
            Self::Text { .. } => "text",
            Self::Image { .. } => "image",
            Self::Audio { .. } => "audio",
            Self::Document { .. } => "document",
            Self::ToolCall { .. } => "tool_call",
            Self::ToolResult { .. } => "tool_result",
            Self::Thinking { .. } => "thinking",
            Self::RedactedThinking { .. } => "redacted_thinking",
            Self::Raw { kind, .. } => kind,
        }
    }

    /// The provider's own block, if this part came from one.
    pub fn provider_raw(&self) -> Option<&ProviderRaw> {
        match self {
            Self::Text { provider_raw, .. }
            | Self::Image { provider_raw, .. }
            | Self::Audio { provider_raw, .. }
            | Self::Document { provider_raw, .. }
            | Self::ToolCall { provider_raw, .. }
            | Self::ToolResult { provider_raw, .. }
            | Self::Thinking { provider_raw, .. }
            | Self::RedactedThinking { provider_raw, .. }
            | Self::Raw { provider_raw, .. } => provider_raw.as_ref(),
        }
    }

    /// The block that `provider` itself wrote, to be sent back to it as it was.
    pub fn raw_for(&self, provider: &str) -> Option<&Value> {
        self.provider_raw().filter(|raw| raw.provider == provider).map(|raw| &raw.block)
    }

    fn provider_raw_mut(&mut self) -> &mut Option<ProviderRaw> {
        match self {
            Self::Text { provider_raw, .. }
            | Self::Image { provider_raw, .. }
            | Self::Audio { provider_raw, .. }
            | Self::Document { provider_raw, .. }
            | Self::ToolCall { provider_raw, .. }
            | Self::ToolResult { provider_raw, .. }
            | Self::Thinking { provider_raw, .. }
            | Self::RedactedThinking { provider_raw, .. }
            | Self::Raw { provider_raw, .. } => provider_raw,
        }
    }
}

// By hand, because serde's untagged fallback would also swallow a known kind with a broken body.
impl<'de> Deserialize<'de> for ContentPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::<String, Value>::deserialize(deserializer)?;
        let kind = match fields.remove("kind") {
            Some(Value::String(kind)) => kind,
            Some(_) => return Err(D::Error::custom("content part: `kind` is not a string")),
            None => return Err(D::Error::custom("content part: `kind` is missing")),
        };
        let provider_raw = match fields.remove("provider_raw") {
            None | Some(Value::Null) => None,
            Some(raw) => Some(serde_json::from_value(raw).map_err(|error| {
                D::Error::custom(format!("content part `{kind}`: provider_raw: {error}"))
            })?),
        };
        let part = match kind.as_str() {
            "text" => Self::Text { text: field(&mut fields, &kind, "text")?, provider_raw },
            "image" => Self::Image { image: field(&mut fields, &kind, "image")?, provider_raw },
            "audio" => Self::Audio { audio: field(&mut fields, &kind, "audio")?, provider_raw },
            "document" => {
                Self::Document { document: field(&mut fields, &kind, "document")?, provider_raw }
            }
            "tool_call" => {
                Self::ToolCall { tool_call: field(&mut fields, &kind, "tool_call")?, provider_raw }
            }
            "tool_result" => Self::ToolResult {
                tool_result: field(&mut fields, &kind, "tool_result")?,
                provider_raw,
            },
            "thinking" => {
                Self::Thinking { thinking: field(&mut fields, &kind, "thinking")?, provider_raw }
            }
            "redacted_thinking" => Self::RedactedThinking {
                thinking: field(&mut fields, &kind, "thinking")?,
                provider_raw,
            },
            _ => Self::Raw { kind, data: fields, provider_raw },
        };
        Ok(part)
    }
}

fn field<T, E>(fields: &mut Map<String, Value>, kind: &str, name: &str) -> Result<T, E>
where
    T: serde::de::DeserializeOwned,
    E: serde::de::Error,
{
    let value = fields
        .remove(name)
        .ok_or_else(|| E::custom(format!("content part `{kind}`: `{name}` is missing")))?;
    serde_json::from_value(value)
        .map_err(|error| E::custom(format!("content part `{kind}`: {name}: {error}")))
}

/// An image (unified-llm §3.5). Exactly one of `url` and `data`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageData {
    /// A URL, or a local path when it starts with `/`, `./` or `~`; adapters read and inline local files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The image itself; base64 in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "base64_bytes")]
    pub data: Option<Vec<u8>>,
    /// MIME type; `image/png` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Fidelity hint: `auto`, `low`, `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A sound (unified-llm §3.5). Exactly one of `url` and `data`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AudioData {
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The sound itself; base64 in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "base64_bytes")]
    pub data: Option<Vec<u8>>,
    /// MIME type, e.g. `audio/wav`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

/// A document (unified-llm §3.5). Exactly one of `url` and `data`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentData {
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The document itself; base64 in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "base64_bytes")]
    pub data: Option<Vec<u8>>,
    /// MIME type, e.g. `application/pdf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// A name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
}

/// A tool call inside a message (unified-llm §3.5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCallData {
    /// What its result refers to; given by the provider.
    pub id: String,
    /// The tool.
    pub name: String,
    /// An object when the arguments parsed, else the raw string as the model wrote it.
    pub arguments: Value,
    /// `function`, or `custom` for tools whose input is free text.
    #[serde(rename = "type", default = "function_type")]
    pub call_type: String,
}

fn function_type() -> String {
    "function".to_owned()
}

impl ToolCallData {
    /// A function call with parsed arguments.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: Value) -> Self {
        Self { id: id.into(), name: name.into(), arguments, call_type: function_type() }
    }

    /// A function call from the argument text of a model; text that is no JSON object is kept as text.
    pub fn from_raw(id: impl Into<String>, name: impl Into<String>, raw: &str) -> Self {
        Self::new(id, name, parse_arguments(raw))
    }

    /// The arguments as the text that wires want.
    pub fn arguments_text(&self) -> String {
        match &self.arguments {
            Value::String(raw) => raw.clone(),
            other => other.to_string(),
        }
    }
}

/// Models send an empty string for "no arguments"; everything else that is no object stays as it came.
pub(crate) fn parse_arguments(raw: &str) -> Value {
    if raw.trim().is_empty() {
        return Value::Object(Map::new());
    }
    match serde_json::from_str::<Value>(raw) {
        Ok(object @ Value::Object(_)) => object,
        _ => Value::String(raw.to_owned()),
    }
}

/// A tool's answer inside a message (unified-llm §3.5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolResultData {
    /// The [`ToolCallData::id`] that this answers.
    pub tool_call_id: String,
    /// Text, or any JSON.
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

impl ToolResultData {
    /// A result without a picture.
    pub fn new(tool_call_id: impl Into<String>, content: impl Into<Value>, is_error: bool) -> Self {
        Self {
            tool_call_id: tool_call_id.into(),
            content: content.into(),
            is_error,
            image_data: None,
            image_media_type: None,
        }
    }

    /// The content as text: a string as it is, anything else as JSON.
    pub fn content_text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// Reasoning (unified-llm §3.5).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ThinkingData {
    /// What can be read of it; empty when opaque.
    #[serde(default)]
    pub text: String,
    /// What the provider wants back to trust it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Whether the content is opaque.
    #[serde(default)]
    pub redacted: bool,
}
