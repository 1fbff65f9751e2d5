//! Google's own dialect of schemas, a part of OpenAPI's.

use serde_json::Value;

const FIELDS: [&str; 26] = [
    "additionalProperties",
    "$defs",
    "defs",
    "$ref",
    "anyOf",
    "default",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "nullable",
    "pattern",
    "properties",
    "propertyOrdering",
    "required",
    "title",
    "type",
];

const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];

/// What is wrong with a schema and those within.
pub(super) fn check(place: &str, schema: &Value, problems: &mut Vec<String>) {
    let Some(fields) = schema.as_object() else {
        problems.push(format!("Invalid value at '{place}': expected an object"));
        return;
    };
    for name in fields.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        problems.push(format!(
            "Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field."
        ));
    }
    match fields.get("type") {
        None => {}
        Some(Value::String(kind)) if TYPES.contains(&kind.to_ascii_lowercase().as_str()) => {}
        // Unions of types are JSON Schema's, not this dialect's.
        Some(kind) => problems.push(format!("Invalid value at '{place}.type': {kind}")),
    }
    if fields.get("enum").and_then(Value::as_array).is_some_and(|list| {
        !list.iter().all(|value| value.as_str().is_some_and(|text| !text.is_empty()))
    }) {
        problems.push(format!("Invalid value at '{place}.enum': expected non-empty strings"));
    }
    let is_kind = |name: &str| {
        let kind = fields.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case(name))
    };
    if is_kind("array") && !fields.contains_key("items") {
        problems.push(format!("* {place}.items: missing field."));
    }
    let properties = fields.get("properties").and_then(Value::as_object);
    for name in fields.get("required").and_then(Value::as_array).into_iter().flatten() {
        let name = name.as_str().unwrap_or("");
        if !properties.is_some_and(|properties| properties.contains_key(name)) {
            problems.push(format!("* {place}.required: property is not defined: {name:?}"));
        }
    }
    for (name, property) in properties.into_iter().flatten() {
        check(&format!("{place}.properties.{name}"), property, problems);
    }
    if let Some(items) = fields.get("items") {
        check(&format!("{place}.items"), items, problems);
    }
    for (index, one) in
        fields.get("anyOf").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        check(&format!("{place}.anyOf[{index}]"), one, problems);
    }
}
