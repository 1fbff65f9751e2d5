//! From the events of a streamed message to unified events (unified-llm §7.7). Pure.
//!
//! The events rebuild the message object that the API would have sent whole, and that is translated as such:
//! a stream ends in what `complete` gives.

mod block;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use self::block::Block;
use super::NAME;
use super::response::{error_in, translate};
use crate::error::{ErrorKind, LlmError};
use crate::providers::wire::StreamTranslator;
use crate::types::StreamEvent;

/// Folds the provider's events; one for each call.
#[derive(Debug, Default)]
pub struct AnthropicStream {
    /// The message as far as it is known, without its content.
    message: Option<Map<String, Value>>,
    /// By `index`.
    blocks: BTreeMap<u64, Block>,
    finished: bool,
}

type Events = Vec<StreamEvent>;

/// The events that come by the thousand, read without building a tree. A `type` with an escape makes it none.
#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    index: u64,
    #[serde(borrow)]
    delta: Piece<'a>,
}

/// Plain `Cow` fields, because only those are borrowed; which one counts is a matter of `kind`.
#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default, borrow)]
    text: Cow<'a, str>,
    #[serde(default, borrow)]
    thinking: Cow<'a, str>,
    #[serde(default, borrow)]
    partial_json: Cow<'a, str>,
}

impl StreamTranslator for AnthropicStream {
    fn message(&mut self, event: &str, data: &str, out: &mut Events) -> Result<(), LlmError> {
        if matches!(event, "content_block_delta" | "")
            && let Ok(delta) = serde_json::from_str::<Delta<'_>>(data)
            && self.delta(delta, out)
        {
            return Ok(());
        }
        let value: Value = serde_json::from_str(data).map_err(|error| {
            let start: String = data.chars().take(200).collect();
            senseless(format!("an event is no JSON: {error}; it starts with `{start}`"))
                .with_source(error)
        })?;
        self.event(event, value, out)
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

impl AnthropicStream {
    /// Whether the delta was of a known kind and fits its block.
    fn delta(&mut self, event: Delta<'_>, out: &mut Events) -> bool {
        let Delta { kind, index, delta } = event;
        let Some(block) = self.blocks.get_mut(&index).filter(|_| kind == "content_block_delta")
        else {
            return false;
        };
        match delta.kind {
            "text_delta" => block.text(delta.text, out),
            "thinking_delta" => block.thinking(delta.thinking, out),
            "input_json_delta" => block.arguments(delta.partial_json, out),
            _ => false,
        }
    }

    fn event(&mut self, name: &str, event: Value, out: &mut Events) -> Result<(), LlmError> {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or(name);
        match kind {
            "ping" => {}
            "error" => return Err(error_in(&event)),
            "message_start" => self.start(event)?,
            "content_block_start" => self.open(event, out)?,
            "content_block_delta" => {
                let block = self.block(&event)?;
                block.other_delta(event, out)?;
            }
            "content_block_stop" => self.block(&event)?.close(Some(event), out),
            "message_delta" => self.amend(event)?,
            "message_stop" => self.finish(out)?,
            _ => out.push(StreamEvent::ProviderEvent { raw: event }),
        }
        Ok(())
    }

    fn start(&mut self, mut event: Value) -> Result<(), LlmError> {
        let Some(Value::Object(message)) = event.get_mut("message").map(Value::take) else {
            return Err(senseless("a `message_start` without a message"));
        };
        if self.message.replace(message).is_some() {
            return Err(senseless("a second `message_start`"));
        }
        Ok(())
    }

    fn open(&mut self, event: Value, out: &mut Events) -> Result<(), LlmError> {
        let index = index(&event)?;
        let id = self.begun()?.get("id").and_then(Value::as_str).unwrap_or("");
        let block = Block::open(event, &format!("{id}_{index}"), out)?;
        if self.blocks.insert(index, block).is_some() {
            return Err(senseless(format!("content block {index} starts twice")));
        }
        Ok(())
    }

    fn block(&mut self, event: &Value) -> Result<&mut Block, LlmError> {
        let index = index(event)?;
        let block = self.blocks.get_mut(&index).filter(|block| block.is_open());
        block.ok_or_else(|| senseless(format!("content block {index} is not open")))
    }

    /// What is known only at the end. Counts of tokens are totals, those that are not said stay.
    fn amend(&mut self, mut event: Value) -> Result<(), LlmError> {
        let message = self.begun()?;
        let mut take = |name: &str| event.get_mut(name).map(Value::take);
        let (delta, usage) = (take("delta"), take("usage"));
        if let Some(Value::Object(delta)) = delta {
            message.extend(delta);
        }
        if let Some(Value::Object(usage)) = usage {
            let known = message.entry("usage").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(known) = known {
                known.extend(usage.into_iter().filter(|(_, value)| !value.is_null()));
            }
        }
        if let Value::Object(rest) = event {
            let beside = |name: &str| !matches!(name, "type" | "delta" | "usage");
            message.extend(rest.into_iter().filter(|(name, _)| beside(name)));
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Events) -> Result<(), LlmError> {
        self.begun()?;
        let mut message = self.message.take().unwrap_or_default();
        let blocks = std::mem::take(&mut self.blocks).into_values();
        let content = blocks.map(|mut block| {
            if block.is_open() {
                block.close(None, out);
            }
            block.into_value()
        });
        message.insert("content".into(), content.collect());
        let response = translate(Value::Object(message))?;
        self.finished = true;
        out.push(StreamEvent::Finish {
            finish_reason: response.finish_reason.clone(),
            usage: response.usage.clone(),
            response: Box::new(response),
        });
        Ok(())
    }

    fn begun(&mut self) -> Result<&mut Map<String, Value>, LlmError> {
        self.message.as_mut().ok_or_else(|| senseless("an event comes before `message_start`"))
    }
}

fn index(event: &Value) -> Result<u64, LlmError> {
    let index = event.get("index").and_then(Value::as_u64);
    index.ok_or_else(|| senseless("an event of a content block does not say of which"))
}

fn senseless(message: impl Into<String>) -> LlmError {
    LlmError::new(ErrorKind::Stream, message).with_provider(NAME)
}

#[cfg(test)]
mod tests;
