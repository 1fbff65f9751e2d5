use serde_json::json;

use super::*;

fn message(content: Value, stop: &str, usage: Value) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
        "content": content, "stop_reason": stop, "stop_sequence": null, "usage": usage,
    })
}

fn plain_usage() -> Value {
    json!({ "input_tokens": 1, "output_tokens": 2 })
}

#[test]
fn llm_8_5_every_kind_of_block_becomes_a_part_and_goes_back_as_it_came() {
    let blocks = json!([
        { "type": "thinking", "thinking": "hm", "signature": "s" },
        { "type": "redacted_thinking", "data": "d" },
        { "type": "text", "text": "Hi", "citations": null },
        { "type": "text", "text": "cited", "citations": [{ "type": "char_location" }] },
        { "type": "server_tool_use", "id": "s", "name": "web_search", "input": {} },
        { "type": "web_search_tool_result", "tool_use_id": "s", "content": [] },
        { "type": "tool_use", "id": "a", "name": "t", "input": { "x": 1 } },
        { "type": "tool_use", "id": "b", "name": "t", "input": {}, "caller": { "type": "direct" } },
        { "type": "hologram", "glow": 1 },
    ]);
    let response = translate(message(blocks.clone(), "tool_use", plain_usage())).unwrap();
    assert_eq!((response.id.as_str(), response.model.as_str()), ("msg_1", "claude-x"));
    assert_eq!(response.text(), "Hicited");
    assert_eq!(response.reasoning().as_deref(), Some("hm"));
    assert_eq!(response.finish_reason.reason, FinishReasonKind::ToolCalls);
    let kinds: Vec<&str> = response.message.content.iter().map(ContentPart::kind).collect();
    assert_eq!(
        kinds,
        [
            "thinking",
            "redacted_thinking",
            "text",
            "text",
            "server_tool_use",
            "web_search_tool_result",
            "tool_call",
            "tool_call",
            "hologram",
        ]
    );
    let ContentPart::Thinking { thinking, .. } = &response.message.content[0] else { panic!() };
    assert_eq!(thinking.signature.as_deref(), Some("s"));
    let raw: Vec<Option<&Value>> =
        response.message.content.iter().map(|part| part.raw_for(NAME)).collect();
    for (at, block) in blocks.as_array().unwrap().iter().enumerate() {
        // What the part says in full needs no copy.
        let expected = if [2, 6].contains(&at) { None } else { Some(block) };
        assert_eq!(raw[at], expected, "{block}");
    }
    assert_eq!(response.raw.unwrap()["content"], blocks);
}

#[test]
fn finish_reasons_are_mapped_and_kept() {
    use FinishReasonKind::{ContentFilter, Length, Other, Stop, ToolCalls};
    for (raw, reason) in [
        ("end_turn", Stop),
        ("stop_sequence", Stop),
        ("max_tokens", Length),
        ("model_context_window_exceeded", Length),
        ("tool_use", ToolCalls),
        ("refusal", ContentFilter),
        ("pause_turn", Other),
        ("brand_new", Other),
    ] {
        let response = translate(message(json!([]), raw, plain_usage())).unwrap();
        assert_eq!(response.finish_reason, FinishReason::new(reason, Some(raw)));
    }
    let mut refused = message(json!([]), "refusal", plain_usage());
    refused["stop_details"] = json!({ "type": "refusal", "explanation": "not this" });
    assert_eq!(translate(refused).unwrap().warnings[0].message, "anthropic: not this");
}

#[test]
fn thinking_that_the_model_was_not_shown_is_warned_of() {
    let mut said = message(json!([]), "end_turn", plain_usage());
    said["input_transformations"] =
        json!([{ "type": "thinking_mismatch_allowed" }, { "type": "new" }]);
    assert_eq!(translate(said.clone()).unwrap().warnings, []);
    let dropped = json!({ "type": "thinking_dropped", "reason": "prefix_binding_mismatch", "path": "messages.1" });
    said["input_transformations"] = json!([dropped, dropped]);
    let warnings = translate(said).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].message.contains("prefix_binding_mismatch"), "{}", warnings[0].message);
}

#[test]
fn ruling_llm_usage_input_includes_cached_tokens_and_output_includes_thinking() {
    let raw = json!({
        "input_tokens": 10, "cache_read_input_tokens": 70, "cache_creation_input_tokens": 20,
        "output_tokens": 30, "output_tokens_details": { "thinking_tokens": 12 },
        "service_tier": "standard",
    });
    let usage = translate(message(json!([]), "end_turn", raw.clone())).unwrap().usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (100, 30, 130));
    assert_eq!(usage.reasoning_tokens, Some(12));
    assert_eq!(usage.raw, Some(raw));
}

#[test]
fn llm_8_6_cache_tokens_are_reported() {
    let raw = json!({
        "input_tokens": 1, "output_tokens": 1,
        "cache_read_input_tokens": 7, "cache_creation_input_tokens": 0,
    });
    let usage = translate(message(json!([]), "end_turn", raw)).unwrap().usage;
    assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (Some(7), Some(0)));
    let usage = translate(message(json!([]), "end_turn", plain_usage())).unwrap().usage;
    assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (None, None));
}

#[test]
fn llm_8_5_reasoning_tokens_are_estimated_where_the_api_does_not_count_them() {
    let thought = |text: &str| json!([{ "type": "thinking", "thinking": text, "signature": "s" }]);
    let tokens = |content, output: u64| {
        let usage = json!({ "input_tokens": 1, "output_tokens": output });
        translate(message(content, "end_turn", usage)).unwrap().usage.reasoning_tokens
    };
    assert_eq!(tokens(thought("123456789"), 50), Some(3));
    assert_eq!(tokens(thought(&"x".repeat(400)), 50), Some(50), "never more than the output");
    assert_eq!(tokens(thought(""), 50), None);
    assert_eq!(tokens(json!([]), 50), None);
}

#[test]
fn arguments_that_were_no_json_come_back_as_the_text_they_were() {
    let block =
        json!({ "type": "tool_use", "id": "a", "name": "t", "input": { "INVALID_JSON": "{x" } });
    let response = translate(message(json!([block]), "tool_use", plain_usage())).unwrap();
    assert_eq!(response.tool_calls()[0].raw_arguments.as_deref(), Some("{x"));
}

#[test]
fn an_error_or_something_else_in_place_of_a_message_is_an_error() {
    let error = |kind: &str| {
        let body = json!({ "type": "error", "error": { "type": kind, "message": "no" }, "request_id": "r" });
        translate(body).unwrap_err()
    };
    for (kind, expected, retryable) in [
        ("overloaded_error", ErrorKind::Server, true),
        ("api_error", ErrorKind::Server, true),
        ("rate_limit_error", ErrorKind::RateLimit, true),
        ("invalid_request_error", ErrorKind::InvalidRequest, false),
        ("authentication_error", ErrorKind::Authentication, false),
        ("brand_new_error", ErrorKind::Server, true),
    ] {
        let error = error(kind);
        assert_eq!((error.kind(), error.retryable()), (expected, retryable), "{kind}");
        assert_eq!((error.message(), error.error_code()), ("no", Some(kind)));
        assert_eq!(error.raw().unwrap()["request_id"], "r");
    }
    let error = translate(json!({ "completion": "x" })).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Provider);
    assert!(error.raw().is_some());
}
