use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::accumulator::StreamAccumulator;
use crate::providers::StreamDecoder;
use crate::types::{ContentPart, PartialToolCall, Response};

fn feed(events: &[Value]) -> (Vec<StreamEvent>, Result<(), LlmError>) {
    let mut translator = AnthropicStream::default();
    let mut out = Vec::new();
    for event in events {
        let name = event["type"].as_str().unwrap_or("");
        if let Err(error) = translator.message(name, &event.to_string(), &mut out) {
            return (out, Err(error));
        }
    }
    (out, Ok(()))
}

fn finished(events: &[StreamEvent]) -> &Response {
    match events.last() {
        Some(StreamEvent::Finish { response, finish_reason, usage }) => {
            assert_eq!((&response.finish_reason, &response.usage), (finish_reason, usage));
            response
        }
        other => panic!("{other:?}"),
    }
}

fn start() -> Value {
    json!({ "type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 1 },
    } })
}

fn block_start(index: usize, block: Value) -> Value {
    json!({ "type": "content_block_start", "index": index, "content_block": block })
}

fn delta(index: usize, delta: Value) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": delta })
}

fn stop(index: usize) -> Value {
    json!({ "type": "content_block_stop", "index": index })
}

fn end(reason: &str, output: u64) -> [Value; 2] {
    [
        json!({ "type": "message_delta", "delta": { "stop_reason": reason, "stop_sequence": null },
            "usage": { "input_tokens": null, "output_tokens": output } }),
        json!({ "type": "message_stop" }),
    ]
}

#[test]
fn llm_8_4_text_comes_as_start_deltas_and_end_between_stream_start_and_finish() {
    let mut wire = vec![
        start(),
        json!({ "type": "ping" }),
        block_start(0, json!({ "type": "text", "text": "" })),
        delta(0, json!({ "type": "text_delta", "text": "Grüße, \"wor" })),
        json!({ "type": "ping" }),
        delta(0, json!({ "type": "text_delta", "text": "ld\"\n😀" })),
        stop(0),
    ];
    wire.extend(end("end_turn", 9));
    let (events, outcome) = feed(&wire);
    outcome.unwrap();
    let id = || "msg_1_0".to_owned();
    assert_eq!(
        events[..4],
        [
            StreamEvent::TextStart { text_id: id() },
            StreamEvent::TextDelta { text_id: id(), delta: "Grüße, \"wor".into() },
            StreamEvent::TextDelta { text_id: id(), delta: "ld\"\n😀".into() },
            StreamEvent::TextEnd { text_id: id(), text: "Grüße, \"world\"\n😀".into() },
        ]
    );
    let response = finished(&events);
    assert_eq!(response.text(), "Grüße, \"world\"\n😀");
    assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (8, 9));
    assert_eq!(response.finish_reason.raw.as_deref(), Some("end_turn"));
    assert_eq!(events.len(), 5);
}

#[test]
fn a_call_comes_as_start_deltas_and_end_with_parsed_arguments() {
    let mut wire = vec![
        start(),
        block_start(0, json!({ "type": "tool_use", "id": "c", "name": "t", "input": {} })),
        delta(0, json!({ "type": "input_json_delta", "partial_json": "" })),
        delta(0, json!({ "type": "input_json_delta", "partial_json": "{\"b\": 1, " })),
        delta(0, json!({ "type": "input_json_delta", "partial_json": "\"a\": [2]}" })),
        stop(0),
        block_start(1, json!({ "type": "tool_use", "id": "d", "name": "t", "input": {} })),
        stop(1),
        block_start(2, json!({ "type": "tool_use", "id": "e", "name": "t", "input": { "x": 1 } })),
        stop(2),
    ];
    wire.extend(end("tool_use", 9));
    let (events, outcome) = feed(&wire);
    outcome.unwrap();
    let partial = PartialToolCall { id: "c".into(), name: "t".into() };
    assert_eq!(events[0], StreamEvent::ToolCallStart { tool_call: partial.clone() });
    let texts: Vec<(&str, &str)> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::ToolCallDelta { tool_call, delta } => Some((&*tool_call.id, &**delta)),
            _ => None,
        })
        .collect();
    assert_eq!(texts, [("c", "{\"b\": 1, "), ("c", "\"a\": [2]}"), ("e", "{\"x\":1}")]);
    let calls: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::ToolCallEnd { tool_call } => Some(tool_call.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(calls, finished(&events).tool_calls());
    assert_eq!(calls[0].parsed().unwrap()["a"], json!([2]));
    assert!(calls[1].parsed().unwrap().is_empty());
}

#[test]
fn arguments_that_are_cut_off_or_no_object_keep_their_text_and_can_be_sent_back() {
    for text in ["{\"command\": \"rm -", "[1]", "\"x\""] {
        let mut wire = vec![
            start(),
            block_start(
                0,
                json!({ "type": "tool_use", "id": "c", "name": "t", "input": {}, "caller": { "type": "direct" } }),
            ),
            delta(0, json!({ "type": "input_json_delta", "partial_json": text })),
        ];
        // No `content_block_stop`: the limit was hit.
        wire.extend(end("max_tokens", 9));
        let (events, outcome) = feed(&wire);
        outcome.unwrap();
        let response = finished(&events);
        assert_eq!(response.tool_calls()[0].raw_arguments.as_deref(), Some(text));
        let raw = response.message.content[0].raw_for(NAME).unwrap();
        assert_eq!(raw["input"], json!({ "INVALID_JSON": text }));
        assert!(events.iter().any(|event| matches!(event, StreamEvent::ToolCallEnd { .. })));
    }
}

#[test]
fn llm_8_5_thinking_is_streamed_and_its_signature_is_kept_to_the_byte() {
    let signature = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk/+=";
    let mut wire = vec![
        start(),
        block_start(0, json!({ "type": "thinking", "thinking": "", "signature": "" })),
        delta(0, json!({ "type": "thinking_delta", "thinking": "Let me " })),
        delta(0, json!({ "type": "thinking_delta", "thinking": "see." })),
        delta(0, json!({ "type": "signature_delta", "signature": signature })),
        stop(0),
        block_start(1, json!({ "type": "redacted_thinking", "data": "opaque" })),
        stop(1),
    ];
    wire.extend(end("end_turn", 9));
    let (events, outcome) = feed(&wire);
    outcome.unwrap();
    assert_eq!(
        events[..6],
        [
            StreamEvent::ReasoningStart,
            StreamEvent::ReasoningDelta { reasoning_delta: "Let me ".into() },
            StreamEvent::ReasoningDelta { reasoning_delta: "see.".into() },
            StreamEvent::ReasoningEnd,
            StreamEvent::ReasoningStart,
            StreamEvent::ReasoningEnd,
        ]
    );
    let response = finished(&events);
    let blocks: Vec<_> =
        response.message.content.iter().filter_map(|part| part.raw_for(NAME)).collect();
    assert_eq!(
        blocks,
        [
            &json!({ "type": "thinking", "thinking": "Let me see.", "signature": signature }),
            &json!({ "type": "redacted_thinking", "data": "opaque" }),
        ]
    );
    assert_eq!(response.usage.reasoning_tokens, Some(3));
}

#[test]
fn ruling_llm_what_has_no_unified_form_surfaces_as_it_came_and_is_rebuilt() {
    let passed = [
        block_start(
            0,
            json!({ "type": "server_tool_use", "id": "s", "name": "web_search", "input": {} }),
        ),
        delta(0, json!({ "type": "input_json_delta", "partial_json": "{\"q\":" })),
        delta(0, json!({ "type": "input_json_delta", "partial_json": "1}" })),
        stop(0),
        block_start(1, json!({ "type": "hologram", "glow": "a", "seen": [1] })),
        delta(1, json!({ "type": "glow_delta", "glow": "b", "seen": [2], "new": 3 })),
        stop(1),
        json!({ "type": "brand_new_event", "x": 1 }),
    ];
    let citation = json!({ "type": "page_location", "cited_text": "x" });
    let cited = delta(2, json!({ "type": "citations_delta", "citation": citation }));
    let mut wire = vec![start()];
    wire.extend(passed.clone());
    wire.extend([
        block_start(2, json!({ "type": "text", "text": "", "citations": null })),
        delta(2, json!({ "type": "text_delta", "text": "t" })),
        cited.clone(),
        cited.clone(),
        stop(2),
    ]);
    wire.extend(end("end_turn", 9));
    let (events, outcome) = feed(&wire);
    outcome.unwrap();
    let raw: Vec<&Value> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::ProviderEvent { raw } => Some(raw),
            _ => None,
        })
        .collect();
    assert_eq!(raw, passed.iter().chain([&cited, &cited]).collect::<Vec<_>>());
    let response = finished(&events);
    let blocks: Vec<_> =
        response.message.content.iter().filter_map(|part| part.raw_for(NAME)).collect();
    assert_eq!(
        blocks,
        [
            &json!({ "type": "server_tool_use", "id": "s", "name": "web_search", "input": { "q": 1 } }),
            &json!({ "type": "hologram", "glow": "ab", "seen": [1, 2], "new": 3 }),
            &json!({ "type": "text", "text": "t", "citations": [citation, citation] }),
        ]
    );
}

#[test]
fn totals_of_the_last_event_replace_those_of_the_first_and_more_is_kept() {
    let last = json!({ "type": "message_delta",
        "delta": { "stop_reason": "refusal", "stop_details": { "explanation": "no" }, "container": { "id": "c" } },
        "usage": { "output_tokens": 20, "output_tokens_details": { "thinking_tokens": 4 }, "cache_read_input_tokens": null },
        "context_management": { "applied_edits": [] } });
    let (events, outcome) = feed(&[start(), last, json!({ "type": "message_stop" })]);
    outcome.unwrap();
    let response = finished(&events);
    assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (8, 20));
    assert_eq!(response.usage.reasoning_tokens, Some(4));
    assert_eq!(response.warnings.len(), 1);
    let raw = response.raw.as_ref().unwrap();
    assert_eq!(raw["container"]["id"], "c");
    assert_eq!(raw["context_management"]["applied_edits"], json!([]));
}

#[test]
fn an_error_event_is_a_typed_error() {
    let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    for wire in [vec![error.clone()], vec![start(), error]] {
        let error = feed(&wire).1.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (ErrorKind::Server, true));
        assert_eq!((error.message(), error.error_code()), ("Overloaded", Some("overloaded_error")));
    }
}

#[test]
fn events_that_make_no_sense_are_stream_errors() {
    let text = || block_start(0, json!({ "type": "text", "text": "" }));
    let more = || delta(0, json!({ "type": "text_delta", "text": "x" }));
    for wire in [
        vec![text()],
        vec![json!({ "type": "message_stop" })],
        vec![start(), start()],
        vec![start(), more()],
        vec![start(), text(), text()],
        vec![start(), text(), stop(0), more()],
        vec![start(), text(), stop(0), stop(0)],
        vec![start(), json!({ "type": "content_block_start", "content_block": {} })],
        vec![start(), json!({ "type": "content_block_start", "index": 0 })],
        vec![start(), text(), json!({ "type": "content_block_delta", "index": 0 })],
        vec![json!({ "type": "message_start" })],
    ] {
        let error = feed(&wire).1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stream, "{wire:?}: {error}");
        assert!(error.retryable());
    }
    let error = AnthropicStream::default().message("x", "<html>", &mut Vec::new()).unwrap_err();
    assert!(error.message().contains("<html>"), "{error}");
}

#[test]
fn a_stream_without_message_stop_is_not_finished() {
    let mut decoder = StreamDecoder::new(NAME, AnthropicStream::default());
    let mut out = Vec::new();
    let [last, _] = end("end_turn", 1);
    decoder.push(sse(&[start(), last]).as_bytes(), &mut out).unwrap();
    assert_eq!(decoder.end(&mut out).unwrap_err().kind(), ErrorKind::Stream);
}

#[test]
fn deltas_are_read_without_event_names_and_with_fields_that_are_new() {
    let mut translator = AnthropicStream::default();
    let mut out = Vec::new();
    let mut odd = delta(0, json!({ "type": "text_delta", "text": "x", "p": "padding" }));
    odd["sequence"] = json!(1);
    for event in [start(), block_start(0, json!({ "type": "text", "text": "pre" })), odd] {
        translator.message("", &event.to_string(), &mut out).unwrap();
    }
    let deltas: Vec<&str> = out
        .iter()
        .filter_map(|event| match event {
            StreamEvent::TextDelta { delta, .. } => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(deltas, ["pre", "x"]);
}

fn sse(events: &[Value]) -> String {
    events.iter().fold(String::new(), |mut all, event| {
        all.push_str(&format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()));
        all
    })
}

/// A block as `complete` gives it.
fn a_block() -> impl Strategy<Value = Value> {
    let text = "[a-zA-Zäß😀\"\\\\\n ]{0,20}";
    prop_oneof![
        text.prop_map(|text| json!({ "type": "text", "text": text })),
        (text, 1..3usize).prop_map(|(text, n)| {
            let citations: Vec<Value> = (0..n).map(|at| json!({ "type": "char_location", "at": at })).collect();
            json!({ "type": "text", "text": text, "citations": citations })
        }),
        (text, "[A-Za-z0-9+/=]{1,40}").prop_map(
            |(text, signature)| json!({ "type": "thinking", "thinking": text, "signature": signature })
        ),
        "[A-Za-z0-9+/=]{1,40}".prop_map(|data| json!({ "type": "redacted_thinking", "data": data })),
        ("[a-z]{1,8}", proptest::collection::vec(("[a-z]{1,4}", text), 0..4)).prop_map(
            |(id, fields)| {
                let input: Map<String, Value> =
                    fields.into_iter().map(|(name, value)| (name, json!(value))).collect();
                json!({ "type": "tool_use", "id": id, "name": "t", "input": input })
            }
        ),
        ("[a-z]{1,8}", text).prop_map(
            |(id, q)| json!({ "type": "server_tool_use", "id": id, "name": "web_search", "input": { "q": q } })
        ),
        text.prop_map(|text| json!({ "type": "web_search_tool_result", "tool_use_id": "s", "content": [{ "t": text }] })),
    ]
}

fn pieces(text: &str, size: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(size).map(|piece| piece.iter().collect()).collect()
}

/// The events with which the API would stream `block`.
fn streamed(index: usize, block: &Value, size: usize) -> Vec<Value> {
    let mut first = block.clone();
    let mut deltas = Vec::new();
    let text = |name: &str| block[name].as_str().unwrap_or("").to_owned();
    match block["type"].as_str().unwrap() {
        "text" => {
            first["text"] = json!("");
            deltas.extend(
                pieces(&text("text"), size)
                    .iter()
                    .map(|t| json!({ "type": "text_delta", "text": t })),
            );
            if let Some(citations) = block["citations"].as_array() {
                first["citations"] = json!([]);
                deltas.extend(
                    citations.iter().map(|c| json!({ "type": "citations_delta", "citation": c })),
                );
            }
        }
        "thinking" => {
            first["thinking"] = json!("");
            first["signature"] = json!("");
            deltas.extend(
                pieces(&text("thinking"), size)
                    .iter()
                    .map(|t| json!({ "type": "thinking_delta", "thinking": t })),
            );
            deltas.push(json!({ "type": "signature_delta", "signature": block["signature"] }));
        }
        "tool_use" | "server_tool_use" => {
            first["input"] = json!({});
            let input = block["input"].to_string();
            deltas.extend(
                pieces(&input, size)
                    .iter()
                    .map(|t| json!({ "type": "input_json_delta", "partial_json": t })),
            );
        }
        _ => {}
    }
    let mut events = vec![block_start(index, first)];
    events.extend(deltas.into_iter().map(|piece| delta(index, piece)));
    events.push(stop(index));
    events
}

proptest! {
    #[test]
    fn any_stream_in_any_chunks_ends_in_what_complete_gives(
        blocks in proptest::collection::vec(a_block(), 0..6),
        size in 1..7usize,
        chunk in 1..97usize,
    ) {
        let mut whole = start()["message"].clone();
        whole["content"] = json!(blocks);
        whole["stop_reason"] = json!("end_turn");
        whole["usage"]["output_tokens"] = json!(40);
        let expected = translate(whole).unwrap();

        let mut wire = vec![start()];
        for (index, block) in blocks.iter().enumerate() {
            wire.extend(streamed(index, block, size));
        }
        wire.extend(end("end_turn", 40));
        let mut decoder = StreamDecoder::new(NAME, AnthropicStream::default());
        let mut events = Vec::new();
        for bytes in sse(&wire).as_bytes().chunks(chunk) {
            decoder.push(bytes, &mut events).unwrap();
        }
        decoder.end(&mut events).unwrap();
        let response = finished(&events);
        prop_assert_eq!(response, &expected);
        // Byte for byte, the order of fields too.
        prop_assert_eq!(
            serde_json::to_string(&response.message).unwrap(),
            serde_json::to_string(&expected.message).unwrap()
        );

        let mut all = StreamAccumulator::new();
        events[..events.len() - 1].iter().for_each(|event| all.process(event));
        let partial = all.partial_message();
        prop_assert_eq!(partial.text(), expected.text());
        prop_assert_eq!(partial.reasoning(), expected.reasoning());
        let distinct: std::collections::HashSet<_> =
            expected.tool_calls().into_iter().map(|call| call.id).collect();
        if distinct.len() == expected.tool_calls().len() {
            prop_assert_eq!(partial.tool_calls(), expected.tool_calls());
        }
    }

    #[test]
    fn no_sequence_of_events_panics_and_nothing_is_said_after_a_failure(
        picks in proptest::collection::vec((0..12usize, 0..3usize), 0..30),
        junk in "\\PC{0,30}",
    ) {
        let menu = |pick: usize, index: usize| match pick {
            0 => start(),
            1 => block_start(index, json!({ "type": "text", "text": "a" })),
            2 => block_start(index, json!({ "type": "tool_use", "id": "c", "name": "t", "input": {} })),
            3 => block_start(index, json!({ "type": "x" })),
            4 => delta(index, json!({ "type": "text_delta", "text": "b" })),
            5 => delta(index, json!({ "type": "input_json_delta", "partial_json": junk })),
            6 => delta(index, json!({ "type": "thinking_delta", "thinking": 3 })),
            7 => delta(index, json!(junk)),
            8 => stop(index),
            9 => end("end_turn", 1)[0].clone(),
            10 => json!({ "type": "message_delta", "delta": junk, "usage": [] }),
            _ => json!({ "type": "content_block_start", "index": junk, "content_block": junk }),
        };
        let mut wire = vec![start()];
        wire.extend(picks.iter().map(|(pick, index)| menu(*pick, *index)));
        wire.push(json!({ "type": "message_stop" }));
        let (events, outcome) = feed(&wire);
        let finishes = events.iter().filter(|event| matches!(event, StreamEvent::Finish { .. })).count();
        prop_assert_eq!(finishes, usize::from(outcome.is_ok()));
        if let Err(error) = outcome {
            prop_assert_eq!(error.kind(), ErrorKind::Stream);
        }
    }
}

#[test]
fn parts_of_the_whole_are_typed() {
    let block = json!({ "type": "tool_use", "id": "c", "name": "t", "input": {} });
    let mut wire = vec![start(), block_start(3, block), stop(3)];
    wire.extend(end("tool_use", 1));
    let (events, _) = feed(&wire);
    assert!(matches!(finished(&events).message.content[..], [ContentPart::ToolCall { .. }]));
}
