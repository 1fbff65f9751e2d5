use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::accumulator::StreamAccumulator;
use crate::providers::StreamDecoder;
use crate::types::{FinishReasonKind, Response};

fn feed(chunks: &[Value]) -> (Vec<StreamEvent>, Result<(), LlmError>) {
    let mut translator = GeminiStream::new("asked-for");
    let mut out = Vec::new();
    for chunk in chunks {
        if let Err(error) = translator.message("", &chunk.to_string(), &mut out) {
            return (out, Err(error));
        }
    }
    let outcome = translator.end(&mut out);
    (out, outcome)
}

fn finished(chunks: &[Value]) -> (Vec<StreamEvent>, Response) {
    let (mut events, outcome) = feed(chunks);
    outcome.unwrap();
    let Some(StreamEvent::Finish { response, usage, finish_reason }) = events.pop() else {
        panic!("{events:?}");
    };
    assert_eq!((&usage, &finish_reason), (&response.usage, &response.finish_reason));
    (events, *response)
}

fn parts(parts: Value) -> Value {
    json!({ "candidates": [{ "content": { "parts": parts, "role": "model" }, "index": 0 }] })
}

fn stop() -> Value {
    json!({ "candidates": [{ "finishReason": "STOP", "index": 0 }] })
}

fn kinds(events: &[StreamEvent]) -> Vec<String> {
    let kind = |event| serde_json::to_value(event).unwrap()["type"].as_str().unwrap().to_owned();
    events.iter().map(kind).collect()
}

#[test]
fn llm_8_4_text_segments_start_grow_and_end_and_thoughts_are_reasoning() {
    let (events, response) = finished(&[
        parts(json!([{ "text": "Let me", "thought": true }])),
        parts(json!([{ "text": " think.", "thought": true }])),
        parts(json!([{ "text": "Hel" }])),
        parts(json!([{ "text": "lo" }])),
        json!({
            "candidates": [{ "content": { "parts": [{ "text": "!" }] }, "finishReason": "STOP" }],
            "usageMetadata": { "promptTokenCount": 3, "candidatesTokenCount": 4 },
            "modelVersion": "m",
            "responseId": "r",
        }),
    ]);
    assert_eq!(
        kinds(&events),
        [
            "reasoning_start",
            "reasoning_delta",
            "reasoning_delta",
            "reasoning_end",
            "text_start",
            "text_delta",
            "text_delta",
            "text_delta",
            "text_end"
        ]
    );
    let Some(StreamEvent::TextEnd { text, .. }) = events.last() else { panic!() };
    assert_eq!(text, "Hello!");
    assert_eq!(response.text(), "Hello!");
    assert_eq!(response.reasoning().as_deref(), Some("Let me think."));
    assert_eq!((response.id.as_str(), response.model.as_str()), ("r", "m"));
    assert_eq!(response.usage.total_tokens, 7);
    assert_eq!(response.message.content.len(), 2);
}

#[test]
fn a_signature_stays_on_its_own_part_and_does_not_split_the_segment() {
    let signed = json!({ "text": "lo", "thoughtSignature": "s1" });
    let bare = json!({ "text": "", "thoughtSignature": "s2" });
    let (events, response) = finished(&[
        parts(json!([{ "text": "Hel" }])),
        parts(json!([signed])),
        parts(json!([{ "text": "!" }])),
        parts(json!([bare])),
        stop(),
    ]);
    assert_eq!(
        kinds(&events),
        ["text_start", "text_delta", "text_delta", "text_delta", "text_end"]
    );
    assert_eq!(response.text(), "Hello!");
    let sent_back: Vec<_> =
        response.message.content.iter().filter_map(|part| part.raw_for(NAME)).collect();
    assert_eq!(sent_back, [&signed, &bare]);
    assert_eq!(
        response.raw.unwrap()["candidates"][0]["content"]["parts"],
        json!([{ "text": "Hel" }, signed, { "text": "!" }, bare])
    );
}

#[test]
fn llm_8_9_streamed_calls_start_and_end_with_the_id_of_the_final_response() {
    let (events, response) = finished(&[
        parts(json!([
            { "functionCall": { "name": "a", "args": { "x": 1 } }, "thoughtSignature": "s" },
            { "functionCall": { "name": "b", "args": {}, "id": "api" } },
        ])),
        parts(json!([{ "text": "" }])),
        stop(),
    ]);
    assert_eq!(
        kinds(&events),
        [
            "tool_call_start",
            "tool_call_delta",
            "tool_call_end",
            "tool_call_start",
            "tool_call_delta",
            "tool_call_end"
        ]
    );
    let ended: Vec<ToolCall> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::ToolCallEnd { tool_call } => Some(tool_call.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(ended, response.tool_calls());
    assert_eq!(response.finish_reason.reason, FinishReasonKind::ToolCalls);
    assert_eq!(response.message.content.len(), 2);
}

#[test]
fn arguments_that_come_in_pieces_are_put_together() {
    let call = |call: Value| parts(json!([{ "functionCall": call }]));
    let (events, response) = finished(&[
        parts(
            json!([{ "functionCall": { "name": "write", "willContinue": true }, "thoughtSignature": "s" }]),
        ),
        call(
            json!({ "partialArgs": [{ "jsonPath": "$.path", "stringValue": "a.t", "willContinue": true }], "willContinue": true }),
        ),
        call(
            json!({ "partialArgs": [{ "jsonPath": "$.path", "stringValue": "xt" }], "willContinue": true }),
        ),
        call(
            json!({ "partialArgs": [{ "jsonPath": "$.lines[0]", "numberValue": 3 }], "willContinue": true }),
        ),
        call(json!({})),
        call(json!({ "name": "next", "partialArgs": [{ "jsonPath": "$.b", "boolValue": true }] })),
        stop(),
    ]);
    let calls = response.tool_calls();
    assert_eq!(json!(calls[0].arguments), json!({ "path": "a.txt", "lines": [3] }));
    assert_eq!(json!(calls[1].arguments), json!({ "b": true }));
    assert_eq!(
        response.message.content[0].raw_for(NAME),
        Some(&json!({
            "functionCall": { "name": "write", "args": { "path": "a.txt", "lines": [3] } },
            "thoughtSignature": "s",
        }))
    );
    assert_eq!(kinds(&events).iter().filter(|kind| *kind == "tool_call_start").count(), 2);
}

#[test]
fn a_call_that_was_cut_off_is_not_run() {
    let (events, response) = finished(&[
        parts(
            json!([{ "functionCall": { "name": "write", "partialArgs": [{ "jsonPath": "$.a", "stringValue": "x" }], "willContinue": true } }]),
        ),
        json!({ "candidates": [{ "finishReason": "MAX_TOKENS" }] }),
    ]);
    assert!(!kinds(&events).contains(&"tool_call_end".to_owned()));
    assert_eq!(response.tool_calls(), []);
    assert_eq!(response.finish_reason.reason, FinishReasonKind::Length);
    assert_eq!(response.warnings[0].code.as_deref(), Some("incomplete_tool_call"));
    let misplaced = parts(
        json!([{ "functionCall": { "name": "w", "partialArgs": [{ "jsonPath": "$.a[7]", "boolValue": true }] } }]),
    );
    let error = feed(&[misplaced]).1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stream);
    assert!(error.message().contains("$.a[7]"), "{error}");
}

#[test]
fn what_has_no_unified_form_surfaces_as_it_came() {
    let code = json!({ "executableCode": { "language": "PYTHON", "code": "1" } });
    let picture = json!({ "inlineData": { "mimeType": "image/png", "data": "YWI=" } });
    let news = json!({ "weather": "fine" });
    let (events, response) = finished(&[
        parts(json!([{ "text": "a" }, code, picture])),
        news.clone(),
        json!({ "usageMetadata": { "promptTokenCount": 1 } }),
        stop(),
    ]);
    let raw: Vec<Value> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::ProviderEvent { raw } => Some(raw.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(raw, [code, picture, news]);
    let kinds: Vec<&str> = response.message.content.iter().map(ContentPart::kind).collect();
    assert_eq!(kinds, ["text", "executableCode", "image"]);
    assert_eq!(response.raw.unwrap()["weather"], "fine");
}

#[test]
fn metadata_of_all_chunks_survives_in_raw() {
    let grounding = |queries: Value| json!({ "candidates": [{ "groundingMetadata": { "webSearchQueries": queries, "x": 1 } }] });
    let rated = |p: &str| json!({ "candidates": [{ "safetyRatings": [{ "probability": p }] }] });
    let (_, response) = finished(&[
        parts(json!([{ "text": "a" }])),
        grounding(json!(["a"])),
        grounding(json!(["a", "b"])),
        grounding(json!(["c"])),
        rated("LOW"),
        rated("HIGH"),
        stop(),
    ]);
    let candidate = &response.raw.unwrap()["candidates"][0];
    assert_eq!(
        candidate["groundingMetadata"],
        json!({ "webSearchQueries": ["a", "b", "c"], "x": 1 })
    );
    assert_eq!(candidate["safetyRatings"], json!([{ "probability": "HIGH" }]));
}

#[test]
fn only_the_first_candidate_becomes_events() {
    let both = json!({ "candidates": [
        { "content": { "parts": [{ "text": "a" }] }, "finishReason": "STOP" },
        { "content": { "parts": [{ "text": "b1" }, { "text": "b2" }] }, "index": 1 },
    ] });
    let late = json!({ "candidates": [{ "content": { "parts": [{ "text": "b3" }] }, "index": 1, "finishReason": "STOP" }] });
    let (_, outcome) = feed(std::slice::from_ref(&both));
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Stream, "the second is not over");
    let (events, response) = finished(&[both, late]);
    assert_eq!(kinds(&events), ["text_start", "text_delta", "text_end"]);
    assert_eq!(response.text(), "a");
    assert_eq!(response.warnings[0].code.as_deref(), Some("further_candidates"));
    let raw = response.raw.unwrap();
    assert_eq!(raw["candidates"][1]["content"]["parts"], json!([{ "text": "b1b2b3" }]));
}

#[test]
fn late_words_count_and_the_end_may_come_from_the_finish_reason_on() {
    let mut translator = GeminiStream::new("m");
    let mut out = Vec::new();
    let mut say = |translator: &mut GeminiStream, chunk: Value| {
        translator.message("", &chunk.to_string(), &mut out).unwrap();
    };
    say(&mut translator, parts(json!([{ "text": "a" }])));
    assert!(!translator.may_end());
    say(&mut translator, stop());
    assert!(translator.may_end() && !translator.is_finished());
    say(&mut translator, json!({ "usageMetadata": { "promptTokenCount": 5 } }));
    say(&mut translator, parts(json!([{ "text": "b" }])));
    translator.end(&mut out).unwrap();
    assert!(translator.is_finished() && !translator.may_end());
    let Some(StreamEvent::Finish { response, .. }) = out.last() else { panic!("{out:?}") };
    assert_eq!((response.text().as_str(), response.usage.input_tokens), ("ab", 5));
    assert_eq!(
        kinds(&out),
        ["text_start", "text_delta", "text_end", "text_start", "text_delta", "text_end", "finish"]
    );
}

#[test]
fn an_end_without_a_finish_reason_is_an_error() {
    for chunks in [vec![], vec![parts(json!([{ "text": "a" }]))], vec![json!({})]] {
        assert_eq!(feed(&chunks).1.unwrap_err().kind(), ErrorKind::Stream, "{chunks:?}");
    }
}

#[test]
fn a_blocked_prompt_with_an_empty_list_of_candidates_is_a_content_filter() {
    let chunk = json!({ "candidates": [], "promptFeedback": { "blockReason": "SAFETY" } });
    let (_, outcome) = feed(&[chunk]);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ContentFilter);
    let (events, response) = finished(&[
        parts(json!([{ "text": "a" }])),
        json!({ "candidates": [], "usageMetadata": { "promptTokenCount": 7 } }),
        json!({ "candidates": "odd" }),
        stop(),
    ]);
    assert_eq!((response.text().as_str(), response.usage.input_tokens), ("a", 7));
    assert!(events.contains(&StreamEvent::ProviderEvent { raw: json!("odd") }), "{events:?}");
}

#[test]
fn errors_inside_the_stream_are_typed() {
    let error =
        json!({ "error": { "code": 503, "message": "overloaded", "status": "UNAVAILABLE" } });
    let limit = json!({ "error": { "code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED",
        "details": [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s" }] } });
    for (chunk, kind) in [
        (error.clone(), ErrorKind::Server),
        (json!([error]), ErrorKind::Server),
        (limit.clone(), ErrorKind::RateLimit),
    ] {
        let said = feed(&[parts(json!([{ "text": "a" }])), chunk]).1.unwrap_err();
        assert_eq!(said.kind(), kind);
        assert!(said.retryable());
    }
    let wait = feed(&[limit]).1.unwrap_err().retry_after();
    assert_eq!(wait, Some(std::time::Duration::from_secs(17)));
    let blocked = feed(&[json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" } })]);
    assert_eq!(blocked.1.unwrap_err().kind(), ErrorKind::ContentFilter);
    let page = GeminiStream::new("m").message("", "<html>", &mut Vec::new()).unwrap_err();
    assert_eq!(page.kind(), ErrorKind::Stream);
    assert!(page.message().contains("<html>"), "{page}");
}

#[test]
fn a_list_of_chunks_is_as_good_as_events() {
    let list = json!([parts(json!([{ "text": "a" }])), parts(json!([{ "text": "b" }])), stop()]);
    assert_eq!(finished(&[list]).1.text(), "ab");
}

#[test]
fn the_fast_path_takes_plain_text_and_nothing_else() {
    let is_delta = |chunk: Value| serde_json::from_str::<Delta<'_>>(&chunk.to_string()).is_ok();
    let usual = json!({
        "candidates": [{ "content": { "parts": [{ "text": "a\n" }], "role": "model" }, "index": 0 }],
        "usageMetadata": { "promptTokenCount": 1 }, "modelVersion": "m", "responseId": "r",
    });
    assert!(is_delta(usual.clone()));
    assert!(is_delta(parts(json!([{ "text": "a", "thought": true }]))));
    assert!(!is_delta(parts(json!([{ "text": "a", "thoughtSignature": "s" }]))));
    assert!(!is_delta(parts(json!([{ "text": "a" }, { "text": "b" }]))));
    assert!(!is_delta(stop()));
    let mut odd = usual;
    odd["candidates"][0]["safetyRatings"] = json!([]);
    assert!(!is_delta(odd));
}

/// Parts of an answer as `generateContent` gives them: no neighbours that could be one part.
fn answer_parts() -> impl Strategy<Value = Vec<Value>> {
    let part = prop_oneof![
        4 => "[a-zé\\n\"😀]{1,12}".prop_map(|text| json!({ "text": text })),
        2 => "[a-z ]{1,12}".prop_map(|text| json!({ "text": text, "thought": true })),
        1 => "[a-z]{0,4}".prop_map(|text| json!({ "text": text, "thoughtSignature": "c2ln" })),
        1 => Just(json!({ "text": "t", "thought": true, "thoughtSignature": "c2ln" })),
        2 => ("[a-c]", any::<i32>(), any::<bool>()).prop_map(|(name, number, has_id)| {
            let mut call = json!({ "name": name, "args": { "n": number } });
            if has_id {
                call["id"] = json!(format!("id-{number}"));
            }
            json!({ "functionCall": call })
        }),
        1 => Just(json!({ "inlineData": { "mimeType": "image/png", "data": "YWI=" } })),
        1 => Just(json!({ "executableCode": { "code": "1" } })),
    ];
    prop::collection::vec(part, 0..8).prop_map(|mut parts| {
        let plain =
            |part: &Value| part.get("thoughtSignature").is_none() && part.get("text").is_some();
        parts.dedup_by(|b, a| plain(a) && plain(b) && a.get("thought") == b.get("thought"));
        parts
    })
}

/// Plain text in pieces of `size` characters, everything else as it is.
fn pieces(part: &Value, size: usize) -> Vec<Value> {
    let fields = part.as_object().unwrap();
    let is_plain = fields.keys().all(|name| name == "text" || name == "thought");
    let Some(text) = fields.get("text").and_then(Value::as_str).filter(|_| is_plain) else {
        return vec![part.clone()];
    };
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunks(size)
        .map(|piece| {
            let mut part = part.clone();
            part["text"] = json!(piece.iter().collect::<String>());
            part
        })
        .collect()
}

/// Made-up ids differ from call to call, so they are compared by where they stand.
fn named_ids(response: &mut Response) {
    for (at, part) in response.message.content.iter_mut().enumerate() {
        if let ContentPart::ToolCall { tool_call, .. } = part
            && tool_call.id.starts_with("call_")
        {
            tool_call.id = format!("made up {at}");
        }
    }
}

proptest! {
    #[test]
    fn llm_8_4_the_finish_of_a_stream_is_what_complete_gives(
        parts in answer_parts(),
        size in 1_usize..5,
        a_chunk in 1_usize..4,
        cut in 1_usize..40,
        reason in prop_oneof![Just("STOP"), Just("MAX_TOKENS"), Just("NEW")],
    ) {
        let small: Vec<Value> = parts.iter().flat_map(|part| pieces(part, size)).collect();
        let usage = json!({ "promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 2 });
        let chunk = |parts: Value| json!({
            "candidates": [{ "content": { "parts": parts, "role": "model" }, "index": 0 }],
            "usageMetadata": { "promptTokenCount": 9 }, "modelVersion": "m", "responseId": "r",
        });
        let mut whole = chunk(json!(parts));
        whole["candidates"][0]["finishReason"] = json!(reason);
        whole["usageMetadata"] = usage.clone();
        let mut chunks: Vec<Value> = small.chunks(a_chunk).map(|parts| chunk(json!(parts))).collect();
        let mut last = chunk(json!([]));
        last["candidates"][0]["finishReason"] = json!(reason);
        last["usageMetadata"] = usage;
        chunks.push(last);

        let body: String = chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect();
        let mut decoder = StreamDecoder::new(NAME, GeminiStream::new("asked-for"));
        let mut events = Vec::new();
        for bytes in body.as_bytes().chunks(cut) {
            decoder.push(bytes, &mut events).unwrap();
        }
        decoder.end(&mut events).unwrap();
        let mut all = StreamAccumulator::new();
        for event in &events[..events.len() - 1] {
            all.process(event);
        }
        let partial = all.partial_message();
        let Some(StreamEvent::Finish { response, .. }) = events.pop() else { panic!("{events:?}") };
        let mut streamed = *response;
        prop_assert_eq!(partial.text(), streamed.text());
        prop_assert_eq!(partial.reasoning(), streamed.reasoning());
        prop_assert_eq!(partial.tool_calls(), streamed.tool_calls());
        let mut complete = translate(whole, "asked-for", &BTreeMap::new()).unwrap();
        named_ids(&mut streamed);
        named_ids(&mut complete);
        prop_assert_eq!(streamed, complete);
    }

    #[test]
    fn any_text_is_decoded_or_refused(lines in prop::collection::vec(r#"[{}\[\]":,a-z0-9]{0,30}|\{"candidates":\[\{"content":\{"parts":\[[{}":,a-z0-9]{0,20}\]\}\}\]\}"#, 0..5)) {
        let mut translator = GeminiStream::new("m");
        let mut out = Vec::new();
        for line in &lines {
            let _ = translator.message("", line, &mut out);
        }
        let _ = translator.end(&mut out);
    }
}
