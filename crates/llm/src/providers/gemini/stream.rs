//! From the chunks of `:streamGenerateContent` to unified events (unified-llm §7.7). Pure.
//!
//! A chunk is a small `GenerateContentResponse`, and there is no last event: the answer is over when the
//! connection is. Chunks may still come after the one with the `finishReason` (token counts, grounding), so
//! `Finish` waits for the end of the body, but not for long ([`StreamTranslator::may_end`]).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::fold::Fold;
use super::response::{error_in, part, refused, synthetic_id, translate};
use super::{NAME, partial};
use crate::error::{ErrorKind, LlmError};
use crate::providers::wire::StreamTranslator;
use crate::types::{ContentPart, PartialToolCall, StreamEvent, ToolCall};

/// Folds the provider's chunks; one for each call.
#[derive(Debug)]
pub struct GeminiStream {
    /// What was asked for, in case that no chunk says who answers.
    model: String,
    fold: Fold,
    /// The candidate whose parts become events.
    main: Option<u64>,
    segment: Segment,
    /// How many text segments there were.
    segments: usize,
    /// A call whose arguments are still coming.
    pending: Option<Pending>,
    /// Ids that were made up, by the place of their part.
    ids: BTreeMap<usize, String>,
    finished: bool,
}

/// What the last part belongs to.
#[derive(Debug)]
enum Segment {
    None,
    Text { id: String, text: String },
    Reasoning,
}

#[derive(Debug)]
struct Pending {
    at: usize,
    call: PartialToolCall,
}

/// The chunks that come by the thousand, read without building a tree. Any other field makes it no delta.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Delta<'a> {
    #[serde(borrow)]
    candidates: [DeltaCandidate<'a>; 1],
    #[serde(default, borrow)]
    usage_metadata: Option<&'a RawValue>,
    #[serde(default)]
    model_version: &'a str,
    #[serde(default)]
    response_id: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeltaCandidate<'a> {
    #[serde(borrow)]
    content: DeltaContent<'a>,
    #[serde(default)]
    index: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeltaContent<'a> {
    #[serde(borrow)]
    parts: [DeltaPart<'a>; 1],
    #[serde(default)]
    role: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeltaPart<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(default)]
    thought: bool,
}

/// Fields of a chunk that need no event of their own.
const KNOWN: &[&str] = &[
    "candidates",
    "usageMetadata",
    "promptFeedback",
    "modelVersion",
    "responseId",
    "createTime",
    "modelStatus",
];

type Events = Vec<StreamEvent>;

impl StreamTranslator for GeminiStream {
    fn message(&mut self, _event: &str, data: &str, out: &mut Events) -> Result<(), LlmError> {
        if data == "[DONE]" {
            return Ok(());
        }
        if let Ok(delta) = serde_json::from_str::<Delta<'_>>(data)
            && self.delta(&delta, out)
        {
            return Ok(());
        }
        let value: Value = serde_json::from_str(data).map_err(|error| {
            let start: String = data.chars().take(200).collect();
            unreadable(format!("a chunk is no JSON: {error}; it starts with `{start}`"))
                .with_source(error)
        })?;
        match value {
            // Without `alt=sse` the API sends one list of chunks, and some errors always come as a list.
            Value::Array(chunks) => chunks.into_iter().try_for_each(|chunk| self.chunk(chunk, out)),
            chunk => self.chunk(chunk, out),
        }
    }

    fn end(&mut self, out: &mut Events) -> Result<(), LlmError> {
        if self.finished || !self.may_end() {
            return Err(unreadable("the stream ended before the answer had a `finishReason`"));
        }
        self.close(out);
        let body = std::mem::take(&mut self.fold).into_body(self.main.unwrap_or(0));
        let response = translate(body, &self.model, &self.ids)?;
        self.finished = true;
        out.push(StreamEvent::Finish {
            finish_reason: response.finish_reason.clone(),
            usage: response.usage.clone(),
            response: Box::new(response),
        });
        Ok(())
    }

    fn may_end(&self) -> bool {
        self.fold.is_complete()
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

impl GeminiStream {
    /// For one answer of `model`.
    pub(super) fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            fold: Fold::default(),
            main: None,
            segment: Segment::None,
            segments: 0,
            pending: None,
            ids: BTreeMap::new(),
            finished: false,
        }
    }

    /// Whether it was about the candidate that becomes events.
    fn delta(&mut self, delta: &Delta<'_>, out: &mut Events) -> bool {
        let [DeltaCandidate { content, index }] = &delta.candidates;
        let [DeltaPart { text, thought }] = &content.parts;
        if *self.main.get_or_insert(*index) != *index {
            return false;
        }
        if let Some(usage) = delta.usage_metadata {
            self.fold.usage(usage.get());
        }
        self.fold.names(delta.model_version, delta.response_id);
        let candidate = self.fold.candidate(*index);
        candidate.role(content.role);
        candidate.text(*thought, text);
        self.text(*thought, text, out);
        true
    }

    fn chunk(&mut self, chunk: Value, out: &mut Events) -> Result<(), LlmError> {
        if let Some(error) = error_in(&chunk) {
            return Err(error);
        }
        let list = chunk.get("candidates").and_then(Value::as_array);
        let has_candidates = list.is_some_and(|list| !list.is_empty());
        if !has_candidates
            && !self.fold.has_candidates()
            && let Some(error) = refused(&chunk)
        {
            return Err(error);
        }
        let Value::Object(mut fields) = chunk else {
            out.push(StreamEvent::ProviderEvent { raw: chunk });
            return Ok(());
        };
        if !has_candidates && fields.keys().any(|name| !KNOWN.contains(&name.as_str())) {
            out.push(StreamEvent::ProviderEvent { raw: Value::Object(fields.clone()) });
        }
        let candidates = fields.remove("candidates").filter(|list| !list.is_null());
        for (name, value) in fields {
            self.fold.head(name, value);
        }
        match candidates {
            Some(Value::Array(candidates)) => {
                for (position, candidate) in (0..).zip(candidates) {
                    self.candidate(position, candidate, out)?;
                }
            }
            Some(odd) => out.push(StreamEvent::ProviderEvent { raw: odd }),
            None => {}
        }
        Ok(())
    }

    fn candidate(&mut self, position: u64, value: Value, out: &mut Events) -> Result<(), LlmError> {
        let Value::Object(mut fields) = value else {
            out.push(StreamEvent::ProviderEvent { raw: value });
            return Ok(());
        };
        let index = fields.get("index").and_then(Value::as_u64).unwrap_or(position);
        let is_main = *self.main.get_or_insert(index) == index;
        if let Some(Value::Object(content)) = fields.remove("content") {
            self.content(index, is_main, content, out)?;
        }
        let is_over = fields.get("finishReason").is_some_and(Value::is_string);
        let candidate = self.fold.candidate(index);
        for (name, value) in fields {
            candidate.field(name, value);
        }
        if is_over && is_main {
            self.close(out);
        }
        Ok(())
    }

    fn content(
        &mut self,
        index: u64,
        is_main: bool,
        mut content: Map<String, Value>,
        out: &mut Events,
    ) -> Result<(), LlmError> {
        let parts = content.remove("parts");
        let candidate = self.fold.candidate(index);
        candidate.role("");
        for (name, value) in content {
            candidate.content(name, value);
        }
        match parts {
            Some(Value::Array(parts)) => {
                candidate.open_parts();
                for part in parts {
                    self.part(index, is_main, part, out)?;
                }
            }
            Some(odd) => candidate.content("parts".to_owned(), odd),
            None => {}
        }
        Ok(())
    }

    /// Other candidates are only folded.
    fn part(
        &mut self,
        index: u64,
        is_main: bool,
        part: Value,
        out: &mut Events,
    ) -> Result<(), LlmError> {
        let is_thought = part.get("thought") == Some(&Value::Bool(true));
        if is_main && part.get("functionCall").is_some_and(Value::is_object) {
            return self.call(index, part, out);
        }
        match part.get("text").and_then(Value::as_str) {
            Some(text) => {
                if is_main {
                    self.text(is_thought, text, out);
                }
                let is_plain = part.as_object().is_some_and(|fields| {
                    fields.keys().all(|name| matches!(name.as_str(), "text" | "thought"))
                });
                let candidate = self.fold.candidate(index);
                if is_plain {
                    candidate.text(is_thought, text);
                } else {
                    // A signature belongs to the very part that it came with.
                    candidate.part(part);
                }
            }
            None => {
                if is_main {
                    self.close(out);
                    out.push(StreamEvent::ProviderEvent { raw: part.clone() });
                }
                self.fold.candidate(index).part(part);
            }
        }
        Ok(())
    }

    fn text(&mut self, is_thought: bool, delta: &str, out: &mut Events) {
        if delta.is_empty() {
            return;
        }
        if is_thought {
            if !matches!(self.segment, Segment::Reasoning) {
                self.close(out);
                self.segment = Segment::Reasoning;
                out.push(StreamEvent::ReasoningStart);
            }
            out.push(StreamEvent::ReasoningDelta { reasoning_delta: delta.to_owned() });
            return;
        }
        if !matches!(self.segment, Segment::Text { .. }) {
            self.close(out);
            let id = format!("text_{}", self.segments);
            self.segments += 1;
            out.push(StreamEvent::TextStart { text_id: id.clone() });
            self.segment = Segment::Text { id, text: String::new() };
        }
        if let Segment::Text { id, text } = &mut self.segment {
            text.push_str(delta);
            out.push(StreamEvent::TextDelta { text_id: id.clone(), delta: delta.to_owned() });
        }
    }

    /// Ends the segment that is open.
    fn close(&mut self, out: &mut Events) {
        match std::mem::replace(&mut self.segment, Segment::None) {
            Segment::None => {}
            Segment::Text { id, text } => out.push(StreamEvent::TextEnd { text_id: id, text }),
            Segment::Reasoning => out.push(StreamEvent::ReasoningEnd),
        }
    }

    /// A call, usually whole. With `streamFunctionCallArguments` its arguments come in `partialArgs` of
    /// several parts, of which all but the last say `willContinue`.
    fn call(&mut self, index: u64, mut block: Value, out: &mut Events) -> Result<(), LlmError> {
        self.close(out);
        let Some(call) = block.get_mut("functionCall").and_then(Value::as_object_mut) else {
            return Ok(());
        };
        let continues = call.get("willContinue") == Some(&Value::Bool(true));
        let partials = call.remove("partialArgs");
        let continued = self.pending.take().filter(|pending| pending.is_meant_by(call));
        let is_streamed = continues || continued.is_some() || partials.is_some();
        let pending = match continued {
            Some(pending) => {
                self.extend(index, pending.at, block);
                pending
            }
            None => self.begin(index, block, out),
        };
        self.arguments(index, pending.at, partials.as_ref())?;
        if continues {
            self.pending = Some(pending);
        } else {
            self.end_call(index, pending, is_streamed, out);
        }
        Ok(())
    }

    fn begin(&mut self, index: u64, block: Value, out: &mut Events) -> Pending {
        let text = |name: &str| {
            let value = block.get("functionCall").and_then(|call| call.get(name)?.as_str());
            value.unwrap_or_default().to_owned()
        };
        let (mut id, name) = (text("id"), text("name"));
        let at = self.fold.candidate(index).part(block);
        if id.is_empty() {
            id = synthetic_id();
            self.ids.insert(at, id.clone());
        }
        let call = PartialToolCall { id, name };
        out.push(StreamEvent::ToolCallStart { tool_call: call.clone() });
        Pending { at, call }
    }

    /// What a later part of the same call says: its whole arguments, a signature.
    fn extend(&mut self, index: u64, at: usize, more: Value) {
        let Some(Value::Object(known)) = self.fold.candidate(index).part_mut(at) else {
            return;
        };
        let Value::Object(more) = more else {
            return;
        };
        for (name, value) in more {
            match (known.get_mut(&name), value) {
                (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                (_, value) => {
                    known.insert(name, value);
                }
            }
        }
    }

    fn arguments(
        &mut self,
        index: u64,
        at: usize,
        partials: Option<&Value>,
    ) -> Result<(), LlmError> {
        let Some(partials) = partials.and_then(Value::as_array) else {
            return Ok(());
        };
        let block = self.fold.candidate(index).part_mut(at);
        let Some(call) = block.and_then(|block| block.get_mut("functionCall")?.as_object_mut())
        else {
            return Ok(());
        };
        let arguments = call.entry("args").or_insert_with(|| Value::Object(Map::new()));
        for partial in partials {
            partial::apply(arguments, partial).map_err(|reason| {
                unreadable(format!("a piece of a call's arguments cannot be placed: {reason}"))
                    .with_raw(Some(partial.clone()))
            })?;
        }
        Ok(())
    }

    fn end_call(&mut self, index: u64, pending: Pending, is_streamed: bool, out: &mut Events) {
        let Some(block) = self.fold.candidate(index).part_mut(pending.at) else {
            return;
        };
        if is_streamed
            && let Some(call) = block.get_mut("functionCall").and_then(Value::as_object_mut)
        {
            call.remove("willContinue");
        }
        let Some(ContentPart::ToolCall { tool_call, .. }) = part(block, Some(&pending.call.id))
        else {
            return;
        };
        let delta = tool_call.arguments_text();
        out.push(StreamEvent::ToolCallDelta { tool_call: pending.call, delta });
        out.push(StreamEvent::ToolCallEnd { tool_call: ToolCall::from(&tool_call) });
    }
}

impl Pending {
    /// Later parts of a call repeat its name and id or leave them out.
    fn is_meant_by(&self, call: &Map<String, Value>) -> bool {
        let fits = |name: &str, known: &str| {
            let said = call.get(name).and_then(Value::as_str).unwrap_or("");
            said.is_empty() || said == known
        };
        fits("name", &self.call.name) && fits("id", &self.call.id)
    }
}

fn unreadable(message: impl Into<String>) -> LlmError {
    LlmError::new(ErrorKind::Stream, message).with_provider(NAME)
}

#[cfg(test)]
mod tests;
