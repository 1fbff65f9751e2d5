//! JSON Schema, behind one type, so that no other code knows which library checks it.

use serde_json::Value;

/// A schema that is itself broken.
#[derive(Debug, thiserror::Error)]
#[error("the JSON Schema is not valid: {0}")]
pub struct SchemaError(String);

/// A compiled JSON Schema. References to other documents are not followed.
pub struct Schema(jsonschema::Validator);

/// At most this many violations are reported for one value.
const MAX_VIOLATIONS: usize = 8;

impl Schema {
    /// Compiles `schema`; the draft is taken from its `$schema`, else the newest.
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        jsonschema::validator_for(schema).map(Self).map_err(|error| SchemaError(error.to_string()))
    }

    /// Checks `value`; each violation is `path: message`, where the path is a JSON Pointer, or
    /// `(root)`. At most eight are listed.
    pub fn check(&self, value: &Value) -> Result<(), Vec<String>> {
        let violations: Vec<String> = self
            .0
            .iter_errors(value)
            .take(MAX_VIOLATIONS)
            .map(|error| {
                let path = error.instance_path().to_string();
                let path = if path.is_empty() { "(root)" } else { &path };
                format!("{path}: {error}")
            })
            .collect();
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Schema")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn violations_name_their_place() {
        let schema = Schema::compile(&json!({
            "type": "object",
            "properties": {"n": {"type": "integer"}},
            "required": ["n"],
        }))
        .unwrap();
        assert_eq!(schema.check(&json!({"n": 1})), Ok(()));
        let violations = schema.check(&json!({"n": "x"})).unwrap_err();
        assert!(violations[0].starts_with("/n: "), "{violations:?}");
        let violations = schema.check(&json!({})).unwrap_err();
        assert!(violations[0].starts_with("(root): "), "{violations:?}");
    }

    #[test]
    fn a_broken_schema_is_an_error() {
        assert!(Schema::compile(&json!({"type": 3})).is_err());
    }
}
