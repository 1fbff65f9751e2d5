//! The form of the answer (unified-llm §3.10).
//!
//! A strict schema goes into `output_config.format` where the model enforces schemas and the schema can be
//! said in the part of JSON Schema that it knows. Anything else is asked for at the end of the system prompt,
//! because the API has no other way.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::invalid;
use super::models::Abilities;
use crate::error::LlmError;
use crate::types::{Request, ResponseFormatKind, Warning};

/// How a form is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// Nothing to ask.
    Free,
    /// In words.
    Instruction(String),
    /// As `output_config.format`.
    Native(Value),
}

/// # Errors
/// [`crate::ErrorKind::InvalidRequest`] when a schema is wanted and missing.
pub(super) fn form(request: &Request, warnings: &mut Vec<Warning>) -> Result<Form, LlmError> {
    let Some(format) = &request.response_format else {
        return Ok(Form::Free);
    };
    let schema = match format.kind {
        ResponseFormatKind::Text => return Ok(Form::Free),
        ResponseFormatKind::Json => {
            return Ok(Form::Instruction(
                "Answer with one JSON object and nothing else: no prose, no code fence.".to_owned(),
            ));
        }
        ResponseFormatKind::JsonSchema => format.json_schema.as_ref().ok_or_else(|| {
            invalid("response_format `json_schema` comes without a `json_schema`")
        })?,
    };
    if format.strict {
        let why = if Abilities::of(&request.model).native_schema {
            match unrolled(schema, schema, &mut Refs::default()).and_then(|()| enforceable(schema))
            {
                Ok(schema) => {
                    return Ok(Form::Native(json!({ "type": "json_schema", "schema": schema })));
                }
                Err(what) => format!("schemas with {what} are not enforced"),
            }
        } else {
            "this model does not enforce schemas".to_owned()
        };
        warnings.push(Warning::new(
            "unsupported_parameter",
            format!("anthropic: {why}; the schema was put into the system prompt"),
        ));
    }
    Ok(Form::Instruction(format!(
        "Answer with one JSON value that is valid under the JSON Schema below, and nothing else: no prose, \
         no code fence.\n\n{schema}"
    )))
}

/// Keywords that are not enforced; the model reads of them in the description.
const SAID_IN_WORDS: [&str; 14] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// The schema with closed objects and without keywords that the API refuses, or what cannot be said.
/// An answer that is valid under the result may still break a constraint that is now only described.
fn enforceable(schema: &Value) -> Result<Value, String> {
    let Value::Object(fields) = schema else {
        return Err("a boolean in place of a schema".to_owned());
    };
    let mut out = Map::new();
    let mut words = Vec::new();
    for (name, value) in fields {
        match name.as_str() {
            "properties" | "$defs" | "definitions" => {
                let members = value.as_object().ok_or(format!("a malformed `{name}`"))?;
                let members: Result<Map<_, _>, String> = members
                    .iter()
                    .map(|(name, member)| Ok((name.clone(), enforceable(member)?)))
                    .collect();
                out.insert(name.clone(), Value::Object(members?));
            }
            "items" => {
                out.insert(name.clone(), enforceable(value)?);
            }
            "anyOf" | "oneOf" => {
                let variants = value.as_array().ok_or(format!("a malformed `{name}`"))?;
                let variants: Result<Vec<_>, _> = variants.iter().map(enforceable).collect();
                out.insert("anyOf".to_owned(), Value::Array(variants?));
            }
            "enum" if value.as_array().is_some_and(|all| all.iter().any(is_compound)) => {
                return Err("objects or lists in an `enum`".to_owned());
            }
            "type" | "enum" | "const" | "title" | "description" | "$ref" | "required"
            | "default" => {
                out.insert(name.clone(), value.clone());
            }
            "additionalProperties" if *value == json!(false) => {}
            "additionalProperties" => return Err("objects of open shape".to_owned()),
            "format" if value.as_str().is_some_and(|format| FORMATS.contains(&format)) => {
                out.insert(name.clone(), value.clone());
            }
            "minItems" if matches!(value.as_u64(), Some(0 | 1)) => {
                out.insert(name.clone(), value.clone());
            }
            // About the schema, not about what it describes.
            "$schema" | "$id" | "$comment" | "examples" => {}
            other if SAID_IN_WORDS.contains(&other) => words.push(format!("{other}: {value}")),
            other => return Err(format!("`{other}`")),
        }
    }
    if fields.contains_key("properties") && (out.contains_key("anyOf") || out.contains_key("$ref"))
    {
        return Err("alternatives beside properties".to_owned());
    }
    if describes_object(fields) {
        if !fields.contains_key("properties") {
            return Err("objects of open shape".to_owned());
        }
        out.insert("additionalProperties".to_owned(), json!(false));
    }
    if !words.is_empty() {
        let words = format!("({})", words.join(", "));
        let text = match out.get("description").and_then(Value::as_str) {
            Some(text) => format!("{text} {words}"),
            None => words,
        };
        out.insert("description".to_owned(), json!(text));
    }
    Ok(Value::Object(out))
}

fn is_compound(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// References that are being followed, and those that were followed to their end.
#[derive(Default)]
struct Refs<'a> {
    open: Vec<&'a str>,
    done: HashSet<&'a str>,
}

/// Whether every reference leads to another part of the schema and none leads into itself, which the API
/// refuses; or what stands against it.
fn unrolled<'a>(root: &'a Value, at: &'a Value, refs: &mut Refs<'a>) -> Result<(), String> {
    if let Some(name) = at.get("$ref").and_then(Value::as_str) {
        if refs.open.contains(&name) {
            return Err("recursion".to_owned());
        }
        if !refs.done.contains(name) {
            let target = name.strip_prefix('#').and_then(|path| root.pointer(path));
            let target = target.ok_or(format!("the reference `{name}`, which leads nowhere"))?;
            refs.open.push(name);
            unrolled(root, target, refs)?;
            refs.open.pop();
            refs.done.insert(name);
        }
    }
    match at {
        Value::Object(fields) => fields.values().try_for_each(|it| unrolled(root, it, refs)),
        Value::Array(items) => items.iter().try_for_each(|it| unrolled(root, it, refs)),
        _ => Ok(()),
    }
}

fn describes_object(fields: &Map<String, Value>) -> bool {
    match fields.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => fields.contains_key("properties"),
    }
}

#[cfg(test)]
mod tests;
