use serde_json::json;

use super::*;

fn object(status: &str, output: Value) -> Value {
    json!({ "id": "resp_1", "model": "gpt-5.2-2025-12-11", "status": status, "output": output })
}

#[test]
fn each_item_becomes_one_part_that_keeps_the_item() {
    let output = json!([
        { "type": "reasoning", "id": "rs", "summary": [{ "type": "summary_text", "text": "a" }, { "type": "summary_text", "text": "b" }], "encrypted_content": "x" },
        { "type": "message", "id": "m", "content": [{ "type": "output_text", "text": "one " }, { "type": "refusal", "refusal": "no" }] },
        { "type": "function_call", "id": "f", "call_id": "c", "name": "t", "arguments": "{\"a\":1}" },
        { "type": "function_call", "id": "g", "call_id": "d", "name": "t", "arguments": "{broken" },
        { "type": "custom_tool_call", "id": "h", "call_id": "e", "name": "p", "input": "text" },
        { "type": "web_search_call", "id": "w", "action": { "query": "q" } },
    ]);
    let response = translate(object("completed", output.clone())).unwrap();
    assert_eq!(response.reasoning().as_deref(), Some("a\n\nb"));
    assert_eq!(response.text(), "one no");
    assert_eq!(response.model, "gpt-5.2-2025-12-11");
    let calls = response.tool_calls();
    assert_eq!(calls[0].parsed().unwrap()["a"], 1);
    assert_eq!(calls[1].raw_arguments.as_deref(), Some("{broken"));
    assert_eq!(calls[1].parsed().unwrap_err().kind(), ErrorKind::InvalidToolCall);
    assert_eq!(calls[2].raw_arguments.as_deref(), Some("text"));
    assert_eq!(response.message.content[5].kind(), "web_search_call");
    let blocks: Vec<_> =
        response.message.content.iter().map(|part| part.raw_for(NAME).unwrap().clone()).collect();
    assert_eq!(Value::Array(blocks), output);
}

#[test]
fn finish_reasons_follow_status_reason_and_calls() {
    let call = json!([{ "type": "function_call", "call_id": "c", "name": "t", "arguments": "" }]);
    let refused =
        json!([{ "type": "message", "content": [{ "type": "refusal", "refusal": "no" }] }]);
    let refused = object("completed", refused);
    let mut cut = object("incomplete", json!([]));
    cut["incomplete_details"] = json!({ "reason": "max_output_tokens" });
    let mut filtered = object("incomplete", json!([]));
    filtered["incomplete_details"] = json!({ "reason": "content_filter" });
    let cases = [
        (object("completed", json!([])), FinishReasonKind::Stop, "completed"),
        (object("completed", call), FinishReasonKind::ToolCalls, "completed"),
        (refused, FinishReasonKind::ContentFilter, "refusal"),
        (cut, FinishReasonKind::Length, "max_output_tokens"),
        (filtered, FinishReasonKind::ContentFilter, "content_filter"),
        (object("cancelled", json!([])), FinishReasonKind::Other, "cancelled"),
    ];
    for (body, kind, raw) in cases {
        let reason = translate(body).unwrap().finish_reason;
        assert_eq!(reason, FinishReason::new(kind, Some(raw)));
    }
}

/// Ruling "LLM client": input includes cached tokens, output includes reasoning, total is their sum, and
/// the raw object is kept.
#[test]
fn ruling_llm_usage_counts_cache_as_input_and_reasoning_as_output() {
    let mut body = object("completed", json!([]));
    body["usage"] = json!({
        "input_tokens": 100, "input_tokens_details": { "cached_tokens": 60, "cache_write_tokens": 5 },
        "output_tokens": 30, "output_tokens_details": { "reasoning_tokens": 20 }, "total_tokens": 999,
    });
    let raw = body["usage"].clone();
    let usage = translate(body).unwrap().usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (100, 30, 130));
    assert_eq!(usage.cache_read_tokens, Some(60));
    assert_eq!(usage.cache_write_tokens, Some(5));
    assert_eq!(usage.reasoning_tokens, Some(20));
    assert_eq!(usage.raw, Some(raw));
    assert_eq!(translate(object("completed", json!([]))).unwrap().usage, Usage::default());
}

#[test]
fn a_failed_response_is_an_error_and_so_is_a_body_of_another_kind() {
    let mut body = object("failed", json!([]));
    body["error"] = json!({ "code": "rate_limit_exceeded", "message": "try again in 2s" });
    let error = translate(body).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimit);
    assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(2)));
    assert_eq!(translate(json!([1])).unwrap_err().kind(), ErrorKind::Provider);
    assert_eq!(translate(json!({ "choices": [] })).unwrap_err().kind(), ErrorKind::Provider);
}

#[test]
fn a_generated_image_is_an_image_that_keeps_its_item() {
    let output = json!([
        { "type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AQID", "output_format": "webp" },
        { "type": "image_generation_call", "id": "ig_2", "status": "failed", "result": null },
    ]);
    let response = translate(object("completed", output.clone())).unwrap();
    let [ContentPart::Image { image, .. }, failed] = &response.message.content[..] else {
        panic!("{response:?}")
    };
    assert_eq!(image.data.as_deref(), Some(&[1, 2, 3][..]));
    assert_eq!(image.media_type.as_deref(), Some("image/webp"));
    assert_eq!(response.message.content[0].raw_for(NAME), Some(&output[0]));
    assert_eq!((failed.kind(), failed.raw_for(NAME)), ("image_generation_call", Some(&output[1])));
}
