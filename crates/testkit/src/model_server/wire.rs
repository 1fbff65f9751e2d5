//! From a [`Reply`] to bytes: the response object, or the events that spell it out.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode, header};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde_json::{Value, json};

use super::check::Issued;
use super::reply::Reply;

/// Deltas that a text is cut into.
const PIECES: usize = 3;

/// An answer with the service's error object.
pub(super) fn error(
    status: StatusCode,
    kind: &str,
    code: Option<&str>,
    message: &str,
) -> Response<Body> {
    let body = json!({
        "error": { "message": message, "type": kind, "param": null, "code": code }
    });
    json_response(status, &body)
}

/// The answer of request number `served` (from 1), or `None` for one that never comes.
pub(super) fn answer(
    reply: Reply,
    request: &Value,
    served: usize,
    issued: &mut Issued,
) -> Option<Response<Body>> {
    if reply.hang_after_events == Some(0) {
        return None;
    }
    let mut response = match &reply.status {
        Some((status, code, message)) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error(status, "error", code.as_deref(), message)
        }
        None => content(&reply, request, served, issued),
    };
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) =
            (name.parse::<header::HeaderName>(), value.parse::<header::HeaderValue>())
        {
            response.headers_mut().insert(name, value);
        }
    }
    Some(response)
}

fn content(reply: &Reply, request: &Value, served: usize, issued: &mut Issued) -> Response<Body> {
    let items: Vec<Value> = reply
        .items
        .iter()
        .enumerate()
        .map(|(index, item)| with_id(item.clone(), served, index))
        .collect();
    issued.add(&items);
    let whole = response_object(reply, request, served, items);
    if request.get("stream") == Some(&Value::Bool(true)) {
        event_stream(reply, &whole)
    } else {
        json_response(StatusCode::OK, &whole)
    }
}

fn with_id(mut item: Value, served: usize, index: usize) -> Value {
    let prefix = match item.get("type").and_then(Value::as_str) {
        Some("message") => "msg",
        Some("function_call") => "fc",
        Some("reasoning") => "rs",
        _ => "item",
    };
    if let Some(fields) = item.as_object_mut() {
        fields.entry("id").or_insert_with(|| json!(format!("{prefix}_{served}_{index}")));
    }
    item
}

fn response_object(reply: &Reply, request: &Value, served: usize, items: Vec<Value>) -> Value {
    let status = match (&reply.failed, &reply.incomplete) {
        (Some(_), _) => "failed",
        (None, Some(_)) => "incomplete",
        (None, None) => "completed",
    };
    let usage = reply.usage.clone().unwrap_or_else(|| {
        json!({
            "input_tokens": 100,
            "input_tokens_details": { "cached_tokens": 40 },
            "output_tokens": 20,
            "output_tokens_details": { "reasoning_tokens": 8 },
            "total_tokens": 120,
        })
    });
    json!({
        "id": format!("resp_{served}"),
        "object": "response",
        "created_at": 1_770_000_000 + served,
        "status": status,
        "error": reply.failed.as_ref().map(|(code, message)| json!({ "code": code, "message": message })),
        "incomplete_details": reply.incomplete.as_ref().map(|reason| json!({ "reason": reason })),
        "model": request["model"],
        "output": items,
        "usage": usage,
    })
}

fn event_stream(reply: &Reply, whole: &Value) -> Response<Body> {
    let mut events = events(reply, whole);
    let breaks = reply.break_after_events;
    let hangs = reply.hang_after_events;
    if reply.raw_tail.is_some() {
        events.pop();
    }
    if let Some(kept) = breaks.or(hangs) {
        events.truncate(kept);
    }
    let mut text: String = events
        .iter()
        .enumerate()
        .map(|(number, event)| {
            let mut event = event.clone();
            event["sequence_number"] = json!(number);
            let name = event["type"].as_str().unwrap_or("").to_owned();
            format!("event: {name}\ndata: {event}\n\n")
        })
        .collect();
    text.extend(reply.raw_tail.as_deref());
    let size = reply.chunk.unwrap_or(text.len().max(1));
    let chunks: Vec<Result<Bytes, io::Error>> =
        text.as_bytes().chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let mut body: BoxStream<'static, Result<Bytes, io::Error>> = stream::iter(chunks).boxed();
    if breaks.is_some() {
        let broken = stream::once(async {
            // Yielding lets the server flush what came before; an error at once would swallow it.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            Err(io::Error::new(io::ErrorKind::ConnectionReset, "broken on purpose"))
        });
        body = body.chain(broken).boxed();
    } else if hangs.is_some() {
        body = body.chain(stream::pending()).boxed();
    }
    let mut response = Response::new(Body::from_stream(body));
    let kind = header::HeaderValue::from_static("text/event-stream; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn events(reply: &Reply, whole: &Value) -> Vec<Value> {
    let mut begun = whole.clone();
    begun["status"] = json!("in_progress");
    begun["output"] = json!([]);
    begun["usage"] = Value::Null;
    begun["error"] = Value::Null;
    let mut out = vec![
        json!({ "type": "response.created", "response": begun }),
        json!({ "type": "response.in_progress", "response": begun }),
    ];
    out.extend(reply.extra_events.iter().cloned());
    let items = whole["output"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        item_events(index, item, &mut out);
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
                deltas(&place, &format!("{kind}.delta"), text, out);
                out.push(at(&place, &format!("{kind}.done"), field, json!(text)));
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
    let characters: Vec<char> = text.chars().collect();
    let size = characters.len().div_ceil(PIECES).max(1);
    for piece in characters.chunks(size) {
        let piece: String = piece.iter().collect();
        out.push(at(place, kind, "delta", json!(piece)));
    }
}

fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
