//! From the chunks of a streamed completion to unified events (unified-llm §7.7). Pure.
//!
//! Chunks are folded into the completion that `complete` would have got ([`answer`]), and that is translated
//! at the end: both ways give the same response by construction.

mod answer;
mod call;
mod plain;

use serde_json::{Map, Value, json};

use super::NAME;
use super::response::{details_text, error, error_in, is_blank, thinking_text, translate};
use super::{REASONING_DETAILS, REASONING_TEXTS};
use crate::error::{ErrorKind, LlmError};
use crate::providers::wire::StreamTranslator;
use crate::types::StreamEvent;

use answer::Answer;
use plain::Plain;

type Events = Vec<StreamEvent>;

/// Folds the chunks of one answer.
#[derive(Debug)]
pub struct ChatStream {
    answer: Answer,
    calls_so_far: usize,
    open: Open,
    finished: bool,
}

/// The segments that have begun and not ended.
#[derive(Debug, Default)]
struct Open {
    /// With its id.
    text: Option<String>,
    refusal: bool,
    reasoning: bool,
}

/// Names the segment of a refusal, which stands beside the text.
const REFUSAL_ID: &str = "refusal";

impl StreamTranslator for ChatStream {
    fn message(&mut self, event: &str, data: &str, out: &mut Events) -> Result<(), LlmError> {
        if self.finished {
            return Ok(());
        }
        if data.trim() == "[DONE]" {
            return self.finish(out);
        }
        // The first chunk says what stays the same, so it is always read whole.
        if self.answer.has_begun()
            && let Ok(plain) = serde_json::from_str::<Plain<'_>>(data)
            && self.plain(&plain, out)
        {
            return Ok(());
        }
        let value: Value = serde_json::from_str(data).map_err(|error| {
            let start: String = data.chars().take(200).collect();
            stream_error(format!("a chunk is no JSON: {error}; it starts with `{start}`"))
                .with_source(error)
        })?;
        if let Some(error) = error_in(&value) {
            return Err(error);
        }
        if event == "error" {
            return Err(error(&value, &value));
        }
        match value {
            Value::Object(chunk) if is_chunk(&chunk) => self.chunk(chunk, out),
            other => out.push(StreamEvent::ProviderEvent { raw: other }),
        }
        Ok(())
    }

    /// Not every server says `[DONE]`; an answer with a finish reason is complete without.
    fn end(&mut self, out: &mut Events) -> Result<(), LlmError> {
        if self.answer.has_finish_reason() { self.finish(out) } else { Ok(()) }
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

/// Whether this says anything of an answer: a choice, or the tokens it took.
fn is_chunk(chunk: &Map<String, Value>) -> bool {
    let has = |name: &str| chunk.get(name).is_some_and(|value| !is_blank(value));
    chunk.get("choices").is_none_or(|choices| choices.is_array() || choices.is_null())
        && (has("choices") || has("usage"))
}

impl ChatStream {
    /// A translator for a conversation with this many tool calls; calls without an id are numbered on.
    pub(super) fn new(calls_so_far: usize) -> Self {
        Self { answer: Answer::default(), calls_so_far, open: Open::default(), finished: false }
    }

    /// A chunk of the usual form; `false` leaves it to be read whole, with nothing done.
    fn plain(&mut self, chunk: &Plain<'_>, out: &mut Events) -> bool {
        let Some(delta) = chunk.delta() else {
            return false;
        };
        if let Some(call) = delta.call() {
            return !delta.has_text()
                && self.answer.continue_call(call.index, call.arguments, self.calls_so_far, out);
        }
        self.reasoning_texts(delta.reasoning(), out);
        if let Some(text) = delta.content() {
            self.text(text, out);
        }
        true
    }

    fn chunk(&mut self, mut chunk: Map<String, Value>, out: &mut Events) {
        let choices = chunk.remove("choices").unwrap_or_default();
        self.answer.head(chunk);
        let Value::Array(choices) = choices else { return };
        for choice in choices {
            match choice {
                Value::Object(choice) if is_first(&choice) => self.choice(choice, out),
                other => {
                    self.answer.other_choice();
                    out.push(StreamEvent::ProviderEvent { raw: other });
                }
            }
        }
    }

    fn choice(&mut self, mut choice: Map<String, Value>, out: &mut Events) {
        let delta = choice.remove("delta");
        self.answer.choice(choice);
        let Some(Value::Object(mut delta)) = delta else { return };
        let texts = REASONING_TEXTS.map(|name| delta.remove(name));
        let strings = texts.each_ref().map(|text| text.as_ref().and_then(Value::as_str));
        self.reasoning_texts(strings, out);
        for (name, text) in REASONING_TEXTS.into_iter().zip(texts) {
            match text {
                None | Some(Value::Null | Value::String(_)) => {}
                Some(other) => self.answer.field(name, other),
            }
        }
        if let Some(details) = delta.remove(REASONING_DETAILS).filter(|details| !details.is_null())
        {
            // Some servers repeat all of it here at the end; the response takes the text as well.
            if !self.answer.has_reasoning_text() {
                self.reasoning(&details_text(&details), out);
            }
            self.answer.details(details);
        }
        match delta.remove("content") {
            Some(Value::String(text)) => self.text(&text, out),
            Some(Value::Array(blocks)) => {
                for block in blocks {
                    self.block(block, out);
                }
            }
            Some(block @ Value::Object(_)) => self.block(block, out),
            other => odd("content", other, out),
        }
        match delta.remove("refusal") {
            Some(Value::String(refusal)) => self.refusal(&refusal, out),
            other => odd("refusal", other, out),
        }
        self.calls(&mut delta, out);
        for (name, value) in delta {
            self.answer.field(&name, value);
        }
    }

    fn calls(&mut self, delta: &mut Map<String, Value>, out: &mut Events) {
        let mut calls = match delta.remove("tool_calls") {
            Some(Value::Array(calls)) => calls,
            Some(call @ Value::Object(_)) => vec![call],
            other => {
                odd("tool_calls", other, out);
                Vec::new()
            }
        };
        match delta.remove("function_call") {
            Some(function @ Value::Object(_)) => {
                calls.push(json!({ "index": 0, "type": "function", "function": function }));
            }
            other => odd("function_call", other, out),
        }
        for call in calls {
            match call {
                Value::Object(call) => {
                    self.close_reasoning(out);
                    self.answer.call(call, self.calls_so_far, out);
                }
                other => out.push(StreamEvent::ProviderEvent { raw: other }),
            }
        }
    }

    /// The same reasoning may stand under both names; it is told once.
    fn reasoning_texts(&mut self, texts: [Option<&str>; 2], out: &mut Events) {
        for (number, text) in texts.into_iter().enumerate() {
            if let Some(text) = text {
                self.answer.reasoning(number, text);
            }
        }
        if let Some(text) = texts.into_iter().flatten().find(|text| !text.is_empty()) {
            self.reasoning(text, out);
        }
    }

    fn reasoning(&mut self, delta: &str, out: &mut Events) {
        if delta.is_empty() {
            return;
        }
        if !self.open.reasoning {
            self.open.reasoning = true;
            out.push(StreamEvent::ReasoningStart);
        }
        out.push(StreamEvent::ReasoningDelta { reasoning_delta: delta.to_owned() });
    }

    fn close_reasoning(&mut self, out: &mut Events) {
        if self.open.reasoning {
            self.open.reasoning = false;
            out.push(StreamEvent::ReasoningEnd);
        }
    }

    fn text(&mut self, delta: &str, out: &mut Events) {
        self.answer.text(delta);
        self.text_events(delta, out);
    }

    fn text_events(&mut self, delta: &str, out: &mut Events) {
        if delta.is_empty() {
            return;
        }
        self.close_reasoning(out);
        let text_id = match &self.open.text {
            Some(text_id) => text_id.clone(),
            None => {
                let text_id = self.answer.id().unwrap_or("text").to_owned();
                out.push(StreamEvent::TextStart { text_id: text_id.clone() });
                self.open.text.insert(text_id).clone()
            }
        };
        out.push(StreamEvent::TextDelta { text_id, delta: delta.to_owned() });
    }

    fn refusal(&mut self, delta: &str, out: &mut Events) {
        if delta.is_empty() {
            return;
        }
        self.close_reasoning(out);
        let text_id = REFUSAL_ID.to_owned();
        if !self.open.refusal {
            self.open.refusal = true;
            out.push(StreamEvent::TextStart { text_id: text_id.clone() });
        }
        out.push(StreamEvent::TextDelta { text_id, delta: delta.to_owned() });
        self.answer.refusal(delta);
    }

    /// An entry of a content list.
    fn block(&mut self, block: Value, out: &mut Events) {
        let kind = block.get("type").and_then(Value::as_str);
        let text = block.as_str().or_else(|| block.get("text").and_then(Value::as_str));
        match (kind, text) {
            (None | Some("text"), Some(text)) => self.text_events(text, out),
            (Some("thinking"), _) => self.reasoning(&thinking_text(&block), out),
            _ => out.push(StreamEvent::ProviderEvent { raw: block.clone() }),
        }
        self.answer.block(block);
    }

    fn finish(&mut self, out: &mut Events) -> Result<(), LlmError> {
        if !self.answer.has_begun() {
            return Err(stream_error("the stream ended before it began".to_owned()));
        }
        self.close_reasoning(out);
        if let Some(text_id) = self.open.text.take() {
            out.push(StreamEvent::TextEnd { text_id, text: self.answer.whole_text() });
        }
        if self.open.refusal {
            let text = self.answer.whole_refusal().to_owned();
            out.push(StreamEvent::TextEnd { text_id: REFUSAL_ID.to_owned(), text });
        }
        let mut answer = std::mem::take(&mut self.answer);
        answer.close_calls(self.calls_so_far, out);
        let response = translate(answer.into_completion(), self.calls_so_far)?;
        self.finished = true;
        out.push(StreamEvent::Finish {
            finish_reason: response.finish_reason.clone(),
            usage: response.usage.clone(),
            response: Box::new(response),
        });
        Ok(())
    }
}

/// Surfaces a known field of a delta that holds something of an unknown form.
fn odd(name: &str, value: Option<Value>, out: &mut Events) {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        out.push(StreamEvent::ProviderEvent { raw: json!({ name: value }) });
    }
}

fn is_first(choice: &Map<String, Value>) -> bool {
    choice.get("index").is_none_or(|index| index.is_null() || index == 0)
}

fn stream_error(message: String) -> LlmError {
    LlmError::new(ErrorKind::Stream, message).with_provider(NAME)
}

#[cfg(test)]
mod tests;
