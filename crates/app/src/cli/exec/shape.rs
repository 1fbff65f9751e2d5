//! A last message that a program reads: one JSON value of a schema.

use std::path::Path;

use canon_llm::extract_object;
use canon_runtime::schema::Schema;
use serde_json::Value;

use crate::cli::ask::prompt::text_of;
use crate::error::Error;

/// What the last message has to be.
pub(super) struct Shape {
    text: Value,
    schema: Schema,
}

impl Shape {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |why: &dyn std::fmt::Display| {
            Error::input(format!("--schema {}: {why}", path.display()))
        };
        let text = text_of(path).map_err(|why| wrong(&why))?;
        let text: Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        let schema = Schema::compile(&text).map_err(|error| wrong(&error))?;
        Ok(Self { text, schema })
    }

    /// What the model is told of it.
    pub(super) fn instructions(&self) -> String {
        format!(
            "# Form of the last message\n\nThe message that ends your work is read by a program. \
             It must be one JSON value that fits the JSON Schema below, with nothing before or \
             after it and no code fence. Messages before it, beside tool calls, may be prose.\n\n{}",
            self.text
        )
    }

    /// The value in a text, or what is wrong with it.
    pub(super) fn value(&self, text: &str) -> Result<Value, Vec<String>> {
        extract_object(text, &self.schema)
    }

    /// What the model is told of a message that does not fit.
    pub(super) fn again(violations: &[String]) -> String {
        format!(
            "Your last message does not fit the JSON Schema that it has to fit: {}. Answer with the \
             corrected JSON value alone.",
            violations.join("; ")
        )
    }
}
