//! From checked arguments to a tool's own type.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The arguments as `T`. They satisfied the schema, so an error here is a schema that is laxer
/// than `T`; the model is told.
pub(super) fn parse<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| format!("Invalid arguments: {error}"))
}

/// A string argument, for what is asked before a call runs.
pub(super) fn text<'a>(arguments: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}
