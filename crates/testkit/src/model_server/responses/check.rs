//! What is wrong with a request: everything that the service refuses, and what it would be a mistake to
//! send although it may pass.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::model_server::issued::Issued;
use crate::model_server::rules::strict_schema;

/// Top-level fields that the service knows.
const FIELDS: [&str; 34] = [
    "access_programs",
    "background",
    "background_options",
    "context_management",
    "conversation",
    "image",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Notes the output items, by id: those that come back must be the same.
pub(super) fn note(whole: &Value, issued: &mut Issued) {
    for item in whole["output"].as_array().into_iter().flatten() {
        if let Some(id) = item["id"].as_str() {
            issued.insert(id, item.clone());
        }
    }
}

/// Every problem of a request, in the order in which it is read.
pub(super) fn request(body: &Value, issued: &Issued) -> Vec<String> {
    let Some(fields) = body.as_object() else {
        return vec!["the body is no JSON object".to_owned()];
    };
    let mut problems: Vec<String> = fields
        .keys()
        .filter(|name| !FIELDS.contains(&name.as_str()))
        .map(|name| format!("Unknown parameter: '{name}'."))
        .collect();
    if body["model"].as_str().is_none_or(str::is_empty) {
        problems.push("Missing required parameter: 'model'.".to_owned());
    }
    types(fields, &mut problems);
    tools(fields, &mut problems);
    output_form(fields, &mut problems);
    match &body["input"] {
        Value::String(_) => {}
        Value::Array(items) => Input::new(body, issued).check(items, &mut problems),
        _ => problems.push("Missing required parameter: 'input'.".to_owned()),
    }
    problems
}

fn types(fields: &Map<String, Value>, problems: &mut Vec<String>) {
    type Holds = fn(&Value) -> bool;
    let kinds: [(&str, &str, Holds); 9] = [
        ("stream", "a boolean", Value::is_boolean),
        ("store", "a boolean", Value::is_boolean),
        ("parallel_tool_calls", "a boolean", Value::is_boolean),
        ("instructions", "a string", Value::is_string),
        ("temperature", "a number", Value::is_number),
        ("top_p", "a number", Value::is_number),
        ("max_output_tokens", "an integer of at least 16", |value| {
            value.as_u64().is_some_and(|tokens| tokens >= 16)
        }),
        ("metadata", "an object of strings", |value| {
            value.as_object().is_some_and(|pairs| pairs.values().all(Value::is_string))
        }),
        ("include", "a list of strings", |value| {
            value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
        }),
    ];
    for (name, kind, holds) in kinds {
        if let Some(value) = fields.get(name)
            && !holds(value)
        {
            problems.push(format!("Invalid type for '{name}': expected {kind}."));
        }
    }
    let model = fields.get("model").and_then(Value::as_str).unwrap_or("");
    let wants_encrypted = fields
        .get("include")
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().any(|item| item == "reasoning.encrypted_content"));
    if model.starts_with("gpt-4") && wants_encrypted {
        problems.push("Encrypted content is not supported with this model.".to_owned());
    }
    if let Some(effort) = fields.get("reasoning").and_then(|reasoning| reasoning.get("effort"))
        && !effort.as_str().is_some_and(|effort| EFFORTS.contains(&effort))
    {
        problems.push(format!("Invalid value for 'reasoning.effort': {effort}."));
    }
}

fn tools(fields: &Map<String, Value>, problems: &mut Vec<String>) {
    let mut names = HashSet::new();
    let list = match fields.get("tools") {
        None => &Vec::new(),
        Some(Value::Array(list)) => list,
        Some(_) => {
            problems.push("Invalid type for 'tools': expected a list.".to_owned());
            return;
        }
    };
    for (index, tool) in list.iter().enumerate() {
        let place = format!("tools[{index}]");
        if tool["type"] != "function" {
            if tool["type"].as_str().is_none_or(str::is_empty) {
                problems.push(format!("Missing required parameter: '{place}.type'."));
            }
            continue;
        }
        let name = tool["name"].as_str().unwrap_or("");
        let well_formed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(well_formed) {
            problems.push(format!("Invalid '{place}.name': {name:?}."));
        }
        if !names.insert(name) {
            problems.push(format!("'{place}.name' {name:?} is there twice."));
        }
        if !tool.get("strict").is_some_and(|strict| strict.is_boolean() || strict.is_null()) {
            problems.push(format!("Missing required parameter: '{place}.strict'."));
        }
        let parameters = &tool["parameters"];
        if parameters["type"] != "object" {
            problems.push(format!("Invalid schema for function '{name}': not an object."));
        } else if !jsonschema::meta::is_valid(parameters) {
            problems.push(format!("Invalid schema for function '{name}'."));
        }
        if tool["strict"] == true
            && let Err(why) = strict_schema(parameters)
        {
            problems.push(format!("Invalid schema for function '{name}': {why}."));
        }
    }
    match fields.get("tool_choice") {
        None => {}
        Some(Value::String(mode)) => match mode.as_str() {
            "auto" | "none" => {}
            "required" if !list.is_empty() => {}
            _ => problems.push(format!("Invalid value for 'tool_choice': '{mode}'.")),
        },
        Some(choice) if choice["type"] == "function" => {
            let name = choice["name"].as_str().unwrap_or("");
            if !names.contains(name) {
                problems.push(format!("Tool choice '{name}' not found in 'tools' parameter."));
            }
        }
        Some(choice) => problems.push(format!("Invalid value for 'tool_choice': {choice}.")),
    }
}

fn output_form(fields: &Map<String, Value>, problems: &mut Vec<String>) {
    let Some(format) = fields.get("text").and_then(|text| text.get("format")) else {
        return;
    };
    match format["type"].as_str() {
        Some("text" | "json_object") => {}
        Some("json_schema") => {
            if format["name"].as_str().is_none_or(str::is_empty) {
                problems.push("Missing required parameter: 'text.format.name'.".to_owned());
            }
            if !format["schema"].is_object() {
                problems.push("Missing required parameter: 'text.format.schema'.".to_owned());
            }
            if format["strict"] == true
                && let Err(why) = strict_schema(&format["schema"])
            {
                problems.push(format!("Invalid schema for response_format: {why}."));
            }
        }
        _ => problems.push(format!("Invalid value for 'text.format': {format}.")),
    }
}

/// The conversation, item by item.
struct Input<'a> {
    issued: &'a Issued,
    stored: bool,
    /// Calls that were made and have no output yet.
    open: Vec<&'a str>,
    answered: HashSet<&'a str>,
    /// A reasoning item whose follower has not come yet.
    dangling: Option<&'a str>,
}

impl<'a> Input<'a> {
    fn new(body: &Value, issued: &'a Issued) -> Self {
        Self {
            issued,
            stored: body["store"] != false,
            open: Vec::new(),
            answered: HashSet::new(),
            dangling: None,
        }
    }

    fn check(mut self, items: &'a [Value], problems: &mut Vec<String>) {
        if items.is_empty() {
            problems.push("'input' is empty.".to_owned());
        }
        for (index, item) in items.iter().enumerate() {
            let place = format!("input[{index}]");
            if let Err(problem) = self.item(item) {
                problems.push(format!("{place}: {problem}"));
            }
        }
        self.follower(problems);
        for call in self.open {
            problems.push(format!("No tool output found for function call {call}."));
        }
    }

    fn follower(&mut self, problems: &mut Vec<String>) {
        if let Some(id) = self.dangling.take() {
            problems.push(format!(
                "Item '{id}' of type 'reasoning' was provided without its required following item."
            ));
        }
    }

    fn item(&mut self, item: &'a Value) -> Result<(), String> {
        self.same_as_issued(item)?;
        let kind = match item.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            None if item.get("role").is_some() => "message",
            other => return Err(format!("Invalid value for 'type': {other:?}")),
        };
        if let Some(id) = self.dangling
            && !matches!(kind, "reasoning" | "function_call" | "custom_tool_call")
            && !(kind == "message" && item["role"] == "assistant")
        {
            return Err(format!("reasoning '{id}' is not followed by what it led to"));
        }
        self.dangling = None;
        match kind {
            "message" => self.message(item),
            "reasoning" => self.reasoning(item),
            "function_call" => self.call(item, "arguments"),
            "custom_tool_call" => self.call(item, "input"),
            "function_call_output" | "custom_tool_call_output" => self.output(item),
            "item_reference" if self.stored => Ok(()),
            "web_search_call"
            | "file_search_call"
            | "computer_call"
            | "code_interpreter_call"
            | "image_generation_call"
            | "mcp_call"
            | "compaction" => Ok(()),
            other => Err(format!("Invalid value: '{other}' is no type of an input item.")),
        }
    }

    /// What the model wrote must come back as it was.
    fn same_as_issued(&self, item: &Value) -> Result<(), String> {
        let Some(id) = item["id"].as_str() else { return Ok(()) };
        match self.issued.get(id) {
            Some(original) if original != item => {
                Err(format!("item '{id}' was changed: it was {original}, it is {item}"))
            }
            _ => Ok(()),
        }
    }

    fn message(&mut self, item: &Value) -> Result<(), String> {
        let role = item["role"].as_str().unwrap_or("");
        let parts: &[&str] = match role {
            "user" | "system" | "developer" => &["input_text", "input_image", "input_file"],
            "assistant" => &["output_text", "refusal"],
            _ => return Err(format!("Invalid value for 'role': '{role}'.")),
        };
        if !self.open.is_empty() && role != "assistant" {
            return Err(format!("a message stands before the output of call {}", self.open[0]));
        }
        match &item["content"] {
            Value::String(_) => Ok(()),
            Value::Array(blocks) if blocks.is_empty() => Err("'content' is empty.".to_owned()),
            Value::Array(blocks) => blocks.iter().try_for_each(|block| content(block, parts)),
            _ => Err("Missing required parameter: 'content'.".to_owned()),
        }
    }

    fn reasoning(&mut self, item: &'a Value) -> Result<(), String> {
        let id = item["id"].as_str().ok_or("Missing required parameter: 'id'.")?;
        if !item["summary"].is_array() {
            return Err("Missing required parameter: 'summary'.".to_owned());
        }
        if !self.stored && !item["encrypted_content"].is_string() {
            return Err(format!(
                "Item with id '{id}' not found. Items are not persisted when `store` is false."
            ));
        }
        if let Some(encrypted) = item["encrypted_content"].as_str()
            && !self.issued.values().any(|known| known["encrypted_content"] == encrypted)
        {
            return Err(format!("The encrypted content of item '{id}' could not be verified."));
        }
        self.dangling = Some(id);
        Ok(())
    }

    fn call(&mut self, item: &'a Value, text: &str) -> Result<(), String> {
        let id = required(item, "call_id")?;
        if id.chars().count() > 64 {
            return Err(format!(
                "Invalid 'call_id': string too long. Expected a string with maximum length 64: {id}"
            ));
        }
        required(item, "name")?;
        if !item[text].is_string() {
            return Err(format!("Invalid type for '{text}': expected a string."));
        }
        if self.open.contains(&id) || self.answered.contains(id) {
            return Err(format!("call_id '{id}' is there twice."));
        }
        self.open.push(id);
        Ok(())
    }

    fn output(&mut self, item: &'a Value) -> Result<(), String> {
        let id = required(item, "call_id")?;
        match self.open.iter().position(|open| *open == id) {
            Some(at) => self.open.remove(at),
            None if self.answered.contains(id) => {
                return Err(format!("call '{id}' has a second output."));
            }
            None => return Err(format!("No tool call found for output with call_id {id}.")),
        };
        self.answered.insert(id);
        match &item["output"] {
            Value::String(_) => Ok(()),
            Value::Array(blocks) => blocks
                .iter()
                .try_for_each(|block| content(block, &["input_text", "input_image", "input_file"])),
            _ => Err("Missing required parameter: 'output'.".to_owned()),
        }
    }
}

fn required<'a>(item: &'a Value, name: &str) -> Result<&'a str, String> {
    let text = item[name].as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| format!("Missing required parameter: '{name}'."))
}

fn content(block: &Value, allowed: &[&str]) -> Result<(), String> {
    let kind = block["type"].as_str().unwrap_or("");
    if !allowed.contains(&kind) {
        return Err(format!("Invalid value: '{kind}'. Supported values are: {allowed:?}."));
    }
    let complete = match kind {
        "input_text" | "output_text" => block["text"].is_string(),
        "refusal" => block["refusal"].is_string(),
        "input_image" => {
            block["file_id"].is_string()
                || block["image_url"].as_str().is_some_and(|url| {
                    url.starts_with("https://")
                        || url.starts_with("http://")
                        || (url.starts_with("data:image/") && url.contains(";base64,"))
                })
        }
        _ => ["file_id", "file_url", "file_data"].iter().any(|name| block[*name].is_string()),
    };
    if complete { Ok(()) } else { Err(format!("content of type '{kind}' is incomplete: {block}")) }
}

#[cfg(test)]
mod tests;
