//! Anthropic's Messages API.

mod check;
mod prompt;
mod wire;

use serde_json::{Value, json};

use super::issued::Issued;
use super::meter::Prompt;
use super::part::Fault;
use super::protocol::{Call, Protocol};
use super::reply::Reply;

#[derive(Debug)]
pub(super) struct Messages;

impl Protocol for Messages {
    fn unauthorized(&self, call: &Call<'_>) -> Option<Fault> {
        let key = call.header("x-api-key").is_some_and(|key| !key.trim().is_empty());
        let message = "x-api-key header is required".to_owned();
        let refused = !key && !call.has_bearer();
        refused.then_some(Fault { status: 401, code: None, message })
    }

    fn problems(&self, call: &Call<'_>, issued: &Issued) -> Vec<String> {
        check::request(call, issued)
    }

    fn prompt(&self, call: &Call<'_>) -> Prompt {
        prompt::read(call.body)
    }

    fn whole(&self, reply: &Reply, call: &Call<'_>, served: usize) -> Value {
        wire::message(reply, call.body, served)
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
            "invalid_request_error" => 400,
            "authentication_error" => 401,
            "billing_error" => 402,
            "permission_error" => 403,
            "not_found_error" => 404,
            "request_too_large" => 413,
            "rate_limit_error" => 429,
            "timeout_error" => 504,
            "overloaded_error" => 529,
            _ => 500,
        }
    }
}

/// The error object, over HTTP and in a stream.
fn error(fault: &Fault) -> Value {
    let kind = match fault.status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        0 | 500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({
        "type": "error",
        "error": { "type": fault.code.as_deref().unwrap_or(kind), "message": fault.message },
        "request_id": "req_0",
    })
}
