//! What Google refuses, and what it would be a mistake to send although it may pass.

mod contents;
mod names;
mod schema;
mod shapes;
mod signatures;
mod tools;

use serde_json::Value;

use super::{major, method, model, resource};
use crate::model_server::issued::Issued;
use crate::model_server::protocol::Call;
use crate::model_server::rules::GOOGLE;

pub(super) use signatures::note;

/// Every problem of a request, in the order in which it is read.
pub(super) fn request(call: &Call<'_>, issued: &Issued) -> Vec<String> {
    let mut problems = Vec::new();
    path(call, &mut problems);
    let body = &names::camel(call.body);
    if !shapes::REQUEST.check("", body, &GOOGLE, &mut problems) {
        return problems;
    }
    if body.get("systemInstruction").is_some() {
        contents::instruction(&body["systemInstruction"], &mut problems);
    }
    for (index, setting) in body["safetySettings"].as_array().into_iter().flatten().enumerate() {
        let place = format!("safetySettings[{index}]");
        shapes::SAFETY.check(&place, setting, &GOOGLE, &mut problems);
    }
    if body.get("generationConfig").is_some() {
        generation(&body["generationConfig"], major(model(call.path)), &mut problems);
    }
    tools::check(body, &mut problems);
    contents::check(body, &mut problems);
    signatures::check(body, major(model(call.path)) >= Some(3), issued, &mut problems);
    problems
}

fn path(call: &Call<'_>, problems: &mut Vec<String>) {
    match method(call.path) {
        Some("generateContent") => {}
        Some("streamGenerateContent") if call.query.split('&').any(|pair| pair == "alt=sse") => {}
        Some("streamGenerateContent") => problems.push("a stream needs alt=sse".to_owned()),
        _ => problems.push(format!("{} is not found for this API version", call.path)),
    }
    let resource = resource(call.path).unwrap_or("");
    let name = ["models/", "tunedModels/"].iter().find_map(|kind| resource.strip_prefix(kind));
    if name.is_none_or(|name| name.starts_with(':') || name.contains('/')) {
        problems.push(format!("unexpected model name format: {}", call.path));
    }
}

fn generation(config: &Value, major: Option<u64>, problems: &mut Vec<String>) {
    let place = "generationConfig";
    if !shapes::GENERATION.check(place, config, &GOOGLE, problems) {
        return;
    }
    let ranges = [("temperature", 2.0), ("topP", 1.0)];
    for (name, most) in ranges {
        if config[name].as_f64().is_some_and(|value| !(0.0..=most).contains(&value)) {
            problems.push(format!("{place}.{name}: must be in the range [0.0, {most}]"));
        }
    }
    if config["maxOutputTokens"] == 0 {
        problems.push(format!("{place}.maxOutputTokens: must be positive"));
    }
    let stops = config["stopSequences"].as_array().map_or(0, Vec::len);
    if stops > 5 {
        problems.push(format!("{place}.stopSequences: at most 5, not {stops}"));
    }
    form(config, problems);
    if config.get("thinkingConfig").is_some() {
        thinking(&config["thinkingConfig"], major, problems);
    }
}

/// What the answer is to look like.
fn form(config: &Value, problems: &mut Vec<String>) {
    let media = config["responseMimeType"].as_str();
    let schemas = ["responseSchema", "responseJsonSchema"];
    let given: Vec<_> = schemas.iter().filter(|name| config.get(**name).is_some()).collect();
    if given.len() > 1 {
        problems.push("responseSchema and responseJsonSchema exclude each other".to_owned());
    }
    if !given.is_empty() && !matches!(media, Some("application/json" | "text/x.enum")) {
        problems
            .push(format!("{} only works with a responseMimeType of application/json", given[0]));
    }
    if media
        .is_some_and(|media| !["text/plain", "application/json", "text/x.enum"].contains(&media))
    {
        problems.push(format!("generationConfig.responseMimeType: {media:?} is not allowed"));
    }
    if config.get("responseSchema").is_some() {
        let place = "generationConfig.responseSchema";
        schema::check(place, &config["responseSchema"], problems);
    }
    if config.get("responseJsonSchema").is_some()
        && !jsonschema::meta::is_valid(&config["responseJsonSchema"])
    {
        problems.push("generationConfig.responseJsonSchema: no valid JSON Schema".to_owned());
    }
}

fn thinking(config: &Value, major: Option<u64>, problems: &mut Vec<String>) {
    let place = "generationConfig.thinkingConfig";
    shapes::THINKING.check(place, config, &GOOGLE, problems);
    let (level, budget) = (config.get("thinkingLevel"), config.get("thinkingBudget"));
    if level.is_some() && budget.is_some() {
        problems
            .push("You can only set only one of thinking budget and thinking level.".to_owned());
    }
    if let Some(level) = level {
        let known = ["minimal", "low", "medium", "high", "xhigh"];
        let level = level.as_str().unwrap_or("").to_ascii_lowercase();
        if !known.contains(&level.as_str()) {
            problems.push(format!("Invalid value at '{place}.thinkingLevel': {level:?}"));
        }
        if major.is_some_and(|major| major < 3) {
            problems.push("Thinking level is not supported for this model.".to_owned());
        }
    }
    if budget.is_some_and(|budget| budget.as_i64().is_none_or(|budget| budget < -1)) {
        problems.push(format!("Invalid value at '{place}.thinkingBudget': {budget:?}"));
    }
}

#[cfg(test)]
mod tests;
