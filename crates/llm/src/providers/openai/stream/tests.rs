use serde_json::json;

use super::*;
use crate::accumulator::StreamAccumulator;

fn feed(events: &[Value]) -> (Vec<StreamEvent>, Result<(), LlmError>) {
    let mut translator = OpenAiStream::default();
    let mut out = Vec::new();
    for event in events {
        let name = event["type"].as_str().unwrap_or("");
        if let Err(error) = translator.message(name, &event.to_string(), &mut out) {
            return (out, Err(error));
        }
    }
    (out, Ok(()))
}

fn message(text: &str) -> Value {
    json!({ "type": "message", "id": "m", "role": "assistant", "content": [{ "type": "output_text", "text": text }] })
}

fn done(index: u64, item: &Value) -> Value {
    json!({ "type": "response.output_item.done", "output_index": index, "item": item })
}

fn completed(output: Value) -> Value {
    json!({ "type": "response.completed", "response": { "id": "r", "model": "m", "status": "completed", "output": output } })
}

#[test]
fn text_that_no_delta_brought_is_made_up_for_at_the_end_of_its_item() {
    let delta = json!({ "type": "response.output_text.delta", "item_id": "m", "output_index": 0, "delta": "Hel" });
    let (events, outcome) = feed(&[delta, done(0, &message("Hello")), completed(json!([]))]);
    outcome.unwrap();
    let text: String = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::TextDelta { delta, .. } => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(text, "Hello");
    let Some(StreamEvent::Finish { response, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(response.text(), "Hello");
}

#[test]
fn a_call_that_was_not_announced_still_has_a_start_a_delta_and_an_end() {
    let call = json!({ "type": "function_call", "id": "f", "call_id": "c", "name": "t", "arguments": "{\"a\":1}" });
    let delta = json!({ "type": "response.function_call_arguments.delta", "item_id": "f", "output_index": 0, "delta": "{\"a\"" });
    let (events, outcome) = feed(&[delta, done(0, &call), completed(json!([call]))]);
    outcome.unwrap();
    let partial = PartialToolCall { id: "c".into(), name: "t".into() };
    assert_eq!(
        events[..3],
        [
            StreamEvent::ToolCallStart { tool_call: partial.clone() },
            StreamEvent::ToolCallDelta { tool_call: partial, delta: "{\"a\":1}".into() },
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
}

#[test]
fn what_has_no_unified_form_surfaces_as_it_came() {
    let search = json!({ "type": "web_search_call", "id": "w" });
    let unknown = json!({ "type": "response.hologram.delta", "delta": "~", "output_index": 4 });
    let odd = json!({ "type": "response.audio.delta", "delta": { "not": "text" } });
    let added = json!({ "type": "response.output_item.added", "output_index": 0, "item": search });
    let all = [unknown, odd, added, done(0, &search)];
    let (events, outcome) = feed(&[&all[..], &[completed(json!([search]))]].concat());
    outcome.unwrap();
    let raw: Vec<Value> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::ProviderEvent { raw } => Some(raw.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(raw, all);
    let Some(StreamEvent::Finish { response, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(response.message.content[0].raw_for(NAME), Some(&search));
}

#[test]
fn the_encrypted_reasoning_of_the_items_own_end_is_kept() {
    let whole =
        json!({ "type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "whole" });
    let early =
        json!({ "type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "early" });
    let text = message("x");
    let (events, outcome) = feed(&[
        json!({ "type": "response.output_item.added", "output_index": 0, "item": early }),
        done(0, &whole),
        completed(json!([early, text])),
    ]);
    outcome.unwrap();
    let Some(StreamEvent::Finish { response, .. }) = events.last() else { panic!("{events:?}") };
    let blocks: Vec<_> =
        response.message.content.iter().filter_map(|part| part.raw_for(NAME)).collect();
    assert_eq!(blocks, [&whole, &text]);
}

#[test]
fn both_forms_of_an_error_event_and_a_failed_response_are_errors() {
    let cases = [
        json!({ "type": "error", "code": "server_error", "message": "boom" }),
        json!({ "type": "error", "error": { "type": "server_error", "message": "boom" } }),
        json!({ "type": "response.failed", "response": { "status": "failed", "error": { "code": "server_error", "message": "boom" } } }),
    ];
    for event in cases {
        let error = feed(std::slice::from_ref(&event)).1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{event}");
        assert_eq!(error.message(), "boom");
        assert!(error.retryable());
    }
}

#[test]
fn a_message_that_is_no_json_is_quoted() {
    let error = OpenAiStream::default().message("x", "<html>", &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stream);
    assert!(error.message().contains("<html>"), "{error}");
}

#[test]
fn the_accumulated_deltas_say_the_same_as_the_final_response() {
    let call = json!({ "type": "function_call", "id": "f", "call_id": "c", "name": "t", "arguments": "{}" });
    let (events, outcome) =
        feed(&[done(0, &message("a")), done(1, &call), completed(json!([message("a"), call]))]);
    outcome.unwrap();
    let mut all = StreamAccumulator::new();
    for event in &events[..events.len() - 1] {
        all.process(event);
    }
    let partial = all.partial_message();
    all.process(events.last().unwrap());
    let response = all.response().unwrap();
    assert_eq!(partial.text(), response.text());
    assert_eq!(partial.tool_calls(), response.tool_calls());
}
