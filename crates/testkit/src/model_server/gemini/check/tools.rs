//! Declarations of functions, and which of them the model is to call.

use serde_json::Value;

use super::{schema, shapes};
use crate::model_server::rules::{GOOGLE, is_tool_name, object_schema};

pub(super) fn check(body: &Value, problems: &mut Vec<String>) {
    let mut names = Vec::new();
    for (index, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        let place = format!("tools[{index}]");
        if !shapes::TOOL.check(&place, tool, &GOOGLE, problems) {
            continue;
        }
        if tool.as_object().is_some_and(serde_json::Map::is_empty) {
            problems.push(format!("{place}: tool_type: required one_of must have one initialized"));
        }
        let functions = tool["functionDeclarations"].as_array().into_iter().flatten();
        for (index, function) in functions.enumerate() {
            declaration(&format!("{place}.functionDeclarations[{index}]"), function, problems);
            let name = function["name"].as_str().unwrap_or("");
            if names.contains(&name) {
                problems.push(format!("Duplicate function declaration found: {name}"));
            }
            names.push(name);
        }
    }
    if body.get("toolConfig").is_some() {
        config(&body["toolConfig"], &names, problems);
    }
}

fn declaration(place: &str, function: &Value, problems: &mut Vec<String>) {
    if !shapes::FUNCTION.check(place, function, &GOOGLE, problems) {
        return;
    }
    let name = function["name"].as_str().unwrap_or("");
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins_well || !is_tool_name(name, 128, ".:") {
        problems.push(format!(
            "{place}.name: Invalid function name {name:?}. Must start with a letter or an \
             underscore."
        ));
    }
    if function.get("parameters").is_some() && function.get("parametersJsonSchema").is_some() {
        problems.push(format!("{place}: parameters and parametersJsonSchema exclude each other"));
    }
    if let Some(parameters) = function.get("parameters") {
        let kind = parameters["type"].as_str().unwrap_or("");
        if !kind.eq_ignore_ascii_case("object") {
            problems.push(format!("{place}.parameters: its type is not 'object'"));
        }
        schema::check(&format!("{place}.parameters"), parameters, problems);
    }
    if let Some(parameters) = function.get("parametersJsonSchema")
        && let Err(why) = object_schema(parameters)
    {
        problems.push(format!("{place}.parametersJsonSchema: {why}"));
    }
}

fn config(config: &Value, names: &[&str], problems: &mut Vec<String>) {
    if !shapes::TOOL_CONFIG.check("toolConfig", config, &GOOGLE, problems) {
        return;
    }
    let Some(calling) = config.get("functionCallingConfig") else { return };
    let place = "toolConfig.functionCallingConfig";
    shapes::CALLING.check(place, calling, &GOOGLE, problems);
    if names.is_empty() {
        let message = "Function calling config is set without function_declarations.";
        problems.push(message.to_owned());
    }
    let mode = calling["mode"].as_str().unwrap_or("AUTO");
    if !["AUTO", "ANY", "NONE", "VALIDATED"].contains(&mode) {
        problems.push(format!("Invalid value at '{place}.mode': {mode:?}"));
    }
    let Some(allowed) = calling["allowedFunctionNames"].as_array() else { return };
    if mode != "ANY" && mode != "VALIDATED" {
        problems.push("allowed_function_names is only supported with mode ANY".to_owned());
    }
    for name in allowed.iter().filter_map(Value::as_str) {
        if !names.contains(&name) {
            problems.push(format!("{place}.allowedFunctionNames: {name:?} is not declared"));
        }
    }
}
