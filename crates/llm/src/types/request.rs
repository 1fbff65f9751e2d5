//! The one input of `complete` and `stream`: unified-llm §3.6, §3.10.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::message::Message;
use super::tool::{ToolChoice, ToolDefinition};

/// A model call (unified-llm §3.6). An unknown field in JSON is refused, so that a typo cannot pass silently.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The provider's own model id.
    pub model: String,
    /// The conversation.
    pub messages: Vec<Message>,
    /// Which provider; the client's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The tools on offer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolDefinition>,
    /// How tools are used; `auto` when absent and there are tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// The form of the answer; text when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// Sampling temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Most tokens to generate, reasoning included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Texts at which generation stops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<String>,
    /// `low`, `medium`, `high`, or what the provider knows beside; its default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// Pairs that are passed on to the provider.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// What the unified fields do not cover, keyed by provider; not portable.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub provider_options: Map<String, Value>,
}

impl Request {
    /// A request with nothing but a model and a conversation.
    pub fn new(model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self { model: model.into(), messages, ..Self::default() }
    }

    /// The options meant for `provider`, if they are an object.
    pub fn options_for(&self, provider: &str) -> Option<&Map<String, Value>> {
        self.provider_options.get(provider).and_then(Value::as_object)
    }
}

/// What form the answer must have (unified-llm §3.10).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResponseFormat {
    /// The form.
    #[serde(rename = "type")]
    pub kind: ResponseFormatKind,
    /// The schema; required for [`ResponseFormatKind::JsonSchema`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<Value>,
    /// Whether the provider enforces the schema.
    #[serde(default)]
    pub strict: bool,
}

/// The forms of an answer (unified-llm §3.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormatKind {
    /// Free text.
    Text,
    /// Any JSON object.
    Json,
    /// JSON of a given schema.
    JsonSchema,
}
