//! From a chat completion object to a unified response (unified-llm §7.5). Pure.

use serde_json::{Map, Value, json};

use super::{NAME, REASONING_DETAILS, REASONING_TEXTS, synthetic_id};
use crate::error::{ErrorKind, LlmError, from_code_and_message, from_http};
use crate::providers::media::parse_data_url;
use crate::types::{
    ContentPart, FinishReason, FinishReasonKind, ImageData, Message, ProviderRaw, Response, Role,
    ThinkingData, ToolCallData, Usage, Warning,
};

/// Translates a whole completion. A call without an id is numbered from `calls_so_far` on.
///
/// # Errors
/// What the server reported inside the body; [`ErrorKind::Provider`] for a body that is no completion.
pub(super) fn translate(body: Value, calls_so_far: usize) -> Result<Response, LlmError> {
    if let Some(error) = error_in(&body) {
        return Err(error);
    }
    let choices = body.get("choices").and_then(Value::as_array);
    let choice = choices.and_then(|choices| choices.first());
    let Some((choice, message)) =
        choice.and_then(|choice| Some((choice, choice.get("message")?.as_object()?)))
    else {
        let message = "the answer is no chat completion: it has no choice with a message";
        return Err(LlmError::new(ErrorKind::Provider, message)
            .with_provider(NAME)
            .with_raw(Some(body)));
    };
    let content = parts(message, calls_so_far);
    let refused = message.get("refusal").is_some_and(|refusal| !is_blank(refusal));
    let reason = choice.get("finish_reason").and_then(Value::as_str);
    let finish_reason = finish_reason(reason, &content, refused);
    let warnings = match choices.map_or(0, Vec::len) {
        0 | 1 => Vec::new(),
        _ => vec![Warning::new(
            "extra_choices",
            "openai-compatible: all choices but the first were passed over",
        )],
    };
    let text = |name: &str| {
        let value = body.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    Ok(Response {
        id: text("id"),
        model: text("model"),
        provider: NAME.to_owned(),
        message: Message::new(Role::Assistant, content),
        finish_reason,
        usage: usage(body.get("usage")),
        warnings,
        rate_limit: None,
        raw: Some(body),
    })
}

/// The error object inside a body or a chunk, in the forms that servers have for it.
pub(super) fn error_in(body: &Value) -> Option<LlmError> {
    let is_error = |said: &&Value| !is_blank(said);
    let said = body
        .get("error")
        .filter(is_error)
        .or_else(|| (body.get("object")? == "error").then_some(body))
        .or_else(|| body.pointer("/choices/0/error").filter(is_error))?;
    Some(error(said, body))
}

/// The error that `said` describes; `whole` is kept.
pub(super) fn error(said: &Value, whole: &Value) -> LlmError {
    // Gateways put the status of the server behind them into the code.
    let status = ["code", "status", "status_code"].iter().find_map(|name| {
        let code = said.get(name)?;
        let number = code.as_u64().or_else(|| code.as_str()?.parse().ok())?;
        u16::try_from(number).ok().filter(|status| (400..600).contains(status))
    });
    if let Some(status) = status {
        let body = json!({ "error": said }).to_string();
        return from_http(NAME, status, None, body.as_bytes()).with_raw(Some(whole.clone()));
    }
    let text = |name: &str| said.get(name).and_then(Value::as_str);
    let message = said.as_str().or_else(|| text("message")).or_else(|| text("detail"));
    from_code_and_message(
        NAME,
        text("code").or_else(|| text("type")),
        message.map_or_else(|| said.to_string(), str::to_owned).as_str(),
        ErrorKind::Server,
        whole.clone(),
    )
}

/// The parts of a message: reasoning, text, calls, then whatever else it holds.
///
/// A part's provider block is either one entry of the message's `content` or `tool_calls`, or an object of
/// fields of the message itself; only the former have a `type`.
fn parts(message: &Map<String, Value>, calls_so_far: usize) -> Vec<ContentPart> {
    let mut parts: Vec<ContentPart> = reasoning(message).into_iter().collect();
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() => parts.push(ContentPart::text(text)),
        Some(Value::Array(blocks)) => parts.extend(blocks.iter().map(block)),
        Some(Value::Object(_)) => parts.extend(message.get("content").map(block)),
        _ => {}
    }
    if let Some(refusal) = message.get("refusal").and_then(Value::as_str)
        && !refusal.is_empty()
    {
        parts.push(ContentPart::text(refusal).with_provider_raw(field("refusal", json!(refusal))));
    }
    let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    for (number, call) in (calls_so_far..).zip(calls) {
        parts.push(tool_call(call, number));
    }
    if let Some(function) = message.get("function_call").filter(|call| call.is_object()) {
        let call = json!({ "type": "function", "function": function });
        parts.push(tool_call(&call, calls_so_far));
    }
    for (name, value) in message {
        match name.as_str() {
            "role" | "content" | "refusal" | "tool_calls" | "function_call" => {}
            "images" => parts.extend(images(value)),
            known if known == REASONING_DETAILS || REASONING_TEXTS.contains(&known) => {}
            _ if is_blank(value) => {}
            _ => parts.push(unknown_field(name, value.clone())),
        }
    }
    parts
}

fn field(name: &str, value: Value) -> ProviderRaw {
    ProviderRaw::new(NAME, json!({ name: value }))
}

fn unknown_field(name: &str, value: Value) -> ContentPart {
    ContentPart::provider_block(NAME, format!("message.{name}"), json!({ name: value }))
}

/// Says nothing: servers fill fields that do not apply with any of these.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Reasoning outside of the content. Before tool calls even an empty field counts: DeepSeek wants it back.
fn reasoning(message: &Map<String, Value>) -> Option<ContentPart> {
    let has_calls = message.get("tool_calls").is_some_and(|calls| !is_blank(calls));
    let kept: Map<String, Value> = REASONING_TEXTS
        .into_iter()
        .chain([REASONING_DETAILS])
        .filter_map(|name| Some((name, message.get(name)?)))
        .filter(|(_, value)| !is_blank(value) || (has_calls && value.is_string()))
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect();
    if kept.is_empty() {
        return None;
    }
    let texts = REASONING_TEXTS.into_iter().filter_map(|name| kept.get(name)?.as_str());
    let text = match texts.into_iter().find(|text| !text.is_empty()) {
        Some(text) => text.to_owned(),
        None => kept.get(REASONING_DETAILS).map(details_text).unwrap_or_default(),
    };
    Some(thinking(text, Value::Object(kept)))
}

fn thinking(text: String, block: Value) -> ContentPart {
    ContentPart::Thinking {
        thinking: ThinkingData { text, signature: None, redacted: false },
        provider_raw: Some(ProviderRaw::new(NAME, block)),
    }
}

/// What can be read of reasoning in pieces.
pub(super) fn details_text(details: &Value) -> String {
    let details = details.as_array().into_iter().flatten();
    details
        .filter_map(|detail| detail.get("text").or_else(|| detail.get("summary"))?.as_str())
        .collect()
}

/// What can be read of a `thinking` block, whose text is a string or a list of text blocks.
pub(super) fn thinking_text(block: &Value) -> String {
    match block.get("thinking") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(pieces)) => {
            pieces.iter().filter_map(|piece| piece.get("text")?.as_str()).collect()
        }
        _ => String::new(),
    }
}

/// One entry of a content list.
fn block(block: &Value) -> ContentPart {
    let raw = || ProviderRaw::new(NAME, block.clone());
    let text = |name: &str| block.get(name).and_then(Value::as_str);
    match (text("type"), block.as_str()) {
        (_, Some(text)) => ContentPart::text(text),
        (Some("text"), _) if text("text").is_some() => {
            let part = ContentPart::text(text("text").unwrap_or_default());
            let plain = block.as_object().is_some_and(|fields| fields.len() == 2);
            if plain { part } else { part.with_provider_raw(raw()) }
        }
        (Some("refusal"), _) if text("refusal").is_some() => {
            ContentPart::text(text("refusal").unwrap_or_default()).with_provider_raw(raw())
        }
        (Some("thinking"), _) => thinking(thinking_text(block), block.clone()),
        (Some("image_url"), _) => image(block, raw()),
        (kind, _) => {
            let kind = format!("content.{}", kind.unwrap_or("unknown"));
            ContentPart::provider_block(NAME, kind, block.clone())
        }
    }
}

/// Pictures beside the content, as OpenRouter has them.
fn images(images: &Value) -> Vec<ContentPart> {
    match images {
        Value::Array(images) => {
            images.iter().map(|block| image(block, field("images", json!([block])))).collect()
        }
        blank if is_blank(blank) => Vec::new(),
        other => vec![unknown_field("images", other.clone())],
    }
}

fn image(block: &Value, raw: ProviderRaw) -> ContentPart {
    let url = block.get("image_url");
    let Some(url) = url.and_then(|url| url.as_str().or_else(|| url.get("url")?.as_str())) else {
        return ContentPart::provider_block(NAME, "content.image_url", raw.block);
    };
    let image = match parse_data_url(url) {
        Some((media_type, data)) => ImageData {
            data: Some(data),
            media_type: Some(media_type.to_owned()),
            ..ImageData::default()
        },
        None => ImageData { url: Some(url.to_owned()), ..ImageData::default() },
    };
    ContentPart::image(image).with_provider_raw(raw)
}

fn tool_call(call: &Value, number: usize) -> ContentPart {
    let (kind, body, argument) = match (call.get("function"), call.get("custom")) {
        (Some(function), _) => ("function", function, "arguments"),
        (None, Some(custom)) => ("custom", custom, "input"),
        (None, None) => return unknown_field("tool_calls", json!([call])),
    };
    let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    let id = id.map_or_else(|| synthetic_id(number), str::to_owned);
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    let data = match body.get(argument) {
        Some(Value::String(text)) if kind == "custom" => {
            ToolCallData { call_type: kind.to_owned(), ..ToolCallData::new(id, name, json!(text)) }
        }
        Some(Value::String(text)) => ToolCallData::from_raw(id, name, text),
        None | Some(Value::Null) => ToolCallData::from_raw(id, name, ""),
        // Some servers send the object itself instead of its text.
        Some(object @ Value::Object(_)) => ToolCallData::new(id, name, object.clone()),
        Some(other) => ToolCallData::new(id, name, json!(other.to_string())),
    };
    ContentPart::tool_call(data).with_provider_raw(ProviderRaw::new(NAME, call.clone()))
}

/// Servers also say `stop` when there are calls, and a refusal ends in `stop` as well.
fn finish_reason(raw: Option<&str>, content: &[ContentPart], refused: bool) -> FinishReason {
    let has_calls = content.iter().any(|part| matches!(part, ContentPart::ToolCall { .. }));
    let kind = match raw {
        Some("stop" | "eos" | "eos_token" | "stop_sequence" | "end_turn") if has_calls => {
            FinishReasonKind::ToolCalls
        }
        Some("stop" | "eos" | "eos_token" | "stop_sequence" | "end_turn") if refused => {
            FinishReasonKind::ContentFilter
        }
        Some("stop" | "eos" | "eos_token" | "stop_sequence" | "end_turn") => FinishReasonKind::Stop,
        Some("length" | "max_tokens" | "model_length") => FinishReasonKind::Length,
        Some("tool_calls" | "function_call" | "tool_use") => FinishReasonKind::ToolCalls,
        Some("content_filter" | "safety") => FinishReasonKind::ContentFilter,
        Some("error" | "insufficient_system_resource") => FinishReasonKind::Error,
        None if has_calls => FinishReasonKind::ToolCalls,
        _ => FinishReasonKind::Other,
    };
    FinishReason::new(kind, raw)
}

fn usage(usage: Option<&Value>) -> Usage {
    let Some(raw) = usage.filter(|usage| usage.is_object()) else {
        return Usage::default();
    };
    let number = |path: &str| raw.pointer(path).and_then(Value::as_u64);
    let input = number("/prompt_tokens").unwrap_or(0);
    let mut output = number("/completion_tokens").unwrap_or(0);
    let reasoning = number("/completion_tokens_details/reasoning_tokens");
    // Some servers (xAI's) count reasoning beside the completion; then only the total has it.
    if let (Some(reasoning @ 1..), Some(total)) = (reasoning, number("/total_tokens"))
        && total == input.saturating_add(output).saturating_add(reasoning)
    {
        output = output.saturating_add(reasoning);
    }
    Usage {
        reasoning_tokens: reasoning,
        cache_read_tokens: number("/prompt_tokens_details/cached_tokens")
            .or_else(|| number("/prompt_cache_hit_tokens")),
        cache_write_tokens: number("/prompt_tokens_details/cache_write_tokens"),
        raw: Some(raw.clone()),
        ..Usage::new(input, output)
    }
}

#[cfg(test)]
mod tests;
