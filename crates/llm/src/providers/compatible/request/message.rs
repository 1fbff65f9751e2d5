//! The conversation as Chat Completions has it.

use serde_json::{Map, Value, json};

use super::super::response::is_blank;
use super::super::{NAME, REASONING_DETAILS, REASONING_TEXTS};
use super::invalid;
use crate::error::LlmError;
use crate::providers::media::{base64, data_url, object};
use crate::providers::parts::{answers, misplaced};
use crate::types::{
    AudioData, ContentPart, DocumentData, ImageData, Message, Role, ToolCallData, ToolResultData,
    Warning,
};

/// Fields of a message that go back to the server that wrote them; others are only shown.
const RETURNED: [&str; 2] = ["refusal", "images"];

/// Messages in the making.
pub(super) struct Messages {
    out: Vec<Value>,
    developer_role: bool,
    return_reasoning: bool,
    /// Pictures of tool results, which have their place only after all results.
    pictures: Vec<Value>,
    warnings: Vec<Warning>,
}

impl Messages {
    pub(super) fn new(developer_role: bool, return_reasoning: bool) -> Self {
        Self {
            out: Vec::new(),
            developer_role,
            return_reasoning,
            pictures: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn finish(mut self, warnings: &mut Vec<Warning>) -> Vec<Value> {
        self.flush_pictures();
        warnings.append(&mut self.warnings);
        self.out
    }

    pub(super) fn add(&mut self, message: &Message) -> Result<(), LlmError> {
        match message.role {
            Role::System => self.instructions("system", message),
            Role::Developer if self.developer_role => self.instructions("developer", message),
            Role::Developer => self.instructions("system", message),
            Role::User => self.user(message),
            Role::Assistant => self.assistant(message),
            Role::Tool => self.tool(message),
        }
    }

    /// Instructions that follow each other become one message: many chat templates know only one.
    fn instructions(&mut self, role: &str, message: &Message) -> Result<(), LlmError> {
        self.flush_pictures();
        let is_text = |part: &&ContentPart| !matches!(part, ContentPart::Text { .. });
        if let Some(other) = message.content.iter().find(is_text) {
            return Err(misplaced(NAME, other, role));
        }
        let text = message.text();
        if text.is_empty() {
            return Ok(());
        }
        if message.name.is_none()
            && let Some(Value::Object(last)) = self.out.last_mut()
            && last.get("role").is_some_and(|other| other == role)
            && !last.contains_key("name")
            && let Some(Value::String(content)) = last.get_mut("content")
        {
            content.push_str("\n\n");
            content.push_str(&text);
            return Ok(());
        }
        self.push(role, message, json!(text));
        Ok(())
    }

    fn push(&mut self, role: &str, message: &Message, content: Value) {
        let mut fields = Map::new();
        fields.insert("role".into(), json!(role));
        if let Some(name) = &message.name {
            fields.insert("name".into(), json!(name));
        }
        fields.insert("content".into(), content);
        self.out.push(Value::Object(fields));
    }

    fn user(&mut self, message: &Message) -> Result<(), LlmError> {
        // Results may also stand in a user message, as other providers have it.
        let (results, parts): (Vec<_>, Vec<_>) =
            message.content.iter().partition(|part| matches!(part, ContentPart::ToolResult { .. }));
        for part in results {
            if let ContentPart::ToolResult { tool_result, .. } = part {
                self.output(tool_result);
            }
        }
        if parts.is_empty() {
            return Ok(());
        }
        self.flush_pictures();
        let is_plain = |part: &&ContentPart| {
            matches!(part, ContentPart::Text { .. }) && part.raw_for(NAME).is_none()
        };
        let content = if parts.iter().all(is_plain) {
            json!(message.text())
        } else {
            Value::Array(parts.into_iter().map(user_part).collect::<Result<_, _>>()?)
        };
        self.push("user", message, content);
        Ok(())
    }

    fn assistant(&mut self, message: &Message) -> Result<(), LlmError> {
        self.flush_pictures();
        let mut said = Said::default();
        for part in &message.content {
            self.assistant_part(part, &mut said)?;
        }
        if said.is_empty() {
            return Ok(());
        }
        let mut fields = Map::new();
        fields.insert("role".into(), json!("assistant"));
        if let Some(name) = &message.name {
            fields.insert("name".into(), json!(name));
        }
        fields.insert("content".into(), said.content());
        fields.extend(said.fields);
        if !said.calls.is_empty() {
            fields.insert("tool_calls".into(), Value::Array(said.calls));
        }
        self.out.push(Value::Object(fields));
        Ok(())
    }

    fn assistant_part(&mut self, part: &ContentPart, said: &mut Said) -> Result<(), LlmError> {
        if let ContentPart::ToolCall { tool_call, .. } = part {
            said.calls.push(call(tool_call, part.raw_for(NAME)));
            return Ok(());
        }
        if let Some(Value::Object(block)) = part.raw_for(NAME) {
            self.own_block(part, block, said);
            return Ok(());
        }
        match part {
            ContentPart::Text { text, .. } => said.text(text),
            // Another provider's reasoning is worth nothing here.
            ContentPart::Thinking { .. } | ContentPart::RedactedThinking { .. } => {}
            // Another provider's block.
            ContentPart::Raw { provider_raw: Some(_), .. } => {}
            ContentPart::Image { .. } => self.warnings.push(Warning::new(
                "content_left_out",
                "openai-compatible: an image that a model made has no place in this API; it was left out",
            )),
            other => return Err(misplaced(NAME, other, "assistant")),
        }
        Ok(())
    }

    /// A block of the server's own: an entry of the content, or fields of the message.
    fn own_block(&self, part: &ContentPart, block: &Map<String, Value>, said: &mut Said) {
        if block.contains_key("type") {
            let is_reasoning = matches!(part, ContentPart::Thinking { .. });
            if !is_reasoning || self.return_reasoning {
                said.block(Value::Object(block.clone()));
            }
            return;
        }
        for (name, value) in block {
            let is_reasoning =
                REASONING_TEXTS.contains(&name.as_str()) || name == REASONING_DETAILS;
            if is_reasoning && self.return_reasoning || RETURNED.contains(&name.as_str()) {
                said.field(name, value);
            } else if name == "audio" {
                // A spoken answer is referred to; its bytes are not taken back.
                if let Some(id) = value.get("id") {
                    said.field("audio", &json!({ "id": id }));
                }
            }
        }
    }

    fn tool(&mut self, message: &Message) -> Result<(), LlmError> {
        for result in answers(NAME, message)? {
            self.output(&result);
        }
        Ok(())
    }

    fn output(&mut self, result: &ToolResultData) {
        let id = &result.tool_call_id;
        let content = result.content_text();
        self.out.push(json!({ "role": "tool", "tool_call_id": id, "content": content }));
        if let Some(data) = &result.image_data {
            let media_type = result.image_media_type.as_deref().unwrap_or("image/png");
            let url = data_url(media_type, data);
            self.pictures.extend([
                json!({ "type": "text", "text": format!("Image in the result of tool call {id}:") }),
                object([("type", "image_url".into()), ("image_url", object([("url", url.into())]))]),
            ]);
        }
    }

    /// Results are text only, and nothing may stand between them; so pictures follow as the user's.
    fn flush_pictures(&mut self) {
        if self.pictures.is_empty() {
            return;
        }
        let content = std::mem::take(&mut self.pictures);
        self.out.push(object([("role", "user".into()), ("content", content.into())]));
        let code = "tool_result_image_moved";
        if !self.warnings.iter().any(|warning| warning.code.as_deref() == Some(code)) {
            self.warnings.push(Warning::new(
                code,
                "openai-compatible: tool results hold no images; they follow in a user message",
            ));
        }
    }
}

/// What the assistant said, sorted into the fields of its message.
#[derive(Default)]
struct Said {
    blocks: Vec<Value>,
    has_list: bool,
    calls: Vec<Value>,
    fields: Map<String, Value>,
}

impl Said {
    fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.calls.is_empty() && self.fields.values().all(is_blank)
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.blocks.push(json!({ "type": "text", "text": text }));
        }
    }

    /// An entry that only a list can hold.
    fn block(&mut self, block: Value) {
        self.has_list = true;
        self.blocks.push(block);
    }

    fn field(&mut self, name: &str, value: &Value) {
        match (self.fields.get_mut(name), value) {
            (Some(Value::Array(items)), Value::Array(more)) => items.extend(more.iter().cloned()),
            _ => {
                self.fields.insert(name.to_owned(), value.clone());
            }
        }
    }

    /// Text as a string wherever it can be one: not every server reads lists.
    fn content(&mut self) -> Value {
        if self.has_list {
            return Value::Array(std::mem::take(&mut self.blocks));
        }
        let texts = self.blocks.iter().filter_map(|block| block.get("text")?.as_str());
        let text: String = texts.collect();
        if text.is_empty() && !self.calls.is_empty() { Value::Null } else { json!(text) }
    }
}

/// A call in the form of the API; what the server put beside it (a signature, say) stays with it.
fn call(data: &ToolCallData, own: Option<&Value>) -> Value {
    let (kind, argument) = match data.call_type.as_str() {
        "custom" => ("custom", "input"),
        _ => ("function", "arguments"),
    };
    let mut call = own.and_then(Value::as_object).cloned().unwrap_or_default();
    call.shift_remove("index");
    call.insert("id".into(), json!(data.id));
    call.insert("type".into(), json!(kind));
    let body = call.entry(kind).or_insert_with(|| json!({ "name": data.name }));
    if let Some(body) = body.as_object_mut()
        && !body.get(argument).is_some_and(Value::is_string)
    {
        body.insert(argument.into(), json!(data.arguments_text()));
    }
    Value::Object(call)
}

fn user_part(part: &ContentPart) -> Result<Value, LlmError> {
    if let Some(raw) = part.raw_for(NAME) {
        return Ok(raw.clone());
    }
    match part {
        ContentPart::Text { text, .. } => Ok(json!({ "type": "text", "text": text })),
        ContentPart::Image { image, .. } => image_part(image),
        ContentPart::Audio { audio, .. } => audio_part(audio),
        ContentPart::Document { document, .. } => document_part(document),
        other => Err(misplaced(NAME, other, "user")),
    }
}

fn image_part(image: &ImageData) -> Result<Value, LlmError> {
    let url = match (&image.url, &image.data) {
        (Some(url), None) => url.clone(),
        (None, Some(data)) => data_url(image.media_type.as_deref().unwrap_or("image/png"), data),
        _ => return Err(invalid("an image needs exactly one of `url` and `data`".to_owned())),
    };
    let mut fields = Map::new();
    fields.insert("url".into(), Value::String(url));
    if let Some(detail) = &image.detail {
        fields.insert("detail".into(), json!(detail));
    }
    Ok(object([("type", "image_url".into()), ("image_url", fields.into())]))
}

fn audio_part(audio: &AudioData) -> Result<Value, LlmError> {
    let Some(data) = audio.data.as_ref().filter(|_| audio.url.is_none()) else {
        return Err(invalid("audio can be sent only as `data`, not by URL".to_owned()));
    };
    let media_type = audio.media_type.as_deref().unwrap_or("audio/wav");
    let format = match media_type {
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
        "audio/mp3" | "audio/mpeg" => "mp3",
        other => {
            return Err(invalid(format!(
                "audio of type `{other}` cannot be sent; wav and mp3 can"
            )));
        }
    };
    let input = object([("data", base64(data).into()), ("format", format.into())]);
    Ok(object([("type", "input_audio".into()), ("input_audio", input)]))
}

fn document_part(document: &DocumentData) -> Result<Value, LlmError> {
    let Some(data) = document.data.as_ref().filter(|_| document.url.is_none()) else {
        return Err(invalid("a document can be sent only as `data`, not by URL".to_owned()));
    };
    let url = data_url(document.media_type.as_deref().unwrap_or("application/pdf"), data);
    let name = document.file_name.as_deref().unwrap_or("document.pdf");
    let file = object([("filename", name.into()), ("file_data", url.into())]);
    Ok(object([("type", "file".into()), ("file", file)]))
}
