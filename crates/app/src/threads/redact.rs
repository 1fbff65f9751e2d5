//! Secrets taken out of what is kept.

use canon_runtime::secret::Redactor;
use serde_json::Value;

/// Fields whose strings a provider signed or encrypted, or that hold bytes: one changed letter
/// makes them useless, and no secret can be read in them.
const OPAQUE: [&str; 7] = [
    "encrypted_content",
    "signature",
    "thoughtSignature",
    "thought_signature",
    "data",
    "image_data",
    "image_url",
];

/// `value` with every secret in its strings replaced, wherever it stands but in [`OPAQUE`] fields.
pub(super) fn redacted(redactor: &Redactor, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(redactor.redact(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(|item| redacted(redactor, item)).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| {
                let opaque = value.is_string() && OPAQUE.contains(&name.as_str());
                let value = if opaque { value } else { redacted(redactor, value) };
                (name, value)
            };
            Value::Object(fields.into_iter().map(field).collect())
        }
        other => other,
    }
}
