use serde_json::json;

use super::*;

fn answer(body: Value) -> Result<Response, LlmError> {
    translate(body, "asked-for", &BTreeMap::new())
}

fn with_parts(parts: Value) -> Response {
    answer(json!({ "candidates": [{ "content": { "parts": parts }, "finishReason": "STOP" }] }))
        .unwrap()
}

#[test]
fn llm_8_2_a_whole_answer_populates_the_response() {
    let body = json!({
        "candidates": [{
            "content": { "role": "model", "parts": [
                { "text": "thinking", "thought": true },
                { "text": "Hello", "thoughtSignature": "sig" },
            ] },
            "finishReason": "STOP",
            "index": 0,
            "groundingMetadata": { "webSearchQueries": ["q"] },
        }],
        "usageMetadata": { "promptTokenCount": 10 },
        "modelVersion": "gemini-x",
        "responseId": "r1",
    });
    let response = answer(body.clone()).unwrap();
    assert_eq!((response.id.as_str(), response.model.as_str()), ("r1", "gemini-x"));
    assert_eq!(response.provider, "gemini");
    assert_eq!(response.text(), "Hello");
    assert_eq!(response.reasoning().as_deref(), Some("thinking"));
    assert_eq!(response.finish_reason, FinishReason::new(FinishReasonKind::Stop, Some("STOP")));
    assert_eq!(response.warnings, []);
    let parts = &body["candidates"][0]["content"]["parts"];
    for (part, block) in response.message.content.iter().zip(parts.as_array().unwrap()) {
        assert_eq!(part.raw_for(NAME), Some(block));
    }
    assert_eq!(response.raw, Some(body));
}

#[test]
fn ruling_llm_usage_input_includes_what_tools_fed_back_and_output_includes_thoughts() {
    let raw = json!({
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "toolUsePromptTokenCount": 7,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 30,
        "totalTokenCount": 157,
    });
    let counted = usage(Some(&raw));
    assert_eq!((counted.input_tokens, counted.output_tokens, counted.total_tokens), (107, 50, 157));
    assert_eq!(counted.raw, Some(raw));
    assert_eq!(usage(None), Usage::default());
    assert_eq!(usage(Some(&json!("x"))), Usage::default());
    let huge = json!({ "promptTokenCount": u64::MAX, "toolUsePromptTokenCount": 1, "candidatesTokenCount": -1 });
    assert_eq!(usage(Some(&huge)).total_tokens, u64::MAX);
}

#[test]
fn llm_8_5_gemini_thoughts_are_reasoning_tokens() {
    let raw = json!({ "promptTokenCount": 1, "candidatesTokenCount": 2, "thoughtsTokenCount": 3 });
    let usage = usage(Some(&raw));
    assert_eq!((usage.reasoning_tokens, usage.output_tokens), (Some(3), 5));
}

#[test]
fn llm_8_6_gemini_cached_tokens_are_cache_reads() {
    let raw = json!({ "promptTokenCount": 100, "cachedContentTokenCount": 60 });
    let usage = usage(Some(&raw));
    assert_eq!((usage.cache_read_tokens, usage.input_tokens), (Some(60), 100));
}

#[test]
fn every_reason_to_finish_has_its_portable_one() {
    use FinishReasonKind::{ContentFilter, Error, Length, Other, Stop};
    let cases = [
        ("STOP", Stop),
        ("MAX_TOKENS", Length),
        ("SAFETY", ContentFilter),
        ("RECITATION", ContentFilter),
        ("BLOCKLIST", ContentFilter),
        ("PROHIBITED_CONTENT", ContentFilter),
        ("SPII", ContentFilter),
        ("IMAGE_SAFETY", ContentFilter),
        ("MALFORMED_FUNCTION_CALL", Error),
        ("UNEXPECTED_TOOL_CALL", Error),
        ("LANGUAGE", Other),
        ("OTHER", Other),
        ("BRAND_NEW", Other),
    ];
    for (word, reason) in cases {
        let body = json!({ "candidates": [{ "finishReason": word, "finishMessage": "why" }] });
        let response = answer(body).unwrap();
        assert_eq!(response.finish_reason, FinishReason::new(reason, Some(word)));
        assert!(response.message.content.is_empty());
        assert!(response.warnings[0].message.contains("why"));
    }
}

#[test]
fn llm_3_8_calls_are_the_reason_to_finish_that_gemini_has_no_word_for() {
    let call = json!({ "functionCall": { "name": "t", "args": { "a": 1 } } });
    let response = with_parts(json!([call]));
    assert_eq!(
        response.finish_reason,
        FinishReason::new(FinishReasonKind::ToolCalls, Some("STOP"))
    );
    let cut =
        json!({ "candidates": [{ "content": { "parts": [call] }, "finishReason": "MAX_TOKENS" }] });
    assert_eq!(answer(cut).unwrap().finish_reason.reason, FinishReasonKind::Length);
}

#[test]
fn calls_have_the_apis_id_or_a_unique_one_of_ours() {
    let response = with_parts(json!([
        { "functionCall": { "name": "a", "args": { "x": 1 }, "id": "api-1" } },
        { "functionCall": { "name": "b" } },
        { "functionCall": { "name": "b", "args": null } },
    ]));
    let calls = response.tool_calls();
    assert_eq!((calls[0].id.as_str(), calls[0].name.as_str()), ("api-1", "a"));
    assert_eq!(calls[0].arguments["x"], 1);
    assert!(calls[1].id.starts_with("call_") && calls[2].id.starts_with("call_"));
    assert_ne!(calls[1].id, calls[2].id);
    assert!(calls[1].arguments.is_empty() && calls[1].raw_arguments.is_none());
}

#[test]
fn pictures_are_pictures_and_what_is_unknown_is_raw() {
    let blocks = json!([
        { "inlineData": { "mimeType": "image/png", "data": "YWI=" }, "thoughtSignature": "s" },
        { "inlineData": { "mimeType": "audio/wav", "data": "YWI=" } },
        { "inlineData": { "mimeType": "image/png", "data": "not base64!" } },
        { "executableCode": { "language": "PYTHON", "code": "1" } },
        { "codeExecutionResult": { "outcome": "OUTCOME_OK" } },
        { "thought": true, "hologram": 1 },
        {},
        7,
    ]);
    let response = with_parts(blocks.clone());
    let kinds: Vec<&str> = response.message.content.iter().map(ContentPart::kind).collect();
    assert_eq!(
        kinds,
        [
            "image",
            "audio",
            "inlineData",
            "executableCode",
            "codeExecutionResult",
            "hologram",
            "unknown",
            "unknown"
        ]
    );
    for (part, block) in response.message.content.iter().zip(blocks.as_array().unwrap()) {
        assert_eq!(part.raw_for(NAME), Some(block));
    }
    let ContentPart::Image { image, .. } = &response.message.content[0] else { panic!() };
    assert_eq!(image.data.as_deref(), Some(&b"ab"[..]));
}

#[test]
fn a_signature_without_text_is_kept_and_empty_text_is_not() {
    let block = json!({ "text": "", "thoughtSignature": "sig" });
    let response = with_parts(json!([{ "text": "" }, block]));
    assert_eq!(response.message.content.len(), 1);
    assert_eq!(response.message.content[0].kind(), "redacted_thinking");
    assert_eq!(response.message.content[0].raw_for(NAME), Some(&block));
    assert_eq!((response.text().as_str(), response.reasoning()), ("", None));
}

#[test]
fn further_candidates_are_left_to_raw_with_a_warning() {
    let one =
        |text: &str| json!({ "content": { "parts": [{ "text": text }] }, "finishReason": "STOP" });
    let response = answer(json!({ "candidates": [one("a"), one("b")] })).unwrap();
    assert_eq!(response.text(), "a");
    assert_eq!(response.warnings[0].code.as_deref(), Some("further_candidates"));
    assert_eq!(response.raw.unwrap()["candidates"][1], one("b"));
}

#[test]
fn a_blocked_prompt_is_a_content_filter_error() {
    let body = json!({ "promptFeedback": { "blockReason": "SAFETY" }, "usageMetadata": {} });
    let error = answer(body.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContentFilter);
    assert_eq!((error.error_code(), error.raw()), (Some("SAFETY"), Some(&body)));
    assert!(!error.retryable());
}

#[test]
fn a_body_that_is_no_answer_is_an_error() {
    for body in
        [json!({}), json!([]), json!("x"), json!({ "candidates": [] }), json!({ "candidates": 1 })]
    {
        assert_eq!(answer(body.clone()).unwrap_err().kind(), ErrorKind::Provider, "{body}");
    }
    let cases = [
        (
            json!({ "error": { "code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED" } }),
            ErrorKind::RateLimit,
        ),
        (
            json!({ "error": { "code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT" } }),
            ErrorKind::Authentication,
        ),
        (json!({ "error": { "message": "x", "status": "NOT_FOUND" } }), ErrorKind::NotFound),
        (json!({ "error": "boom" }), ErrorKind::Server),
    ];
    for (body, kind) in cases {
        let error = answer(body.clone()).unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
        assert_eq!(error.provider(), Some(NAME));
    }
}

proptest::proptest! {
    #[test]
    fn any_fields_are_read_without_panic(text in r#"[{}\[\]",:a-z0-9]{0,40}"#) {
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            let _ = answer(json!({ "candidates": [value.clone()] }));
            let _ = answer(json!({ "candidates": [{ "content": { "parts": [value.clone(), { "functionCall": value }] } }] }));
        }
    }
}
