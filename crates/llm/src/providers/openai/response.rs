//! From a response object of the Responses API to a unified response (unified-llm §7.5). Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::NAME;
use crate::error::{ErrorKind, LlmError, from_code_and_message};
use crate::types::{
    ContentPart, FinishReason, FinishReasonKind, ImageData, Message, ProviderRaw, Response, Role,
    ThinkingData, ToolCallData, Usage,
};

/// Translates a whole response object.
///
/// # Errors
/// What the provider reported when its status is `failed`; [`ErrorKind::Provider`] for a body that is no
/// response object.
pub(super) fn translate(body: Value) -> Result<Response, LlmError> {
    if let Some(error) = failure(&body) {
        return Err(error);
    }
    let Some(output) = body.get("output").and_then(Value::as_array) else {
        return Err(LlmError::new(
            ErrorKind::Provider,
            "the answer is no response object: it has no `output` list",
        )
        .with_provider(NAME)
        .with_raw(Some(body)));
    };
    let content = output.iter().map(part).collect();
    Ok(build(body, content))
}

/// A response from its parts and the object that says everything else.
pub(super) fn build(body: Value, content: Vec<ContentPart>) -> Response {
    let text = |name: &str| {
        let value = body.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    Response {
        id: text("id"),
        model: text("model"),
        provider: NAME.to_owned(),
        finish_reason: finish_reason(&body, &content),
        usage: usage(body.get("usage")),
        message: Message::new(Role::Assistant, content),
        warnings: Vec::new(),
        rate_limit: None,
        raw: Some(body),
    }
}

/// The error inside a response object whose status is `failed`.
pub(super) fn failure(body: &Value) -> Option<LlmError> {
    if body.get("status").and_then(Value::as_str) != Some("failed") {
        return None;
    }
    let error = body.get("error").unwrap_or(&Value::Null);
    Some(error_in(error, body))
}

/// An error object `{code, message}` anywhere in an answer.
pub(super) fn error_in(error: &Value, whole: &Value) -> LlmError {
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    from_code_and_message(
        NAME,
        text("code").or_else(|| text("type").filter(|kind| *kind != "error")),
        text("message").unwrap_or("the provider gave no message"),
        ErrorKind::Server,
        whole.clone(),
    )
}

/// One output item as one part; the item itself is kept, so that it goes back as it came.
pub(super) fn part(item: &Value) -> ContentPart {
    let raw = Some(ProviderRaw::new(NAME, item.clone()));
    let text = |name: &str| {
        let value = item.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    match item.get("type").and_then(Value::as_str).unwrap_or("") {
        "message" => ContentPart::Text { text: message_text(item), provider_raw: raw },
        "function_call" => ContentPart::ToolCall {
            tool_call: ToolCallData::from_raw(text("call_id"), text("name"), &text("arguments")),
            provider_raw: raw,
        },
        "custom_tool_call" => ContentPart::ToolCall {
            tool_call: ToolCallData {
                call_type: "custom".to_owned(),
                ..ToolCallData::new(text("call_id"), text("name"), Value::String(text("input")))
            },
            provider_raw: raw,
        },
        "reasoning" => ContentPart::Thinking {
            thinking: ThinkingData { text: reasoning_text(item), signature: None, redacted: false },
            provider_raw: raw,
        },
        "image_generation_call" if generated_image(item).is_some() => ContentPart::Image {
            image: generated_image(item).unwrap_or_default(),
            provider_raw: raw,
        },
        other => ContentPart::Raw {
            kind: if other.is_empty() { "unknown" } else { other }.to_owned(),
            data: Map::new(),
            provider_raw: raw,
        },
    }
}

/// The picture of a finished image generation; `None` for one that failed or shows nothing.
fn generated_image(item: &Value) -> Option<ImageData> {
    let data = STANDARD.decode(item.get("result")?.as_str()?).ok()?;
    let format = item.get("output_format").and_then(Value::as_str);
    let media_type = match format.unwrap_or("png") {
        "svg" => "image/svg+xml".to_owned(),
        other => format!("image/{other}"),
    };
    Some(ImageData { data: Some(data), media_type: Some(media_type), ..ImageData::default() })
}

/// Text and refusals of a message item, in order.
pub(super) fn message_text(item: &Value) -> String {
    blocks(item, "content")
        .filter_map(|block| {
            let text = block.get("text").or_else(|| block.get("refusal"))?;
            text.as_str()
        })
        .collect()
}

/// Between two sections of readable reasoning.
pub(super) const REASONING_SEPARATOR: &str = "\n\n";

/// The summary of a reasoning item, or its text where the model shows that instead.
pub(super) fn reasoning_text(item: &Value) -> String {
    let joined = |name: &str| {
        let texts: Vec<&str> =
            blocks(item, name).filter_map(|block| block.get("text")?.as_str()).collect();
        texts.join(REASONING_SEPARATOR)
    };
    let summary = joined("summary");
    if summary.is_empty() { joined("content") } else { summary }
}

fn blocks<'a>(item: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    item.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn finish_reason(body: &Value, content: &[ContentPart]) -> FinishReason {
    let status = body.get("status").and_then(Value::as_str);
    let reason = body.pointer("/incomplete_details/reason").and_then(Value::as_str);
    let has_calls = content.iter().any(|part| matches!(part, ContentPart::ToolCall { .. }));
    match (status, reason) {
        (Some("incomplete"), Some("max_output_tokens")) => {
            FinishReason::new(FinishReasonKind::Length, reason)
        }
        (Some("incomplete"), Some("content_filter")) => {
            FinishReason::new(FinishReasonKind::ContentFilter, reason)
        }
        (Some("completed") | None, _) if has_calls => {
            FinishReason::new(FinishReasonKind::ToolCalls, status)
        }
        (Some("completed") | None, _) if content.iter().any(is_refusal) => {
            FinishReason::new(FinishReasonKind::ContentFilter, Some("refusal"))
        }
        (Some("completed") | None, _) => FinishReason::new(FinishReasonKind::Stop, status),
        (Some(_), _) => FinishReason::new(FinishReasonKind::Other, reason.or(status)),
    }
}

/// A refusal is written by the model itself; its text stands in the answer's text.
fn is_refusal(part: &ContentPart) -> bool {
    part.raw_for(NAME).is_some_and(|item| {
        blocks(item, "content").any(|block| block.get("type").is_some_and(|kind| kind == "refusal"))
    })
}

/// OpenAI already counts cached tokens as input and reasoning as output.
fn usage(usage: Option<&Value>) -> Usage {
    let Some(raw) = usage.filter(|usage| usage.is_object()) else {
        return Usage::default();
    };
    let number = |path: &str| raw.pointer(path).and_then(Value::as_u64);
    Usage {
        reasoning_tokens: number("/output_tokens_details/reasoning_tokens"),
        cache_read_tokens: number("/input_tokens_details/cached_tokens"),
        cache_write_tokens: number("/input_tokens_details/cache_write_tokens"),
        raw: Some(raw.clone()),
        ..Usage::new(number("/input_tokens").unwrap_or(0), number("/output_tokens").unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
