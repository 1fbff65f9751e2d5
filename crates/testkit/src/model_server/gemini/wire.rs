//! The response, and the chunks that spell it out.

use serde_json::{Value, json};

use super::{Gemini, error};
use crate::model_server::part::{Part, Tokens};
use crate::model_server::pieces::pieces;
use crate::model_server::protocol::Protocol as _;
use crate::model_server::reply::Reply;

/// The response to request number `served`.
pub(super) fn response(reply: &Reply, model: &str, served: usize) -> Value {
    // Calls of tools end in STOP here.
    let reason = match reply.reason() {
        "stop" | "tool_calls" => "STOP",
        "length" => "MAX_TOKENS",
        "content_filter" => "SAFETY",
        reason => reason,
    };
    json!({
        "candidates": [{
            "content": { "parts": parts(&reply.parts), "role": "model" },
            "finishReason": reason,
            "index": 0,
        }],
        "usageMetadata": reply.tokens().map_or_else(Value::clone, usage),
        "modelVersion": model,
        "responseId": format!("resp{served}"),
    })
}

/// Google counts thoughts apart from the candidates, and leaves out what is zero.
fn usage(tokens: Tokens) -> Value {
    let mut usage = json!({
        "promptTokenCount": tokens.input,
        "candidatesTokenCount": tokens.output.saturating_sub(tokens.reasoning),
        "totalTokenCount": tokens.input + tokens.output,
        "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": tokens.input }],
    });
    for (name, count) in
        [("cachedContentTokenCount", tokens.cached), ("thoughtsTokenCount", tokens.reasoning)]
    {
        if count > 0 {
            usage[name] = json!(count);
        }
    }
    usage
}

/// A signature stands on the part after the thought that it belongs to, or on an empty text at the end.
fn parts(parts: &[Part]) -> Vec<Value> {
    let mut out = Vec::new();
    let mut signature: Option<&str> = None;
    for part in parts {
        let mut value = match part {
            Part::Reasoning { sections, signature: opaque } => {
                out.extend(sections.iter().map(|text| json!({ "text": text, "thought": true })));
                signature = Some(opaque.as_str()).filter(|opaque| !opaque.is_empty());
                continue;
            }
            Part::Redacted { data } => {
                signature = Some(data);
                continue;
            }
            Part::Text { text } => json!({ "text": text }),
            Part::ToolCall { id, name, arguments } => call(id, name, arguments),
            Part::Image { media_type, data } => {
                json!({ "inlineData": { "mimeType": media_type, "data": data } })
            }
            Part::Raw { value } => value.clone(),
        };
        if let Some(signature) = signature.take() {
            value["thoughtSignature"] = json!(signature);
        }
        out.push(value);
    }
    if let Some(signature) = signature {
        out.push(json!({ "text": "", "thoughtSignature": signature }));
    }
    out
}

fn call(id: &str, name: &str, arguments: &str) -> Value {
    let args = match serde_json::from_str(arguments) {
        Ok(Value::Object(fields)) => Value::Object(fields),
        _ if arguments.is_empty() => json!({}),
        _ => json!(arguments),
    };
    let mut call = json!({ "name": name, "args": args });
    if !id.is_empty() {
        call["id"] = json!(id);
    }
    json!({ "functionCall": call })
}

/// The chunks: each is a response with a piece of the content; the last has the reason and the usage.
pub(super) fn events(reply: &Reply, whole: &Value) -> Vec<String> {
    let mut out = chunks(reply, whole);
    if let Some(fault) = &reply.failed {
        out.truncate(reply.failed_after_events.unwrap_or(out.len() - 1));
        let mut fault = fault.clone();
        fault.status = Gemini.status_of(fault.code.as_deref().unwrap_or(""));
        out.push(error(&fault));
    }
    out.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect()
}

fn chunks(reply: &Reply, whole: &Value) -> Vec<Value> {
    let parts = whole["candidates"][0]["content"]["parts"].as_array();
    let mut pieces: Vec<Value> = parts.into_iter().flatten().flat_map(split).collect();
    let last = pieces.pop().unwrap_or_else(|| json!({ "text": "" }));
    let chunk = |part: Value| {
        let mut chunk = whole.clone();
        chunk["candidates"][0]["content"]["parts"] = json!([part]);
        chunk
    };
    let mut out: Vec<Value> = pieces.into_iter().map(chunk).collect();
    for chunk in &mut out {
        if let Some(candidate) = chunk["candidates"][0].as_object_mut() {
            candidate.remove("finishReason");
        }
        chunk["usageMetadata"] = json!({
            "promptTokenCount": whole["usageMetadata"]["promptTokenCount"],
            "totalTokenCount": whole["usageMetadata"]["promptTokenCount"],
        });
    }
    for (index, event) in reply.events.iter().enumerate() {
        out.insert(index.min(out.len()), event.clone());
    }
    out.push(chunk(last));
    out
}

/// A text in pieces, its signature on the last; everything else is whole.
fn split(part: &Value) -> Vec<Value> {
    let Some(text) = part["text"].as_str().filter(|text| !text.is_empty()) else {
        return vec![part.clone()];
    };
    let signature = part.get("thoughtSignature");
    let mut out: Vec<Value> = pieces(text)
        .into_iter()
        .map(|piece| {
            let mut value = part.clone();
            value["text"] = json!(piece);
            if let Some(fields) = value.as_object_mut() {
                fields.remove("thoughtSignature");
            }
            value
        })
        .collect();
    if let (Some(last), Some(signature)) = (out.last_mut(), signature) {
        last["thoughtSignature"] = signature.clone();
    }
    out
}
