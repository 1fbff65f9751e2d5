//! The completion, and the chunks that spell it out.

use serde_json::{Map, Value, json};

use crate::model_server::part::{Part, Tokens};
use crate::model_server::pieces::pieces;
use crate::model_server::reply::Reply;
use crate::model_server::responses;

/// The completion that answers request number `served`.
pub(super) fn completion(reply: &Reply, request: &Value, served: usize) -> Value {
    json!({
        "id": format!("chatcmpl-{served}"),
        "object": "chat.completion",
        "created": 1_770_000_000 + served,
        "model": request["model"],
        "choices": [{
            "index": 0,
            "message": message(&reply.parts),
            "logprobs": null,
            "finish_reason": reply.reason(),
        }],
        "usage": reply.tokens().map_or_else(Value::clone, usage),
        "system_fingerprint": null,
    })
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {
            "cached_tokens": tokens.cached,
            "cache_write_tokens": tokens.cache_written,
        },
        "completion_tokens_details": { "reasoning_tokens": tokens.reasoning },
    })
}

/// Reasoning is written as DeepSeek and vLLM do when it has no opaque form, and else as OpenRouter does.
fn message(parts: &[Part]) -> Value {
    let mut message = json!({ "role": "assistant", "content": null, "refusal": null });
    let mut calls = Vec::new();
    let mut details = Vec::new();
    let mut images = Vec::new();
    for part in parts {
        match part {
            Part::Text { text } => append(&mut message["content"], text, ""),
            Part::Reasoning { sections, signature } if signature.is_empty() => {
                append(&mut message["reasoning_content"], &sections.join("\n\n"), "\n\n");
            }
            Part::Reasoning { sections, signature } => {
                let text = sections.join("\n\n");
                append(&mut message["reasoning"], &text, "\n\n");
                details.push(json!({
                    "type": "reasoning.text",
                    "text": text,
                    "signature": signature,
                    "index": details.len(),
                }));
            }
            Part::Redacted { data } => {
                let index = details.len();
                details
                    .push(json!({ "type": "reasoning.encrypted", "data": data, "index": index }));
            }
            Part::ToolCall { id, name, arguments } => calls.push(json!({
                "id": id,
                "type": "function",
                "function": { "name": name, "arguments": arguments },
            })),
            Part::Image { media_type, data } => images.push(json!({
                "type": "image_url",
                "image_url": { "url": format!("data:{media_type};base64,{data}") },
            })),
            Part::Raw { value } => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    message[name] = value.clone();
                }
            }
        }
    }
    let lists = [("tool_calls", calls), ("reasoning_details", details), ("images", images)];
    for (name, list) in lists {
        if !list.is_empty() {
            message[name] = Value::Array(list);
        }
    }
    message
}

/// Adds to a text that may not be there yet.
fn append(place: &mut Value, text: &str, between: &str) {
    let whole = match place.as_str() {
        Some(before) => format!("{before}{between}{text}"),
        None => text.to_owned(),
    };
    *place = json!(whole);
}

/// The chunks and the end mark.
pub(super) fn events(reply: &Reply, request: &Value, whole: &Value) -> Vec<String> {
    let with_usage = request["stream_options"]["include_usage"] == true;
    let mut chunks = chunks(reply, whole, with_usage);
    if let Some(fault) = &reply.failed {
        let end = if with_usage { 2 } else { 1 };
        chunks.truncate(reply.failed_after_events.unwrap_or(chunks.len() - end));
        let mut fault = fault.clone();
        fault.status = responses::status_of(fault.code.as_deref().unwrap_or(""));
        chunks.push(responses::error(&fault));
    }
    let mut out: Vec<String> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    if reply.failed.is_none() {
        out.push("data: [DONE]\n\n".to_owned());
    }
    out
}

fn chunks(reply: &Reply, whole: &Value, with_usage: bool) -> Vec<Value> {
    let mut frame = whole.clone();
    frame["object"] = json!("chat.completion.chunk");
    if let Some(fields) = frame.as_object_mut() {
        fields.remove("usage");
        if with_usage {
            fields.insert("usage".to_owned(), Value::Null);
        }
    }
    let chunk = |delta: Value, finish: Value| {
        let mut chunk = frame.clone();
        chunk["choices"] =
            json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]);
        chunk
    };
    let message = &whole["choices"][0]["message"];
    let mut out =
        vec![chunk(json!({ "role": "assistant", "content": "", "refusal": null }), Value::Null)];
    out.extend(reply.events.iter().cloned());
    out.extend(deltas(message).into_iter().map(|delta| chunk(delta, Value::Null)));
    out.push(chunk(json!({}), whole["choices"][0]["finish_reason"].clone()));
    if with_usage {
        let mut last = frame.clone();
        last["choices"] = json!([]);
        last["usage"] = whole["usage"].clone();
        out.push(last);
    }
    out
}

/// Reasoning first, then what stands beside the text, then the text, then the calls.
fn deltas(message: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    let text = |name: &str, out: &mut Vec<Value>| {
        for piece in pieces(message[name].as_str().unwrap_or("")) {
            out.push(one(name, json!(piece)));
        }
    };
    text("reasoning_content", &mut out);
    text("reasoning", &mut out);
    let known = ["role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls"];
    let fields: Map<String, Value> = message.as_object().cloned().unwrap_or_default();
    for (name, value) in fields {
        if !known.contains(&name.as_str()) {
            out.push(one(&name, value));
        }
    }
    text("content", &mut out);
    text("refusal", &mut out);
    for (index, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let mut begun = call.clone();
        begun["index"] = json!(index);
        begun["function"]["arguments"] = json!("");
        out.push(json!({ "tool_calls": [begun] }));
        for piece in pieces(call["function"]["arguments"].as_str().unwrap_or("")) {
            let delta = json!({ "index": index, "function": { "arguments": piece } });
            out.push(json!({ "tool_calls": [delta] }));
        }
    }
    out
}

fn one(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}
