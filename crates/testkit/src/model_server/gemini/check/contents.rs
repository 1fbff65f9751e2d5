//! Roles and parts, and each call's response right after it.

use serde_json::Value;

use super::shapes;
use crate::model_server::rules::{GOOGLE, is_base64};

/// The parts of a content.
pub(super) fn parts(content: &Value) -> &[Value] {
    content["parts"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What the parts of a content have under a name.
pub(super) fn all<'a>(content: &'a Value, name: &str) -> Vec<&'a Value> {
    parts(content).iter().filter_map(|part| part.get(name)).collect()
}

/// The system instruction is text.
pub(super) fn instruction(instruction: &Value, problems: &mut Vec<String>) {
    let place = "systemInstruction";
    shapes::INSTRUCTION.check(place, instruction, &GOOGLE, problems);
    for (index, it) in parts(instruction).iter().enumerate() {
        part(&format!("{place}.parts[{index}]"), it, problems);
        if !it["text"].is_string() {
            problems.push(format!("{place}.parts[{index}]: only text is supported"));
        }
    }
    if parts(instruction).is_empty() {
        problems.push(format!("* {place}.parts: contents.parts must not be empty."));
    }
}

pub(super) fn check(body: &Value, problems: &mut Vec<String>) {
    let contents = body["contents"].as_array().map(Vec::as_slice).unwrap_or_default();
    if contents.is_empty() {
        problems.push("* GenerateContentRequest.contents: contents is not specified".to_owned());
    }
    for (index, content) in contents.iter().enumerate() {
        let place = format!("contents[{index}]");
        if !shapes::CONTENT.check(&place, content, &GOOGLE, problems) {
            continue;
        }
        let role = content["role"].as_str().unwrap_or("");
        if role != "user" && role != "model" {
            problems
                .push(format!("Please use a valid role: user, model. {place}.role is {role:?}"));
        }
        if index == 0 && role != "user" {
            problems.push("the first content is not the user's".to_owned());
        }
        if parts(content).is_empty() {
            problems.push(format!("* {place}.parts: contents.parts must not be empty."));
        }
        for (at, it) in parts(content).iter().enumerate() {
            let place = format!("{place}.parts[{at}]");
            part(&place, it, problems);
            let of_model = it.get("functionCall").is_some() || it["thought"] == true;
            let of_user = it.get("functionResponse").is_some();
            if of_model && role != "model" || of_user && role != "user" {
                problems.push(format!("{place}: has no place in a content of {role:?}"));
            }
        }
        turn(index, contents, problems);
    }
}

fn part(place: &str, part: &Value, problems: &mut Vec<String>) {
    if !shapes::PART.check(place, part, &GOOGLE, problems) {
        return;
    }
    let data = shapes::DATA.iter().filter(|name| part.get(**name).is_some());
    match data.count() {
        1 => {}
        0 => problems.push(format!(
            "* {place}.data: required oneof field 'data' must have one initialized field"
        )),
        _ => {
            problems.push(format!("Invalid value at '{place}': oneof field 'data' is already set"))
        }
    }
    let shapes = [
        ("functionCall", &shapes::CALL),
        ("functionResponse", &shapes::RESPONSE),
        ("inlineData", &shapes::BLOB),
        ("fileData", &shapes::FILE),
    ];
    for (name, shape) in shapes {
        if let Some(value) = part.get(name) {
            shape.check(&format!("{place}.{name}"), value, &GOOGLE, problems);
        }
    }
    if let Some(blob) = part.get("inlineData") {
        inline(&format!("{place}.inlineData"), blob, problems);
    }
    if part.get("fileData").is_some_and(|file| file["fileUri"] == "") {
        problems.push(format!("{place}.fileData.fileUri: is empty"));
    }
    for (index, inner) in
        part["functionResponse"]["parts"].as_array().into_iter().flatten().enumerate()
    {
        let place = format!("{place}.functionResponse.parts[{index}]");
        match inner.get("inlineData") {
            Some(blob) if shapes::BLOB.check(&place, blob, &GOOGLE, problems) => {
                inline(&place, blob, problems);
            }
            Some(_) => {}
            None if inner.get("fileData").is_some() => {}
            None => problems.push(format!("{place}: neither inlineData nor fileData")),
        }
    }
}

fn inline(place: &str, blob: &Value, problems: &mut Vec<String>) {
    if !blob["data"].as_str().is_some_and(is_base64) {
        problems.push(format!("Invalid value at '{place}.data': Base64 decoding failed"));
    }
    if !blob["mimeType"].as_str().is_some_and(|kind| kind.contains('/')) {
        problems.push(format!("{place}.mimeType: Unsupported MIME type: {}", blob["mimeType"]));
    }
}

/// Calls come after the user, and their responses come next, as many and by the same names.
fn turn(index: usize, contents: &[Value], problems: &mut Vec<String>) {
    let content = &contents[index];
    let calls = all(content, "functionCall");
    if !calls.is_empty() {
        if index > 0 && contents[index - 1]["role"] != "user" {
            problems.push(format!(
                "Please ensure that function call turn comes immediately after a user turn or \
                 after a function response turn: contents[{index}]"
            ));
        }
        let next = contents.get(index + 1);
        let responses = next.map(|next| all(next, "functionResponse")).unwrap_or_default();
        if responses.len() != calls.len() {
            problems.push(format!(
                "Please ensure that the number of function response parts is equal to the number \
                 of function call parts of the function call turn: contents[{index}] has {}, {} \
                 came back",
                calls.len(),
                responses.len()
            ));
        } else {
            matching(index, &calls, &responses, problems);
        }
    }
    let asked = index > 0 && !all(&contents[index - 1], "functionCall").is_empty();
    if !asked && !all(content, "functionResponse").is_empty() {
        problems.push(format!(
            "Please ensure that function response turn comes immediately after a function call \
             turn: contents[{index}]"
        ));
    }
}

/// By id where the call has one, else in order.
fn matching(index: usize, calls: &[&Value], responses: &[&Value], problems: &mut Vec<String>) {
    let mut left = responses.to_vec();
    for call in calls {
        let fits = |response: &&Value| {
            response["name"] == call["name"] && response.get("id") == call.get("id")
        };
        match left.iter().position(fits) {
            Some(at) => {
                left.remove(at);
            }
            None => problems.push(format!(
                "contents[{index}]: no function response has the name and id of {call}; there are \
                 {responses:?}"
            )),
        }
    }
}
