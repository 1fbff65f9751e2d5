//! Thought signatures: what carried one comes back with it, unchanged.

use serde_json::{Value, json};

use super::contents::{all, parts};
use crate::model_server::issued::Issued;

/// What Google documents for calls that no Gemini 3 made.
const DUMMIES: [&str; 2] =
    ["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];

/// Notes every part by its signature, and every call by what it says.
pub(in super::super) fn note(whole: &Value, issued: &mut Issued) {
    for part in parts(&whole["candidates"][0]["content"]) {
        if let Some(signature) = part["thoughtSignature"].as_str() {
            issued.insert(signature, part.clone());
        }
        if let Some(call) = part.get("functionCall") {
            issued.insert(&key(call), part.clone());
        }
    }
}

/// A call without its id, which a client may have made up.
fn key(call: &Value) -> String {
    json!([call["name"], call["args"]]).to_string()
}

/// `is_strict` for models that refuse calls without a signature, which is from Gemini 3 on.
pub(super) fn check(body: &Value, is_strict: bool, issued: &Issued, problems: &mut Vec<String>) {
    let contents = body["contents"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_users = |content: &Value| {
        let responses = all(content, "functionResponse").len();
        content["role"] == "user" && responses < parts(content).len().max(1)
    };
    let begin = contents.iter().rposition(is_users).unwrap_or(0);
    for (index, content) in contents.iter().enumerate() {
        for (at, part) in parts(content).iter().enumerate() {
            let place = format!("contents[{index}].parts[{at}]");
            if let Err(problem) = unchanged(part, index > begin, issued) {
                problems.push(format!("{place}: {problem}"));
            }
        }
        let first = parts(content).iter().find(|part| part.get("functionCall").is_some());
        if let Some(first) = first.filter(|_| is_strict && index > begin)
            && !first["thoughtSignature"].is_string()
        {
            problems.push(format!(
                "Function call is missing a thought_signature in functionCall parts. This is \
                 required for tools to work correctly: contents[{index}]"
            ));
        }
    }
}

fn unchanged(part: &Value, is_current: bool, issued: &Issued) -> Result<(), String> {
    let signature = part["thoughtSignature"].as_str();
    if let Some(signature) = signature.filter(|signature| !DUMMIES.contains(signature)) {
        let original =
            issued.get(signature).ok_or_else(|| "Thought signature is not valid.".to_owned())?;
        if !same(original, part) {
            return Err(format!("its thought signature belongs to {original}"));
        }
    }
    let Some(call) = part.get("functionCall") else { return Ok(()) };
    let Some(original) = issued.get(&key(call)) else { return Ok(()) };
    if original["functionCall"].get("id").is_none() && call.get("id").is_some() {
        return Err(format!("the call had no id: {call}"));
    }
    if is_current && original.get("thoughtSignature").is_some() && signature.is_none() {
        return Err(format!("the call lost its thought signature: it was {original}"));
    }
    Ok(())
}

/// Texts come back whole or as the piece of the stream that had the signature.
fn same(original: &Value, part: &Value) -> bool {
    match (original["text"].as_str(), part["text"].as_str()) {
        (Some(whole), Some(piece)) => {
            let piece_of = if piece.is_empty() { whole.is_empty() } else { whole.ends_with(piece) };
            piece_of && original["thought"] == part["thought"]
        }
        _ => original == part,
    }
}
