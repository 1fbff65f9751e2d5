//! From an HTTP answer, or a code and a message, to an [`LlmError`] (unified-llm §6.4, §6.5, §7.6).

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{ErrorKind, LlmError};

/// Longest piece of a body without an error object that a message quotes, in bytes.
const QUOTE_LIMIT: usize = 500;

/// The error behind an HTTP answer that is no success.
pub(crate) fn from_http(
    provider: &str,
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
) -> LlmError {
    let raw: Option<Value> = serde_json::from_slice(body).ok();
    let said = raw.as_ref().map(Said::read).unwrap_or_default();
    let message = said.message.unwrap_or_else(|| quoted(status, body));
    let kind = by_code(said.code.as_deref())
        .or_else(|| by_status(status))
        .or_else(|| by_message(&message))
        .unwrap_or(match status {
            400 | 422 => ErrorKind::InvalidRequest,
            _ => ErrorKind::Provider,
        });
    LlmError::new(kind, message)
        .with_provider(provider)
        .with_status(status)
        .with_code(said.code)
        .with_retry_after(retry_after.or_else(|| wait_in_details(raw.as_ref()?)))
        .with_raw(raw)
}

/// The error behind a failure that arrives inside an answer, without a status of its own.
pub(crate) fn from_code_and_message(
    provider: &str,
    code: Option<&str>,
    message: &str,
    otherwise: ErrorKind,
    raw: Value,
) -> LlmError {
    let kind = by_code(code).or_else(|| by_message(message)).unwrap_or(otherwise);
    let wait = match kind {
        ErrorKind::RateLimit => wait_in_message(message),
        _ => None,
    };
    let message = if message.is_empty() { "the provider gave no message" } else { message };
    LlmError::new(kind, message)
        .with_provider(provider)
        .with_code(code.map(str::to_owned))
        .with_retry_after(wait)
        .with_raw(Some(raw))
}

/// The error object in a body that came with status 200, as gateways send it; `None` when there is none.
pub(crate) fn from_body(provider: &str, body: &Value) -> Option<LlmError> {
    body.get("error").filter(|error| !error.is_null())?;
    let Said { message, code } = Said::read(body);
    let otherwise = ErrorKind::Server;
    Some(from_code_and_message(provider, code.as_deref(), &message?, otherwise, body.clone()))
}

/// `Retry-After` as seconds or as an HTTP date; a date that has passed means now.
pub(crate) fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or(Duration::ZERO))
}

#[derive(Default)]
struct Said {
    message: Option<String>,
    code: Option<String>,
}

impl Said {
    /// Reads `{"error": {"message", "code" | "status" | "type"}}`, `{"error": "…"}` and the same without the
    /// wrapper, or all of that in a list. A code in words says more than one in digits.
    fn read(body: &Value) -> Self {
        let body = body.get(0).unwrap_or(body);
        let error = match body.get("error") {
            Some(Value::Null) | None => body,
            Some(error) => error,
        };
        let text = |name: &str| match error.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        Self {
            message: error
                .as_str()
                .map(str::to_owned)
                .or_else(|| text("message"))
                .or_else(|| text("detail")),
            code: text("code")
                .filter(|code| code.parse::<u32>().is_err())
                .or_else(|| text("status"))
                .or_else(|| text("type"))
                .or_else(|| text("code")),
        }
    }
}

/// What a body says that has no error object; the name of the status when it says nothing.
fn quoted(status: u16, body: &[u8]) -> String {
    let text = quote(body);
    if !text.is_empty() {
        return text;
    }
    let name = reqwest::StatusCode::from_u16(status).ok().and_then(|it| it.canonical_reason());
    name.map_or_else(|| "no message".to_owned(), |name| format!("no message beside `{name}`"))
}

/// The beginning of a body.
pub(crate) fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    match text.char_indices().find(|(at, _)| *at >= QUOTE_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Codes that say more than the status they come with: OpenAI's and those that others took over, Anthropic's
/// types, and the gRPC names that Gemini uses (unified-llm §6.4).
fn by_code(code: Option<&str>) -> Option<ErrorKind> {
    Some(match code? {
        "context_length_exceeded" | "string_above_max_length" => ErrorKind::ContextLength,
        "insufficient_quota"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "billing_error" => ErrorKind::QuotaExceeded,
        "rate_limit_exceeded" | "rate_limit_error" | "slow_down" | "RESOURCE_EXHAUSTED" => {
            ErrorKind::RateLimit
        }
        "invalid_api_key"
        | "invalid_authentication"
        | "authentication_error"
        | "UNAUTHENTICATED" => ErrorKind::Authentication,
        "permission_error" | "PERMISSION_DENIED" => ErrorKind::AccessDenied,
        "model_not_found" | "not_found_error" | "NOT_FOUND" => ErrorKind::NotFound,
        "request_too_large" => ErrorKind::ContextLength,
        "timeout_error" | "DEADLINE_EXCEEDED" => ErrorKind::RequestTimeout,
        "content_filter" | "content_policy_violation" => ErrorKind::ContentFilter,
        "server_error"
        | "internal_error"
        | "server_is_overloaded"
        | "overloaded_error"
        | "api_error"
        | "UNAVAILABLE"
        | "INTERNAL"
        | "vector_store_timeout" => ErrorKind::Server,
        "invalid_prompt" | "invalid_image" | "unsupported_parameter" | "invalid_value" => {
            ErrorKind::InvalidRequest
        }
        _ => return None,
    })
}

/// Statuses that leave nothing to be asked; 400, 422 and unknown ones are looked at further.
fn by_status(status: u16) -> Option<ErrorKind> {
    Some(match status {
        401 => ErrorKind::Authentication,
        402 => ErrorKind::QuotaExceeded,
        403 => ErrorKind::AccessDenied,
        404 => ErrorKind::NotFound,
        408 => ErrorKind::RequestTimeout,
        413 => ErrorKind::ContextLength,
        429 => ErrorKind::RateLimit,
        500..=599 => ErrorKind::Server,
        _ => return None,
    })
}

fn by_message(message: &str) -> Option<ErrorKind> {
    let text = message.to_ascii_lowercase();
    let any = |phrases: &[&str]| phrases.iter().any(|phrase| has_phrase(&text, phrase));
    if any(&[
        "context length",
        "context window",
        "too many tokens",
        "prompt is too long",
        "input token count",
    ]) {
        Some(ErrorKind::ContextLength)
    } else if any(&["credit balance is too low"]) {
        // Anthropic says so with status 400 and the type of any bad request.
        Some(ErrorKind::QuotaExceeded)
    } else if any(&["content filter", "safety"]) {
        Some(ErrorKind::ContentFilter)
    } else if any(&["unauthorized", "invalid key", "invalid api key", "api key not valid"]) {
        Some(ErrorKind::Authentication)
    } else if any(&["not found", "does not exist"]) {
        Some(ErrorKind::NotFound)
    } else {
        None
    }
}

/// Whole words only: a complaint about a parameter `safety_identifier` is no verdict of a filter.
fn has_phrase(text: &str, phrase: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(phrase).any(|(at, found)| {
        !text[..at].chars().next_back().is_some_and(word)
            && !text[at + found.len()..].chars().next().is_some_and(word)
    })
}

/// Google states the wait in the body: `{"error": {"details": [{"@type": "…RetryInfo", "retryDelay": "17s"}]}}`.
fn wait_in_details(body: &Value) -> Option<Duration> {
    let body = body.get(0).unwrap_or(body);
    let details = body.pointer("/error/details")?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    Duration::try_from_secs_f64(delay.strip_suffix('s')?.parse().ok()?).ok()
}

/// OpenAI states the wait of a failed stream only in prose: "try again in 1.2s", "… in 350ms", "… in 1m26.4s".
fn wait_in_message(message: &str) -> Option<Duration> {
    let (_, mut rest) = message.split_once("try again in ")?;
    let mut seconds = 0.0;
    while rest.starts_with(|c: char| c.is_ascii_digit()) {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..number_end].parse().ok()?;
        rest = rest[number_end..].trim_start();
        let unit_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = &rest[..unit_end];
        rest = &rest[unit_end..];
        seconds += number
            * match unit {
                "ms" => 0.001,
                _ if unit.starts_with('s') => 1.0,
                _ if unit == "m" || unit.starts_with("min") => 60.0,
                _ if unit.starts_with('h') => 3_600.0,
                _ => return None,
            };
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests;
