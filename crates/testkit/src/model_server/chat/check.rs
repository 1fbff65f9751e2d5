//! What servers of this wire refuse, and what it would be a mistake to send although it may pass.

use serde_json::Value;

use crate::model_server::rules::Kind::{
    Any, Bool, Count, List, Number, Object, OrNull, Text, TextOrList,
};
use crate::model_server::rules::{
    OPENAI, Shape, is_base64, is_tool_name, is_web_url, object_schema, strict_schema,
};

/// OpenAI's fields, and those that well-known servers of this wire add.
const REQUEST: Shape = Shape {
    required: &[("model", Text), ("messages", List)],
    optional: &[
        ("audio", OrNull(&Object)),
        ("frequency_penalty", OrNull(&Number)),
        ("logit_bias", OrNull(&Object)),
        ("logprobs", OrNull(&Bool)),
        ("max_completion_tokens", OrNull(&Count)),
        ("max_tokens", OrNull(&Count)),
        ("metadata", OrNull(&Object)),
        ("modalities", OrNull(&List)),
        ("n", OrNull(&Count)),
        ("parallel_tool_calls", Bool),
        ("prediction", OrNull(&Object)),
        ("presence_penalty", OrNull(&Number)),
        ("prompt_cache_key", OrNull(&Text)),
        ("prompt_cache_options", Object),
        ("prompt_cache_retention", OrNull(&Text)),
        ("reasoning_effort", OrNull(&Text)),
        ("response_format", Object),
        ("safety_identifier", OrNull(&Text)),
        ("seed", OrNull(&Number)),
        ("service_tier", OrNull(&Text)),
        ("stop", OrNull(&TextOrList)),
        ("store", OrNull(&Bool)),
        ("stream", OrNull(&Bool)),
        ("stream_options", OrNull(&Object)),
        ("temperature", OrNull(&Number)),
        ("tool_choice", Any),
        ("tools", List),
        ("top_logprobs", OrNull(&Count)),
        ("top_p", OrNull(&Number)),
        ("user", Text),
        ("verbosity", OrNull(&Text)),
        ("web_search_options", Object),
        // vLLM, llama.cpp, Ollama
        ("chat_template_kwargs", Object),
        ("keep_alive", Any),
        ("min_p", Number),
        ("options", Object),
        ("repetition_penalty", Number),
        ("top_k", Number),
        // OpenRouter, DeepSeek, Groq
        ("models", List),
        ("plugins", List),
        ("provider", Object),
        ("reasoning", Object),
        ("reasoning_format", Text),
        ("thinking", Object),
        ("transforms", List),
    ],
};

const STREAM_OPTIONS: Shape =
    Shape { required: &[], optional: &[("include_usage", Bool), ("include_obfuscation", Bool)] };

const SAID: Shape =
    Shape { required: &[("role", Text), ("content", TextOrList)], optional: &[("name", Text)] };

const RESULT: Shape = Shape {
    required: &[("role", Text), ("content", TextOrList), ("tool_call_id", Text)],
    optional: &[("name", Text)],
};

const ASSISTANT: Shape = Shape {
    required: &[("role", Text)],
    optional: &[
        ("annotations", OrNull(&List)),
        ("audio", OrNull(&Object)),
        ("content", OrNull(&TextOrList)),
        ("images", List),
        ("name", Text),
        ("reasoning", OrNull(&Text)),
        ("reasoning_content", OrNull(&Text)),
        ("reasoning_details", OrNull(&List)),
        ("refusal", OrNull(&Text)),
        ("tool_calls", List),
    ],
};

const CALL: Shape =
    Shape { required: &[("id", Text), ("type", Text), ("function", Object)], optional: &[] };

const CALLED: Shape = Shape { required: &[("name", Text), ("arguments", Text)], optional: &[] };

const TOOL: Shape = Shape { required: &[("type", Text), ("function", Object)], optional: &[] };

const FUNCTION: Shape = Shape {
    required: &[("name", Text)],
    optional: &[("description", Text), ("parameters", Object), ("strict", OrNull(&Bool))],
};

const SCHEMA: Shape = Shape {
    required: &[("name", Text), ("schema", Object)],
    optional: &[("description", Text), ("strict", OrNull(&Bool))],
};

/// Every problem of a request, in the order in which it is read.
pub(super) fn request(body: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    if !REQUEST.check("", body, &OPENAI, &mut problems) {
        return problems;
    }
    settings(body, &mut problems);
    tools(body, &mut problems);
    format(body, &mut problems);
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() {
        problems.push("Invalid 'messages': empty array.".to_owned());
    }
    conversation(messages, &mut problems);
    problems
}

fn settings(body: &Value, problems: &mut Vec<String>) {
    if body["model"] == "" {
        problems.push("you must provide a model parameter".to_owned());
    }
    if body["stream_options"].is_object() {
        STREAM_OPTIONS.check("stream_options", &body["stream_options"], &OPENAI, problems);
        if body["stream"] != true {
            problems.push(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled."
                    .to_owned(),
            );
        }
    }
    if body["max_tokens"].is_u64() && body["max_completion_tokens"].is_u64() {
        problems.push(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
                .to_owned(),
        );
    }
    for name in ["max_tokens", "max_completion_tokens"] {
        if body[name] == 0 {
            problems.push(format!("Invalid '{name}': integer below minimum value of 1."));
        }
    }
    for (name, most) in [("temperature", 2.0), ("top_p", 1.0)] {
        if body[name].as_f64().is_some_and(|value| !(0.0..=most).contains(&value)) {
            problems.push(format!("Invalid '{name}': out of range 0..{most}."));
        }
    }
    if let Some(stops) = body["stop"].as_array()
        && (stops.is_empty() || stops.len() > 4 || !stops.iter().all(Value::is_string))
    {
        problems.push("Invalid 'stop': expected one to four strings.".to_owned());
    }
    let pairs = body["metadata"].as_object();
    if pairs.is_some_and(|pairs| !pairs.values().all(Value::is_string)) {
        problems.push("Invalid type for 'metadata': expected an object of strings.".to_owned());
    }
}

fn tools(body: &Value, problems: &mut Vec<String>) {
    let mut names = Vec::new();
    let list = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        if body.get("tools").is_some() {
            problems.push("Invalid 'tools': empty array.".to_owned());
        }
        for name in ["tool_choice", "parallel_tool_calls"] {
            if body.get(name).is_some() {
                problems.push(format!("'{name}' is only allowed when 'tools' are specified."));
            }
        }
        return;
    }
    for (index, tool) in list.iter().enumerate() {
        let place = format!("tools[{index}]");
        if tool["type"].as_str().is_some_and(|kind| kind != "function") {
            continue;
        }
        let function = &tool["function"];
        if !TOOL.check(&place, tool, &OPENAI, problems)
            || !FUNCTION.check(&format!("{place}.function"), function, &OPENAI, problems)
        {
            continue;
        }
        let name = function["name"].as_str().unwrap_or("");
        if !is_tool_name(name, 64, "") {
            problems.push(format!("Invalid '{place}.function.name': {name:?}."));
        }
        if names.contains(&name) {
            problems.push(format!("'{place}.function.name' {name:?} is there twice."));
        }
        names.push(name);
        if let Some(parameters) = function.get("parameters")
            && let Err(why) = object_schema(parameters)
        {
            problems.push(format!("Invalid schema for function '{name}': {why}."));
        }
        if function["strict"] == true
            && let Err(why) = strict_schema(&function["parameters"])
        {
            problems.push(format!("Invalid schema for function '{name}': {why}."));
        }
    }
    match body.get("tool_choice") {
        None => {}
        Some(Value::String(mode)) if ["auto", "none", "required"].contains(&mode.as_str()) => {}
        Some(choice) if choice["type"] == "function" => {
            let name = choice["function"]["name"].as_str().unwrap_or("");
            if !names.contains(&name) {
                problems.push(format!("Tool choice '{name}' not found in 'tools' parameter."));
            }
        }
        Some(choice) if choice["type"] == "allowed_tools" => {}
        Some(choice) => problems.push(format!("Invalid value for 'tool_choice': {choice}.")),
    }
}

fn format(body: &Value, problems: &mut Vec<String>) {
    let Some(format) = body.get("response_format") else { return };
    match format["type"].as_str() {
        Some("text" | "json_object") => {}
        Some("json_schema") => {
            let place = "response_format.json_schema";
            let schema = &format["json_schema"];
            if SCHEMA.check(place, schema, &OPENAI, problems)
                && !is_tool_name(schema["name"].as_str().unwrap_or(""), 64, "")
            {
                problems.push(format!("Invalid '{place}.name': {}.", schema["name"]));
            }
            if schema["strict"] == true
                && let Err(why) = strict_schema(&schema["schema"])
            {
                problems.push(format!("Invalid schema for response_format: {why}."));
            }
        }
        _ => problems.push(format!("Invalid value for 'response_format': {format}.")),
    }
}

/// Each call has its result, right after the message that it stands in.
fn conversation<'a>(messages: &'a [Value], problems: &mut Vec<String>) {
    let mut open: Vec<&'a str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages[{index}]");
        let role = message["role"].as_str().unwrap_or("");
        if role == "tool" {
            result(&place, message, &mut open, problems);
            continue;
        }
        unanswered(&mut open, problems);
        match role {
            "system" | "developer" => {
                SAID.check(&place, message, &OPENAI, problems);
                content(&place, &message["content"], &["text"], problems);
            }
            "user" => {
                SAID.check(&place, message, &OPENAI, problems);
                let allowed = ["text", "image_url", "input_audio", "file", "video_url"];
                content(&place, &message["content"], &allowed, problems);
            }
            "assistant" => {
                assistant(&place, message, problems);
                let calls = message["tool_calls"].as_array().into_iter().flatten();
                open.extend(calls.filter_map(|call| call["id"].as_str()));
            }
            _ => problems.push(format!("Invalid value for '{place}.role': {role:?}.")),
        }
    }
    unanswered(&mut open, problems);
}

fn unanswered(open: &mut Vec<&str>, problems: &mut Vec<String>) {
    if !open.is_empty() {
        problems.push(format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding \
             to each 'tool_call_id'. The following did not have response messages: {}",
            open.join(", ")
        ));
        open.clear();
    }
}

fn result(place: &str, message: &Value, open: &mut Vec<&str>, problems: &mut Vec<String>) {
    RESULT.check(place, message, &OPENAI, problems);
    content(place, &message["content"], &["text"], problems);
    let id = message["tool_call_id"].as_str().unwrap_or("");
    match open.iter().position(|call| *call == id) {
        Some(at) => {
            open.remove(at);
        }
        None => problems.push(format!(
            "Invalid parameter: {place} with role 'tool' must be a response to a preceeding \
             message with 'tool_calls': {id:?}."
        )),
    }
}

fn assistant(place: &str, message: &Value, problems: &mut Vec<String>) {
    if !ASSISTANT.check(place, message, &OPENAI, problems) {
        return;
    }
    let instead = ["tool_calls", "refusal", "audio"];
    if message["content"].is_null() && instead.iter().all(|name| message[*name].is_null()) {
        problems.push(format!("Invalid value for '{place}.content': expected a string, got null."));
    }
    if !message["content"].is_null() {
        content(place, &message["content"], &["text", "refusal"], problems);
    }
    let Some(calls) = message["tool_calls"].as_array() else { return };
    if calls.is_empty() {
        problems.push(format!("Invalid '{place}.tool_calls': empty array."));
    }
    let mut ids = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let place = format!("{place}.tool_calls[{index}]");
        if CALL.check(&place, call, &OPENAI, problems) {
            CALLED.check(&format!("{place}.function"), &call["function"], &OPENAI, problems);
        }
        let id = call["id"].as_str().unwrap_or("");
        if id.is_empty() || ids.contains(&id) {
            problems.push(format!("Invalid '{place}.id': {id:?} is empty or there twice."));
        }
        ids.push(id);
    }
}

fn content(place: &str, content: &Value, allowed: &[&str], problems: &mut Vec<String>) {
    let Some(parts) = content.as_array() else { return };
    if parts.is_empty() {
        problems.push(format!("Invalid '{place}.content': empty array."));
    }
    for (index, part) in parts.iter().enumerate() {
        let place = format!("{place}.content[{index}]");
        let kind = part["type"].as_str().unwrap_or("");
        if !allowed.contains(&kind) {
            problems.push(format!(
                "Invalid value: '{place}.type' is {kind:?}. Supported values are: {allowed:?}."
            ));
            continue;
        }
        let whole = match kind {
            "text" | "refusal" => part[kind].is_string(),
            "image_url" => part["image_url"]["url"].as_str().is_some_and(is_image),
            "input_audio" => {
                let audio = &part["input_audio"];
                audio["data"].as_str().is_some_and(is_base64)
                    && (audio["format"] == "wav" || audio["format"] == "mp3")
            }
            "file" => {
                let file = &part["file"];
                file["file_id"].is_string()
                    || file["file_data"].is_string() && file["filename"].is_string()
            }
            _ => part[kind].is_object(),
        };
        if !whole {
            problems
                .push(format!("Invalid '{place}': incomplete content of type {kind:?}: {part}"));
        }
    }
}

fn is_image(url: &str) -> bool {
    let inline = url.strip_prefix("data:image/").and_then(|rest| rest.split_once(";base64,"));
    is_web_url(url) || inline.is_some_and(|(_, data)| is_base64(data))
}

#[cfg(test)]
mod tests;
