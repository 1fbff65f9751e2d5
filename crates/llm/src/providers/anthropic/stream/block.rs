//! One content block while it comes.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Events, senseless};
use crate::error::LlmError;
use crate::providers::anthropic::blocks::invalid_input;
use crate::providers::anthropic::response::part;
use crate::types::{ContentPart, PartialToolCall, StreamEvent, ToolCall};

/// A block and what it is told to the consumer as.
#[derive(Debug)]
pub(super) struct Block {
    /// As it started, with what is not in `seen`.
    fields: Map<String, Value>,
    kind: Kind,
    /// Text, thinking or input so far.
    seen: String,
    open: bool,
}

#[derive(Debug)]
enum Kind {
    /// With the id of the segment.
    Text(String),
    Thinking,
    Redacted,
    Call(PartialToolCall),
    /// Passed on as it comes.
    Other,
}

impl Block {
    /// A block from its `content_block_start`.
    pub(super) fn open(event: Value, text_id: &str, out: &mut Events) -> Result<Self, LlmError> {
        let Some(Value::Object(fields)) = event.get("content_block") else {
            return Err(senseless("a `content_block_start` without a block"));
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        let (kind, seen) = match text("type").as_str() {
            "text" => (Kind::Text(text_id.to_owned()), text("text")),
            "thinking" => (Kind::Thinking, text("thinking")),
            "redacted_thinking" => (Kind::Redacted, String::new()),
            "tool_use" => {
                (Kind::Call(PartialToolCall { id: text("id"), name: text("name") }), String::new())
            }
            _ => (Kind::Other, String::new()),
        };
        let mut block = Self { fields: fields.clone(), kind, seen: String::new(), open: true };
        match &block.kind {
            Kind::Text(text_id) => out.push(StreamEvent::TextStart { text_id: text_id.clone() }),
            Kind::Thinking | Kind::Redacted => out.push(StreamEvent::ReasoningStart),
            Kind::Call(call) => out.push(StreamEvent::ToolCallStart { tool_call: call.clone() }),
            Kind::Other => out.push(StreamEvent::ProviderEvent { raw: event }),
        }
        if !seen.is_empty() && !block.text(Cow::Borrowed(&seen), out) {
            block.thinking(Cow::Borrowed(&seen), out);
        }
        Ok(block)
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// More text; false when this is no open text block.
    pub(super) fn text(&mut self, delta: Cow<'_, str>, out: &mut Events) -> bool {
        let Kind::Text(text_id) = &self.kind else { return false };
        if self.open {
            self.seen.push_str(&delta);
            let delta = delta.into_owned();
            out.push(StreamEvent::TextDelta { text_id: text_id.clone(), delta });
        }
        self.open
    }

    /// More thinking; false when this is no open thinking block.
    pub(super) fn thinking(&mut self, delta: Cow<'_, str>, out: &mut Events) -> bool {
        if !self.open || !matches!(self.kind, Kind::Thinking) {
            return false;
        }
        self.seen.push_str(&delta);
        out.push(StreamEvent::ReasoningDelta { reasoning_delta: delta.into_owned() });
        true
    }

    /// More input; false when this is no open call. The first delta of a call is an empty one.
    pub(super) fn arguments(&mut self, delta: Cow<'_, str>, out: &mut Events) -> bool {
        let Kind::Call(call) = &self.kind else { return false };
        if self.open && !delta.is_empty() {
            self.seen.push_str(&delta);
            let delta = delta.into_owned();
            out.push(StreamEvent::ToolCallDelta { tool_call: call.clone(), delta });
        }
        self.open
    }

    /// A delta of a kind that comes seldom, or of one that this block has no event for.
    pub(super) fn other_delta(&mut self, event: Value, out: &mut Events) -> Result<(), LlmError> {
        let Some(Value::Object(delta)) = event.get("delta") else {
            return Err(senseless("a `content_block_delta` without a delta"));
        };
        let kind = delta.get("type").and_then(Value::as_str).unwrap_or("");
        match (kind, &self.kind) {
            ("signature_delta", Kind::Thinking) => {
                let signature = delta.get("signature").cloned().unwrap_or_default();
                self.fields.insert("signature".into(), signature);
                return Ok(());
            }
            ("input_json_delta", Kind::Other) => {
                self.seen.push_str(delta.get("partial_json").and_then(Value::as_str).unwrap_or(""));
            }
            ("citations_delta", _) => {
                let citation = delta.get("citation").cloned().unwrap_or_default();
                match self.fields.get_mut("citations") {
                    Some(Value::Array(citations)) => citations.push(citation),
                    _ => {
                        self.fields.insert("citations".into(), Value::Array(vec![citation]));
                    }
                }
            }
            _ => {
                for (name, value) in delta.iter().filter(|(name, _)| *name != "type") {
                    match value {
                        Value::String(more) if self.own_field() == Some(name.as_str()) => {
                            self.seen.push_str(more);
                        }
                        _ => extend(&mut self.fields, name, value),
                    }
                }
            }
        }
        out.push(StreamEvent::ProviderEvent { raw: event });
        Ok(())
    }

    /// The end of the block, by its `content_block_stop` or because the message ended.
    pub(super) fn close(&mut self, event: Option<Value>, out: &mut Events) {
        match &self.kind {
            Kind::Text(text_id) => {
                let (text_id, text) = (text_id.clone(), self.seen.clone());
                out.push(StreamEvent::TextEnd { text_id, text });
            }
            Kind::Thinking | Kind::Redacted => out.push(StreamEvent::ReasoningEnd),
            Kind::Call(_) => self.close_call(out),
            Kind::Other => {
                self.settle_input();
                out.extend(event.map(|raw| StreamEvent::ProviderEvent { raw }));
            }
        }
        self.open = false;
    }

    fn close_call(&mut self, out: &mut Events) {
        let given = self
            .fields
            .get("input")
            .filter(|input| input.as_object().is_some_and(|i| !i.is_empty()));
        if self.seen.is_empty()
            && let Some(whole) = given.map(Value::to_string)
        {
            self.arguments(Cow::Owned(whole), out);
        }
        self.settle_input();
        let block = Value::Object(self.fields.clone());
        if let ContentPart::ToolCall { tool_call, .. } = part(&block) {
            out.push(StreamEvent::ToolCallEnd { tool_call: ToolCall::from(&tool_call) });
        }
    }

    /// Puts the input into its field; the API takes only objects back.
    fn settle_input(&mut self) {
        let text = std::mem::take(&mut self.seen);
        if text.trim().is_empty() {
            return;
        }
        let input = match serde_json::from_str::<Value>(&text) {
            Ok(object @ Value::Object(_)) => object,
            _ => invalid_input(&text),
        };
        self.fields.insert("input".into(), input);
    }

    /// The field that `seen` grows into.
    fn own_field(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Text(_) => Some("text"),
            Kind::Thinking => Some("thinking"),
            Kind::Redacted | Kind::Call(_) | Kind::Other => None,
        }
    }

    /// The block as the API would have sent it whole.
    pub(super) fn into_value(mut self) -> Value {
        if let Some(field) = self.own_field() {
            self.fields.insert(field.into(), Value::String(self.seen));
        }
        Value::Object(self.fields)
    }
}

/// A delta of an unknown kind: text and lists grow, anything else is replaced.
fn extend(fields: &mut Map<String, Value>, name: &str, value: &Value) {
    match (fields.get_mut(name), value) {
        (Some(Value::String(known)), Value::String(more)) => known.push_str(more),
        (Some(Value::Array(known)), Value::Array(more)) => known.extend(more.iter().cloned()),
        _ => {
            fields.insert(name.to_owned(), value.clone());
        }
    }
}
