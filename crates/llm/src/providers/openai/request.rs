//! From a unified request to the body of `POST /responses` (unified-llm §7.2, §7.3). Pure.

use serde_json::{Map, Value, json};

use super::super::call_ids::CallIds;
use super::super::media::{data_url, object};
use super::super::parts::{answers, misplaced};
use super::super::schema;
use super::super::wire::{Call, Mode, merge};
use super::{NAME, is_reasoning_model};
use crate::error::{ErrorKind, LlmError};
use crate::types::{
    ContentPart, DocumentData, ImageData, Message, Request, ResponseFormat, ResponseFormatKind,
    Role, ToolCallData, ToolChoice, ToolDefinition, ToolResultData, Warning,
};

/// Translates a request. Blocks that OpenAI itself wrote go back verbatim.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for what the Responses API has no place for, such as audio.
pub(super) fn translate(request: &Request, mode: Mode) -> Result<Call, LlmError> {
    let mut body = Map::new();
    let mut warnings = Vec::new();
    body.insert("model".into(), json!(request.model));
    if let Some(instructions) = instructions(&request.messages) {
        body.insert("instructions".into(), json!(instructions));
    }
    body.insert("store".into(), json!(false));
    body.insert("stream".into(), json!(mode == Mode::Stream));
    add_tools(&mut body, request)?;
    add_parameters(&mut body, request, &mut warnings);
    if let Some(format) = &request.response_format {
        body.insert("text".into(), json!({ "format": text_format(format, &mut warnings)? }));
    }
    if let Some(options) = request.options_for(NAME) {
        merge(&mut body, options, &["tools", "include"]);
    }
    // Last, because the options may turn storage on, and then opaque reasoning may be referred to by id.
    let stored = body.get("store") == Some(&Value::Bool(true));
    body.insert("input".into(), Value::Array(input(request, stored)?));
    Ok(Call {
        path: "/responses".to_owned(),
        headers: Vec::new(),
        body: Value::Object(body),
        warnings,
    })
}

fn add_tools(body: &mut Map<String, Value>, request: &Request) -> Result<(), LlmError> {
    if !request.tools.is_empty() {
        for tool in &request.tools {
            tool.validate()?;
        }
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".into(), Value::Array(tools));
    }
    if let Some(choice) = &request.tool_choice {
        body.insert("tool_choice".into(), tool_choice(choice));
    }
    Ok(())
}

fn add_parameters(body: &mut Map<String, Value>, request: &Request, warnings: &mut Vec<Warning>) {
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set("temperature", request.temperature.map(|value| json!(value)));
    set("top_p", request.top_p.map(|value| json!(value)));
    set("max_output_tokens", request.max_tokens.map(|value| json!(value)));
    set("metadata", (!request.metadata.is_empty()).then(|| json!(request.metadata)));
    set("reasoning", request.reasoning_effort.as_ref().map(|effort| json!({ "effort": effort })));
    set(
        "include",
        is_reasoning_model(&request.model).then(|| json!(["reasoning.encrypted_content"])),
    );
    if !request.stop_sequences.is_empty() {
        warnings.push(Warning::new(
            "unsupported_parameter",
            "openai: the Responses API has no stop sequences; they were left out",
        ));
    }
}

fn instructions(messages: &[Message]) -> Option<String> {
    let texts: Vec<String> = messages
        .iter()
        .filter(|message| message.role == Role::System)
        .map(Message::text)
        .filter(|text| !text.is_empty())
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

fn tool(tool: &ToolDefinition) -> Value {
    // The API takes a schema as a strict one unless told otherwise, and refuses it when it does not qualify.
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": schema::strict_subset(&tool.parameters).is_ok(),
    })
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Required => json!(choice.mode()),
        ToolChoice::Named { tool_name } => json!({ "type": "function", "name": tool_name }),
    }
}

fn text_format(format: &ResponseFormat, warnings: &mut Vec<Warning>) -> Result<Value, LlmError> {
    Ok(match format.kind {
        ResponseFormatKind::Text => json!({ "type": "text" }),
        ResponseFormatKind::Json => json!({ "type": "json_object" }),
        ResponseFormatKind::JsonSchema => {
            let schema = format.json_schema.as_ref().ok_or_else(|| {
                invalid("response_format `json_schema` comes without a `json_schema`")
            })?;
            json!({
                "type": "json_schema",
                "name": schema::name(schema),
                "schema": schema,
                "strict": format.strict && schema::is_strict(NAME, schema, warnings),
            })
        }
    })
}

fn input(request: &Request, stored: bool) -> Result<Vec<Value>, LlmError> {
    let mut items = Items { out: Vec::new(), stored, custom_calls: Vec::new() };
    for message in &request.messages {
        match message.role {
            Role::System => {}
            Role::User => items.plain("user", &message.content)?,
            Role::Developer => items.plain("developer", &message.content)?,
            Role::Assistant => items.assistant(&message.content)?,
            Role::Tool => items.tool(message)?,
        }
    }
    settle_ids(&mut items.out);
    Ok(items.out)
}

/// Most characters of a `call_id`.
const LONGEST_ID: usize = 64;

/// Makes every `call_id` one that the API takes, and the only one of its kind. The output of a call that the
/// server remembers keeps its own.
fn settle_ids(items: &mut [Value]) {
    let mut known = CallIds::new(LONGEST_ID);
    for item in items {
        let kind = item.get("type").and_then(Value::as_str).unwrap_or("");
        let (is_call, is_output) = (kind.ends_with("_call"), kind.ends_with("_call_output"));
        let Some(Value::String(id)) = item.get_mut("call_id") else { continue };
        if is_call {
            *id = known.call(id, id).0;
        } else if is_output && let Some(sent) = known.result(id) {
            *id = sent;
        }
    }
}

struct Items<'a> {
    out: Vec<Value>,
    stored: bool,
    /// Ids of calls of free-text tools, whose outputs are items of another type.
    custom_calls: Vec<&'a str>,
}

impl<'a> Items<'a> {
    fn plain(&mut self, role: &str, parts: &'a [ContentPart]) -> Result<(), LlmError> {
        let mut content = Vec::new();
        for part in parts {
            if let Some(raw) = part.raw_for(NAME) {
                content.push(raw.clone());
                continue;
            }
            match part {
                // Results may also stand in a user message, as other providers have it.
                ContentPart::ToolResult { tool_result, .. } => self.output(tool_result),
                _ => content.push(input_part(part, role)?),
            }
        }
        if !content.is_empty() {
            self.out.push(object([
                ("type", "message".into()),
                ("role", role.into()),
                ("content", content.into()),
            ]));
        }
        Ok(())
    }

    fn assistant(&mut self, parts: &'a [ContentPart]) -> Result<(), LlmError> {
        // Reasoning is accepted only right before what it led to, so it waits for that: an answer that was
        // cut off, or a part that a caller took out, must not make every later request fail.
        let mut reasoning = Vec::new();
        for part in parts {
            if let ContentPart::ToolCall { tool_call, .. } = part
                && tool_call.call_type == "custom"
            {
                self.custom_calls.push(&tool_call.id);
            }
            match part.raw_for(NAME) {
                Some(item) if is_reasoning(item) => {
                    if self.accepts_reasoning(item) {
                        reasoning.push(item.clone());
                    }
                }
                Some(item) => {
                    self.out.append(&mut reasoning);
                    self.out.push(item.clone());
                }
                None => {
                    reasoning.clear();
                    self.translated(part)?;
                }
            }
        }
        Ok(())
    }

    fn translated(&mut self, part: &ContentPart) -> Result<(), LlmError> {
        match part {
            ContentPart::Text { text, .. } => self.out.push(json!({
                "type": "message",
                "role": "assistant",
                "content": [{ "type": "output_text", "text": text }],
            })),
            ContentPart::ToolCall { tool_call, .. } => self.out.push(call(tool_call)),
            // Another provider's reasoning is worth nothing here and its signature would be refused.
            ContentPart::Thinking { .. } | ContentPart::RedactedThinking { .. } => {}
            // Another provider's block.
            ContentPart::Raw { provider_raw: Some(_), .. } => {}
            other => return Err(misplaced(NAME, other, "assistant")),
        }
        Ok(())
    }

    /// Reasoning can be sent back only with its encrypted form, unless the server kept it.
    fn accepts_reasoning(&self, item: &Value) -> bool {
        self.stored || item.get("encrypted_content").is_some_and(Value::is_string)
    }

    fn tool(&mut self, message: &Message) -> Result<(), LlmError> {
        for result in answers(NAME, message)? {
            self.output(&result);
        }
        Ok(())
    }

    fn output(&mut self, result: &ToolResultData) {
        let kind = if self.custom_calls.contains(&result.tool_call_id.as_str()) {
            "custom_tool_call_output"
        } else {
            "function_call_output"
        };
        let text = result.content_text();
        let output = match &result.image_data {
            None => Value::String(text),
            Some(data) => {
                let media_type = result.image_media_type.as_deref().unwrap_or("image/png");
                let text = object([("type", "input_text".into()), ("text", text.into())]);
                vec![text, input_image(data_url(media_type, data), "auto")].into()
            }
        };
        let id = result.tool_call_id.as_str().into();
        self.out.push(object([("type", kind.into()), ("call_id", id), ("output", output)]));
    }
}

fn is_reasoning(item: &Value) -> bool {
    item.get("type").and_then(Value::as_str) == Some("reasoning")
}

fn call(call: &ToolCallData) -> Value {
    let text = call.arguments_text();
    if call.call_type == "custom" {
        json!({ "type": "custom_tool_call", "call_id": call.id, "name": call.name, "input": text })
    } else {
        json!({ "type": "function_call", "call_id": call.id, "name": call.name, "arguments": text })
    }
}

fn input_part(part: &ContentPart, role: &str) -> Result<Value, LlmError> {
    match part {
        ContentPart::Text { text, .. } => Ok(json!({ "type": "input_text", "text": text })),
        ContentPart::Image { image, .. } => image_part(image),
        ContentPart::Document { document, .. } => document_part(document),
        other => Err(misplaced(NAME, other, role)),
    }
}

fn image_part(image: &ImageData) -> Result<Value, LlmError> {
    let url = match (&image.url, &image.data) {
        (Some(url), None) => url.clone(),
        (None, Some(data)) => data_url(image.media_type.as_deref().unwrap_or("image/png"), data),
        _ => return Err(invalid("an image needs exactly one of `url` and `data`")),
    };
    let detail = image.detail.as_deref().unwrap_or("auto");
    Ok(input_image(url, detail))
}

fn input_image(url: String, detail: &str) -> Value {
    object([("type", "input_image".into()), ("image_url", url.into()), ("detail", detail.into())])
}

fn document_part(document: &DocumentData) -> Result<Value, LlmError> {
    match (&document.url, &document.data) {
        // The name is what the URL says; the API takes one only beside the bytes.
        (Some(url), None) => Ok(json!({ "type": "input_file", "file_url": url })),
        (None, Some(data)) => {
            let media_type = document.media_type.as_deref().unwrap_or("application/pdf");
            let name = document.file_name.as_deref().unwrap_or("document.pdf");
            Ok(object([
                ("type", "input_file".into()),
                ("filename", name.into()),
                ("file_data", data_url(media_type, data).into()),
            ]))
        }
        _ => Err(invalid("a document needs exactly one of `url` and `data`")),
    }
}

fn invalid(message: &str) -> LlmError {
    LlmError::new(ErrorKind::InvalidRequest, message).with_provider(NAME)
}

#[cfg(test)]
mod tests;
