//! What the checks of all wires have in common: shapes of objects, names and schemas of tools.

use serde_json::Value;

/// What a field may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Any,
    Bool,
    Text,
    Number,
    /// A whole number that is not negative.
    Count,
    Texts,
    Object,
    List,
    /// A text, or a list of parts.
    TextOrList,
    OrNull(&'static Kind),
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Bool => value.is_boolean(),
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::Count => value.is_u64(),
            Self::Texts => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
            Self::Object => value.is_object(),
            Self::List => value.is_array(),
            Self::TextOrList => value.is_string() || value.is_array(),
            Self::OrNull(kind) => value.is_null() || kind.holds(value),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Bool => "a boolean",
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Count => "a whole number",
            Self::Texts => "a list of strings",
            Self::Object => "an object",
            Self::List => "a list",
            Self::TextOrList => "a string or a list",
            Self::OrNull(kind) => kind.name(),
        }
    }
}

/// The fields of an object.
pub(super) struct Shape {
    pub(super) required: &'static [(&'static str, Kind)],
    pub(super) optional: &'static [(&'static str, Kind)],
}

impl Shape {
    /// Whether it is such an object; says at `place` what is unknown, missing or of a wrong type.
    pub(super) fn check(
        &self,
        place: &str,
        value: &Value,
        voice: &Voice,
        problems: &mut Vec<String>,
    ) -> bool {
        let before = problems.len();
        let Some(fields) = value.as_object() else {
            problems.push((voice.wrong)(place, Kind::Object.name()));
            return false;
        };
        let at =
            |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
        for (name, value) in fields {
            let known = self.required.iter().chain(self.optional).find(|(known, _)| known == name);
            match known {
                None => problems.push((voice.unknown)(place, name)),
                Some((_, kind)) if !kind.holds(value) => {
                    problems.push((voice.wrong)(&at(name), kind.name()));
                }
                Some(_) => {}
            }
        }
        for (name, _) in self.required {
            if !fields.contains_key(*name) {
                problems.push((voice.missing)(&at(name)));
            }
        }
        problems.len() == before
    }
}

/// How a service words its refusals.
pub(super) struct Voice {
    /// Of a place and an unknown field in it.
    pub(super) unknown: fn(&str, &str) -> String,
    /// Of the path of a field that is missing.
    pub(super) missing: fn(&str) -> String,
    /// Of the path of a field and what it should have held.
    pub(super) wrong: fn(&str, &str) -> String,
}

/// OpenAI's words.
pub(super) const OPENAI: Voice = Voice {
    unknown: |place, name| {
        let dot = if place.is_empty() { "" } else { "." };
        format!("Unknown parameter: '{place}{dot}{name}'.")
    },
    missing: |path| format!("Missing required parameter: '{path}'."),
    wrong: |path, kind| format!("Invalid type for '{path}': expected {kind}."),
};

/// Anthropic's words.
pub(super) const ANTHROPIC: Voice = Voice {
    unknown: |place, name| {
        let dot = if place.is_empty() { "" } else { "." };
        format!("{place}{dot}{name}: Extra inputs are not permitted")
    },
    missing: |path| format!("{path}: Field required"),
    wrong: |path, kind| format!("{path}: Input should be {kind}"),
};

/// Google's words.
pub(super) const GOOGLE: Voice = Voice {
    unknown: |place, name| {
        let at = if place.is_empty() { String::new() } else { format!(" at '{place}'") };
        format!("Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field.")
    },
    missing: |path| format!("* GenerateContentRequest.{path}: required"),
    wrong: |path, kind| format!("Invalid value at '{path}': expected {kind}"),
};

/// Whether a name of a tool has up to `longest` characters of `a-zA-Z0-9_-` and those of `more`.
pub(super) fn is_tool_name(name: &str, longest: usize, more: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || more.contains(c);
    !name.is_empty() && name.len() <= longest && name.chars().all(fits)
}

/// What is wrong with a JSON Schema that describes an object.
pub(super) fn object_schema(schema: &Value) -> Result<(), &'static str> {
    if schema["type"] != "object" {
        Err("its type is not 'object'")
    } else if !jsonschema::meta::is_valid(schema) {
        Err("it is no valid JSON Schema")
    } else {
        Ok(())
    }
}

/// Why OpenAI refuses a schema that is to be kept strictly: objects are closed and name every property
/// as required.
pub(super) fn strict_schema(schema: &Value) -> Result<(), String> {
    if schema["type"] == "object" || schema.get("properties").is_some() {
        if schema["additionalProperties"] != false {
            return Err(
                "'additionalProperties' is required to be supplied and to be false".to_owned()
            );
        }
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names = schema["properties"].as_object().into_iter().flat_map(|named| named.keys());
        for name in names {
            if !required.iter().any(|required| required == name) {
                return Err(format!(
                    "'required' is required to be an array with every key in properties: {name:?}"
                ));
            }
        }
    }
    let named = ["properties", "$defs", "definitions"].iter().filter_map(|word| schema.get(word));
    let named = named.filter_map(Value::as_object).flat_map(|inner| inner.values());
    let listed = schema["anyOf"].as_array().into_iter().flatten();
    named.chain(listed).chain(schema.get("items")).try_for_each(strict_schema)
}

/// Whether a text is base64 with padding, and not empty.
pub(super) fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let alphabet = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    !body.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.chars().all(alphabet)
}

/// Whether a text is a web address.
pub(super) fn is_web_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty())
}
