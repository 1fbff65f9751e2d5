//! From content parts to blocks of the Messages API (unified-llm §7.3).

use serde_json::{Map, Value, json};

use super::super::media::{base64, object, parse_data_url};
use super::{NAME, invalid};
use crate::error::LlmError;
use crate::types::{
    ContentPart, DocumentData, ImageData, Role, ThinkingData, ToolCallData, ToolResultData, Warning,
};

/// The key under which arguments stand that are no JSON object: the API takes objects only, and the model
/// should see what it wrote.
pub(super) const INVALID_JSON: &str = "INVALID_JSON";

/// What of a conversation another provider wrote and this one cannot use.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    reasoning: bool,
    blocks: Vec<String>,
}

impl Dropped {
    pub(super) fn warn(&self, warnings: &mut Vec<Warning>) {
        if self.reasoning {
            warnings.push(Warning::new(
                "dropped_content",
                "anthropic: thinking without a signature of Anthropic's was left out of the conversation",
            ));
        }
        if !self.blocks.is_empty() {
            let kinds = self.blocks.join(", ");
            warnings.push(Warning::new(
                "dropped_content",
                format!("anthropic: other providers' blocks were left out: {kinds}"),
            ));
        }
    }
}

/// Appends one part as blocks, or nothing for what has nothing to say: the API refuses blank text, and
/// thinking counts only with the signature that Anthropic gave it. Other providers' thinking is dropped rather
/// than said as text: as text the model would take it for something that it told the user.
///
/// # Errors
/// [`crate::ErrorKind::InvalidRequest`] for what has no place in a message of this role.
pub(super) fn add(
    part: &ContentPart,
    role: Role,
    dropped: &mut Dropped,
    out: &mut Vec<Value>,
) -> Result<(), LlmError> {
    if let Some(raw) = part.raw_for(NAME)
        && is_sendable(raw)
    {
        if !is_blank_text(raw) && !is_unsigned_thinking(raw) {
            out.push(raw.clone());
        }
        return Ok(());
    }
    let from_user = matches!(role, Role::User | Role::Tool);
    out.extend(match part {
        ContentPart::Text { text, .. } => text_block(text),
        ContentPart::Image { image, .. } if from_user => Some(image_block(image)?),
        ContentPart::Document { document, .. } if from_user => Some(document_block(document)?),
        ContentPart::ToolResult { tool_result, .. } if from_user => {
            return add_result(tool_result, out);
        }
        ContentPart::Audio { .. } if from_user => {
            return Err(invalid("the Messages API takes no audio"));
        }
        ContentPart::ToolCall { tool_call, .. } if role == Role::Assistant => {
            Some(call_block(tool_call))
        }
        ContentPart::Thinking { thinking, provider_raw }
        | ContentPart::RedactedThinking { thinking, provider_raw }
            if role == Role::Assistant =>
        {
            let block = match provider_raw {
                Some(raw) if raw.provider != NAME => None,
                _ => thinking_block(thinking),
            };
            dropped.reasoning |= block.is_none();
            block
        }
        ContentPart::Raw { kind, provider_raw: Some(_), .. } => {
            dropped.blocks.push(kind.clone());
            None
        }
        other => return Err(misplaced(other, role)),
    });
    Ok(())
}

pub(super) fn misplaced(part: &ContentPart, role: Role) -> LlmError {
    let role = match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::Developer => "developer",
    };
    invalid(format!(
        "content of kind `{}` cannot be sent in a message of role `{role}`",
        part.kind()
    ))
}

pub(super) fn kind(block: &Value) -> &str {
    block.get("type").and_then(Value::as_str).unwrap_or("")
}

pub(super) fn is_thinking(block: &Value) -> bool {
    matches!(kind(block), "thinking" | "redacted_thinking")
}

pub(super) fn text_block(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({ "type": "text", "text": text }))
}

/// A call whose input is no object, as other software may have kept it, is translated anew.
fn is_sendable(raw: &Value) -> bool {
    kind(raw) != "tool_use" || raw.get("input").is_some_and(Value::is_object)
}

fn is_blank_text(block: &Value) -> bool {
    kind(block) == "text"
        && block.get("text").and_then(Value::as_str).is_none_or(|text| text.trim().is_empty())
}

/// Thinking that was cut off has no signature, and would be refused.
fn is_unsigned_thinking(block: &Value) -> bool {
    kind(block) == "thinking"
        && block.get("signature").and_then(Value::as_str).is_none_or(str::is_empty)
}

fn thinking_block(thinking: &ThinkingData) -> Option<Value> {
    let signature = thinking.signature.as_deref().filter(|signature| !signature.is_empty())?;
    Some(if thinking.redacted {
        json!({ "type": "redacted_thinking", "data": signature })
    } else {
        json!({ "type": "thinking", "thinking": thinking.text, "signature": signature })
    })
}

fn call_block(call: &ToolCallData) -> Value {
    let input = match &call.arguments {
        object @ Value::Object(_) => object.clone(),
        Value::String(text) if call.call_type == "custom" => json!({ "input": text }),
        Value::String(text) => invalid_input(text),
        other => invalid_input(&other.to_string()),
    };
    let (id, name) = (call.id.as_str().into(), call.name.as_str().into());
    object([("type", "tool_use".into()), ("id", id), ("name", name), ("input", input)])
}

/// The object that stands for arguments that are none.
pub(super) fn invalid_input(text: &str) -> Value {
    json!({ INVALID_JSON: text })
}

/// A failure is told in text alone, so its picture stands beside it.
fn add_result(result: &ToolResultData, out: &mut Vec<Value>) -> Result<(), LlmError> {
    let mut content: Vec<Value> = text_block(&result.content_text()).into_iter().collect();
    let picture = match &result.image_data {
        Some(data) => {
            let media_type = result.image_media_type.as_deref().unwrap_or("image/png");
            Some(image_of(inline_image(media_type, base64(data))?))
        }
        None => None,
    };
    let (inside, beside) = if result.is_error { (None, picture) } else { (picture, None) };
    content.extend(inside);
    out.push(tool_result(&result.tool_call_id, content, result.is_error));
    out.extend(beside);
    Ok(())
}

/// A result of these blocks.
pub(super) fn tool_result(id: &str, mut content: Vec<Value>, is_error: bool) -> Value {
    let mut block = Map::new();
    block.insert("type".into(), json!("tool_result"));
    block.insert("tool_use_id".into(), json!(id));
    if is_error && content.is_empty() {
        // The API wants to know of what.
        content.push(json!({ "type": "text", "text": "the tool failed and said nothing" }));
    }
    match content.as_mut_slice() {
        [] => {}
        [only] if kind(only) == "text" => {
            let text = only.get_mut("text").map(Value::take);
            block.insert("content".into(), text.unwrap_or_default());
        }
        _ => {
            block.insert("content".into(), Value::Array(content));
        }
    }
    if is_error {
        block.insert("is_error".into(), json!(true));
    }
    Value::Object(block)
}

fn image_block(image: &ImageData) -> Result<Value, LlmError> {
    let source = match (&image.url, &image.data) {
        (Some(url), None) => match data_url(url) {
            Some((media_type, data)) => inline_image(media_type, data.to_owned())?,
            None => json!({ "type": "url", "url": url }),
        },
        (None, Some(data)) => {
            let media_type = image.media_type.as_deref().unwrap_or("image/png");
            inline_image(media_type, base64(data))?
        }
        _ => return Err(invalid("an image needs exactly one of `url` and `data`")),
    };
    Ok(image_of(source))
}

fn image_of(source: Value) -> Value {
    object([("type", "image".into()), ("source", source)])
}

fn inline_image(media_type: &str, data: String) -> Result<Value, LlmError> {
    let media_type = match media_type {
        "image/jpg" => "image/jpeg",
        "image/png" | "image/jpeg" | "image/gif" | "image/webp" => media_type,
        other => {
            return Err(invalid(format!(
                "images of type `{other}` are not taken; png, jpeg, gif and webp are"
            )));
        }
    };
    Ok(inline(media_type, data))
}

fn inline(media_type: &str, data: String) -> Value {
    object([("type", "base64".into()), ("media_type", media_type.into()), ("data", data.into())])
}

fn document_block(document: &DocumentData) -> Result<Value, LlmError> {
    const PDF: &str = "application/pdf";
    let source = match (&document.url, &document.data) {
        (Some(url), None) => match data_url(url) {
            Some((PDF, data)) => inline(PDF, data.to_owned()),
            Some((media_type, _)) => {
                let (_, data) = parse_data_url(url)
                    .ok_or_else(|| invalid("a document's data URL is not in base64"))?;
                text_source(media_type, &data)?
            }
            None => json!({ "type": "url", "url": url }),
        },
        (None, Some(data)) => match document.media_type.as_deref().unwrap_or(PDF) {
            PDF => inline(PDF, base64(data)),
            media_type => text_source(media_type, data)?,
        },
        _ => return Err(invalid("a document needs exactly one of `url` and `data`")),
    };
    let mut block = Map::new();
    block.insert("type".into(), json!("document"));
    block.insert("source".into(), source);
    if let Some(name) = &document.file_name {
        block.insert("title".into(), json!(name));
    }
    Ok(Value::Object(block))
}

/// Any text is plain text to the API.
fn text_source(media_type: &str, data: &[u8]) -> Result<Value, LlmError> {
    let essence = media_type.split(';').next().unwrap_or("").trim();
    if !essence.starts_with("text/") && !matches!(essence, "application/json" | "application/xml") {
        return Err(invalid(format!(
            "documents of type `{media_type}` are not taken; PDF and text are"
        )));
    }
    let text = std::str::from_utf8(data)
        .map_err(|error| invalid(format!("a document of type `{media_type}`: {error}")))?;
    if text.trim().is_empty() {
        return Err(invalid(format!("a document of type `{media_type}` has no text")));
    }
    Ok(json!({ "type": "text", "media_type": "text/plain", "data": text }))
}

/// Type and base64 text of `data:TYPE;base64,TEXT`; the API takes no such URLs.
fn data_url(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,")
}
