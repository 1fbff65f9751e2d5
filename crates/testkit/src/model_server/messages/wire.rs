//! The message, and the events that spell it out.

use serde_json::{Value, json};

use super::error;
use crate::model_server::part::{Part, Tokens};
use crate::model_server::pieces::pieces;
use crate::model_server::reply::Reply;

/// The message that answers request number `served`.
pub(super) fn message(reply: &Reply, request: &Value, served: usize) -> Value {
    let blocks: Vec<Value> = reply.parts.iter().map(block).collect();
    let reason = match reply.reason() {
        "stop" => "end_turn",
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        "content_filter" => "refusal",
        reason => reason,
    };
    let sequence = match reason {
        "stop_sequence" => request["stop_sequences"][0].clone(),
        _ => Value::Null,
    };
    json!({
        "id": format!("msg_{served}"),
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": sequence,
        "usage": reply.tokens().map_or_else(Value::clone, usage),
    })
}

/// Anthropic counts what was read from and written to the cache apart from the input.
fn usage(tokens: Tokens) -> Value {
    json!({
        "input_tokens": tokens.input.saturating_sub(tokens.cached + tokens.cache_written),
        "cache_creation_input_tokens": tokens.cache_written,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_written,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": tokens.output,
        "output_tokens_details": { "thinking_tokens": tokens.reasoning },
        "service_tier": "standard",
    })
}

fn block(part: &Part) -> Value {
    match part {
        Part::Text { text } => json!({ "type": "text", "text": text, "citations": null }),
        Part::Reasoning { sections, signature } => {
            json!({ "type": "thinking", "thinking": sections.join("\n\n"), "signature": signature })
        }
        Part::Redacted { data } => json!({ "type": "redacted_thinking", "data": data }),
        Part::ToolCall { id, name, arguments } => {
            json!({ "type": "tool_use", "id": id, "name": name, "input": input(arguments) })
        }
        Part::Image { media_type, data } => json!({
            "type": "image",
            "source": { "type": "base64", "media_type": media_type, "data": data },
        }),
        Part::Raw { value } => value.clone(),
    }
}

/// The arguments as an object; those that are none stay a string, as a model's mistake.
fn input(arguments: &str) -> Value {
    if arguments.is_empty() {
        return json!({});
    }
    match serde_json::from_str(arguments) {
        Ok(Value::Object(fields)) => Value::Object(fields),
        _ => json!(arguments),
    }
}

/// The events, each under its name.
pub(super) fn events(reply: &Reply, whole: &Value) -> Vec<String> {
    let mut out = spell(reply, whole);
    if let Some(fault) = &reply.failed {
        out.truncate(reply.failed_after_events.unwrap_or(out.len() - 2));
        out.push(error(fault));
    }
    let named = out.iter().map(|event| {
        let name = event["type"].as_str().unwrap_or("");
        format!("event: {name}\ndata: {event}\n\n")
    });
    named.collect()
}

fn spell(reply: &Reply, whole: &Value) -> Vec<Value> {
    let mut begun = whole.clone();
    begun["content"] = json!([]);
    begun["stop_reason"] = Value::Null;
    begun["stop_sequence"] = Value::Null;
    if let Some(usage) = begun["usage"].as_object_mut() {
        usage.insert("output_tokens".to_owned(), json!(1));
        usage.remove("output_tokens_details");
    }
    let mut out = vec![json!({ "type": "message_start", "message": begun })];
    out.extend(reply.events.iter().cloned());
    let blocks = whole["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    out.push(json!({ "type": "ping" }));
    for (index, block) in blocks.iter().enumerate() {
        block_events(index, block, &mut out);
    }
    // The counts here are cumulative: they are the whole's own, without what only the start tells.
    let mut usage = whole["usage"].clone();
    if let Some(fields) = usage.as_object_mut() {
        fields.remove("cache_creation");
        fields.remove("service_tier");
    }
    out.push(json!({
        "type": "message_delta",
        "delta": { "stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"] },
        "usage": usage,
    }));
    out.push(json!({ "type": "message_stop" }));
    out
}

fn block_events(index: usize, block: &Value, out: &mut Vec<Value>) {
    let mut begun = block.clone();
    let mut deltas = Vec::new();
    match block["type"].as_str() {
        Some("text") => {
            begun["text"] = json!("");
            begun["citations"] = Value::Null;
            deltas.extend(text_deltas("text_delta", "text", block["text"].as_str()));
            let citations = block["citations"].as_array().into_iter().flatten();
            deltas.extend(
                citations.map(|it| json!({ "type": "citations_delta", "citation": it.clone() })),
            );
        }
        Some("thinking") => {
            begun["thinking"] = json!("");
            begun["signature"] = json!("");
            deltas.extend(text_deltas("thinking_delta", "thinking", block["thinking"].as_str()));
            let signature = &block["signature"];
            deltas.push(json!({ "type": "signature_delta", "signature": signature }));
        }
        Some("tool_use" | "server_tool_use" | "mcp_tool_use") => {
            begun["input"] = json!({});
            deltas.push(json!({ "type": "input_json_delta", "partial_json": "" }));
            let input = match &block["input"] {
                Value::String(text) => text.clone(),
                Value::Object(fields) if fields.is_empty() => String::new(),
                fields => fields.to_string(),
            };
            deltas.extend(text_deltas("input_json_delta", "partial_json", Some(&input)));
        }
        _ => {}
    }
    out.push(json!({ "type": "content_block_start", "index": index, "content_block": begun }));
    out.extend(
        deltas
            .into_iter()
            .map(|delta| json!({ "type": "content_block_delta", "index": index, "delta": delta })),
    );
    out.push(json!({ "type": "content_block_stop", "index": index }));
}

fn text_deltas(kind: &str, field: &str, text: Option<&str>) -> Vec<Value> {
    let delta = |piece: &String| {
        let mut delta = json!({ "type": kind });
        delta[field] = json!(piece);
        delta
    };
    pieces(text.unwrap_or("")).iter().map(delta).collect()
}
