//! Definitions of tools, and which of them the model is to take.

use serde_json::Value;

use super::shapes;
use crate::model_server::rules::{ANTHROPIC, is_tool_name, object_schema};

pub(super) fn check(body: &Value, problems: &mut Vec<String>) {
    let mut names = Vec::new();
    for (index, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        let place = format!("tools.{index}");
        let name = tool["name"].as_str().unwrap_or("");
        if names.contains(&name) {
            problems.push(format!("tools: Tool names must be unique: {name:?}"));
        }
        names.push(name);
        // Tools with a type of their own are the service's: their fields are its affair.
        if !tool["type"].is_null() && tool["type"] != "custom" {
            continue;
        }
        if !shapes::TOOL.check(&place, tool, &ANTHROPIC, problems) {
            continue;
        }
        if !is_tool_name(name, 128, "") {
            problems.push(format!(
                "{place}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            ));
        }
        if let Err(why) = object_schema(&tool["input_schema"]) {
            problems.push(format!("{place}.custom.input_schema: {why}"));
        }
        if ["oneOf", "allOf", "anyOf"].iter().any(|word| tool["input_schema"].get(word).is_some()) {
            problems.push(format!(
                "{place}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf \
                 at the top level"
            ));
        }
    }
    if body.get("tool_choice").is_some() {
        choice(&body["tool_choice"], &names, problems);
    }
}

fn choice(choice: &Value, names: &[&str], problems: &mut Vec<String>) {
    shapes::TOOL_CHOICE.check("tool_choice", choice, &ANTHROPIC, problems);
    if names.is_empty() {
        let message = "tool_choice: tool_choice may only be specified while providing tools";
        problems.push(message.to_owned());
    }
    let kind = choice["type"].as_str().unwrap_or("");
    match (kind, choice["name"].as_str()) {
        ("auto" | "any" | "none", None) => {}
        ("auto" | "any" | "none", Some(_)) => {
            problems.push("tool_choice.name: Extra inputs are not permitted".to_owned());
        }
        ("tool", Some(name)) if names.contains(&name) => {}
        ("tool", Some(name)) => {
            problems.push(format!("Tool '{name}' not found in provided tools"));
        }
        ("tool", None) => problems.push("tool_choice.name: Field required".to_owned()),
        _ => problems.push(format!("tool_choice: Input tag {kind:?} does not match")),
    }
    if kind == "none" && choice.get("disable_parallel_tool_use").is_some() {
        let message = "tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted";
        problems.push(message.to_owned());
    }
}
