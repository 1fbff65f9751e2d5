//! A request from JSON, with every field understood.

use std::path::Path;

use canon_llm::{PROVIDERS, Request};
use serde_json::Value;

use super::prompt::{text_of, text_of_stdin};
use crate::error::Error;

/// The request in the file, `-` for standard input.
pub(super) fn read(path: &Path) -> Result<Request, Error> {
    let is_stdin = path == Path::new("-");
    let shown = if is_stdin { "standard input".into() } else { path.to_string_lossy() };
    let wrong = |why: String| Error::input(format!("--request: {shown}: {why}"));
    let text = if is_stdin { text_of_stdin()? } else { text_of(path).map_err(wrong)? };
    parse(&text).map_err(wrong)
}

fn parse(text: &str) -> Result<Request, String> {
    let request: Request = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if request.messages.is_empty() {
        return Err("`messages` is empty".to_owned());
    }
    let given: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let understood = serde_json::to_value(&request).map_err(|error| error.to_string())?;
    if let Some(place) = unknown(&given, &understood, String::new()) {
        return Err(format!("unknown field `{place}`"));
    }
    // A provider that there is not would never read what is meant for it.
    let options = understood.get("provider_options").and_then(Value::as_object);
    match options.and_then(|all| all.keys().find(|name| !PROVIDERS.contains(&name.as_str()))) {
        Some(name) => {
            let known = PROVIDERS.join(", ");
            Err(format!("`provider_options.{name}`: no such provider; known: {known}"))
        }
        None => Ok(request),
    }
}

/// The place of a field that says something and was not understood: what is understood is written
/// out again. What says nothing, like `null`, may be missing there.
fn unknown(given: &Value, understood: &Value, place: String) -> Option<String> {
    match (given, understood) {
        (Value::Object(given), Value::Object(understood)) => {
            given.iter().find_map(|(name, value)| {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                match understood.get(name) {
                    Some(understood) => unknown(value, understood, place),
                    None if says_nothing(value) => None,
                    None => Some(place),
                }
            })
        }
        (Value::Array(given), Value::Array(understood)) => {
            given.iter().zip(understood).enumerate().find_map(|(at, (given, understood))| {
                unknown(given, understood, format!("{place}[{at}]"))
            })
        }
        _ => None,
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_request_can_say_is_understood() {
        let text = r#"{
            "model": "m", "provider": null, "tools": [], "metadata": {}, "temperature": 0.5,
            "messages": [
                {"role": "user", "content": "plain"},
                {"role": "user", "content": [
                    {"kind": "image", "image": {"url": "https://example.com/a.png", "detail": "low"}},
                    {"kind": "of_tomorrow", "anything": {"at": ["all"]}}]},
                {"role": "assistant", "content": [
                    {"kind": "tool_call", "tool_call": {"id": "c", "name": "t", "arguments": {"x": null}}}]},
                {"role": "tool", "tool_call_id": "c", "content": [
                    {"kind": "tool_result", "tool_result": {"tool_call_id": "c", "content": {"y": 1}}}]}],
            "tool_choice": {"mode": "named", "tool_name": "t"},
            "response_format": {"type": "json_schema", "json_schema": {"type": "object"}, "strict": true},
            "provider_options": {"openai": {"anything": 1}}
        }"#;
        let request = parse(text).unwrap();
        assert_eq!((request.model.as_str(), request.messages.len()), ("m", 4));
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_place() {
        let cases = [
            (r#"{"model": "m", "messages": [], "temprature": 1}"#, "temprature"),
            (r#"{"model": "m", "messages": []}"#, "`messages` is empty"),
            (r#"{"messages": []}"#, "missing field `model`"),
            (
                r#"{"model": "m", "messages": [{"role": "user", "content": "x", "cache": true}]}"#,
                "unknown field `messages[0].cache`",
            ),
            (
                r#"{"model": "m", "messages": [{"role": "user", "content": [
                    {"kind": "text", "text": "x", "bold": false}]}]}"#,
                "unknown field `messages[0].content[0].bold`",
            ),
            (r#"{"model": "m", "messages": [{"role": "robot", "content": "x"}]}"#, "robot"),
            (
                r#"{"model": "m", "messages": [{"role": "user", "content": "x"}],
                    "provider_options": {"openai": {"a": 1}, "openai_compatible": {"a": 1}}}"#,
                "`provider_options.openai_compatible`: no such provider",
            ),
            ("{\n  \"model\": 3", "line 2"),
            ("[]", "expected"),
            ("", "EOF"),
        ];
        for (text, wanted) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(wanted), "{wanted} is missing: {error}");
        }
    }
}
