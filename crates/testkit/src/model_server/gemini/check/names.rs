//! Names of fields, which Google takes in snake case too.

use serde_json::Value;

/// Fields whose own fields are the caller's.
const OPAQUE: [&str; 6] =
    ["args", "labels", "parametersJsonSchema", "partMetadata", "response", "responseJsonSchema"];

/// Fields that hold a schema in Google's dialect.
const SCHEMAS: [&str; 2] = ["parameters", "responseSchema"];

/// The same with every field of the service in camel case.
pub(super) fn camel(value: &Value) -> Value {
    match value {
        Value::Array(list) => Value::Array(list.iter().map(camel).collect()),
        Value::Object(fields) => {
            let renamed = fields.iter().map(|(name, value)| {
                let name = camel_name(name);
                let value = match name.as_str() {
                    opaque if OPAQUE.contains(&opaque) => value.clone(),
                    schema if SCHEMAS.contains(&schema) => camel_schema(value),
                    _ => camel(value),
                };
                (name, value)
            });
            Value::Object(renamed.collect())
        }
        other => other.clone(),
    }
}

/// The names of properties are the caller's, the words of the dialect are not.
fn camel_schema(schema: &Value) -> Value {
    match schema {
        Value::Array(list) => Value::Array(list.iter().map(camel_schema).collect()),
        Value::Object(fields) => {
            let renamed = fields.iter().map(|(name, value)| {
                let name = camel_name(name);
                let value = match (name.as_str(), value) {
                    ("properties" | "$defs" | "defs", Value::Object(named)) => {
                        let inner = named.iter();
                        inner.map(|(name, one)| (name.clone(), camel_schema(one))).collect()
                    }
                    ("items" | "anyOf" | "additionalProperties", value) => camel_schema(value),
                    _ => value.clone(),
                };
                (name, value)
            });
            Value::Object(renamed.collect())
        }
        other => other.clone(),
    }
}

fn camel_name(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or("").to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}
