//! From a message object of the Messages API to a unified response (unified-llm §7.5). Pure.

use serde_json::{Map, Value};

use super::NAME;
use super::blocks::INVALID_JSON;
use crate::error::{ErrorKind, LlmError, from_code_and_message};
use crate::types::{
    ContentPart, FinishReason, FinishReasonKind, Message, ProviderRaw, Response, Role,
    ThinkingData, ToolCallData, Usage, Warning,
};

/// Translates a whole message object.
///
/// # Errors
/// What the provider reported in place of a message; [`ErrorKind::Provider`] for a body that is none.
pub(super) fn translate(body: Value) -> Result<Response, LlmError> {
    if body.get("type").and_then(Value::as_str) == Some("error") {
        return Err(error_in(&body));
    }
    let Some(blocks) = body.get("content").and_then(Value::as_array) else {
        return Err(LlmError::new(
            ErrorKind::Provider,
            "the answer is no message: it has no `content` list",
        )
        .with_provider(NAME)
        .with_raw(Some(body)));
    };
    let content: Vec<ContentPart> = blocks.iter().map(part).collect();
    let text = |name: &str| {
        let value = body.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    Ok(Response {
        id: text("id"),
        model: text("model"),
        provider: NAME.to_owned(),
        finish_reason: finish_reason(body.get("stop_reason").and_then(Value::as_str)),
        usage: usage(body.get("usage"), &content),
        message: Message::new(Role::Assistant, content),
        warnings: refusal(&body).into_iter().chain(dropped_thinking(&body)).collect(),
        rate_limit: None,
        raw: Some(body),
    })
}

/// The error that `{"type": "error", "error": {"type", "message"}}` reports.
pub(super) fn error_in(whole: &Value) -> LlmError {
    let error = whole.get("error").unwrap_or(whole);
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    let code = text("type").filter(|code| *code != "error");
    let otherwise = match code {
        Some("invalid_request_error") => ErrorKind::InvalidRequest,
        _ => ErrorKind::Server,
    };
    let message = text("message").or_else(|| error.as_str()).unwrap_or("no message");
    from_code_and_message(NAME, code, message, otherwise, whole.clone())
}

/// One block as one part. The block is kept where the part does not say all of it, so that it goes back as
/// it came.
pub(super) fn part(block: &Value) -> ContentPart {
    let text = |name: &str| {
        let value = block.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let raw = || Some(ProviderRaw::new(NAME, block.clone()));
    let raw_beyond = |known: &[&str]| raw().filter(|_| has_more(block, known));
    match block.get("type").and_then(Value::as_str).unwrap_or("") {
        "text" => {
            ContentPart::Text { text: text("text"), provider_raw: raw_beyond(&["type", "text"]) }
        }
        "tool_use" => ContentPart::ToolCall {
            tool_call: ToolCallData::new(text("id"), text("name"), arguments(block.get("input"))),
            provider_raw: raw_beyond(&["type", "id", "name", "input"]),
        },
        "thinking" => ContentPart::Thinking {
            thinking: ThinkingData {
                text: text("thinking"),
                signature: Some(text("signature")).filter(|signature| !signature.is_empty()),
                redacted: false,
            },
            provider_raw: raw(),
        },
        "redacted_thinking" => ContentPart::RedactedThinking {
            thinking: ThinkingData {
                text: String::new(),
                signature: Some(text("data")),
                redacted: true,
            },
            provider_raw: raw(),
        },
        other => ContentPart::Raw {
            kind: if other.is_empty() { "unknown" } else { other }.to_owned(),
            data: Map::new(),
            provider_raw: raw(),
        },
    }
}

fn has_more(block: &Value, known: &[&str]) -> bool {
    let fields = block.as_object().into_iter().flatten();
    fields.into_iter().any(|(name, value)| !value.is_null() && !known.contains(&name.as_str()))
}

/// The input as an object, or the text that stands in one because it could not be read.
fn arguments(input: Option<&Value>) -> Value {
    match input {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(Value::Object(fields)) if fields.len() == 1 => match fields.get(INVALID_JSON) {
            Some(Value::String(text)) => Value::String(text.clone()),
            _ => Value::Object(fields.clone()),
        },
        Some(other) => other.clone(),
    }
}

fn finish_reason(raw: Option<&str>) -> FinishReason {
    let reason = match raw {
        Some("end_turn" | "stop_sequence") => FinishReasonKind::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReasonKind::Length,
        Some("tool_use") => FinishReasonKind::ToolCalls,
        Some("refusal") => FinishReasonKind::ContentFilter,
        // A `pause_turn` among them: the turn goes on when the message is sent back.
        _ => FinishReasonKind::Other,
    };
    FinishReason::new(reason, raw)
}

fn refusal(body: &Value) -> Option<Warning> {
    let why = body.pointer("/stop_details/explanation")?.as_str()?;
    Some(Warning::new("refusal", format!("anthropic: {why}")))
}

/// Without a count, so that a conversation that lost its thinking is told the same each time.
fn dropped_thinking(body: &Value) -> Option<Warning> {
    let changes = body.get("input_transformations")?.as_array()?;
    let dropped = changes.iter().find(|change| change["type"] == "thinking_dropped")?;
    let why = dropped["reason"].as_str().unwrap_or("no reason given");
    Some(Warning::new(
        "thinking_dropped",
        format!("anthropic: thinking of earlier replies was not shown to the model ({why})"),
    ))
}

/// Anthropic counts cached tokens apart from other input; thinking is output already. How much of that it was
/// is estimated from what can be read of it, at four characters a token, where the API does not say.
fn usage(usage: Option<&Value>, content: &[ContentPart]) -> Usage {
    let Some(raw) = usage.filter(|usage| usage.is_object()) else {
        return Usage::default();
    };
    let number = |path: &str| raw.pointer(path).and_then(Value::as_u64);
    let read = number("/cache_read_input_tokens");
    let written = number("/cache_creation_input_tokens");
    let output = number("/output_tokens").unwrap_or(0);
    let input = [number("/input_tokens"), read, written].into_iter().flatten();
    Usage {
        reasoning_tokens: number("/output_tokens_details/thinking_tokens")
            .or_else(|| estimate(content).map(|tokens| tokens.min(output))),
        cache_read_tokens: read,
        cache_write_tokens: written,
        raw: Some(raw.clone()),
        ..Usage::new(input.fold(0, u64::saturating_add), output)
    }
}

fn estimate(content: &[ContentPart]) -> Option<u64> {
    let characters = content.iter().map(|part| match part {
        ContentPart::Thinking { thinking, .. } => thinking.text.chars().count(),
        _ => 0,
    });
    let characters: usize = characters.sum();
    (characters > 0).then(|| u64::try_from(characters.div_ceil(4)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
