//! Marks of prompt caching.

use serde_json::Value;

use super::conversation::blocks;
use super::{shapes, thinking};
use crate::model_server::protocol::Call;
use crate::model_server::rules::ANTHROPIC;

/// Marks that one request may have.
const MOST: usize = 4;

const BETA: &str = "prompt-caching-2024-07-31";

pub(super) fn check(call: &Call<'_>, problems: &mut Vec<String>) {
    let body = call.body;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut marked: Vec<(String, Value)> = Vec::new();
    let mut look = |place: String, thing: &Value| {
        if thing.get("cache_control").is_some_and(|mark| !mark.is_null()) {
            marked.push((place, thing.clone()));
        }
    };
    look("request".to_owned(), body);
    for (index, tool) in list(&body["tools"]).iter().enumerate() {
        look(format!("tools.{index}"), tool);
    }
    for (index, block) in list(&body["system"]).iter().enumerate() {
        look(format!("system.{index}"), block);
    }
    for (index, message) in list(&body["messages"]).iter().enumerate() {
        for (at, block) in blocks(message).iter().enumerate() {
            let place = format!("messages.{index}.content.{at}");
            for (inner, part) in blocks(block).iter().enumerate() {
                look(format!("{place}.content.{inner}"), part);
            }
            look(place, block);
        }
    }
    if marked.len() > MOST {
        problems.push(format!(
            "A maximum of {MOST} blocks with cache_control may be provided. Found {}.",
            marked.len()
        ));
    }
    for (place, thing) in &marked {
        mark(place, thing, problems);
    }
    let betas = call.header("anthropic-beta").unwrap_or("");
    if !marked.is_empty() && !betas.split(',').any(|beta| beta.trim() == BETA) {
        problems.push(format!("cache_control goes with the anthropic-beta header {BETA}"));
    }
}

fn mark(place: &str, thing: &Value, problems: &mut Vec<String>) {
    let control = &thing["cache_control"];
    let at = format!("{place}.cache_control");
    shapes::CACHE_CONTROL.check(&at, control, &ANTHROPIC, problems);
    if control["type"] != "ephemeral" {
        problems.push(format!("{at}.type: Input should be 'ephemeral'"));
    }
    if let Some(ttl) = control["ttl"].as_str()
        && ttl != "5m"
        && ttl != "1h"
    {
        problems.push(format!("{at}.ttl: Input should be '5m' or '1h'"));
    }
    if thing["type"] == "text" && thing["text"] == "" {
        problems.push(format!("{place}: cache_control cannot be set for empty text blocks"));
    }
    if thinking::is_thought(thing) {
        problems.push(format!("{at}: Extra inputs are not permitted"));
    }
}
