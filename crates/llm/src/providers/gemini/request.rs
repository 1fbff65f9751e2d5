//! From a unified request to the body of `:generateContent` (unified-llm §7.2, §7.3). Pure.

use serde_json::{Map, Value, json};

use super::super::wire::{Call, Mode, merge};
use super::{NAME, contents, invalid, thinking};
use crate::error::LlmError;
use crate::types::{Request, ResponseFormat, ResponseFormatKind, ToolChoice, Warning};

/// Translates a request.
///
/// # Errors
/// [`crate::ErrorKind::InvalidRequest`] for what the API has no place for.
pub(super) fn translate(request: &Request, mode: Mode) -> Result<Call, LlmError> {
    let mut warnings = Vec::new();
    let options = request.options_for(NAME).map(camel).unwrap_or_default();
    let conversation = contents::translate(request, &mut warnings)?;
    let mut body = Map::new();
    body.insert("contents".into(), Value::Array(conversation.contents));
    if let Some(system) = conversation.system {
        body.insert("systemInstruction".into(), system);
    }
    add_tools(&mut body, request)?;
    let generation = generation_config(request, &options, &mut warnings)?;
    if !generation.is_empty() {
        body.insert("generationConfig".into(), Value::Object(generation));
    }
    add_labels(&mut body, request, &mut warnings);
    merge(&mut body, &options, &["tools"]);
    Ok(Call {
        path: path(&request.model, mode)?,
        headers: Vec::new(),
        body: Value::Object(body),
        warnings,
    })
}

/// `models/` stands before a model's name unless it brings its own collection.
fn path(model: &str, mode: Mode) -> Result<String, LlmError> {
    let (collection, id) = match model.split_once('/') {
        Some((collection @ ("models" | "tunedModels"), id)) => (collection, id),
        _ => ("models", model),
    };
    if id.is_empty() {
        return Err(invalid("the request names no model"));
    }
    let method = match mode {
        Mode::Whole => "generateContent",
        Mode::Stream => "streamGenerateContent?alt=sse",
    };
    Ok(format!("/v1beta/{collection}/{}:{method}", percent_encoded(id)))
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn add_tools(body: &mut Map<String, Value>, request: &Request) -> Result<(), LlmError> {
    if !request.tools.is_empty() {
        let mut declarations = Vec::with_capacity(request.tools.len());
        for tool in &request.tools {
            tool.validate()?;
            // The older `parameters` knows only a part of JSON Schema.
            declarations.push(json!({
                "name": tool.name,
                "description": tool.description,
                "parametersJsonSchema": tool.parameters,
            }));
        }
        body.insert("tools".into(), json!([{ "functionDeclarations": declarations }]));
    }
    let config = match &request.tool_choice {
        // Without functions there is nothing to choose, and the API refuses a choice.
        None => return Ok(()),
        Some(ToolChoice::Auto | ToolChoice::None) if request.tools.is_empty() => return Ok(()),
        Some(ToolChoice::Auto) => json!({ "mode": "AUTO" }),
        Some(ToolChoice::None) => json!({ "mode": "NONE" }),
        Some(ToolChoice::Required) => json!({ "mode": "ANY" }),
        Some(ToolChoice::Named { tool_name }) => {
            json!({ "mode": "ANY", "allowedFunctionNames": [tool_name] })
        }
    };
    body.insert("toolConfig".into(), json!({ "functionCallingConfig": config }));
    Ok(())
}

fn generation_config(
    request: &Request,
    options: &Map<String, Value>,
    warnings: &mut Vec<Warning>,
) -> Result<Map<String, Value>, LlmError> {
    let mut config = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(name.to_owned(), value);
        }
    };
    set("temperature", request.temperature.map(|value| json!(value)));
    set("topP", request.top_p.map(|value| json!(value)));
    set("maxOutputTokens", request.max_tokens.map(|value| json!(value)));
    let stops = &request.stop_sequences;
    set("stopSequences", (!stops.is_empty()).then(|| json!(stops)));
    set("thinkingConfig", thinking_config(request, options, warnings)?);
    if let Some(format) = &request.response_format {
        let is_json = format.kind != ResponseFormatKind::Text;
        set("responseMimeType", is_json.then(|| json!("application/json")));
        set("responseJsonSchema", schema(format)?);
    }
    Ok(config)
}

/// The API refuses a level beside a budget, so an option for either takes the place of the effort.
fn thinking_config(
    request: &Request,
    options: &Map<String, Value>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Value>, LlmError> {
    let chosen = options.get("generationConfig").and_then(|config| config.get("thinkingConfig"));
    let option = |name: &str| chosen.and_then(|config| config.get(name));
    match (option("thinkingBudget"), option("thinkingLevel")) {
        (None, None) => {
            thinking::config(&request.model, request.reasoning_effort.as_deref(), warnings)
        }
        (Some(budget), _) if budget.as_i64() == Some(0) => Ok(None),
        _ => Ok(Some(json!({ "includeThoughts": true }))),
    }
}

fn schema(format: &ResponseFormat) -> Result<Option<Value>, LlmError> {
    match (format.kind, &format.json_schema) {
        (ResponseFormatKind::JsonSchema, None) => {
            Err(invalid("response_format `json_schema` comes without a `json_schema`"))
        }
        (ResponseFormatKind::JsonSchema, Some(schema)) => Ok(Some(schema.clone())),
        _ => Ok(None),
    }
}

fn add_labels(body: &mut Map<String, Value>, request: &Request, warnings: &mut Vec<Warning>) {
    let (labels, others): (Vec<_>, Vec<_>) =
        request.metadata.iter().partition(|(name, value)| is_label(name) && is_label_text(value));
    if !labels.is_empty() {
        let labels: Map<String, Value> =
            labels.into_iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        body.insert("labels".into(), Value::Object(labels));
    }
    if !others.is_empty() {
        let names: Vec<&str> = others.into_iter().map(|(name, _)| name.as_str()).collect();
        warnings.push(Warning::new(
            "unsupported_parameter",
            format!(
                "gemini: labels are lower-case letters, digits, `-` and `_`, 63 at most; metadata left out: {}",
                names.join(", ")
            ),
        ));
    }
}

fn is_label(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && is_label_text(name)
}

fn is_label_text(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_');
    text.len() <= 63 && text.bytes().all(allowed)
}

/// The API takes `generation_config` for `generationConfig`, but not both: options are spelled like the
/// rest of the body, so that they merge with it.
fn camel(options: &Map<String, Value>) -> Map<String, Value> {
    const MERGED: &[&str] =
        &["generationConfig", "thinkingConfig", "toolConfig", "functionCallingConfig"];
    options
        .iter()
        .map(|(name, value)| {
            let name = camel_case(name);
            let value = match value {
                Value::Object(inner) if MERGED.contains(&name.as_str()) => {
                    Value::Object(camel(inner))
                }
                _ => value.clone(),
            };
            (name, value)
        })
        .collect()
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or("").to_owned();
    for word in words {
        let mut chars = word.chars();
        out.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(chars.as_str());
    }
    out
}

#[cfg(test)]
mod tests;
