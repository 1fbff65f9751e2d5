//! From a `GenerateContentResponse` to a unified response (unified-llm §7.5). Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::NAME;
use crate::error::{ErrorKind, LlmError, from_code_and_message, from_http};
use crate::types::{
    AudioData, ContentPart, FinishReason, FinishReasonKind, ImageData, Message, ProviderRaw,
    Response, Role, ThinkingData, ToolCallData, Usage, Warning,
};

/// Translates a whole answer. `ids` has the ids of calls that were made up already, by the place of their
/// part; others are made up here.
///
/// # Errors
/// What the provider reported; [`ErrorKind::ContentFilter`] when it refused the prompt;
/// [`ErrorKind::Provider`] for a body that is no answer.
pub(super) fn translate(
    body: Value,
    model: &str,
    ids: &BTreeMap<usize, String>,
) -> Result<Response, LlmError> {
    if let Some(error) = error_in(&body) {
        return Err(error);
    }
    let candidates = body.get("candidates").and_then(Value::as_array);
    let Some((first, others)) = candidates.and_then(|candidates| candidates.split_first()) else {
        return Err(refused(&body).unwrap_or_else(|| no_candidate(body)));
    };
    let mut warnings = Vec::new();
    if !others.is_empty() {
        let message = format!("gemini: the answer has {} more candidates; see `raw`", others.len());
        warnings.push(Warning::new("further_candidates", message));
    }
    if let Some(said) = first.get("finishMessage").and_then(Value::as_str) {
        warnings.push(Warning::new("finish_message", format!("gemini: {said}")));
    }
    let parts = first.pointer("/content/parts").and_then(Value::as_array);
    let mut content = Vec::new();
    for (at, block) in parts.into_iter().flatten().enumerate() {
        if is_unfinished_call(block) {
            let message = "gemini: the answer ended inside a function call, which is left out";
            warnings.push(Warning::new("incomplete_tool_call", message));
            continue;
        }
        content.extend(part(block, ids.get(&at)));
    }
    let text = |name: &str| {
        let value = body.get(name).and_then(Value::as_str);
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    Ok(Response {
        id: text("responseId").unwrap_or_default(),
        model: text("modelVersion").unwrap_or_else(|| model.to_owned()),
        provider: NAME.to_owned(),
        finish_reason: finish_reason(first, &content),
        usage: usage(body.get("usageMetadata")),
        message: Message::new(Role::Assistant, content),
        warnings,
        rate_limit: None,
        raw: Some(body),
    })
}

/// The error object that stands where an answer should be.
pub(super) fn error_in(body: &Value) -> Option<LlmError> {
    let error = body.get("error").filter(|error| !error.is_null())?;
    let code = error.get("code").and_then(Value::as_u64);
    if let Some(status) = code.and_then(|code| u16::try_from(code).ok()).filter(|code| *code >= 400)
    {
        return Some(from_http(NAME, status, None, body.to_string().as_bytes()));
    }
    let status = error.get("status").and_then(Value::as_str);
    let message = error.get("message").or(Some(error)).and_then(Value::as_str);
    let message = message.unwrap_or("no message");
    Some(from_code_and_message(NAME, status, message, ErrorKind::Server, body.clone()))
}

/// The prompt was blocked, so there is no candidate.
pub(super) fn refused(body: &Value) -> Option<LlmError> {
    let feedback = body.get("promptFeedback")?;
    let reason = feedback.get("blockReason")?.as_str()?;
    let said = feedback.get("blockReasonMessage").and_then(Value::as_str);
    let message = match said {
        Some(said) => format!("the prompt was blocked ({reason}): {said}"),
        None => format!("the prompt was blocked ({reason})"),
    };
    Some(
        LlmError::new(ErrorKind::ContentFilter, message)
            .with_provider(NAME)
            .with_code(Some(reason.to_owned()))
            .with_raw(Some(body.clone())),
    )
}

fn no_candidate(body: Value) -> LlmError {
    LlmError::new(ErrorKind::Provider, "the answer has no `candidates`")
        .with_provider(NAME)
        .with_raw(Some(body))
}

/// Arguments that came piece by piece and did not come to their end must not be run.
fn is_unfinished_call(block: &Value) -> bool {
    block.pointer("/functionCall/willContinue") == Some(&Value::Bool(true))
}

/// One part of the answer; the block itself is kept wherever it says more than the unified part.
/// `id` is that of a call to which the API gave none.
pub(super) fn part(block: &Value, id: Option<&String>) -> Option<ContentPart> {
    let raw = || Some(ProviderRaw::new(NAME, block.clone()));
    let is_thought = block.get("thought") == Some(&Value::Bool(true));
    let signature = block.get("thoughtSignature").and_then(Value::as_str).map(str::to_owned);
    if let Some(text) = block.get("text").and_then(Value::as_str) {
        let is_plain = block.as_object().is_some_and(|fields| fields.len() == 1);
        let text = text.to_owned();
        return match (is_thought, signature) {
            (false, None) if is_plain && text.is_empty() => None,
            (false, None) if is_plain => Some(ContentPart::text(text)),
            // A signature with nothing to sign carries reasoning that only the provider can read.
            (_, signature @ Some(_)) if text.is_empty() => Some(ContentPart::RedactedThinking {
                thinking: ThinkingData { text, signature, redacted: true },
                provider_raw: raw(),
            }),
            (false, _) => Some(ContentPart::Text { text, provider_raw: raw() }),
            (true, signature) => Some(ContentPart::Thinking {
                thinking: ThinkingData { text, signature, redacted: false },
                provider_raw: raw(),
            }),
        };
    }
    if let Some(call) = block.get("functionCall").filter(|call| call.is_object()) {
        return Some(ContentPart::ToolCall { tool_call: tool_call(call, id), provider_raw: raw() });
    }
    if !is_thought && let Some(media) = block.get("inlineData").and_then(|data| media(data, raw()))
    {
        return Some(media);
    }
    let kind = block.as_object().and_then(|fields| {
        fields.keys().find(|name| !matches!(name.as_str(), "thought" | "thoughtSignature"))
    });
    let kind = match kind.map_or("unknown", String::as_str) {
        // Names of unified parts, which could not be read again.
        taken @ ("text" | "image" | "audio" | "document" | "thinking" | "redacted_thinking"
        | "tool_call" | "tool_result") => format!("part.{taken}"),
        other => other.to_owned(),
    };
    Some(ContentPart::provider_block(NAME, kind, block.clone()))
}

fn tool_call(call: &Value, id: Option<&String>) -> ToolCallData {
    let text = |name: &str| call.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let id = match (text("id"), id) {
        (Some(id), _) => id.to_owned(),
        (None, Some(id)) => id.clone(),
        (None, None) => synthetic_id(),
    };
    let arguments = match call.get("args") {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(arguments) => arguments.clone(),
    };
    ToolCallData::new(id, text("name").unwrap_or_default(), arguments)
}

/// For a call to which the API gave no id; it is never sent, because the block that goes back has none.
pub(super) fn synthetic_id() -> String {
    canon_runtime::id::new("call")
}

/// A picture or a sound that the model made; anything else stays raw.
fn media(data: &Value, provider_raw: Option<ProviderRaw>) -> Option<ContentPart> {
    let media_type = data.get("mimeType")?.as_str()?.to_owned();
    let bytes = STANDARD.decode(data.get("data")?.as_str()?).ok()?;
    if media_type.starts_with("image/") {
        let image =
            ImageData { data: Some(bytes), media_type: Some(media_type), ..ImageData::default() };
        Some(ContentPart::Image { image, provider_raw })
    } else if media_type.starts_with("audio/") {
        let audio = AudioData { data: Some(bytes), media_type: Some(media_type), url: None };
        Some(ContentPart::Audio { audio, provider_raw })
    } else {
        None
    }
}

/// Gemini has no word for "wants tools": it is told from the parts (unified-llm §3.8).
fn finish_reason(candidate: &Value, content: &[ContentPart]) -> FinishReason {
    let raw = candidate.get("finishReason").and_then(Value::as_str);
    let has_calls = content.iter().any(|part| matches!(part, ContentPart::ToolCall { .. }));
    let reason = match raw {
        Some("STOP") | None if has_calls => FinishReasonKind::ToolCalls,
        Some("STOP") => FinishReasonKind::Stop,
        Some("MAX_TOKENS" | "CONTINUATION") => FinishReasonKind::Length,
        Some(
            "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "ESCALATION"
            | "MODEL_ARMOR"
            | "PUP_LIMITED_DISABLED"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION",
        ) => FinishReasonKind::ContentFilter,
        Some(
            "MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MALFORMED_RESPONSE"
            | "MISSING_THOUGHT_SIGNATURE",
        ) => FinishReasonKind::Error,
        _ => FinishReasonKind::Other,
    };
    FinishReason::new(reason, raw)
}

/// Cached tokens are counted in the prompt already; what server-side tools fed back is input as well, and
/// thoughts are output that Gemini counts apart.
fn usage(usage: Option<&Value>) -> Usage {
    let Some(raw) = usage.filter(|usage| usage.is_object()) else {
        return Usage::default();
    };
    let number = |name: &str| raw.get(name).and_then(Value::as_u64);
    let sum = |a: &str, b: &str| number(a).unwrap_or(0).saturating_add(number(b).unwrap_or(0));
    Usage {
        reasoning_tokens: number("thoughtsTokenCount"),
        cache_read_tokens: number("cachedContentTokenCount"),
        raw: Some(raw.clone()),
        ..Usage::new(
            sum("promptTokenCount", "toolUsePromptTokenCount"),
            sum("candidatesTokenCount", "thoughtsTokenCount"),
        )
    }
}

#[cfg(test)]
mod tests;
