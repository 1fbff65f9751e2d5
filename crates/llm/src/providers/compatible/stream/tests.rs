use proptest::prelude::*;

use super::*;
use crate::accumulator::StreamAccumulator;
use crate::sse::{SseDecoder, SseEvent};
use crate::types::{ContentPart, FinishReasonKind, PartialToolCall, Response, ToolCall};

const DONE: &str = "[DONE]";

fn chunk(delta: Value, finish_reason: Value) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
    })
}

fn delta(delta: Value) -> Value {
    chunk(delta, Value::Null)
}

fn last(reason: &str) -> Value {
    chunk(json!({}), json!(reason))
}

fn calls(calls: Value) -> Value {
    delta(json!({ "tool_calls": calls }))
}

/// Feeds the chunks and `[DONE]`.
fn feed(chunks: &[Value]) -> (Vec<StreamEvent>, Result<(), LlmError>) {
    let mut translator = ChatStream::new(0);
    let mut out = Vec::new();
    for chunk in chunks {
        if let Err(error) = translator.message("", &chunk.to_string(), &mut out) {
            return (out, Err(error));
        }
    }
    let outcome = translator.message("", DONE, &mut out);
    (out, outcome)
}

fn finished(events: &[StreamEvent]) -> &Response {
    match events.last() {
        Some(StreamEvent::Finish { response, .. }) => response,
        _ => panic!("{events:?}"),
    }
}

fn response(chunks: &[Value]) -> Response {
    let (events, outcome) = feed(chunks);
    outcome.unwrap();
    finished(&events).clone()
}

#[test]
fn reasoning_text_and_a_call_have_starts_deltas_and_ends() {
    let (events, outcome) = feed(&[
        delta(json!({ "role": "assistant", "content": "", "reasoning_content": "" })),
        delta(json!({ "content": null, "reasoning_content": "hm" })),
        delta(json!({ "content": "Hel" })),
        delta(json!({ "content": "lo \"you\"" })),
        calls(
            json!([{ "index": 0, "id": "c", "type": "function", "function": { "name": "t", "arguments": "" } }]),
        ),
        calls(json!([{ "index": 0, "function": { "arguments": "{\"a\"" } }])),
        calls(json!([{ "index": 0, "function": { "arguments": ":1}" } }])),
        last("tool_calls"),
        json!({ "id": "chatcmpl-1", "choices": [], "usage": { "prompt_tokens": 3, "completion_tokens": 4 } }),
    ]);
    outcome.unwrap();
    let partial = || PartialToolCall { id: "c".into(), name: "t".into() };
    let id = || "chatcmpl-1".to_owned();
    assert_eq!(
        events[..events.len() - 1],
        [
            StreamEvent::ReasoningStart,
            StreamEvent::ReasoningDelta { reasoning_delta: "hm".into() },
            StreamEvent::ReasoningEnd,
            StreamEvent::TextStart { text_id: id() },
            StreamEvent::TextDelta { text_id: id(), delta: "Hel".into() },
            StreamEvent::TextDelta { text_id: id(), delta: "lo \"you\"".into() },
            StreamEvent::ToolCallStart { tool_call: partial() },
            StreamEvent::ToolCallDelta { tool_call: partial(), delta: "{\"a\"".into() },
            StreamEvent::ToolCallDelta { tool_call: partial(), delta: ":1}".into() },
            StreamEvent::TextEnd { text_id: id(), text: "Hello \"you\"".into() },
            StreamEvent::ToolCallEnd {
                tool_call: ToolCall {
                    id: "c".into(),
                    name: "t".into(),
                    arguments: json!({ "a": 1 }).as_object().unwrap().clone(),
                    raw_arguments: None,
                }
            },
        ]
    );
    let response = finished(&events);
    assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (3, 4));
    assert_eq!(response.finish_reason.reason, FinishReasonKind::ToolCalls);
    assert_eq!(response.raw.as_ref().unwrap()["object"], "chat.completion");
}

#[test]
fn calls_are_told_apart_however_servers_mark_them() {
    let call = |index: Value, id: Value, name: Value, arguments: &str| json!({ "index": index, "id": id, "function": { "name": name, "arguments": arguments } });
    let (n, empty) = (Value::Null, json!(""));
    let a = r#"{"x":1}"#;
    type Expected = Vec<(&'static str, &'static str, &'static str)>;
    let cases: Vec<(&str, Vec<Value>, Expected)> = vec![
        (
            "every call at index 0, with ids",
            vec![
                json!([call(json!(0), json!("i"), json!("a"), a)]),
                json!([call(json!(0), json!("j"), json!("a"), a)]),
            ],
            vec![("i", "a", a), ("j", "a", a)],
        ),
        (
            "no index, ids",
            vec![
                json!([
                    call(n.clone(), json!("i"), json!("a"), "{\"x\""),
                    call(n.clone(), json!("j"), json!("b"), a)
                ]),
                json!([call(n.clone(), json!("i"), n.clone(), ":1}")]),
            ],
            vec![("i", "a", a), ("j", "b", a)],
        ),
        (
            "neither index nor id",
            vec![
                json!([
                    call(n.clone(), n.clone(), json!("a"), a),
                    call(n.clone(), n.clone(), json!("a"), a)
                ]),
                json!([call(n.clone(), n.clone(), json!("b"), a)]),
            ],
            vec![("call_canon_0", "a", a), ("call_canon_1", "a", a), ("call_canon_2", "b", a)],
        ),
        (
            "the name in every piece",
            vec![
                json!([call(json!(0), json!("i"), json!("a"), "{\"x\"")]),
                json!([call(json!(0), json!("i"), json!("a"), ":1}")]),
                json!([call(json!(0), empty.clone(), json!("a"), "")]),
            ],
            vec![("i", "a", a)],
        ),
        (
            "the name in pieces",
            vec![
                json!([call(json!(0), json!("i"), json!("get_"), "")]),
                json!([call(json!(0), n.clone(), json!("it"), a)]),
            ],
            vec![("i", "get_it", a)],
        ),
        (
            "two calls that take turns",
            vec![
                json!([
                    call(json!(0), json!("i"), json!("a"), "{\"x\""),
                    call(json!(1), json!("j"), json!("b"), "{\"x\"")
                ]),
                json!([
                    call(json!(1), n.clone(), n.clone(), ":1}"),
                    call(json!(0), n.clone(), n.clone(), ":1}")
                ]),
            ],
            vec![("i", "a", a), ("j", "b", a)],
        ),
        (
            "one call instead of a list",
            vec![call(json!(0), json!("i"), json!("a"), a)],
            vec![("i", "a", a)],
        ),
    ];
    for (what, pieces, expected) in cases {
        let mut chunks: Vec<Value> = pieces.into_iter().map(calls).collect();
        chunks.push(last("tool_calls"));
        let (events, outcome) = feed(&chunks);
        outcome.unwrap();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(id, name, arguments)| (id.to_owned(), name.to_owned(), arguments.to_owned()))
            .collect();
        let of = |calls: Vec<ToolCall>| -> Vec<_> {
            let text = |call: &ToolCall| serde_json::to_string(&call.arguments).unwrap();
            calls.iter().map(|call| (call.id.clone(), call.name.clone(), text(call))).collect()
        };
        assert_eq!(of(finished(&events).tool_calls()), expected, "{what}");
        let ends = events.iter().filter_map(|event| match event {
            StreamEvent::ToolCallEnd { tool_call } => Some(tool_call.clone()),
            _ => None,
        });
        assert_eq!(of(ends.collect()), expected, "{what}");
        let starts = events.iter().filter(|e| matches!(e, StreamEvent::ToolCallStart { .. }));
        assert_eq!(starts.count(), expected.len(), "{what}");
    }
}

#[test]
fn arguments_as_an_object_and_old_function_calls_are_read() {
    let object = response(&[
        calls(
            json!([{ "index": 0, "id": "c", "function": { "name": "t", "arguments": { "a": 1 } } }]),
        ),
        last("stop"),
    ]);
    assert_eq!(object.tool_calls()[0].arguments["a"], 1);
    let old = response(&[
        delta(json!({ "function_call": { "name": "t", "arguments": "{\"a\"" } })),
        delta(json!({ "function_call": { "arguments": ":1}" } })),
        last("function_call"),
    ]);
    assert_eq!(old.tool_calls()[0].arguments["a"], 1);
    let custom = response(&[
        calls(
            json!([{ "index": 0, "id": "c", "type": "custom", "custom": { "name": "t", "input": "fr" } }]),
        ),
        calls(json!([{ "index": 0, "custom": { "input": "ee" } }])),
        last("tool_calls"),
    ]);
    assert_eq!(custom.tool_calls()[0].raw_arguments.as_deref(), Some("free"));
}

fn told(events: &[StreamEvent]) -> String {
    let deltas = events.iter().filter_map(|event| match event {
        StreamEvent::ReasoningDelta { reasoning_delta } => Some(reasoning_delta.as_str()),
        _ => None,
    });
    deltas.collect()
}

#[test]
fn reasoning_that_comes_only_in_pieces_is_told() {
    let piece = |text: &str| json!({ "reasoning_details": [{ "type": "reasoning.text", "index": 0, "text": text }] });
    let (events, outcome) = feed(&[delta(piece("a")), delta(piece("b")), last("stop")]);
    outcome.unwrap();
    assert_eq!(told(&events), "ab");
    assert_eq!(finished(&events).reasoning().as_deref(), Some("ab"));
}

#[test]
fn reasoning_in_pieces_is_put_together_and_told_once() {
    let piece =
        |text: &str| json!({ "type": "reasoning.text", "index": 0, "text": text, "format": "f" });
    let details = |details: Value| json!({ "reasoning_details": details });
    let mut both = details(json!([piece("a")]));
    both["reasoning"] = json!("a");
    let (events, outcome) = feed(&[
        delta(both),
        // Said again, or said only here: the text is what is told.
        delta(details(json!([piece("b")]))),
        delta(details(json!([{ "type": "reasoning.text", "index": 0, "signature": "s" }]))),
        delta(details(json!([{ "type": "reasoning.encrypted", "index": 1, "data": "x" }]))),
        last("stop"),
    ]);
    outcome.unwrap();
    assert_eq!(told(&events), "a");
    assert_eq!(finished(&events).reasoning().as_deref(), Some("a"));
    let raw = finished(&events).message.content[0].raw_for(NAME).unwrap();
    assert_eq!(
        raw["reasoning_details"],
        json!([
            { "type": "reasoning.text", "index": 0, "text": "ab", "format": "f", "signature": "s" },
            { "type": "reasoning.encrypted", "index": 1, "data": "x" },
        ])
    );
}

#[test]
fn content_lists_and_refusals_stream_too() {
    let thinking = |text: &str| json!({ "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": text }] }] });
    let (events, outcome) = feed(&[
        delta(thinking("h")),
        delta(thinking("m")),
        delta(json!({ "content": [{ "type": "text", "text": "a" }] })),
        delta(json!({ "content": "b" })),
        delta(json!({ "content": [{ "type": "reference", "ids": [1] }] })),
        delta(json!({ "refusal": "no" })),
        delta(json!({ "refusal": "pe" })),
        last("stop"),
    ]);
    outcome.unwrap();
    let response = finished(&events);
    assert_eq!(response.reasoning().as_deref(), Some("hm"));
    assert_eq!(response.text(), "abnope");
    assert_eq!(response.finish_reason.reason, FinishReasonKind::ContentFilter);
    assert_eq!(response.message.content[2].kind(), "content.reference");
    let mut all = StreamAccumulator::new();
    for event in &events[..events.len() - 1] {
        all.process(event);
    }
    assert_eq!(all.partial_message().text(), "abnope");
    let raw = json!({ "type": "reference", "ids": [1] });
    assert!(events.contains(&StreamEvent::ProviderEvent { raw }));
}

#[test]
fn ruling_llm_compatible_what_has_no_unified_form_surfaces_or_stands_in_the_raw_object() {
    let filter = json!({ "choices": [], "prompt_filter_results": [1] });
    let other = json!({ "index": 1, "delta": { "content": "x" } });
    let mut annotated = delta(json!({ "content": "a", "annotations": [{ "u": 1 }] }));
    annotated["provider"] = json!("P");
    annotated["choices"].as_array_mut().unwrap().push(other.clone());
    let mut probable = delta(json!({ "content": "b", "annotations": [{ "u": 2 }] }));
    probable["choices"][0]["logprobs"] = json!({ "content": [{ "token": "b" }] });
    let (events, outcome) = feed(&[
        filter.clone(),
        annotated,
        probable,
        delta(json!({ "tool_calls": 7 })),
        last("stop"),
    ]);
    outcome.unwrap();
    let raw: Vec<&Value> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::ProviderEvent { raw } => Some(raw),
            _ => None,
        })
        .collect();
    assert_eq!(raw, [&filter, &other, &json!({ "tool_calls": 7 })]);
    let response = finished(&events);
    assert_eq!(response.text(), "ab");
    let annotations = json!({ "annotations": [{ "u": 1 }, { "u": 2 }] });
    assert_eq!(response.message.content[1].raw_for(NAME), Some(&annotations));
    assert_eq!(response.warnings[0].code.as_deref(), Some("extra_choices"));
    let whole = response.raw.as_ref().unwrap();
    assert_eq!(whole["provider"], "P");
    assert_eq!(whole["choices"][0]["logprobs"]["content"][0]["token"], "b");
}

#[test]
fn usage_is_found_where_servers_put_it() {
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 2 });
    let mut groq = last("stop");
    groq["x_groq"] = json!({ "id": "r", "usage": usage });
    let mut moonshot = last("stop");
    moonshot["choices"][0]["usage"] = usage.clone();
    let mut with_last = last("stop");
    with_last["usage"] = usage;
    for chunk in [groq, moonshot, with_last] {
        assert_eq!(response(&[delta(json!({ "content": "a" })), chunk]).usage.total_tokens, 3);
    }
}

#[test]
fn an_orderly_end_without_done_finishes_only_a_complete_answer() {
    let end = |chunks: &[Value]| {
        let mut translator = ChatStream::new(0);
        let mut out = Vec::new();
        for chunk in chunks {
            translator.message("", &chunk.to_string(), &mut out).unwrap();
        }
        translator.end(&mut out).unwrap();
        (translator.is_finished(), out)
    };
    let text = delta(json!({ "content": "a" }));
    let (complete, events) = end(&[text.clone(), last("stop")]);
    assert!(complete);
    assert_eq!(finished(&events).text(), "a");
    assert!(!end(&[text]).0);
    assert!(!end(&[]).0);
    let error = ChatStream::new(0).message("", DONE, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stream);
}

#[test]
fn errors_in_mid_stream_are_errors() {
    let cases = [
        (
            "",
            json!({ "error": { "message": "boom", "code": 502 }, "choices": [{ "delta": {}, "finish_reason": "error" }] }),
        ),
        ("", json!({ "error": "boom" })),
        ("", json!({ "object": "error", "message": "boom", "code": 500 })),
        ("error", json!({ "message": "boom" })),
        (
            "",
            json!({ "choices": [{ "index": 0, "delta": {}, "error": { "message": "boom", "code": 500 } }] }),
        ),
    ];
    for (event, data) in cases {
        let mut translator = ChatStream::new(0);
        let text = delta(json!({ "content": "a" })).to_string();
        translator.message("", &text, &mut Vec::new()).unwrap();
        let error = translator.message(event, &data.to_string(), &mut Vec::new()).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Server, "boom"), "{data}");
        assert!(error.retryable());
    }
    let error = ChatStream::new(0).message("", "<html>", &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stream);
    assert!(error.message().contains("<html>"), "{error}");
}

/// The chunks of the usual form are all read without a tree; if not, speed is lost in silence.
#[test]
fn usual_chunks_are_plain() {
    for usual in [
        delta(json!({ "content": "a\n" })),
        delta(
            json!({ "role": "assistant", "content": null, "reasoning_content": "a", "tool_calls": null }),
        ),
        calls(
            json!([{ "index": 0, "id": null, "type": "function", "function": { "name": null, "arguments": "{" } }]),
        ),
    ] {
        let text = usual.to_string();
        assert!(serde_json::from_str::<Plain<'_>>(&text).unwrap().delta().is_some(), "{text}");
    }
    for other in [
        last("stop"),
        delta(json!({ "content": "a", "surprise": 1 })),
        delta(json!({ "refusal": "a" })),
        json!({ "choices": [], "usage": null }),
        json!({ "choices": [{ "delta": { "content": "a" } }], "usage": {} }),
    ] {
        assert!(serde_json::from_str::<Plain<'_>>(&other.to_string()).is_err(), "{other}");
    }
}

/// One piece of an answer.
#[derive(Debug, Clone)]
enum Part {
    Reasoning(String),
    Text(String),
    Call(String, Value),
}

fn part() -> impl Strategy<Value = Part> {
    let text = "\\PC{0,12}";
    prop_oneof![
        text.prop_map(Part::Reasoning),
        text.prop_map(Part::Text),
        ("[a-z]{1,8}", text, any::<i64>())
            .prop_map(|(name, text, number)| Part::Call(name, json!({ "t": text, "n": number }))),
    ]
}

/// Cuts a text at characters.
fn cut(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(size.max(1)).map(|piece| piece.iter().collect()).collect()
}

/// The same answer in one piece and as chunks.
fn both_forms(parts: &[Part], size: usize, reasoning: &str) -> (Value, Vec<Value>) {
    let (mut content, mut thought, mut whole) = (String::new(), String::new(), Vec::new());
    let mut chunks = vec![delta(json!({ "role": "assistant", "content": "" }))];
    for part in parts {
        match part {
            Part::Reasoning(text) => {
                thought.push_str(text);
                chunks.extend(
                    cut(text, size).into_iter().map(|piece| delta(json!({ reasoning: piece }))),
                );
            }
            Part::Text(text) => {
                content.push_str(text);
                chunks.extend(
                    cut(text, size).into_iter().map(|piece| delta(json!({ "content": piece }))),
                );
            }
            Part::Call(name, arguments) => {
                let (index, arguments) = (whole.len(), arguments.to_string());
                let mut call = json!({ "id": format!("c{index}"), "type": "function", "function": { "name": name, "arguments": "" } });
                let mut first = call.clone();
                first["index"] = json!(index);
                chunks.push(calls(json!([first])));
                chunks.extend(cut(&arguments, size).into_iter().map(|piece| {
                    calls(json!([{ "index": index, "function": { "arguments": piece } }]))
                }));
                call["function"]["arguments"] = json!(arguments);
                whole.push(call);
            }
        }
    }
    let reason = if whole.is_empty() { "stop" } else { "tool_calls" };
    chunks.push(last(reason));
    let usage = json!({ "prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11 });
    chunks.push(json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage }));
    let mut message = json!({ "role": "assistant", "content": content });
    if parts.iter().any(|part| matches!(part, Part::Reasoning(text) if !text.is_empty())) {
        message[reasoning] = json!(thought);
    }
    if !whole.is_empty() {
        message["tool_calls"] = json!(whole);
    }
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
        "choices": [{ "index": 0, "message": message, "finish_reason": reason }],
    });
    (body, chunks)
}

fn decode(bytes: &[u8], chunk: usize) -> Vec<StreamEvent> {
    let mut translator = ChatStream::new(0);
    let mut out = Vec::new();
    let mut decoder = SseDecoder::default();
    for piece in bytes.chunks(chunk) {
        decoder.push(piece, |event| {
            if let SseEvent::Message { event, data, .. } = event {
                translator.message(event, data, &mut out).unwrap();
            }
        });
    }
    out
}

/// Any JSON that resembles a chunk.
fn resembling() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<u64>().prop_map(|number| json!(number)),
        "[a-z{}\"]{0,4}".prop_map(|text| json!(text)),
        Just(json!("text")),
        Just(json!("thinking")),
    ];
    let names = prop::sample::select(vec![
        "choices",
        "delta",
        "index",
        "content",
        "reasoning_content",
        "reasoning",
        "reasoning_details",
        "tool_calls",
        "function",
        "function_call",
        "custom",
        "id",
        "name",
        "arguments",
        "finish_reason",
        "usage",
        "type",
        "text",
        "thinking",
        "refusal",
        "x_groq",
        "x",
    ]);
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::hash_map(names.clone(), inner, 0..5).prop_map(|fields| {
                let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
                Value::Object(fields.collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_stream_in_any_chunks_says_what_complete_says(
        parts in prop::collection::vec(part(), 0..8),
        size in 1usize..9,
        bytes in 1usize..40,
        field in prop::sample::select(&REASONING_TEXTS[..]),
    ) {
        let (body, chunks) = both_forms(&parts, size, field);
        let wire: String = chunks
            .iter()
            .map(|chunk| format!("data: {chunk}\n\n"))
            .chain([format!("data: {DONE}\n\n")])
            .collect();
        let events = decode(wire.as_bytes(), bytes);
        let streamed = finished(&events);
        let whole = translate(body, 0).unwrap();
        prop_assert_eq!(streamed, &whole);
        let mut all = StreamAccumulator::new();
        for event in &events[..events.len() - 1] {
            all.process(event);
        }
        let partial = all.partial_message();
        prop_assert_eq!(partial.text(), whole.text());
        prop_assert_eq!(partial.tool_calls(), whole.tool_calls());
        prop_assert_eq!(partial.reasoning(), whole.reasoning());
        prop_assert_eq!(events, decode(wire.as_bytes(), wire.len()));
    }

    #[test]
    fn no_chunk_makes_it_panic(chunks in prop::collection::vec(resembling(), 0..6)) {
        let mut translator = ChatStream::new(0);
        let mut out = Vec::new();
        for chunk in chunks {
            for data in [json!({ "choices": [{ "index": 0, "delta": chunk }] }), chunk] {
                if translator.message("", &data.to_string(), &mut out).is_err() {
                    return Ok(());
                }
            }
        }
        if translator.message("", DONE, &mut out).is_ok() {
            let response = finished(&out);
            let text = serde_json::to_string(response).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Response>(&text).unwrap(), response);
            let called = |part: &&ContentPart| matches!(part, ContentPart::ToolCall { .. });
            prop_assert_eq!(response.tool_calls().len(), response.message.content.iter().filter(called).count());
        }
    }
}
