//! Roles take turns, blocks are whole, and each call has its result right after it.

use serde_json::Value;

use super::{Version, shapes, thinking};
use crate::model_server::issued::Issued;
use crate::model_server::rules::{ANTHROPIC, is_base64, is_web_url};

/// The content of a message; a text stands for one block.
pub(super) fn blocks(message: &Value) -> &[Value] {
    message["content"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether a user message has nothing but results of tools.
pub(super) fn is_only_results(message: &Value) -> bool {
    let blocks = blocks(message);
    !blocks.is_empty() && blocks.iter().all(|block| block["type"] == "tool_result")
}

pub(super) fn check(body: &Value, issued: &Issued, problems: &mut Vec<String>) {
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() {
        problems.push("messages: at least one message is required".to_owned());
    }
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages.{index}");
        if !shapes::MESSAGE.check(&place, message, &ANTHROPIC, problems) {
            continue;
        }
        role(index, message, messages, problems);
        content(&place, message, index + 1 == messages.len(), problems);
        pairs(&place, index, messages, problems);
        for block in blocks(message) {
            as_issued(&place, block, issued, problems);
        }
    }
    ending(body, messages, problems);
    let has_calls = messages.iter().flat_map(blocks).any(|block| block["type"] == "tool_use");
    if has_calls && body["tools"].as_array().is_none_or(Vec::is_empty) {
        problems.push("Requests which include `tool_use` blocks must define tools".to_owned());
    }
}

fn role(index: usize, message: &Value, messages: &[Value], problems: &mut Vec<String>) {
    let role = message["role"].as_str().unwrap_or("");
    if role != "user" && role != "assistant" {
        problems.push(format!(
            "messages.{index}.role: Input should be 'user' or 'assistant', not {role:?}"
        ));
    }
    if index == 0 && role != "user" {
        problems.push("messages: first message must use the \"user\" role".to_owned());
    }
    if index > 0 && messages[index - 1]["role"] == role {
        problems.push(format!(
            "messages: roles must alternate between \"user\" and \"assistant\", \
             but found multiple {role:?} roles in a row at {index}"
        ));
    }
}

fn content(place: &str, message: &Value, is_last: bool, problems: &mut Vec<String>) {
    let last_of_model = is_last && message["role"] == "assistant";
    match &message["content"] {
        Value::String(text) if text.trim().is_empty() && !last_of_model => {
            problems.push(format!("{place}: user messages must have non-empty content"));
        }
        Value::Array(list) if list.is_empty() && !last_of_model => {
            problems.push(format!("{place}: all messages must have non-empty content"));
        }
        _ => {}
    }
    for (index, it) in blocks(message).iter().enumerate() {
        let place = format!("{place}.content.{index}");
        block(&place, it, problems);
        let of_model = matches!(
            it["type"].as_str(),
            Some("tool_use" | "server_tool_use" | "thinking" | "redacted_thinking")
        );
        let of_user = matches!(it["type"].as_str(), Some("tool_result" | "image" | "document"));
        if of_model && message["role"] != "assistant" || of_user && message["role"] != "user" {
            problems.push(format!(
                "{place}: {} blocks can not be in {} messages",
                it["type"], message["role"]
            ));
        }
    }
}

/// The fields of a block, whatever it is in.
pub(super) fn block(place: &str, block: &Value, problems: &mut Vec<String>) {
    let kind = block["type"].as_str().unwrap_or("");
    let shape = match kind {
        "text" => &shapes::TEXT,
        "image" => &shapes::IMAGE,
        "document" => &shapes::DOCUMENT,
        "tool_use" => &shapes::TOOL_USE,
        "tool_result" => &shapes::TOOL_RESULT,
        "thinking" => &shapes::THOUGHT,
        "redacted_thinking" => &shapes::REDACTED,
        "search_result" | "server_tool_use" | "container_upload" | "mcp_tool_use" => return,
        "tool_reference" | "compaction" => return,
        _ if kind.ends_with("_tool_result") => return,
        _ => {
            problems.push(format!("{place}: Input tag {kind:?} does not match any expected tag"));
            return;
        }
    };
    if !shape.check(place, block, &ANTHROPIC, problems) {
        return;
    }
    match kind {
        "text" if block["text"] == "" => {
            problems.push(format!("{place}: text content blocks must be non-empty"));
        }
        "image" => source(place, &block["source"], true, problems),
        "document" => source(place, &block["source"], false, problems),
        "tool_result" => result(place, block, problems),
        _ => {}
    }
}

fn source(place: &str, source: &Value, is_image: bool, problems: &mut Vec<String>) {
    let place = format!("{place}.source");
    let kind = source["type"].as_str().unwrap_or("");
    let shape = match (kind, is_image) {
        ("base64", _) | ("text", false) => &shapes::DATA_SOURCE,
        ("url", _) => &shapes::URL_SOURCE,
        ("file", _) => &shapes::FILE_SOURCE,
        ("content", false) => &shapes::CONTENT_SOURCE,
        _ => {
            problems.push(format!("{place}: Input tag {kind:?} does not match any expected tag"));
            return;
        }
    };
    if !shape.check(&place, source, &ANTHROPIC, problems) {
        return;
    }
    let allowed: &[&str] = match (kind, is_image) {
        ("base64", true) => &["image/jpeg", "image/png", "image/gif", "image/webp"],
        ("base64", false) => &["application/pdf"],
        ("text", _) => &["text/plain"],
        _ => &[],
    };
    if let Some(media) = source["media_type"].as_str()
        && !allowed.contains(&media)
    {
        problems.push(format!("{place}.media_type: Input should be one of {allowed:?}"));
    }
    if kind == "base64" && !source["data"].as_str().is_some_and(is_base64) {
        problems.push(format!("{place}.data: invalid base64 data"));
    }
    if kind == "text" && source["data"] == "" {
        problems.push(format!("{place}.data: must be non-empty"));
    }
    if kind == "url" && !source["url"].as_str().is_some_and(is_web_url) {
        problems.push(format!("{place}.url: Only HTTPS URLs are supported."));
    }
}

fn result(place: &str, result: &Value, problems: &mut Vec<String>) {
    for (index, part) in blocks(result).iter().enumerate() {
        let place = format!("{place}.content.{index}");
        let kind = part["type"].as_str().unwrap_or("");
        if !matches!(kind, "text" | "image" | "document" | "search_result" | "tool_reference") {
            problems.push(format!("{place}: {kind:?} blocks can not be in a tool_result"));
            continue;
        }
        if result["is_error"] == true && kind != "text" {
            problems.push(format!("{place}: all content must be type text if is_error is true"));
        }
        block(&place, part, problems);
    }
}

fn ids<'a>(message: &'a Value, kind: &str, field: &str) -> Vec<&'a str> {
    let of_kind = blocks(message).iter().filter(|block| block["type"] == kind);
    of_kind.filter_map(|block| block[field].as_str()).collect()
}

/// Results come at the start of the message after their calls, all of them, and nowhere else.
fn pairs(place: &str, index: usize, messages: &[Value], problems: &mut Vec<String>) {
    let message = &messages[index];
    let calls = ids(message, "tool_use", "id");
    for (at, id) in calls.iter().enumerate() {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if id.is_empty() || !id.chars().all(legal) {
            problems.push(format!(
                "{place}: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$': {id:?}"
            ));
        }
        let earlier = messages[..index].iter().flat_map(|it| ids(it, "tool_use", "id"));
        if calls[..at].contains(id) || earlier.into_iter().any(|known| known == *id) {
            problems.push(format!("{place}: `tool_use` ids must be unique: {id}"));
        }
    }
    let answers = messages.get(index + 1).map(|next| ids(next, "tool_result", "tool_use_id"));
    for id in calls {
        if !answers.as_ref().is_some_and(|answers| answers.contains(&id)) {
            problems.push(format!(
                "{place}: `tool_use` ids were found without `tool_result` blocks immediately \
                 after: {id}. Each `tool_use` block must have a corresponding `tool_result` block \
                 in the next message."
            ));
        }
    }
    let asked = match index.checked_sub(1) {
        Some(before) => ids(&messages[before], "tool_use", "id"),
        None => Vec::new(),
    };
    let mut seen = Vec::new();
    for id in ids(message, "tool_result", "tool_use_id") {
        if !asked.contains(&id) {
            problems.push(format!(
                "{place}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each \
                 `tool_result` block must have a corresponding `tool_use` block in the previous \
                 message."
            ));
        }
        if seen.contains(&id) {
            problems.push(format!("{place}: each tool_use must have a single result: {id}"));
        }
        seen.push(id);
    }
    let first_other = blocks(message).iter().position(|block| block["type"] != "tool_result");
    let last_result = blocks(message).iter().rposition(|block| block["type"] == "tool_result");
    if let (Some(other), Some(result)) = (first_other, last_result)
        && other < result
    {
        problems.push(format!("{place}: tool_result blocks must come first in a message"));
    }
}

/// A thought or a call that this server sent is what it was.
fn as_issued(place: &str, block: &Value, issued: &Issued, problems: &mut Vec<String>) {
    if let Some(key) = thinking::opaque(block) {
        match issued.get(key) {
            None => {
                problems.push(format!("{place}: Invalid `signature` in `thinking` block: {key}"));
            }
            Some(original) if !same(original, block) => problems.push(format!(
                "{place}: `thinking` or `redacted_thinking` blocks cannot be modified: \
                 it was {original}, it is {block}"
            )),
            Some(_) => {}
        }
    }
    let id = block["id"].as_str().filter(|_| block["type"] == "tool_use");
    if let Some(original) = id.and_then(|id| issued.get(id)).map(|known| &known["call"]) {
        // Arguments that were no object had to become one somehow.
        let fits = !original["input"].is_object() || original["input"] == block["input"];
        if original["name"] != block["name"] || !fits {
            problems.push(format!("{place}: the call was {original}, it is {block}"));
        }
    }
}

/// Whether a block is what it was, but for the marks of caching.
fn same(original: &Value, block: &Value) -> bool {
    let mut block = block.clone();
    if let Some(fields) = block.as_object_mut() {
        fields.remove("cache_control");
    }
    *original == block
}

fn ending(body: &Value, messages: &[Value], problems: &mut Vec<String>) {
    let Some(last) = messages.last().filter(|last| last["role"] == "assistant") else {
        return;
    };
    // A turn that the service paused is sent back as it is.
    let kind = blocks(last).last().and_then(|block| block["type"].as_str()).unwrap_or("");
    let paused = kind == "server_tool_use" || kind.ends_with("_tool_result");
    if !paused && Version::of(body).is_some_and(Version::takes_no_prefill) {
        problems.push(
            "This model does not support assistant message prefill. \
             The conversation must end with a user message."
                .to_owned(),
        );
    }
    let text = match &last["content"] {
        Value::String(text) => text,
        _ => blocks(last).last().and_then(|block| block["text"].as_str()).unwrap_or(""),
    };
    if text.ends_with(char::is_whitespace) {
        problems.push(
            "messages: final assistant content cannot end with trailing whitespace".to_owned(),
        );
    }
}
