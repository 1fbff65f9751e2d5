//! OpenAI's Chat Completions API, which many others speak.

mod check;
mod wire;

use serde_json::Value;

use super::issued::Issued;
use super::meter::Prompt;
use super::part::Fault;
use super::protocol::{Call, Protocol, units};
use super::reply::Reply;
use super::responses;

#[derive(Debug)]
pub(super) struct Chat;

impl Protocol for Chat {
    /// Servers of this wire need no key; one that is sent must be a bearer token.
    fn unauthorized(&self, call: &Call<'_>) -> Option<Fault> {
        call.header("authorization").and_then(|_| responses::no_bearer(call))
    }

    fn problems(&self, call: &Call<'_>, _issued: &Issued) -> Vec<String> {
        check::request(call.body)
    }

    fn prompt(&self, call: &Call<'_>) -> Prompt {
        let units = units(call.body, &["tools", "messages"]);
        Prompt { model: call.body["model"].as_str().unwrap_or("").to_owned(), units, marks: None }
    }

    fn whole(&self, reply: &Reply, call: &Call<'_>, served: usize) -> Value {
        wire::completion(reply, call.body, served)
    }

    fn events(&self, reply: &Reply, call: &Call<'_>, whole: &Value) -> Vec<String> {
        wire::events(reply, call.body, whole)
    }

    fn note(&self, _whole: &Value, _issued: &mut Issued) {}

    fn error(&self, fault: &Fault) -> Value {
        responses::error(fault)
    }

    fn status_of(&self, code: &str) -> u16 {
        responses::status_of(code)
    }
}
