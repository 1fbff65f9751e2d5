//! What Google refuses, and what it would be a mistake to send although it may pass.

use serde_json::Value;

use super::method;
use crate::model_server::issued::Issued;
use crate::model_server::protocol::Call;

/// Notes what carries a signature: it must come back on the same part.
pub(super) fn note(whole: &Value, issued: &mut Issued) {
    for part in whole["candidates"][0]["content"]["parts"].as_array().into_iter().flatten() {
        if let Some(signature) = part["thoughtSignature"].as_str() {
            issued.insert(signature, part.clone());
        }
    }
}

/// Every problem of a request, in the order in which it is read.
pub(super) fn request(call: &Call<'_>, _issued: &Issued) -> Vec<String> {
    let mut problems = Vec::new();
    match method(call.path) {
        Some("generateContent") => {}
        Some("streamGenerateContent") if call.query.split('&').any(|pair| pair == "alt=sse") => {}
        Some("streamGenerateContent") => problems.push("a stream needs alt=sse".to_owned()),
        _ => problems.push(format!("{} is not found for API version v1beta", call.path)),
    }
    if call.body["contents"].as_array().is_none_or(Vec::is_empty) {
        problems.push("* GenerateContentRequest.contents: contents is not specified".to_owned());
    }
    problems
}
