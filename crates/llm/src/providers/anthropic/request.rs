//! From a unified request to the body of `POST /v1/messages` (unified-llm §7.2, §7.3). Pure.

use serde_json::{Map, Value, json};

use super::super::wire::{Call, Mode};
use super::blocks::text_block;
use super::conversation::Conversation;
use super::format::{Form, form};
use super::options::Options;
use super::{BETA, cache, invalid, reasoning};
use crate::error::LlmError;
use crate::types::{Request, ToolChoice, ToolDefinition, Warning};

/// What a body with marks for the prompt cache comes with (unified-llm §8.6).
const CACHING: &str = "prompt-caching-2024-07-31";

/// What `thinking.block_binding` comes with.
const BINDING: &str = "thinking-binding-controls-2026-08-01";

/// Translates a request. Blocks that Anthropic itself wrote go back verbatim. `betas` are those of every call.
///
/// # Errors
/// [`crate::ErrorKind::InvalidRequest`] for what the Messages API has no place for, such as audio.
pub(super) fn translate(request: &Request, mode: Mode, betas: &[String]) -> Result<Call, LlmError> {
    let options = Options::read(request)?;
    let mut warnings = Vec::new();
    let mut conversation = Conversation::of(&request.messages, &mut warnings)?;
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    reasoning::apply(
        &mut body,
        request,
        &options,
        conversation.loop_without_thinking(),
        &mut warnings,
    )?;
    match form(request, &mut warnings)? {
        Form::Free => {}
        Form::Instruction(text) => conversation.system.extend(text_block(&text)),
        Form::Native(format) => {
            let config = body.entry("output_config").or_insert_with(|| json!({}));
            config["format"] = format;
        }
    }
    add_tools(&mut body, request, &options, &conversation)?;
    add_parameters(&mut body, request, &mut warnings);
    if mode == Mode::Stream {
        body.insert("stream".into(), json!(true));
    }
    if !conversation.system.is_empty() {
        body.insert("system".into(), Value::Array(std::mem::take(&mut conversation.system)));
    }
    body.insert("messages".into(), conversation.into_messages());
    options.apply(&mut body);
    settle_tool_choice(&mut body)?;
    if options.auto_cache {
        cache::place(&mut body);
    }
    let bound =
        body.get("thinking").is_some_and(|thinking| thinking.get("block_binding").is_some());
    let of_body = [cache::is_used(&body).then_some(CACHING), bound.then_some(BINDING)];
    let headers = beta_header(betas, &options, &of_body);
    Ok(Call {
        path: "/v1/messages".to_owned(),
        headers: headers.into_iter().map(|value| (BETA.to_owned(), value)).collect(),
        body: Value::Object(body),
        warnings,
    })
}

/// With the choice `none` tools are left out only when the conversation holds no calls of any: the API wants
/// the tools defined whose calls it reads. Where the request does not, they are named, and not to be called.
fn add_tools(
    body: &mut Map<String, Value>,
    request: &Request,
    options: &Options,
    conversation: &Conversation,
) -> Result<(), LlmError> {
    for tool in &request.tools {
        tool.validate()?;
    }
    let called = conversation.called_tools();
    let unused = request.tool_choice == Some(ToolChoice::None) && called.is_empty();
    if !request.tools.is_empty() && !unused {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    let mut choice = request.tool_choice.clone();
    let forced = matches!(choice, Some(ToolChoice::Required | ToolChoice::Named { .. }));
    let undefined = request.tools.is_empty() && options.get("tools").is_none();
    if undefined && !called.is_empty() && !forced {
        body.insert("tools".into(), called.into_iter().map(past_tool).collect());
        choice = Some(ToolChoice::None);
    }
    if let Some(choice) = &choice {
        body.insert("tool_choice".into(), tool_choice(choice));
    }
    Ok(())
}

fn past_tool(name: &str) -> Value {
    json!({
        "name": name,
        "description": "Called earlier; not at hand any more.",
        "input_schema": { "type": "object" },
    })
}

fn tool(tool: &ToolDefinition) -> Value {
    json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters })
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({ "type": "auto" }),
        ToolChoice::None => json!({ "type": "none" }),
        ToolChoice::Required => json!({ "type": "any" }),
        ToolChoice::Named { tool_name } => json!({ "type": "tool", "name": tool_name }),
    }
}

/// The API refuses a choice among no tools.
fn settle_tool_choice(body: &mut Map<String, Value>) -> Result<(), LlmError> {
    if body.get("tools").and_then(Value::as_array).is_some_and(|tools| !tools.is_empty()) {
        return Ok(());
    }
    match body.remove("tool_choice") {
        Some(choice) if matches!(choice["type"].as_str(), Some("any" | "tool")) => {
            Err(invalid("a tool call is required, but the request offers no tools"))
        }
        _ => Ok(()),
    }
}

fn add_parameters(body: &mut Map<String, Value>, request: &Request, warnings: &mut Vec<Warning>) {
    if !request.stop_sequences.is_empty() {
        body.insert("stop_sequences".into(), json!(request.stop_sequences));
    }
    if let Some(user) = request.metadata.get("user_id") {
        body.insert("metadata".into(), json!({ "user_id": user }));
    }
    let others: Vec<&str> =
        request.metadata.keys().map(String::as_str).filter(|name| *name != "user_id").collect();
    if !others.is_empty() {
        warnings.push(Warning::new(
            "unsupported_parameter",
            format!("anthropic: metadata takes user_id only; left out were {}", others.join(", ")),
        ));
    }
}

fn beta_header(
    betas: &[String],
    options: &Options,
    of_body: &[Option<&'static str>],
) -> Option<String> {
    let of_body = of_body.iter().copied().flatten();
    let mut names: Vec<&str> = Vec::new();
    for name in betas.iter().chain(&options.betas).map(String::as_str).chain(of_body) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| names.join(","))
}

#[cfg(test)]
mod tests;
