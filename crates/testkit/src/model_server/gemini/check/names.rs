//! Names of fields, which Google takes in snake case too.

use serde_json::Value;

/// Fields whose own fields are the caller's.
const OPAQUE: [&str; 9] = [
    "args",
    "default",
    "labels",
    "parameters",
    "parametersJsonSchema",
    "partMetadata",
    "response",
    "responseJsonSchema",
    "responseSchema",
];

/// The same with every field of the service in camel case.
pub(super) fn camel(value: &Value) -> Value {
    match value {
        Value::Array(list) => Value::Array(list.iter().map(camel).collect()),
        Value::Object(fields) => {
            let renamed = fields.iter().map(|(name, value)| {
                let name = camel_name(name);
                let value =
                    if OPAQUE.contains(&name.as_str()) { value.clone() } else { camel(value) };
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
