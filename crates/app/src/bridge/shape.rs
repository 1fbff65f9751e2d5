//! A last message that a program reads: one JSON value of a schema.

use canon_llm::extract_object;
use canon_runtime::schema::Schema;
use serde_json::Value;

/// How often a last message may be corrected that is not of its form.
pub const CORRECTIONS: u32 = 2;

const FORM: &str = "# Form of the last message\n\n";
const AGAIN: &str = "Your last message does not fit the JSON Schema that it has to fit: ";

/// What the last message has to be.
#[derive(Debug)]
pub struct Shape {
    text: Value,
    schema: Schema,
}

impl Shape {
    /// Values that fit this JSON Schema.
    ///
    /// # Errors
    /// What is wrong with the schema.
    pub fn new(text: Value) -> Result<Self, String> {
        let schema = Schema::compile(&text).map_err(|error| error.to_string())?;
        Ok(Self { text, schema })
    }

    /// What the model is told of it.
    pub fn instructions(&self) -> String {
        format!(
            "{FORM}The message that ends your work is read by a program. \
             It must be one JSON value that fits the JSON Schema below, with nothing before or \
             after it and no code fence. Messages before it, beside tool calls, may be prose.\n\n{}",
            self.text
        )
    }

    /// The value in a text, or what is wrong with it.
    pub fn value(&self, text: &str) -> Result<Value, Vec<String>> {
        extract_object(text, &self.schema)
    }

    /// What the model is told of a message that does not fit.
    pub fn again(violations: &[String]) -> String {
        format!("{AGAIN}{}. Answer with the corrected JSON value alone.", violations.join("; "))
    }

    /// Whether a text is one of those that the model is told here.
    pub fn is_ours(text: &str) -> bool {
        text.starts_with(FORM) || text.starts_with(AGAIN)
    }
}
