//! OpenAI's Responses API.

mod check;
mod wire;

use serde_json::{Value, json};

use super::issued::Issued;
use super::meter::Prompt;
use super::part::Fault;
use super::protocol::{Call, Protocol, units};
use super::reply::Reply;

#[derive(Debug)]
pub(super) struct Responses;

impl Protocol for Responses {
    fn unauthorized(&self, call: &Call<'_>) -> Option<Fault> {
        no_bearer(call)
    }

    fn problems(&self, call: &Call<'_>, issued: &Issued) -> Vec<String> {
        check::request(call.body, issued)
    }

    fn prompt(&self, call: &Call<'_>) -> Prompt {
        let units = units(call.body, &["tools", "instructions", "input"]);
        Prompt { model: call.body["model"].as_str().unwrap_or("").to_owned(), units, marks: None }
    }

    fn whole(&self, reply: &Reply, call: &Call<'_>, served: usize) -> Value {
        wire::response(reply, call.body, served)
    }

    fn events(&self, reply: &Reply, _call: &Call<'_>, whole: &Value) -> Vec<String> {
        wire::events(reply, whole)
    }

    fn fails_whole(&self) -> bool {
        true
    }

    fn note(&self, whole: &Value, issued: &mut Issued) {
        check::note(whole, issued);
    }

    fn error(&self, fault: &Fault) -> Value {
        error(fault)
    }

    fn status_of(&self, code: &str) -> u16 {
        status_of(code)
    }
}

/// What OpenAI's two wires say without a key.
pub(super) fn no_bearer(call: &Call<'_>) -> Option<Fault> {
    let message = "You didn't provide an API key: no bearer token".to_owned();
    (!call.has_bearer()).then_some(Fault { status: 401, code: None, message })
}

/// The error object of OpenAI's two wires.
pub(super) fn error(fault: &Fault) -> Value {
    let kind = match fault.status {
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    json!({
        "error": { "message": fault.message, "type": kind, "param": null, "code": fault.code }
    })
}

pub(super) fn status_of(code: &str) -> u16 {
    match code {
        "rate_limit_exceeded" | "insufficient_quota" => 429,
        "context_length_exceeded" | "invalid_prompt" => 400,
        "invalid_api_key" => 401,
        "model_not_found" => 404,
        _ => 500,
    }
}
