//! The response object, and the events that spell it out.

use serde_json::{Value, json};

use crate::model_server::part::{Part, Tokens};
use crate::model_server::pieces::pieces;
use crate::model_server::reply::Reply;

/// The response object of request number `served`.
pub(super) fn response(reply: &Reply, request: &Value, served: usize) -> Value {
    let items: Vec<Value> = reply
        .parts
        .iter()
        .enumerate()
        .map(|(index, part)| with_id(item(part), served, index))
        .collect();
    let (status, reason) = match (&reply.failed, reply.reason()) {
        (Some(_), _) => ("failed", Value::Null),
        (None, "stop" | "tool_calls" | "completed") => ("completed", Value::Null),
        (None, "length") => ("incomplete", json!({ "reason": "max_output_tokens" })),
        (None, reason) => ("incomplete", json!({ "reason": reason })),
    };
    let error = reply.failed.as_ref();
    let error = error.map(|fault| json!({ "code": fault.code, "message": fault.message }));
    json!({
        "id": format!("resp_{served}"),
        "object": "response",
        "created_at": 1_770_000_000 + served,
        "status": status,
        "error": error,
        "incomplete_details": reason,
        "instructions": request["instructions"],
        "metadata": request.get("metadata").cloned().unwrap_or_else(|| json!({})),
        "model": request["model"],
        "output": items,
        "parallel_tool_calls": request.get("parallel_tool_calls") != Some(&Value::Bool(false)),
        "temperature": request["temperature"],
        "tool_choice": request.get("tool_choice").cloned().unwrap_or_else(|| json!("auto")),
        "tools": request.get("tools").cloned().unwrap_or_else(|| json!([])),
        "top_p": request["top_p"],
        "usage": reply.tokens().map_or_else(Value::clone, usage),
    })
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "input_tokens": tokens.input,
        "input_tokens_details": {
            "cache_write_tokens": tokens.cache_written,
            "cached_tokens": tokens.cached,
        },
        "output_tokens": tokens.output,
        "output_tokens_details": { "reasoning_tokens": tokens.reasoning },
        "total_tokens": tokens.input + tokens.output,
    })
}

fn item(part: &Part) -> Value {
    match part {
        Part::Text { text } => json!({
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [
                { "type": "output_text", "text": text, "annotations": [], "logprobs": [] }
            ],
        }),
        Part::Reasoning { sections, signature } => reasoning(sections, signature),
        Part::Redacted { data } => reasoning(&[], data),
        Part::ToolCall { id, name, arguments } => json!({
            "type": "function_call",
            "status": "completed",
            "call_id": id,
            "name": name,
            "arguments": arguments,
        }),
        Part::Image { media_type, data } => json!({
            "type": "image_generation_call",
            "status": "completed",
            "output_format": media_type.trim_start_matches("image/"),
            "result": data,
        }),
        Part::Raw { value } => value.clone(),
    }
}

fn reasoning(sections: &[String], encrypted: &str) -> Value {
    let summary: Vec<Value> =
        sections.iter().map(|text| json!({ "type": "summary_text", "text": text })).collect();
    json!({ "type": "reasoning", "summary": summary, "encrypted_content": encrypted })
}

fn with_id(mut item: Value, served: usize, index: usize) -> Value {
    let prefix = match item.get("type").and_then(Value::as_str) {
        Some("message") => "msg",
        Some("function_call") => "fc",
        Some("reasoning") => "rs",
        Some("image_generation_call") => "ig",
        _ => "item",
    };
    if let Some(fields) = item.as_object_mut() {
        fields.entry("id").or_insert_with(|| json!(format!("{prefix}_{served}_{index}")));
    }
    item
}

/// The events, numbered.
pub(super) fn events(reply: &Reply, whole: &Value) -> Vec<String> {
    let numbered = spell(reply, whole).into_iter().enumerate().map(|(number, mut event)| {
        event["sequence_number"] = json!(number);
        let name = event["type"].as_str().unwrap_or("").to_owned();
        format!("event: {name}\ndata: {event}\n\n")
    });
    numbered.collect()
}

fn spell(reply: &Reply, whole: &Value) -> Vec<Value> {
    let mut begun = whole.clone();
    begun["status"] = json!("in_progress");
    begun["output"] = json!([]);
    begun["usage"] = Value::Null;
    begun["error"] = Value::Null;
    begun["incomplete_details"] = Value::Null;
    let mut out = vec![
        json!({ "type": "response.created", "response": begun }),
        json!({ "type": "response.in_progress", "response": begun }),
    ];
    out.extend(reply.events.iter().cloned());
    let items = whole["output"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        item_events(index, item, &mut out);
    }
    let mut whole = whole.clone();
    if let Some(kept) = reply.failed_after_events {
        out.truncate(kept);
        let done = out.iter().filter(|event| event["type"] == "response.output_item.done");
        whole["output"] = done.map(|event| event["item"].clone()).collect();
    }
    let last = match whole["status"].as_str() {
        Some("failed") => "response.failed",
        Some("incomplete") => "response.incomplete",
        _ => "response.completed",
    };
    out.push(json!({ "type": last, "response": whole }));
    out
}

fn item_events(index: usize, item: &Value, out: &mut Vec<Value>) {
    let id = &item["id"];
    let mut begun = item.clone();
    begun["status"] = json!("in_progress");
    match item["type"].as_str() {
        Some("message") => {
            begun["content"] = json!([]);
            out.push(added(index, &begun));
            for (part, block) in item["content"].as_array().into_iter().flatten().enumerate() {
                let (kind, field) = match block["type"].as_str() {
                    Some("refusal") => ("response.refusal", "refusal"),
                    _ => ("response.output_text", "text"),
                };
                let text = block[field].as_str().unwrap_or("");
                let place = json!({ "item_id": id, "output_index": index, "content_index": part });
                let mut empty = block.clone();
                empty[field] = json!("");
                out.push(at(&place, "response.content_part.added", "part", empty));
                let first = out.len();
                deltas(&place, &format!("{kind}.delta"), text, out);
                out.push(at(&place, &format!("{kind}.done"), field, json!(text)));
                if field == "text" {
                    for event in &mut out[first..] {
                        event["logprobs"] = json!([]);
                    }
                }
                out.push(at(&place, "response.content_part.done", "part", block.clone()));
            }
        }
        Some("function_call") => {
            begun["arguments"] = json!("");
            out.push(added(index, &begun));
            let place = json!({ "item_id": id, "output_index": index });
            let arguments = item["arguments"].as_str().unwrap_or("");
            deltas(&place, "response.function_call_arguments.delta", arguments, out);
            let done = "response.function_call_arguments.done";
            out.push(at(&place, done, "arguments", json!(arguments)));
        }
        Some("reasoning") => {
            begun["summary"] = json!([]);
            begun["encrypted_content"] = json!("not yet");
            out.push(added(index, &begun));
            for (part, section) in item["summary"].as_array().into_iter().flatten().enumerate() {
                let text = section["text"].as_str().unwrap_or("");
                let place = json!({ "item_id": id, "output_index": index, "summary_index": part });
                let empty = json!({ "type": "summary_text", "text": "" });
                out.push(at(&place, "response.reasoning_summary_part.added", "part", empty));
                deltas(&place, "response.reasoning_summary_text.delta", text, out);
                let done = "response.reasoning_summary_text.done";
                out.push(at(&place, done, "text", json!(text)));
                let whole = section.clone();
                out.push(at(&place, "response.reasoning_summary_part.done", "part", whole));
            }
        }
        _ => out.push(added(index, &begun)),
    }
    out.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
}

fn added(index: usize, item: &Value) -> Value {
    json!({ "type": "response.output_item.added", "output_index": index, "item": item })
}

/// An event at `place` with one field more.
fn at(place: &Value, kind: &str, field: &str, value: Value) -> Value {
    let mut event = json!({ "type": kind });
    for (name, part) in place.as_object().into_iter().flatten() {
        event[name] = part.clone();
    }
    event[field] = value;
    event
}

fn deltas(place: &Value, kind: &str, text: &str, out: &mut Vec<Value>) {
    out.extend(pieces(text).iter().map(|piece| at(place, kind, "delta", json!(piece))));
}
