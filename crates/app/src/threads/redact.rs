//! Secrets taken out of what is kept.

use canon_runtime::secret::Redactor;
use serde_json::Value;

/// Fields whose strings a provider signed or encrypted, or that hold bytes: one changed letter
/// makes them useless, and no secret can be read in them. Arguments of tools may have such names too,
/// and are plain text.
const OPAQUE: [&str; 7] = [
    "encrypted_content",
    "signature",
    "thoughtSignature",
    "thought_signature",
    "data",
    "image_data",
    "image_url",
];

/// Arguments of a tool call, in our form and in those of providers.
const ARGUMENTS: [&str; 3] = ["arguments", "input", "args"];

/// `value` with every secret in its strings replaced, wherever it stands but in [`OPAQUE`] fields.
/// Thinking that had a secret in it is left out: what its provider signed would be another text, and
/// is refused when the conversation goes on.
pub(super) fn redacted(redactor: &Redactor, value: Value) -> Value {
    Redaction { redactor, of_arguments: false }.value(value)
}

struct Redaction<'a> {
    redactor: &'a Redactor,
    of_arguments: bool,
}

impl Redaction<'_> {
    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redactor.redact(&text).into_owned()),
            Value::Array(items) => items.into_iter().filter_map(|item| self.item(item)).collect(),
            Value::Object(fields) => {
                Value::Object(fields.into_iter().map(|field| self.field(field)).collect())
            }
            other => other,
        }
    }

    fn field(&self, (name, value): (String, Value)) -> (String, Value) {
        let opaque = !self.of_arguments && value.is_string() && OPAQUE.contains(&name.as_str());
        if opaque {
            return (name, value);
        }
        let of_arguments = self.of_arguments || ARGUMENTS.contains(&name.as_str());
        let value = Redaction { redactor: self.redactor, of_arguments }.value(value);
        (name, value)
    }

    fn item(&self, item: Value) -> Option<Value> {
        let signed = !self.of_arguments
            && item["kind"] == "thinking"
            && item["thinking"]["signature"].is_string();
        if !signed {
            return Some(self.value(item));
        }
        let clean = self.value(item.clone());
        (clean == item).then_some(clean)
    }
}

#[cfg(test)]
mod tests {
    use canon_runtime::secret::Secret;
    use serde_json::json;

    use super::*;

    fn kept(value: Value) -> Value {
        redacted(&Redactor::new([Secret::new("very-secret-key")]), value)
    }

    #[test]
    fn signed_thinking_is_kept_whole_or_not_at_all() {
        let part = |text: &str| {
            json!({
                "kind": "thinking",
                "thinking": { "text": text, "signature": "sig" },
                "provider_raw": { "block": { "type": "thinking", "thinking": text, "signature": "sig" } },
            })
        };
        let call = json!({ "kind": "tool_call", "tool_call": { "name": "shell" } });
        assert_eq!(kept(json!([part("hm"), call])), json!([part("hm"), call]));
        assert_eq!(kept(json!([part("it is very-secret-key"), call])), json!([call]));
        // Without a signature nothing is lost by another text.
        let unsigned = |text: &str| json!([{ "kind": "thinking", "thinking": { "text": text } }]);
        assert_eq!(kept(unsigned("very-secret-key")), unsigned("[redacted]"));
    }

    #[test]
    fn arguments_are_text_whatever_their_names() {
        let call =
            |data: &str| json!({ "arguments": { "data": data, "inner": { "signature": data } } });
        assert_eq!(kept(call("very-secret-key")), call("[redacted]"));
        let image = json!({ "image": { "data": "very-secret-key" } });
        assert_eq!(kept(image.clone()), image);
    }
}
