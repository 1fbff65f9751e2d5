use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::error::{ErrorKind, LlmError};

/// Reads JSON, writes it again and wants the same.
fn keeps<T: serde::Serialize + serde::de::DeserializeOwned>(value: Value) -> T {
    let read: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), value);
    read
}

#[test]
fn content_parts_are_tagged_by_kind_and_keep_the_providers_block() {
    let raw = json!({ "provider": "openai", "block": { "type": "reasoning", "x": [1] } });
    let parts = json!([
        { "kind": "text", "text": "a" },
        { "kind": "image", "image": { "data": "AQID", "media_type": "image/png" } },
        { "kind": "audio", "audio": { "url": "https://x" } },
        { "kind": "document", "document": { "url": "https://x", "file_name": "a.pdf" } },
        { "kind": "tool_call", "tool_call": { "id": "1", "name": "t", "arguments": { "a": 1 }, "type": "function" } },
        { "kind": "tool_result", "tool_result": { "tool_call_id": "1", "content": [1, "x"], "is_error": true } },
        { "kind": "thinking", "thinking": { "text": "hm", "signature": "s", "redacted": false }, "provider_raw": raw },
        { "kind": "redacted_thinking", "thinking": { "text": "", "signature": "s", "redacted": true } },
        { "kind": "hologram", "depth": 3, "provider_raw": raw },
    ]);
    let parts: Vec<ContentPart> = keeps(parts);
    let kinds: Vec<&str> = parts.iter().map(ContentPart::kind).collect();
    assert_eq!(kinds[1..3], ["image", "audio"]);
    assert_eq!(kinds[8], "hologram");
    assert_eq!(parts[6].raw_for("openai"), Some(&json!({ "type": "reasoning", "x": [1] })));
    assert_eq!(parts[6].raw_for("anthropic"), None);
}

#[test]
fn a_known_kind_with_a_broken_body_is_refused_and_not_taken_for_an_unknown_one() {
    let cases = [
        (json!({ "text": "a" }), "`kind` is missing"),
        (json!({ "kind": 3 }), "not a string"),
        (json!({ "kind": "text" }), "`text` is missing"),
        (json!({ "kind": "tool_call", "tool_call": { "name": "t" } }), "missing field `id`"),
        (json!({ "kind": "image", "image": { "data": "%%" } }), "base64"),
        (json!({ "kind": "text", "text": "a", "provider_raw": 1 }), "provider_raw"),
    ];
    for (value, expected) in cases {
        let error = serde_json::from_value::<ContentPart>(value.clone()).unwrap_err().to_string();
        assert!(error.contains(expected), "{value}: {error}");
    }
}

#[test]
fn requests_and_responses_have_the_spelling_of_the_specification() {
    let request: Request = keeps(json!({
        "model": "m",
        "messages": [
            { "role": "developer", "content": [{ "kind": "text", "text": "d" }], "name": "app" },
            { "role": "tool", "content": [{ "kind": "text", "text": "x" }], "tool_call_id": "1" },
        ],
        "provider": "openai",
        "tools": [{ "name": "t", "description": "", "parameters": { "type": "object" } }],
        "tool_choice": { "mode": "named", "tool_name": "t" },
        "response_format": { "type": "json_schema", "json_schema": {}, "strict": true },
        "temperature": 0.5,
        "top_p": 1.0,
        "max_tokens": 3,
        "stop_sequences": ["x"],
        "reasoning_effort": "low",
        "metadata": { "k": "v" },
        "provider_options": { "openai": { "user": "u" } },
    }));
    assert_eq!(request.options_for("openai").unwrap()["user"], "u");
    let plain = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    let request: Request = serde_json::from_value(plain).unwrap();
    assert_eq!(request.messages[0].text(), "hi");
    let typo = json!({ "model": "m", "messages": [], "max_token": 3 });
    assert!(serde_json::from_value::<Request>(typo).is_err());
    keeps::<Response>(json!({
        "id": "r",
        "model": "m",
        "provider": "openai",
        "message": { "role": "assistant", "content": [] },
        "finish_reason": { "reason": "content_filter", "raw": "safety" },
        "usage": { "input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "reasoning_tokens": 1 },
        "warnings": [{ "message": "w", "code": "c" }],
        "rate_limit": { "requests_remaining": 1 },
    }));
}

#[test]
fn stream_events_are_tagged_by_type() {
    let call = json!({ "id": "1", "name": "t" });
    let events = json!([
        { "type": "stream_start" },
        { "type": "text_start", "text_id": "a" },
        { "type": "text_delta", "text_id": "a", "delta": "x" },
        { "type": "text_end", "text_id": "a", "text": "x" },
        { "type": "reasoning_start" },
        { "type": "reasoning_delta", "reasoning_delta": "x" },
        { "type": "reasoning_end" },
        { "type": "tool_call_start", "tool_call": call },
        { "type": "tool_call_delta", "tool_call": call, "delta": "{" },
        { "type": "tool_call_end", "tool_call": { "id": "1", "name": "t", "arguments": {} } },
        { "type": "step_finish", "finish_reason": { "reason": "stop" }, "usage": { "input_tokens": 0, "output_tokens": 0, "total_tokens": 0 } },
        { "type": "error", "error": { "kind": "stream", "message": "m", "retryable": true } },
        { "type": "provider_event", "raw": { "x": 1 } },
    ]);
    keeps::<Vec<StreamEvent>>(events);
    let failed = StreamEvent::from_item(Err(LlmError::new(ErrorKind::Stream, "m")));
    assert!(matches!(failed, StreamEvent::Error { .. }));
}

#[test]
fn tool_definitions_are_checked() {
    let object = json!({ "type": "object" });
    for name in ["", "1a", "a-b", "a b", "é", &"a".repeat(65)] {
        let error = ToolDefinition::new(name, "", object.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{name}");
    }
    assert!(ToolDefinition::new("a".repeat(64), "", object).is_ok());
    assert!(ToolDefinition::new("a", "", json!({ "type": "array" })).is_err());
}

#[test]
fn adding_usage_sums_what_is_known() {
    let a = Usage { reasoning_tokens: Some(3), raw: Some(json!({})), ..Usage::new(10, 5) };
    let b = Usage { cache_read_tokens: Some(0), ..Usage::new(1, 2) };
    let mut sum = a.clone() + b.clone();
    assert_eq!((sum.input_tokens, sum.output_tokens, sum.total_tokens), (11, 7, 18));
    assert_eq!(sum.reasoning_tokens, Some(3));
    assert_eq!(sum.cache_read_tokens, Some(0));
    assert_eq!(sum.cache_write_tokens, None);
    sum += a.clone();
    assert_eq!(sum, [a.clone(), b, a].into_iter().sum());
    let full = Usage::new(u64::MAX, 1);
    assert_eq!((full.clone() + full).total_tokens, u64::MAX);
}

proptest! {
    #[test]
    fn arguments_of_any_text_survive_the_way_to_a_part_and_back(raw in ".*") {
        let data = ToolCallData::from_raw("1", "t", &raw);
        let call = ToolCall::from(&data);
        match &call.raw_arguments {
            Some(kept) => prop_assert_eq!(kept, &raw),
            None => prop_assert!(call.parsed().is_ok()),
        }
        let again = ToolCallData::from(call);
        prop_assert_eq!(again, data);
    }
}
