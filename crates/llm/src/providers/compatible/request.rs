//! From a unified request to the body of `POST /chat/completions` (unified-llm §7.2, §7.10). Pure.

mod message;

use serde_json::{Map, Value, json};

use super::NAME;
use crate::error::{ErrorKind, LlmError};
use crate::providers::schema;
use crate::providers::wire::{Call, Mode, merge};
use crate::types::{
    Request, ResponseFormat, ResponseFormatKind, ToolChoice, ToolDefinition, Warning,
};

use message::Messages;

/// Options that are the adapter's own and no part of the body.
const OWN_OPTIONS: [&str; 2] = ["developer_role", "return_reasoning"];

/// Translates a request. What the server itself wrote goes back in its own form.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for what Chat Completions has no place for, such as a document by URL.
pub(super) fn translate(request: &Request, mode: Mode) -> Result<Call, LlmError> {
    let mut body = Map::new();
    let mut warnings = Vec::new();
    body.insert("model".into(), json!(request.model));
    body.insert("messages".into(), messages(request, &mut warnings)?);
    add_tools(&mut body, request)?;
    add_parameters(&mut body, request);
    if let Some(format) = &request.response_format {
        body.insert("response_format".into(), response_format(format, &mut warnings)?);
    }
    body.insert("stream".into(), json!(mode == Mode::Stream));
    if mode == Mode::Stream {
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    if let Some(options) = request.options_for(NAME) {
        let mut options = options.clone();
        options.retain(|name, _| !OWN_OPTIONS.contains(&name.as_str()));
        merge(&mut body, &options, &["tools"]);
        remove_nulls(&mut body, &options);
    }
    let has_tools = body.get("tools").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    if !has_tools && body.get("tool_choice").is_some_and(|mode| mode == "auto" || mode == "none") {
        // Without tools it says nothing, and strict servers refuse it.
        body.shift_remove("tool_choice");
    }
    let path = "/chat/completions".to_owned();
    Ok(Call { path, headers: Vec::new(), body: Value::Object(body), warnings })
}

/// A switch among the options.
fn switch(request: &Request, name: &str) -> Result<Option<bool>, LlmError> {
    match request.options_for(NAME).and_then(|options| options.get(name)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(*on)),
        Some(other) => Err(invalid(format!("option `{name}` is true or false, not {other}"))),
    }
}

fn messages(request: &Request, warnings: &mut Vec<Warning>) -> Result<Value, LlmError> {
    let developer = switch(request, "developer_role")?.unwrap_or(false);
    let reasoning = switch(request, "return_reasoning")?
        .unwrap_or_else(|| !request.tools.is_empty() || super::calls_so_far(request) > 0);
    let mut messages = Messages::new(developer, reasoning);
    for message in &request.messages {
        messages.add(message)?;
    }
    Ok(Value::Array(messages.finish(warnings)))
}

fn add_tools(body: &mut Map<String, Value>, request: &Request) -> Result<(), LlmError> {
    if !request.tools.is_empty() {
        for tool in &request.tools {
            tool.validate()?;
        }
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".into(), Value::Array(tools));
    }
    if let Some(choice) = &request.tool_choice {
        body.insert("tool_choice".into(), tool_choice(choice));
    }
    Ok(())
}

fn tool(tool: &ToolDefinition) -> Value {
    json!({
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    })
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Required => json!(choice.mode()),
        ToolChoice::Named { tool_name } => {
            json!({ "type": "function", "function": { "name": tool_name } })
        }
    }
}

fn add_parameters(body: &mut Map<String, Value>, request: &Request) {
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set("temperature", request.temperature.map(|value| json!(value)));
    set("top_p", request.top_p.map(|value| json!(value)));
    // Not `max_completion_tokens`, which few servers beside OpenAI's own know.
    set("max_tokens", request.max_tokens.map(|value| json!(value)));
    set("stop", (!request.stop_sequences.is_empty()).then(|| json!(request.stop_sequences)));
    set("reasoning_effort", request.reasoning_effort.as_ref().map(|effort| json!(effort)));
    set("metadata", (!request.metadata.is_empty()).then(|| json!(request.metadata)));
}

fn response_format(
    format: &ResponseFormat,
    warnings: &mut Vec<Warning>,
) -> Result<Value, LlmError> {
    Ok(match format.kind {
        ResponseFormatKind::Text => json!({ "type": "text" }),
        ResponseFormatKind::Json => json!({ "type": "json_object" }),
        ResponseFormatKind::JsonSchema => {
            let schema = format.json_schema.as_ref().ok_or_else(|| {
                invalid("response_format `json_schema` comes without a `json_schema`".to_owned())
            })?;
            json!({
                "type": "json_schema",
                "json_schema": {
                    "name": schema::name(schema),
                    "schema": schema,
                    "strict": format.strict && schema::is_strict(NAME, schema, warnings),
                },
            })
        }
    })
}

/// An option of `null` takes the field out, also one that the translation put there.
fn remove_nulls(body: &mut Map<String, Value>, options: &Map<String, Value>) {
    for (name, option) in options {
        match (body.get_mut(name), option) {
            (_, Value::Null) => {
                body.shift_remove(name);
            }
            (Some(Value::Object(inner)), Value::Object(more)) => remove_nulls(inner, more),
            _ => {}
        }
    }
}

fn invalid(message: String) -> LlmError {
    LlmError::new(ErrorKind::InvalidRequest, message).with_provider(NAME)
}

#[cfg(test)]
mod tests;
