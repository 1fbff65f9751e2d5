//! JSON-RPC messages as app-servers speak them: one object a line, `jsonrpc` optional.
//!
//! Parsing never fails hard: what is not JSON is [`Message::Malformed`], what is JSON but no
//! message is [`Message::Unknown`], both with their bytes. Parameters and results stay raw
//! until someone asks for them.

use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

pub mod peer;

/// Invalid request: the one code that the Codex app-server uses for every protocol error.
pub const INVALID_REQUEST: i64 = -32600;
/// The method does not exist (JSON-RPC 2.0 §5.1).
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The parameters of a method are wrong (JSON-RPC 2.0 §5.1).
pub const INVALID_PARAMS: i64 = -32602;
/// A line is no JSON (JSON-RPC 2.0 §5.1).
pub const PARSE_ERROR: i64 = -32700;
/// An error inside the answering side (JSON-RPC 2.0 §5.1).
pub const INTERNAL_ERROR: i64 = -32603;

/// The id of a request: a number or a string, as its sender chose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// A number, kept as written.
    Number(serde_json::Number),
    /// A string.
    String(String),
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Id::Number(number.into())
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Id::String(text.to_owned())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Number(number) => write!(f, "{number}"),
            Id::String(text) => write!(f, "{}", Value::from(text.as_str())),
        }
    }
}

/// The error member of an error response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct RpcError {
    /// The code; [`INVALID_REQUEST`] and its neighbours.
    #[serde(default)]
    pub code: i64,
    /// What went wrong, for people.
    #[serde(default)]
    pub message: String,
    /// Whatever else the sender had to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl RpcError {
    /// An error with code and message and no data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }
}

/// Raw JSON of a `params` or `result` member.
#[derive(Clone, Debug)]
pub struct Raw(Box<RawValue>);

impl Raw {
    /// The JSON text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// The parsed value.
    pub fn value(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or(Value::Null)
    }

    /// The value as a typed structure.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.text())
    }
}

impl Default for Raw {
    fn default() -> Self {
        Raw(RawValue::NULL.to_owned())
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

/// One message, in either direction.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Wants an answer.
    Request {
        /// Chosen by the sender, repeated in the answer.
        id: Id,
        /// What is asked.
        method: String,
        /// `null` when absent.
        params: Raw,
    },
    /// Wants no answer.
    Notification {
        /// What happened.
        method: String,
        /// `null` when absent.
        params: Raw,
    },
    /// A good answer.
    Response {
        /// The id of the request.
        id: Id,
        /// `null` when that was the answer.
        result: Raw,
    },
    /// A bad answer.
    ErrorResponse {
        /// The id of the request; absent when the sender could not read it.
        id: Option<Id>,
        /// What went wrong.
        error: RpcError,
    },
    /// JSON, but none of the above.
    Unknown(Bytes),
    /// Not JSON.
    Malformed {
        /// The line as it came.
        raw: Bytes,
        /// Why it could not be read.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default, borrow)]
    params: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
}

/// Keeps `"result": null` apart from no result at all.
fn present<'de: 'a, 'a, D>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    <&'a RawValue>::deserialize(deserializer).map(Some)
}

impl Message {
    /// Reads one line. Never fails: see [`Message::Unknown`] and [`Message::Malformed`].
    pub fn parse(line: &Bytes) -> Message {
        match serde_json::from_slice::<Frame<'_>>(line) {
            Ok(frame) => frame.classify().unwrap_or_else(|| Message::Unknown(line.clone())),
            // Members of the wrong shape are still JSON, and so somebody's message.
            Err(error) if error.is_data() && is_json(line) => Message::Unknown(line.clone()),
            Err(error) => Message::Malformed { raw: line.clone(), reason: error.to_string() },
        }
    }
}

fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

impl Frame<'_> {
    fn classify(self) -> Option<Message> {
        let raw = |value: Option<&RawValue>| value.map(|v| Raw(v.to_owned())).unwrap_or_default();
        let id = match self.id.map(RawValue::get) {
            None | Some("null") => None,
            Some(text) => Some(serde_json::from_str::<Id>(text).ok()?),
        };
        match (self.method, id, self.result, self.error) {
            (Some(method), Some(id), None, None) => {
                Some(Message::Request { id, method, params: raw(self.params) })
            }
            (Some(method), None, None, None) => {
                Some(Message::Notification { method, params: raw(self.params) })
            }
            (None, Some(id), Some(result), None) => {
                Some(Message::Response { id, result: raw(Some(result)) })
            }
            (None, id, None, Some(error)) => {
                Some(Message::ErrorResponse { id, error: read_error(error) })
            }
            _ => None,
        }
    }
}

fn read_error(raw: &RawValue) -> RpcError {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| RpcError::new(0, raw.get()))
}

/// The line (without `\n`) of a request.
pub fn request_line(id: &Id, method: &str, params: &Value) -> Vec<u8> {
    line(&serde_json::json!({ "id": id, "method": method, "params": params }))
}

/// The line of a notification; no `params` member when they are null.
pub fn notification_line(method: &str, params: &Value) -> Vec<u8> {
    if params.is_null() {
        return line(&serde_json::json!({ "method": method }));
    }
    line(&serde_json::json!({ "method": method, "params": params }))
}

/// The line of a good answer.
pub fn response_line(id: &Id, result: &Value) -> Vec<u8> {
    line(&serde_json::json!({ "id": id, "result": result }))
}

/// The line of a bad answer; `id` is null when the request's could not be read.
pub fn error_line(id: Option<&Id>, error: &RpcError) -> Vec<u8> {
    line(&serde_json::json!({ "id": id, "error": error }))
}

/// A line made here, with the member that JSON-RPC 2.0 wants in every message.
fn with_version(line: &[u8]) -> Vec<u8> {
    [br#"{"jsonrpc":"2.0","#, line.get(1..).unwrap_or_default()].concat()
}

/// A `Value` prints without line breaks and cannot fail to.
fn line(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests;
