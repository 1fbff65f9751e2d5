//! The four wires and what they have in common.

use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

use super::issued::Issued;
use super::meter::Prompt;
use super::part::Fault;
use super::reply::Reply;
use super::{chat, gemini, messages, responses};

/// A provider's way of being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wire {
    /// OpenAI: `POST /v1/responses`.
    Responses,
    /// OpenAI and those who imitate it: `POST /v1/chat/completions`.
    Chat,
    /// Anthropic: `POST /v1/messages`.
    Messages,
    /// Google: `POST /v1beta/models/MODEL:generateContent` and `:streamGenerateContent?alt=sse`, or
    /// below `/v1`.
    Gemini,
}

impl Wire {
    /// The wire of a path, with or without an endpoint that is known there.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/v1/responses" => Some(Self::Responses),
            "/v1/chat/completions" => Some(Self::Chat),
            "/v1/messages" => Some(Self::Messages),
            _ if gemini::resource(path).is_some() => Some(Self::Gemini),
            _ => None,
        }
    }

    pub(super) fn protocol(self) -> &'static dyn Protocol {
        match self {
            Self::Responses => &responses::Responses,
            Self::Chat => &chat::Chat,
            Self::Messages => &messages::Messages,
            Self::Gemini => &gemini::Gemini,
        }
    }
}

/// One request, as a wire reads it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) body: &'a Value,
}

impl Call<'_> {
    /// The text of a header; `None` when it is absent or no text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether there is an `Authorization: Bearer TOKEN`.
    pub(super) fn has_bearer(&self) -> bool {
        let token = self.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        token.is_some_and(|token| !token.trim().is_empty())
    }
}

/// The elements of some fields of a body, as texts, in this order; what is no list is one element.
pub(super) fn units(body: &Value, fields: &[&str]) -> Vec<String> {
    let values = fields.iter().filter_map(|name| body.get(name));
    let elements = values.flat_map(|value| match value {
        Value::Array(list) => list.iter().map(Value::to_string).collect(),
        other => vec![other.to_string()],
    });
    elements.collect()
}

/// A wire: what it accepts, and how it says things. All of it is pure.
pub(super) trait Protocol: Sync {
    /// A problem with how the caller shows who it is, and the status that it gets.
    fn unauthorized(&self, call: &Call<'_>) -> Option<Fault>;

    /// Every problem of a request that is authorized, in the order in which it is read.
    fn problems(&self, call: &Call<'_>, issued: &Issued) -> Vec<String>;

    /// What the model is made to read.
    fn prompt(&self, call: &Call<'_>) -> Prompt;

    /// Whether the answer is to be a stream of events.
    fn is_streamed(&self, call: &Call<'_>) -> bool {
        call.body["stream"] == true
    }

    /// The whole answer to request number `served` (from 1).
    fn whole(&self, reply: &Reply, call: &Call<'_>, served: usize) -> Value;

    /// The same answer as server-sent events, each with its blank line.
    fn events(&self, reply: &Reply, call: &Call<'_>, whole: &Value) -> Vec<String>;

    /// Whether a failure has a place in an answer that is not streamed.
    fn fails_whole(&self) -> bool {
        false
    }

    /// Notes what of an answer must come back unchanged.
    fn note(&self, whole: &Value, issued: &mut Issued);

    /// The body of an HTTP error; `status` is never 0.
    fn error(&self, fault: &Fault) -> Value;

    /// The HTTP status that goes with a word for an error.
    fn status_of(&self, code: &str) -> u16;
}
