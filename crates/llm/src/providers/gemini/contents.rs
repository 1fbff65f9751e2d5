//! From messages to `systemInstruction` and `contents` (unified-llm §7.3).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::super::media::object;
use super::super::parts::{answers, misplaced};
use super::media::Media;
use super::thinking::Thinking;
use super::{NAME, invalid};
use crate::error::LlmError;
use crate::types::{
    AudioData, ContentPart, DocumentData, ImageData, Message, Request, Role, ToolCallData,
    ToolResultData, Warning,
};

/// Google's word for a call that no Gemini model signed: with it a history that began with another
/// provider is accepted instead of refused.
const NOT_SIGNED: &str = "skip_thought_signature_validator";

/// What a conversation becomes.
pub(super) struct Conversation {
    pub system: Option<Value>,
    pub contents: Vec<Value>,
}

/// Translates a conversation. Parts that Gemini itself wrote go back verbatim, with their signatures.
///
/// # Errors
/// [`crate::ErrorKind::InvalidRequest`] for parts in the wrong place and results without a call.
pub(super) fn translate(
    request: &Request,
    warnings: &mut Vec<Warning>,
) -> Result<Conversation, LlmError> {
    let mut contents = Contents {
        out: Vec::new(),
        results: Vec::new(),
        calls: HashMap::new(),
        count: 0,
        is_new: Thinking::of(&request.model) == Thinking::Levels,
        warnings,
    };
    let mut system = Vec::new();
    for message in &request.messages {
        match message.role {
            Role::System | Role::Developer => system_parts(message, &mut system)?,
            Role::User => contents.user(&message.content)?,
            Role::Assistant => contents.assistant(&message.content)?,
            Role::Tool => contents.tool(message)?,
        }
    }
    contents.flush_results();
    if contents.out.is_empty() {
        return Err(invalid("there is nothing to answer: no message beside system messages"));
    }
    let system = (!system.is_empty()).then(|| json!({ "parts": system }));
    Ok(Conversation { system, contents: contents.out })
}

fn system_parts(message: &Message, system: &mut Vec<Value>) -> Result<(), LlmError> {
    for part in &message.content {
        match part {
            ContentPart::Text { text, .. } if text.is_empty() => {}
            ContentPart::Text { text, .. } => system.push(json!({ "text": text })),
            other => return Err(misplaced(NAME, other, "system or developer")),
        }
    }
    Ok(())
}

struct Contents<'a> {
    out: Vec<Value>,
    /// Results that wait for the rest of their turn: the API wants all of them in one content.
    results: Vec<Answer>,
    /// By the id that our callers know it by; a later call of the same id hides an earlier one.
    calls: HashMap<&'a str, Call>,
    /// How many calls there were.
    count: usize,
    /// Since Gemini 3: signatures are demanded, and results may hold pictures.
    is_new: bool,
    warnings: &'a mut Vec<Warning>,
}

struct Call {
    name: String,
    /// The API's own id, if it gave one. An id that we made up means nothing to it.
    id: Option<String>,
    /// Its place among all calls.
    order: usize,
}

struct Answer {
    order: usize,
    response: Value,
    /// A picture that stands beside the result, for models that take none inside.
    picture: Option<Value>,
}

impl<'a> Contents<'a> {
    fn push(&mut self, role: &str, parts: Vec<Value>) {
        self.flush_results();
        if !parts.is_empty() {
            self.out.push(turn(role, parts));
        }
    }

    /// Neighbours are one turn: the API refuses calls in a turn that does not follow one of the user's.
    fn push_model(&mut self, mut parts: Vec<Value>) {
        self.flush_results();
        let before = self.out.pop_if(|turn| !parts.is_empty() && turn["role"] == "model");
        if let Some(Value::Array(earlier)) = before.map(|mut turn| turn["parts"].take()) {
            parts.splice(0..0, earlier);
        }
        if self.is_new {
            sign(&mut parts);
        }
        self.push("model", parts);
    }

    /// In the order of the calls, because results without ids are matched by their place.
    fn flush_results(&mut self) {
        let mut results = std::mem::take(&mut self.results);
        if results.is_empty() {
            return;
        }
        results.sort_by_key(|result| result.order);
        let mut parts = Vec::with_capacity(results.len());
        let mut pictures = Vec::new();
        for result in results {
            parts.push(result.response);
            pictures.extend(result.picture);
        }
        parts.append(&mut pictures);
        self.out.push(turn("user", parts));
    }

    fn user(&mut self, content: &'a [ContentPart]) -> Result<(), LlmError> {
        let mut parts = Vec::new();
        for part in content {
            match part {
                // Results may also stand in a user message, as other providers have it.
                ContentPart::ToolResult { tool_result, .. } => self.result(tool_result)?,
                _ => match part.raw_for(NAME) {
                    Some(raw) => parts.push(raw.clone()),
                    None => parts.extend(self.plain(part, "user")?),
                },
            }
        }
        // With results alone the turn is not over: more of them may follow in the next message.
        if !parts.is_empty() {
            self.push("user", parts);
        }
        Ok(())
    }

    fn tool(&mut self, message: &Message) -> Result<(), LlmError> {
        for result in answers(NAME, message)? {
            self.result(&result)?;
        }
        Ok(())
    }

    fn assistant(&mut self, content: &'a [ContentPart]) -> Result<(), LlmError> {
        let mut parts = Vec::new();
        for part in content {
            let raw = part.raw_for(NAME);
            if let ContentPart::ToolCall { tool_call, .. } = part {
                self.remember(tool_call, raw);
            }
            match (raw, part) {
                (Some(raw), _) => parts.push(raw.clone()),
                (None, ContentPart::ToolCall { tool_call, .. }) => parts.push(call(tool_call)?),
                // Another provider's reasoning means nothing here, nor do its own blocks.
                (None, ContentPart::Thinking { .. } | ContentPart::RedactedThinking { .. }) => {}
                (None, ContentPart::Raw { provider_raw: Some(_), .. }) => {}
                (None, part) => parts.extend(self.plain(part, "assistant")?),
            }
        }
        self.push_model(parts);
        Ok(())
    }

    fn remember(&mut self, call: &'a ToolCallData, raw: Option<&Value>) {
        let id = raw.and_then(|block| block.pointer("/functionCall/id")?.as_str());
        let id = id.filter(|id| !id.is_empty()).map(str::to_owned);
        let order = self.count;
        self.count += 1;
        self.calls.insert(&call.id, Call { name: call.name.clone(), id, order });
    }

    fn result(&mut self, result: &ToolResultData) -> Result<(), LlmError> {
        let Some(call) = self.calls.get(result.tool_call_id.as_str()) else {
            return Err(invalid(format!(
                "a tool result answers the call `{}`, which no earlier message makes; gemini needs the call for the function's name",
                result.tool_call_id
            )));
        };
        let mut response = Map::new();
        if let Some(id) = &call.id {
            response.insert("id".into(), json!(id));
        }
        response.insert("name".into(), json!(call.name));
        response.insert("response".into(), output(result));
        let mut picture = match &result.image_data {
            None => None,
            Some(data) => Some(
                Media {
                    what: "the image of a tool result",
                    url: None,
                    data: Some(data),
                    media_type: result.image_media_type.as_deref(),
                    default_type: "image/png",
                }
                .part()?,
            ),
        };
        if self.is_new
            && let Some(picture) = picture.take()
        {
            response.insert("parts".into(), Value::Array(vec![picture]));
        }
        let response = object([("functionResponse", Value::Object(response))]);
        self.results.push(Answer { order: call.order, response, picture });
        Ok(())
    }

    /// A part that any role may have. Empty text is refused by the API and says nothing.
    fn plain(&mut self, part: &ContentPart, role: &str) -> Result<Option<Value>, LlmError> {
        match part {
            ContentPart::Text { text, .. } => {
                Ok((!text.is_empty()).then(|| json!({ "text": text })))
            }
            ContentPart::Image { image, .. } => self.image(image).map(Some),
            ContentPart::Audio { audio, .. } => sound(audio).map(Some),
            ContentPart::Document { document, .. } => self.document(document).map(Some),
            other => Err(misplaced(NAME, other, role)),
        }
    }

    fn image(&mut self, image: &ImageData) -> Result<Value, LlmError> {
        if image.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.warn("gemini: an image has no `detail` of its own here; it was left out");
        }
        Media {
            what: "an image",
            url: image.url.as_deref(),
            data: image.data.as_deref(),
            media_type: image.media_type.as_deref(),
            default_type: "image/png",
        }
        .part()
    }

    fn document(&mut self, document: &DocumentData) -> Result<Value, LlmError> {
        if document.file_name.is_some() {
            self.warn("gemini: a document has no `file_name` here; it was left out");
        }
        Media {
            what: "a document",
            url: document.url.as_deref(),
            data: document.data.as_deref(),
            media_type: document.media_type.as_deref(),
            default_type: "application/pdf",
        }
        .part()
    }

    /// Once, however many parts it is about.
    fn warn(&mut self, message: &str) {
        let warning = Warning::new("unsupported_parameter", message);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

fn turn(role: &str, parts: Vec<Value>) -> Value {
    object([("role", role.into()), ("parts", Value::Array(parts))])
}

fn sound(audio: &AudioData) -> Result<Value, LlmError> {
    Media {
        what: "a sound",
        url: audio.url.as_deref(),
        data: audio.data.as_deref(),
        media_type: audio.media_type.as_deref(),
        default_type: "audio/wav",
    }
    .part()
}

fn call(call: &ToolCallData) -> Result<Value, LlmError> {
    let arguments = match &call.arguments {
        Value::Object(arguments) => json!(arguments),
        // Free text, and arguments that were no JSON: the API takes nothing but an object.
        other => json!({ "input": other }),
    };
    Ok(json!({ "functionCall": { "name": call.name, "args": arguments } }))
}

/// Gemini 3 wants a signature on the first call of every turn of the model; siblings need none.
fn sign(parts: &mut [Value]) {
    let first = parts.iter_mut().find(|part| part.get("functionCall").is_some());
    if let Some(Value::Object(part)) = first {
        part.entry("thoughtSignature").or_insert_with(|| json!(NOT_SIGNED));
    }
}

/// The API reads `output` and `error` of a result as the whole of it, so an object that happens to have
/// such a field is wrapped.
fn output(result: &ToolResultData) -> Value {
    match &result.content {
        content if result.is_error => json!({ "error": content }),
        Value::Object(object)
            if !object.contains_key("output") && !object.contains_key("error") =>
        {
            json!(object)
        }
        content => json!({ "result": content }),
    }
}
