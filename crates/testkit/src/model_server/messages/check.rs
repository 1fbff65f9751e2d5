//! What Anthropic refuses, and what it would be a mistake to send although it may pass.

use serde_json::{Value, json};

use crate::model_server::issued::Issued;
use crate::model_server::protocol::Call;

/// Notes the thinking: it must come back as it was.
pub(super) fn note(whole: &Value, issued: &mut Issued) {
    for block in whole["content"].as_array().into_iter().flatten() {
        let key = match block["type"].as_str() {
            Some("thinking") => &block["signature"],
            Some("redacted_thinking") => &block["data"],
            _ => &Value::Null,
        };
        if let Some(key) = key.as_str() {
            issued.insert(key, json!(block));
        }
    }
}

/// Every problem of a request, in the order in which it is read.
pub(super) fn request(call: &Call<'_>, _issued: &Issued) -> Vec<String> {
    let body = call.body;
    let mut problems = Vec::new();
    if call.header("anthropic-version").is_none() {
        problems.push("anthropic-version: header is required".to_owned());
    }
    if body["model"].as_str().is_none_or(str::is_empty) {
        problems.push("model: Field required".to_owned());
    }
    if !body["max_tokens"].is_u64() {
        problems.push("max_tokens: Field required".to_owned());
    }
    if !body["messages"].is_array() {
        problems.push("messages: Field required".to_owned());
    }
    problems
}
