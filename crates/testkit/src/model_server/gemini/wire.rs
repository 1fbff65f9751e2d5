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
            "content": { "parts": parts(&reply.parts, model, served), "role": "model" },
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

/// A signature stands on the first call that follows its thought, or else on the next part, or on an
/// empty text at the end. Models from Gemini 3 on sign the first call in any case.
fn parts(parts: &[Part], model: &str, served: usize) -> Vec<Value> {
    let mut out = Vec::new();
    let mut pending: Option<&str> = None;
    for (index, part) in parts.iter().enumerate() {
        let signature = match part {
            Part::Reasoning { sections, signature } => {
                out.extend(sections.iter().map(|text| json!({ "text": text, "thought": true })));
                signature
            }
            Part::Redacted { data } => data,
            _ => {
                let mut value = spoken(part);
                let waits = value.get("functionCall").is_none() && call_follows(&parts[index..]);
                if let Some(signature) = pending.take_if(|_| !waits) {
                    value["thoughtSignature"] = json!(signature);
                }
                out.push(value);
                continue;
            }
        };
        out.extend(pending.take().map(signed_text));
        pending = Some(signature.as_str()).filter(|signature| !signature.is_empty());
    }
    out.extend(pending.map(signed_text));
    let first = out.iter_mut().find(|part| part.get("functionCall").is_some());
    if let Some(first) = first.filter(|_| super::major(model) >= Some(3))
        && first.get("thoughtSignature").is_none()
    {
        first["thoughtSignature"] = json!(format!("c2ln{served:04}"));
    }
    out
}

fn signed_text(signature: &str) -> Value {
    json!({ "text": "", "thoughtSignature": signature })
}

/// Whether a call comes before the next thought.
fn call_follows(parts: &[Part]) -> bool {
    let is_thought = |part: &&Part| matches!(part, Part::Reasoning { .. } | Part::Redacted { .. });
    let until = parts.iter().take_while(|part| !is_thought(part));
    until.into_iter().any(|part| matches!(part, Part::ToolCall { .. }))
}

/// A part that is no thought.
fn spoken(part: &Part) -> Value {
    match part {
        Part::Text { text } => json!({ "text": text }),
        Part::ToolCall { id, name, arguments } => call(id, name, arguments),
        Part::Image { media_type, data } => {
            json!({ "inlineData": { "mimeType": media_type, "data": data } })
        }
        Part::Raw { value } => value.clone(),
        Part::Reasoning { .. } | Part::Redacted { .. } => json!({ "text": "", "thought": true }),
    }
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
        if let Some(candidate) =
            out.last_mut().and_then(|last| last["candidates"][0].as_object_mut())
        {
            candidate.remove("finishReason");
        }
        out.truncate(reply.failed_after_events.unwrap_or(out.len()));
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
