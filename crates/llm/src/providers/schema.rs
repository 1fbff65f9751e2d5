//! What OpenAI and those who took over its format want of a JSON Schema.

use serde_json::{Map, Value};

use crate::types::Warning;

/// The name that an output schema is sent under: at most 64 letters, digits and `_`.
pub(super) fn name(schema: &Value) -> String {
    let title = schema.get("title").and_then(Value::as_str).unwrap_or("");
    let name: String =
        title.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(64).collect();
    if name.is_empty() { "response".to_owned() } else { name }
}

/// Keywords of the subset, beside those that [`Check::schema`] looks into.
const HARMLESS: &[&str] = &[
    "$schema",
    "title",
    "description",
    "type",
    "enum",
    "const",
    "pattern",
    "format",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
];

/// Limits of the subset.
const MAX_DEPTH: usize = 10;
const MAX_PROPERTIES: usize = 5_000;
const MAX_ENUM_VALUES: usize = 1_000;

/// Whether a schema can be sent with `strict: true`; a warning says why not.
pub(super) fn is_strict(provider: &str, schema: &Value, warnings: &mut Vec<Warning>) -> bool {
    let Err(reason) = strict_subset(schema) else {
        return true;
    };
    let message = format!("{provider}: the schema is sent without `strict`, because {reason}");
    warnings.push(Warning::new("schema_not_strict", message));
    false
}

/// Whether `schema` is within the subset that OpenAI enforces with `strict: true`; a schema outside of it is
/// refused there with 400. Careful rather than complete: an unknown keyword does not qualify.
///
/// # Errors
/// What does not qualify, and where, for people.
pub(super) fn strict_subset(schema: &Value) -> Result<(), String> {
    let root = schema.as_object().ok_or("the schema is no object")?;
    if root.get("type").and_then(Value::as_str) != Some("object") {
        return Err("the root is not of type `object`".to_owned());
    }
    if root.contains_key("anyOf") {
        return Err("the root has `anyOf`".to_owned());
    }
    Check { root: schema, properties: 0, enum_values: 0 }.schema(schema, "", 1)
}

struct Check<'a> {
    root: &'a Value,
    properties: usize,
    enum_values: usize,
}

impl Check<'_> {
    fn schema(&mut self, schema: &Value, at: &str, depth: usize) -> Result<(), String> {
        let place = if at.is_empty() { "the root" } else { at };
        let fields = schema.as_object().ok_or_else(|| format!("{place} is no schema object"))?;
        if depth > MAX_DEPTH {
            return Err(format!("{place} is nested deeper than {MAX_DEPTH} levels"));
        }
        let is_typed = ["type", "enum", "const", "anyOf", "$ref"];
        if !is_typed.iter().any(|keyword| fields.contains_key(*keyword)) {
            return Err(format!("{place} has no type"));
        }
        self.count_enum(fields, place)?;
        for (keyword, value) in fields {
            let below = format!("{at}/{keyword}");
            match keyword.as_str() {
                "properties" | "required" | "additionalProperties" => {}
                "items" => self.schema(value, &below, depth + 1)?,
                "anyOf" => {
                    let branches = value.as_array().ok_or_else(|| format!("{below} is no list"))?;
                    for (number, branch) in branches.iter().enumerate() {
                        self.schema(branch, &format!("{below}/{number}"), depth)?;
                    }
                }
                // Definitions are counted from their own root, wherever they are used.
                "$defs" | "definitions" => {
                    let named = value.as_object().ok_or_else(|| format!("{below} is no object"))?;
                    for (name, definition) in named {
                        self.schema(definition, &format!("{below}/{name}"), 1)?;
                    }
                }
                "$ref" => self.reference(value, &below)?,
                known if HARMLESS.contains(&known) => {}
                other => return Err(format!("{place} uses `{other}`")),
            }
        }
        if is_object(fields) { self.object(fields, at, place, depth) } else { Ok(()) }
    }

    fn object(
        &mut self,
        fields: &Map<String, Value>,
        at: &str,
        place: &str,
        depth: usize,
    ) -> Result<(), String> {
        if fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Err(format!("{place} lacks `additionalProperties: false`"));
        }
        let no_properties = Map::new();
        let properties = match fields.get("properties") {
            None => &no_properties,
            Some(properties) => properties
                .as_object()
                .ok_or_else(|| format!("the properties of {place} are no object"))?,
        };
        let required = fields.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|other| other == name));
        self.properties += properties.len();
        if self.properties > MAX_PROPERTIES {
            return Err(format!("it has more than {MAX_PROPERTIES} properties"));
        }
        for (name, property) in properties {
            if !is_required(name) {
                return Err(format!("property `{name}` of {place} is optional"));
            }
            self.schema(property, &format!("{at}/properties/{name}"), depth + 1)?;
        }
        Ok(())
    }

    fn count_enum(&mut self, fields: &Map<String, Value>, place: &str) -> Result<(), String> {
        let Some(values) = fields.get("enum") else { return Ok(()) };
        let values = values.as_array().ok_or_else(|| format!("`enum` of {place} is no list"))?;
        self.enum_values += values.len();
        if self.enum_values > MAX_ENUM_VALUES {
            return Err(format!("it has more than {MAX_ENUM_VALUES} enum values"));
        }
        Ok(())
    }

    fn reference(&self, target: &Value, at: &str) -> Result<(), String> {
        let local = target.as_str().and_then(|target| target.strip_prefix('#'));
        match local.and_then(|pointer| self.root.pointer(pointer)) {
            Some(_) => Ok(()),
            None => Err(format!("{at} refers to nothing in the schema")),
        }
    }
}

/// By its type or, without one, by its properties.
fn is_object(fields: &Map<String, Value>) -> bool {
    match fields.get("type") {
        Some(Value::Array(types)) => types.iter().any(|name| name == "object"),
        Some(name) => name == "object",
        None => fields.contains_key("properties"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(properties: Value) -> Value {
        let names: Vec<&String> = properties.as_object().unwrap().keys().collect();
        json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
    }

    #[test]
    fn schemas_within_the_subset_qualify() {
        let inner = object(json!({ "x": { "type": ["string", "null"], "description": "d" } }));
        let mut whole = object(json!({
            "a": { "type": "array", "items": inner, "minItems": 1 },
            "b": { "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "null" }] },
            "c": { "enum": ["p", "q"] },
            "d": { "$ref": "#/$defs/node" },
            "e": { "$ref": "#" },
        }));
        whole["$defs"] = json!({ "node": object(json!({ "next": { "anyOf": [{ "$ref": "#/$defs/node" }, { "type": "null" }] } })) });
        whole["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        assert_eq!(strict_subset(&whole), Ok(()));
        assert_eq!(strict_subset(&object(json!({}))), Ok(()));
    }

    #[test]
    fn what_lies_outside_is_named_with_its_place() {
        let mut optional = object(json!({ "a": { "type": "string" } }));
        optional["required"] = json!([]);
        let mut deep = json!({ "type": "string" });
        for _ in 0..10 {
            deep = object(json!({ "a": deep }));
        }
        let many: Vec<u32> = (0..1001).collect();
        for (schema, reason) in [
            (json!(true), "no object"),
            (json!({ "type": "array", "items": {} }), "not of type `object`"),
            (json!({ "type": "object", "anyOf": [] }), "`anyOf`"),
            (json!({ "type": "object", "properties": {} }), "additionalProperties"),
            (optional, "`a` of the root is optional"),
            (
                object(json!({ "a": { "type": "string", "minLength": 1 } })),
                "/properties/a uses `minLength`",
            ),
            (object(json!({ "a": { "description": "anything" } })), "/properties/a has no type"),
            (
                object(json!({ "a": { "type": "array", "items": { "type": "object" } } })),
                "/properties/a/items lacks",
            ),
            (object(json!({ "a": { "oneOf": [], "type": "string" } })), "`oneOf`"),
            (object(json!({ "a": { "$ref": "#/$defs/none" } })), "refers to nothing"),
            (object(json!({ "a": { "$ref": "https://x/y" } })), "refers to nothing"),
            (object(json!({ "a": { "enum": many } })), "1000 enum values"),
            (object(json!({ "a": true })), "no schema object"),
            (deep, "deeper than 10"),
        ] {
            let said = strict_subset(&schema).unwrap_err();
            assert!(said.contains(reason), "{said} / {reason}");
        }
    }

    #[test]
    fn a_name_is_made_of_the_title() {
        assert_eq!(name(&json!({ "title": "A thing!" })), "A_thing_");
        assert_eq!(name(&json!({})), "response");
        assert_eq!(name(&json!({ "title": "x".repeat(100) })).len(), 64);
    }
}
