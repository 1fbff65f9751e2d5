//! What the model reads, and up to where the caller wants it cached.

use serde_json::{Value, json};

use crate::model_server::meter::Prompt;

/// Tools, system and messages, block by block, without the marks of caching.
pub(super) fn read(body: &Value) -> Prompt {
    let model = body["model"].as_str().unwrap_or("").to_owned();
    let mut units = Vec::new();
    let mut marks = Vec::new();
    let mut add = |role: &Value, block: &Value| {
        let mut block = block.clone();
        let is_marked = unmark(&mut block);
        units.push(json!([role, block]).to_string());
        if is_marked {
            marks.push(units.len());
        }
    };
    for tool in body["tools"].as_array().into_iter().flatten() {
        add(&json!("tools"), tool);
    }
    for block in blocks(&body["system"]) {
        add(&json!("system"), &block);
    }
    for message in body["messages"].as_array().into_iter().flatten() {
        for block in blocks(&message["content"]) {
            add(&message["role"], &block);
        }
    }
    if body["cache_control"].is_object() {
        marks.push(units.len());
    }
    Prompt { model, units, marks: Some(marks) }
}

/// A text is short for one block.
fn blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::String(text) => vec![json!({ "type": "text", "text": text })],
        other => other.as_array().cloned().unwrap_or_default(),
    }
}

/// Takes the marks off a block and what is in it; whether there was one.
fn unmark(block: &mut Value) -> bool {
    let own = block.as_object_mut().and_then(|fields| fields.remove("cache_control"));
    let parts = block.get_mut("content").and_then(Value::as_array_mut).into_iter().flatten();
    let within = parts.map(unmark).fold(false, |any, one| any | one);
    own.is_some_and(|mark| !mark.is_null()) || within
}
