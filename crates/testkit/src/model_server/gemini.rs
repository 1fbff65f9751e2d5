//! Google's Gemini API, `generateContent`.

mod check;
mod wire;

use serde_json::{Value, json};

use super::issued::Issued;
use super::meter::Prompt;
use super::part::Fault;
use super::protocol::{Call, Protocol, units};
use super::reply::Reply;

#[derive(Debug)]
pub(super) struct Gemini;

impl Protocol for Gemini {
    fn unauthorized(&self, call: &Call<'_>) -> Option<Fault> {
        let refuse =
            |status, message: &str| Some(Fault { status, code: None, message: message.to_owned() });
        if call.query.split('&').any(|pair| pair.starts_with("key=")) {
            return refuse(400, "the API key is in the URL; send it as x-goog-api-key");
        }
        if call.header("x-goog-api-key").is_none_or(|key| key.trim().is_empty()) {
            return refuse(403, "Method doesn't allow unregistered callers: no x-goog-api-key");
        }
        None
    }

    fn problems(&self, call: &Call<'_>, issued: &Issued) -> Vec<String> {
        check::request(call, issued)
    }

    fn is_streamed(&self, call: &Call<'_>) -> bool {
        method(call.path) == Some("streamGenerateContent")
    }

    fn prompt(&self, call: &Call<'_>) -> Prompt {
        let units = units(call.body, &["systemInstruction", "tools", "contents"]);
        Prompt { model: model(call.path).to_owned(), units, marks: None }
    }

    fn whole(&self, reply: &Reply, call: &Call<'_>, served: usize) -> Value {
        wire::response(reply, model(call.path), served)
    }

    fn events(&self, reply: &Reply, _call: &Call<'_>, whole: &Value) -> Vec<String> {
        wire::events(reply, whole)
    }

    fn note(&self, whole: &Value, issued: &mut Issued) {
        check::note(whole, issued);
    }

    fn error(&self, fault: &Fault) -> Value {
        error(fault)
    }

    fn status_of(&self, code: &str) -> u16 {
        match code {
            "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => 400,
            "UNAUTHENTICATED" => 401,
            "PERMISSION_DENIED" => 403,
            "NOT_FOUND" => 404,
            "RESOURCE_EXHAUSTED" => 429,
            "CANCELLED" => 499,
            "UNAVAILABLE" => 503,
            "DEADLINE_EXCEEDED" => 504,
            _ => 500,
        }
    }
}

/// What stands after the version of `/v1beta/models/MODEL:METHOD`; `None` when it is no such path.
pub(super) fn resource(path: &str) -> Option<&str> {
    if let Some(rest) = path.strip_prefix("/v1beta/") {
        return Some(rest);
    }
    // The other wires are below /v1 too.
    path.strip_prefix("/v1/").filter(|rest| rest.contains(':'))
}

/// What stands after the colon.
fn method(path: &str) -> Option<&str> {
    path.rsplit_once(':').map(|(_, method)| method)
}

/// The model of a path, without its collection.
fn model(path: &str) -> &str {
    let path = resource(path).unwrap_or(path);
    let path = path.rsplit_once(':').map_or(path, |(path, _)| path);
    path.strip_prefix("models/").unwrap_or(path)
}

/// The major version in a model's name, such as `gemini-2.5-pro`.
fn major(model: &str) -> Option<u64> {
    let version = model.strip_prefix("gemini-")?;
    let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version[..end].parse().ok()
}

/// The error object, over HTTP and in a stream.
fn error(fault: &Fault) -> Value {
    let status = match fault.status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "UNKNOWN",
    };
    json!({
        "error": {
            "code": fault.status,
            "message": fault.message,
            "status": fault.code.as_deref().unwrap_or(status),
        }
    })
}
