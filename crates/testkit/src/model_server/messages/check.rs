//! What Anthropic refuses, and what it would be a mistake to send although it may pass.

mod cache;
mod conversation;
mod shapes;
mod thinking;
mod tools;

use serde_json::{Value, json};

use crate::model_server::issued::Issued;
use crate::model_server::protocol::Call;
use crate::model_server::rules::ANTHROPIC;

/// Notes the thinking and the calls: they must come back as they were.
pub(super) fn note(whole: &Value, issued: &mut Issued) {
    let blocks = whole["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let thoughts: Vec<&Value> = blocks.iter().filter(|block| thinking::is_thought(block)).collect();
    for block in blocks {
        if let Some(key) = thinking::opaque(block) {
            issued.insert(key, block.clone());
        }
        if block["type"] == "tool_use"
            && let Some(id) = block["id"].as_str()
        {
            issued.insert(id, json!({ "call": block, "thoughts": thoughts }));
        }
    }
}

/// Every problem of a request, in the order in which it is read.
pub(super) fn request(call: &Call<'_>, issued: &Issued) -> Vec<String> {
    let mut problems = Vec::new();
    if call.header("anthropic-version").is_none() {
        problems.push("anthropic-version: header is required".to_owned());
    }
    let body = call.body;
    if !shapes::REQUEST.check("", body, &ANTHROPIC, &mut problems) {
        return problems;
    }
    settings(body, &mut problems);
    system(&body["system"], &mut problems);
    tools::check(body, &mut problems);
    conversation::check(body, issued, &mut problems);
    thinking::check(call, issued, &mut problems);
    cache::check(call, &mut problems);
    problems
}

fn settings(body: &Value, problems: &mut Vec<String>) {
    if body["model"] == "" {
        problems.push("model: String should have at least 1 character".to_owned());
    }
    if body["max_tokens"] == 0 {
        problems.push("max_tokens: Input should be greater than or equal to 1".to_owned());
    }
    for name in ["temperature", "top_p"] {
        if body[name].as_f64().is_some_and(|value| !(0.0..=1.0).contains(&value)) {
            problems.push(format!("{name}: range: 0..1"));
        }
    }
    let stops = body["stop_sequences"].as_array().into_iter().flatten();
    if stops.filter_map(Value::as_str).any(|stop| stop.trim().is_empty()) {
        let message = "stop_sequences: each stop sequence must contain non-whitespace";
        problems.push(message.to_owned());
    }
    if body.get("metadata").is_some() {
        shapes::METADATA.check("metadata", &body["metadata"], &ANTHROPIC, problems);
    }
    if body.get("output_config").is_some() {
        output(&body["output_config"], problems);
    }
    let takes_no_sampling = Version::of(body).is_some_and(|version| version.is_adaptive_only());
    if takes_no_sampling {
        for name in ["temperature", "top_p", "top_k"] {
            if body.get(name).is_some_and(|value| value.as_f64() != Some(1.0)) {
                problems.push(format!("{name}: this model does not support it"));
            }
        }
    }
}

fn output(config: &Value, problems: &mut Vec<String>) {
    shapes::OUTPUT.check("output_config", config, &ANTHROPIC, problems);
    let efforts = ["low", "medium", "high", "xhigh", "max"];
    if let Some(effort) = config["effort"].as_str()
        && !efforts.contains(&effort)
    {
        problems.push(format!("output_config.effort: Input should be one of {efforts:?}"));
    }
    if config["format"].is_object() {
        let place = "output_config.format";
        shapes::OUTPUT_FORMAT.check(place, &config["format"], &ANTHROPIC, problems);
        if config["format"]["type"] != "json_schema" {
            problems.push(format!("{place}.type: Input should be 'json_schema'"));
        }
        closed(&format!("{place}.schema"), &config["format"]["schema"], problems);
    }
}

/// Structured output wants every object closed.
fn closed(place: &str, schema: &Value, problems: &mut Vec<String>) {
    if schema["type"] == "object" && schema["additionalProperties"] != false {
        problems.push(format!(
            "{place}: For 'object' type, 'additionalProperties' must be explicitly set to false"
        ));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        closed(&format!("{place}.properties.{name}"), property, problems);
    }
    if schema["items"].is_object() {
        closed(&format!("{place}.items"), &schema["items"], problems);
    }
}

fn system(system: &Value, problems: &mut Vec<String>) {
    match system {
        Value::String(text) if text.is_empty() => {
            problems.push("system: text content blocks must be non-empty".to_owned());
        }
        Value::Array(blocks) => {
            for (index, block) in blocks.iter().enumerate() {
                let place = format!("system.{index}");
                if block["type"] != "text" {
                    problems.push(format!("{place}.type: Input should be 'text'"));
                }
                conversation::block(&place, block, problems);
            }
        }
        _ => {}
    }
}

/// The version in a model's name, such as `claude-opus-4-6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u64, u64);

impl Version {
    /// `None` for names of another form, which are held to no model's own rules.
    fn of(body: &Value) -> Option<Self> {
        let words = body["model"].as_str()?.strip_prefix("claude-")?.split('-');
        // Before Claude 4 the version stood before the name of the family.
        let mut words = words.skip_while(|word| !word.starts_with(|c: char| c.is_ascii_digit()));
        let major = words.next().filter(|word| word.len() < 3)?.parse().ok()?;
        // A longer number is a date.
        let minor = words.next().filter(|word| word.len() < 3).and_then(|word| word.parse().ok());
        Some(Self(major, minor.unwrap_or(0)))
    }

    /// From 4.7 on there are neither thinking budgets nor sampling parameters.
    fn is_adaptive_only(self) -> bool {
        self >= Self(4, 7)
    }

    /// From 4.6 on the conversation ends with the user.
    fn takes_no_prefill(self) -> bool {
        self >= Self(4, 6)
    }
}

#[cfg(test)]
mod tests;
