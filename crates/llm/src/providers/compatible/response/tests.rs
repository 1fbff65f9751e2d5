use super::*;

fn completion(message: Value, finish_reason: Value) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "m-1",
        "choices": [{ "index": 0, "message": message, "finish_reason": finish_reason }],
    })
}

fn read(message: Value) -> Response {
    translate(completion(message, json!("stop")), 0).unwrap()
}

#[test]
fn text_reasoning_and_calls_become_parts_in_order() {
    let call = json!({ "id": "c", "type": "function", "function": { "name": "t", "arguments": "{\"a\":1}" } });
    let response = read(json!({
        "role": "assistant", "content": "Hello", "reasoning_content": "hm", "reasoning": "hm",
        "tool_calls": [call], "refusal": null, "annotations": [], "audio": null, "function_call": null,
    }));
    assert_eq!((response.id.as_str(), response.model.as_str()), ("chatcmpl-1", "m-1"));
    let kinds: Vec<&str> = response.message.content.iter().map(ContentPart::kind).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_call"]);
    assert_eq!(response.reasoning().as_deref(), Some("hm"));
    let block = json!({ "reasoning_content": "hm", "reasoning": "hm" });
    assert_eq!(response.message.content[0].raw_for(NAME), Some(&block));
    assert_eq!(response.message.content[2].raw_for(NAME), Some(&call));
    assert_eq!(response.tool_calls()[0].arguments["a"], 1);
}

#[test]
fn calls_are_read_in_the_forms_that_servers_have() {
    let response = translate(
        completion(
            json!({ "content": null, "tool_calls": [
                { "function": { "name": "a", "arguments": { "x": 1 } } },
                { "id": "", "function": { "name": "b", "arguments": "" } },
                { "id": "c", "function": { "name": "c", "arguments": "{broken" } },
                { "id": "d", "type": "custom", "custom": { "name": "d", "input": "free" } },
                { "id": "e", "function": { "name": "e", "arguments": [1] } },
                { "id": "f" },
            ] }),
            json!("stop"),
        ),
        7,
    )
    .unwrap();
    let calls = response.tool_calls();
    let ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_canon_7", "call_canon_8", "c", "d", "e"]);
    assert_eq!(calls[0].arguments["x"], 1);
    assert!(calls[1].parsed().unwrap().is_empty());
    assert_eq!(calls[2].raw_arguments.as_deref(), Some("{broken"));
    assert_eq!(calls[3].raw_arguments.as_deref(), Some("free"));
    assert_eq!(calls[4].raw_arguments.as_deref(), Some("[1]"));
    assert_eq!(response.message.content[5].kind(), "message.tool_calls");
    assert_eq!(
        response.finish_reason,
        FinishReason::new(FinishReasonKind::ToolCalls, Some("stop"))
    );
    let old = read(json!({ "content": null, "function_call": { "name": "t", "arguments": "{}" } }));
    assert_eq!(old.tool_calls()[0].id, "call_canon_0");
}

#[test]
fn content_lists_refusals_images_and_unknown_fields_are_all_kept() {
    let blocks = json!([
        { "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }] },
        { "type": "text", "text": "a" },
        { "type": "text", "text": "b", "annotations": [1] },
        { "type": "hologram", "x": 1 },
        "c",
    ]);
    let response = read(json!({
        "content": blocks, "refusal": "no",
        "images": [{ "type": "image_url", "image_url": { "url": "data:image/webp;base64,AQID" } }],
        "citations": ["u"],
    }));
    assert_eq!(response.text(), "abcno");
    assert_eq!(response.reasoning().as_deref(), Some("hm"));
    assert_eq!(response.finish_reason.reason, FinishReasonKind::ContentFilter);
    let parts = &response.message.content;
    assert_eq!(parts[2].raw_for(NAME), Some(&blocks[2]));
    assert_eq!((parts[3].kind(), parts[3].raw_for(NAME)), ("content.hologram", Some(&blocks[3])));
    let ContentPart::Image { image, .. } = &parts[6] else { panic!("{parts:?}") };
    assert_eq!(image.data.as_deref(), Some(&[1, 2, 3][..]));
    assert_eq!(image.media_type.as_deref(), Some("image/webp"));
    assert_eq!(parts[7].raw_for(NAME), Some(&json!({ "citations": ["u"] })));
    // What is kept survives being written down.
    let text = serde_json::to_string(&response).unwrap();
    assert_eq!(serde_json::from_str::<Response>(&text).unwrap(), response);
}

#[test]
fn empty_reasoning_counts_only_before_calls_and_opaque_pieces_always() {
    assert!(read(json!({ "content": "a", "reasoning_content": "" })).message.content.len() == 1);
    let call = json!({ "id": "c", "function": { "name": "t", "arguments": "{}" } });
    let before = read(json!({ "content": "", "reasoning_content": "", "tool_calls": [call] }));
    let block = json!({ "reasoning_content": "" });
    assert_eq!(before.message.content[0].raw_for(NAME), Some(&block));
    let details = json!([{ "type": "reasoning.summary", "summary": "s" }, { "type": "reasoning.encrypted", "data": "x" }]);
    let opaque = read(json!({ "content": "a", "reasoning_details": details }));
    assert_eq!(opaque.reasoning().as_deref(), Some("s"));
    assert_eq!(
        opaque.message.content[0].raw_for(NAME),
        Some(&json!({ "reasoning_details": details }))
    );
}

#[test]
fn finish_reasons_are_mapped_and_kept() {
    for (raw, kind) in [
        (json!("stop"), FinishReasonKind::Stop),
        (json!("eos"), FinishReasonKind::Stop),
        (json!("length"), FinishReasonKind::Length),
        (json!("tool_calls"), FinishReasonKind::ToolCalls),
        (json!("function_call"), FinishReasonKind::ToolCalls),
        (json!("content_filter"), FinishReasonKind::ContentFilter),
        (json!("insufficient_system_resource"), FinishReasonKind::Error),
        (json!("tired"), FinishReasonKind::Other),
        (json!(null), FinishReasonKind::Other),
    ] {
        let body = completion(json!({ "content": "x" }), raw.clone());
        let reason = translate(body, 0).unwrap().finish_reason;
        assert_eq!(reason, FinishReason::new(kind, raw.as_str()), "{raw}");
    }
}

/// Ruling "LLM client": input includes cached tokens, output includes reasoning, total is their sum.
#[test]
fn ruling_llm_usage_counts_cache_as_input_and_reasoning_as_output() {
    let read = |usage: Value| {
        let mut body = completion(json!({ "content": "x" }), json!("stop"));
        body["usage"] = usage.clone();
        let read = translate(body, 0).unwrap().usage;
        assert_eq!(read.raw, Some(usage));
        read
    };
    let usual = read(json!({
        "prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 130,
        "prompt_tokens_details": { "cached_tokens": 60 },
        "completion_tokens_details": { "reasoning_tokens": 20 },
    }));
    assert_eq!((usual.input_tokens, usual.output_tokens, usual.total_tokens), (100, 30, 130));
    assert_eq!((usual.cache_read_tokens, usual.reasoning_tokens), (Some(60), Some(20)));
    let apart = read(json!({
        "prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 150,
        "completion_tokens_details": { "reasoning_tokens": 20 },
    }));
    assert_eq!((apart.output_tokens, apart.total_tokens), (50, 150));
    let deepseek =
        read(json!({ "prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 8 }));
    assert_eq!((deepseek.cache_read_tokens, deepseek.total_tokens), (Some(8), 10));
}

#[test]
fn errors_inside_a_body_are_errors_of_their_kind() {
    for (body, kind, message) in [
        (json!({ "error": { "message": "slow", "code": 429 } }), ErrorKind::RateLimit, "slow"),
        (json!({ "error": { "message": "gone", "code": "502" } }), ErrorKind::Server, "gone"),
        (
            json!({ "error": { "message": "m", "code": "context_length_exceeded" } }),
            ErrorKind::ContextLength,
            "m",
        ),
        (json!({ "error": "model 'x' not found" }), ErrorKind::NotFound, "model 'x' not found"),
        (
            json!({ "object": "error", "message": "bad", "type": "BadRequestError", "code": 400 }),
            ErrorKind::InvalidRequest,
            "bad",
        ),
        (
            json!({ "choices": [{ "error": { "message": "upstream", "code": 503 }, "message": {} }] }),
            ErrorKind::Server,
            "upstream",
        ),
        (json!({ "error": { "odd": 1 } }), ErrorKind::Server, "{\"odd\":1}"),
    ] {
        let error = translate(body.clone(), 0).unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message));
        assert_eq!((error.raw(), error.provider()), (Some(&body), Some(NAME)));
    }
    for body in
        [json!([1]), json!({ "output": [] }), json!({ "choices": [] }), json!({ "choices": [{}] })]
    {
        assert_eq!(translate(body, 0).unwrap_err().kind(), ErrorKind::Provider);
    }
}

#[test]
fn further_choices_are_warned_of() {
    let mut body = completion(json!({ "content": "a" }), json!("stop"));
    let other = body["choices"][0].clone();
    body["choices"].as_array_mut().unwrap().push(other);
    let response = translate(body, 0).unwrap();
    assert_eq!(response.warnings[0].code.as_deref(), Some("extra_choices"));
    assert_eq!(response.text(), "a");
}
