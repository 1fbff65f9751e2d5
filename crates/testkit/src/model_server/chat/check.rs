//! What servers of this wire refuse, and what it would be a mistake to send although it may pass.

use serde_json::Value;

/// Every problem of a request, in the order in which it is read.
pub(super) fn request(body: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    if body["model"].as_str().is_none_or(str::is_empty) {
        problems.push("Missing required parameter: 'model'.".to_owned());
    }
    if !body["messages"].is_array() {
        problems.push("Missing required parameter: 'messages'.".to_owned());
    }
    problems
}
