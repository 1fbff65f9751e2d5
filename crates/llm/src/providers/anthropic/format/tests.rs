use serde_json::json;

use super::*;
use crate::types::ResponseFormat;

fn asked(model: &str, kind: ResponseFormatKind, schema: Option<Value>, strict: bool) -> Request {
    let mut request = Request::new(model, Vec::new());
    request.response_format = Some(ResponseFormat { kind, json_schema: schema, strict });
    request
}

fn schema_form(model: &str, schema: Value, strict: bool) -> (Form, usize) {
    let mut warnings = Vec::new();
    let request = asked(model, ResponseFormatKind::JsonSchema, Some(schema), strict);
    (form(&request, &mut warnings).unwrap(), warnings.len())
}

fn person() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "name": { "type": "string", "minLength": 1, "description": "Who." },
            "age": { "type": ["integer", "null"], "minimum": 0 },
            "pets": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/pet" } },
        },
        "required": ["name", "age"],
        "$defs": { "pet": { "oneOf": [
            { "type": "object", "properties": { "kind": { "const": "cat" } }, "additionalProperties": false },
            { "type": "string", "format": "uuid" },
        ] } },
    })
}

#[test]
fn a_strict_schema_is_enforced_natively_within_what_the_api_knows() {
    let (form, warnings) = schema_form("claude-sonnet-4-5", person(), true);
    assert_eq!(warnings, 0);
    assert_eq!(
        form,
        Form::Native(json!({
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {
                    "name": { "type": "string", "description": "Who. (minLength: 1)" },
                    "age": { "type": ["integer", "null"], "description": "(minimum: 0)" },
                    "pets": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/pet" } },
                },
                "required": ["name", "age"],
                "$defs": { "pet": { "anyOf": [
                    { "type": "object", "properties": { "kind": { "const": "cat" } }, "additionalProperties": false },
                    { "type": "string", "format": "uuid" },
                ] } },
                "additionalProperties": false,
            },
        }))
    );
}

#[test]
fn without_strict_and_on_older_models_the_schema_is_asked_for_in_words() {
    for (model, strict, expected) in [
        ("claude-sonnet-4-5", false, 0),
        ("claude-3-5-haiku-20241022", true, 1),
        ("kimi-k2", true, 1),
    ] {
        let (form, warnings) = schema_form(model, person(), strict);
        let Form::Instruction(text) = form else { panic!("{form:?}") };
        assert!(text.contains(&person().to_string()), "{text}");
        assert_eq!(warnings, expected, "{model}");
    }
}

#[test]
fn a_schema_that_cannot_be_enforced_is_asked_for_in_words_with_a_warning() {
    for schema in [
        json!({ "type": "object" }),
        json!({ "type": "object", "properties": {}, "additionalProperties": true }),
        json!({ "type": "object", "properties": {}, "additionalProperties": { "type": "string" } }),
        json!({ "type": "object", "properties": { "a": true } }),
        json!({ "type": "object", "properties": {}, "patternProperties": { "^x": {} } }),
        json!({ "type": "array", "items": [{ "type": "string" }] }),
        json!({ "properties": {}, "anyOf": [{ "type": "string" }] }),
        json!({ "allOf": [{ "type": "string" }] }),
        json!({ "anyOf": 3 }),
        json!({ "enum": [{ "a": 1 }, "b"] }),
        json!({ "$ref": "#/$defs/none" }),
        json!({ "$ref": "https://example.com/schema" }),
        json!({ "$ref": "#" }),
        json!({
            "type": "object",
            "properties": { "root": { "$ref": "#/$defs/node" } },
            "$defs": { "node": {
                "type": "object",
                "properties": { "next": { "anyOf": [{ "$ref": "#/$defs/node" }, { "type": "null" }] } },
            } },
        }),
        json!(true),
    ] {
        let (form, warnings) = schema_form("claude-opus-5", schema.clone(), true);
        assert!(matches!(form, Form::Instruction(_)), "{schema}");
        assert_eq!(warnings, 1, "{schema}");
    }
}

#[test]
fn json_is_asked_for_in_words_text_not_at_all_and_a_schema_must_be_there() {
    let mut warnings = Vec::new();
    let json = asked("claude-opus-5", ResponseFormatKind::Json, None, false);
    assert!(matches!(form(&json, &mut warnings).unwrap(), Form::Instruction(_)));
    let text = asked("claude-opus-5", ResponseFormatKind::Text, None, false);
    assert_eq!(form(&text, &mut warnings).unwrap(), Form::Free);
    let none = asked("claude-opus-5", ResponseFormatKind::JsonSchema, None, false);
    assert!(form(&none, &mut warnings).unwrap_err().message().contains("json_schema"));
}

#[test]
fn references_that_meet_again_are_no_recursion_and_are_followed_once_each() {
    let mut definitions = serde_json::Map::new();
    for level in 0..60 {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        let both = json!({ "a": next, "b": next });
        definitions.insert(format!("d{level}"), json!({ "type": "object", "properties": both }));
    }
    definitions.insert("d60".to_owned(), json!({ "type": "string" }));
    let schema = json!({
        "type": "object",
        "properties": { "x": { "$ref": "#/$defs/d0" } },
        "$defs": definitions,
    });
    let (form, warnings) = schema_form("claude-opus-5", schema, true);
    assert!(matches!(form, Form::Native(_)), "{form:?}");
    assert_eq!(warnings, 0);
}
