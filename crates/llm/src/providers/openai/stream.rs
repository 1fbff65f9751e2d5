//! From the events of a streamed response to unified events (unified-llm §7.7). Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::NAME;
use super::response::{
    REASONING_SEPARATOR, build, error_in, failure, message_text, part, reasoning_text,
};
use crate::error::{ErrorKind, LlmError};
use crate::providers::wire::StreamTranslator;
use crate::types::{ContentPart, PartialToolCall, StreamEvent, ToolCall};

/// Folds the provider's events; one for each call.
#[derive(Debug, Default)]
pub struct OpenAiStream {
    /// By `output_index`.
    items: BTreeMap<u64, Item>,
    finished: bool,
}

/// What is known of one output item so far.
#[derive(Debug, Default)]
struct Item {
    /// Text, reasoning or arguments that were passed on.
    seen: String,
    /// Set from the start event on.
    open: bool,
    call: Option<PartialToolCall>,
    /// The whole item, once it is done.
    whole: Option<Value>,
}

/// The events that come by the thousand, read without building a tree. A `type` with an escape makes it none.
#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default, borrow)]
    item_id: Cow<'a, str>,
    #[serde(default)]
    output_index: u64,
    delta: String,
}

type Events = Vec<StreamEvent>;

impl StreamTranslator for OpenAiStream {
    fn message(&mut self, event: &str, data: &str, out: &mut Events) -> Result<(), LlmError> {
        if data == "[DONE]" {
            return Ok(());
        }
        if (event.is_empty() || event.ends_with(".delta"))
            && let Ok(delta) = serde_json::from_str::<Delta<'_>>(data)
            && self.delta(&delta, out)
        {
            return Ok(());
        }
        let value: Value = serde_json::from_str(data).map_err(|error| {
            let start: String = data.chars().take(200).collect();
            LlmError::new(
                ErrorKind::Stream,
                format!("an event is no JSON: {error}; it starts with `{start}`"),
            )
            .with_provider(NAME)
            .with_source(error)
        })?;
        self.event(event, value, out)
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

impl OpenAiStream {
    /// Whether the delta was of a known kind.
    fn delta(&mut self, delta: &Delta<'_>, out: &mut Events) -> bool {
        let Delta { kind, item_id, output_index, delta } = delta;
        match *kind {
            "response.output_text.delta" | "response.refusal.delta" => {
                let item = self.items.entry(*output_index).or_default();
                item.text(item_id, delta, out);
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                let item = self.items.entry(*output_index).or_default();
                item.arguments(delta, out);
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                let item = self.items.entry(*output_index).or_default();
                item.reasoning(delta, out);
            }
            _ => return false,
        }
        true
    }

    fn event(&mut self, name: &str, value: Value, out: &mut Events) -> Result<(), LlmError> {
        let kind = value.get("type").and_then(Value::as_str).unwrap_or(name);
        if kind == "error" {
            let error = value.get("error").filter(|error| error.is_object());
            return Err(error_in(error.unwrap_or(&value), &value));
        }
        match kind {
            "response.created" => {}
            "response.output_item.added" => self.added(value, out),
            "response.reasoning_summary_part.added" => self.reasoning_section(&value, out),
            "response.output_item.done" => self.done(value, out),
            // Said again, whole, by the item's own end.
            "response.content_part.added"
            | "response.content_part.done"
            | "response.output_text.done"
            | "response.refusal.done"
            | "response.function_call_arguments.done"
            | "response.custom_tool_call_input.done"
            | "response.reasoning_summary_text.done"
            | "response.reasoning_summary_part.done"
            | "response.reasoning_text.done" => {}
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled" => return self.finish(value, out),
            _ => out.push(StreamEvent::ProviderEvent { raw: value }),
        }
        Ok(())
    }

    fn added(&mut self, event: Value, out: &mut Events) {
        let item = self.items.entry(output_index(&event)).or_default();
        let body = event.get("item").unwrap_or(&Value::Null);
        match item_type(body) {
            "message" => {}
            "reasoning" => item.open_reasoning(out),
            "function_call" | "custom_tool_call" => item.open_call(body, out),
            _ => out.push(StreamEvent::ProviderEvent { raw: event }),
        }
    }

    fn reasoning_section(&mut self, event: &Value, out: &mut Events) {
        let section = event.get("summary_index").and_then(Value::as_u64);
        if section.unwrap_or(0) > 0 {
            let item = self.items.entry(output_index(event)).or_default();
            item.reasoning(REASONING_SEPARATOR, out);
        }
    }

    fn done(&mut self, mut event: Value, out: &mut Events) {
        let item = self.items.entry(output_index(&event)).or_default();
        let body = event.get("item").cloned().unwrap_or(Value::Null);
        match item_type(&body) {
            "message" => item.close_text(&body, out),
            "reasoning" => item.close_reasoning(&body, out),
            "function_call" | "custom_tool_call" => item.close_call(&body, out),
            _ => out.push(StreamEvent::ProviderEvent { raw: event.take() }),
        }
        item.whole = Some(body);
    }

    fn finish(&mut self, mut event: Value, out: &mut Events) -> Result<(), LlmError> {
        let body = event.get_mut("response").map(Value::take);
        let Some(body) = body.filter(Value::is_object) else {
            return Err(LlmError::new(
                ErrorKind::Stream,
                "the answer ends without a response object",
            )
            .with_provider(NAME)
            .with_raw(Some(event)));
        };
        if let Some(error) = failure(&body) {
            return Err(error);
        }
        let content = self.content(&body);
        let response = build(body, content);
        self.finished = true;
        out.push(StreamEvent::Finish {
            finish_reason: response.finish_reason.clone(),
            usage: response.usage.clone(),
            response: Box::new(response),
        });
        Ok(())
    }

    /// Items as they ended in the stream, and those that only the final object has. The former come
    /// first because only they are sure to hold the encrypted reasoning.
    fn content(&mut self, body: &Value) -> Vec<ContentPart> {
        let mut items: BTreeMap<u64, Value> = std::mem::take(&mut self.items)
            .into_iter()
            .filter_map(|(index, item)| Some((index, item.whole?)))
            .collect();
        let output = body.get("output").and_then(Value::as_array);
        for (index, item) in (0..).zip(output.into_iter().flatten()) {
            items.entry(index).or_insert_with(|| item.clone());
        }
        items.values().map(part).collect()
    }
}

impl Item {
    fn text(&mut self, item_id: &str, delta: &str, out: &mut Events) {
        if !self.open {
            self.open = true;
            out.push(StreamEvent::TextStart { text_id: item_id.to_owned() });
        }
        self.seen.push_str(delta);
        out.push(StreamEvent::TextDelta { text_id: item_id.to_owned(), delta: delta.to_owned() });
    }

    fn close_text(&mut self, body: &Value, out: &mut Events) {
        let id = body.get("id").and_then(Value::as_str).unwrap_or("");
        let text = message_text(body);
        let missing = self.missing(&text);
        if !self.open || !missing.is_empty() {
            self.text(id, &missing, out);
        }
        out.push(StreamEvent::TextEnd { text_id: id.to_owned(), text });
    }

    fn open_reasoning(&mut self, out: &mut Events) {
        if !self.open {
            self.open = true;
            out.push(StreamEvent::ReasoningStart);
        }
    }

    fn reasoning(&mut self, delta: &str, out: &mut Events) {
        self.open_reasoning(out);
        self.seen.push_str(delta);
        out.push(StreamEvent::ReasoningDelta { reasoning_delta: delta.to_owned() });
    }

    fn close_reasoning(&mut self, body: &Value, out: &mut Events) {
        self.open_reasoning(out);
        let missing = self.missing(&reasoning_text(body));
        if !missing.is_empty() {
            self.reasoning(&missing, out);
        }
        out.push(StreamEvent::ReasoningEnd);
    }

    fn open_call(&mut self, body: &Value, out: &mut Events) {
        if self.open {
            return;
        }
        let text = |name: &str| {
            let value = body.get(name).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let call = PartialToolCall { id: text("call_id"), name: text("name") };
        self.open = true;
        out.push(StreamEvent::ToolCallStart { tool_call: call.clone() });
        self.call = Some(call);
    }

    /// Arguments of a call that was not announced wait for its end, which says everything.
    fn arguments(&mut self, delta: &str, out: &mut Events) {
        if let Some(call) = &self.call {
            self.seen.push_str(delta);
            out.push(StreamEvent::ToolCallDelta {
                tool_call: call.clone(),
                delta: delta.to_owned(),
            });
        }
    }

    fn close_call(&mut self, body: &Value, out: &mut Events) {
        self.open_call(body, out);
        let ContentPart::ToolCall { tool_call, .. } = part(body) else {
            return;
        };
        let whole = body.get("arguments").or_else(|| body.get("input"));
        let missing = self.missing(whole.and_then(Value::as_str).unwrap_or(""));
        if !missing.is_empty() {
            self.arguments(&missing, out);
        }
        out.push(StreamEvent::ToolCallEnd { tool_call: ToolCall::from(&tool_call) });
    }

    /// What of `whole` no delta has brought.
    fn missing(&self, whole: &str) -> String {
        let rest = whole.strip_prefix(self.seen.as_str());
        rest.unwrap_or_default().to_owned()
    }
}

fn output_index(event: &Value) -> u64 {
    let index = event.get("output_index").and_then(Value::as_u64);
    index.unwrap_or(0)
}

fn item_type(item: &Value) -> &str {
    item.get("type").and_then(Value::as_str).unwrap_or("")
}

#[cfg(test)]
mod tests;
