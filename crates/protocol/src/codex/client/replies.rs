//! The agent's answers to our requests, and their absence.

use serde_json::Value;

use super::{
    Call, Client, ErrorCategory, Event, Output, Phase, Thread, TimerId, TurnOutcome, wire,
};
use crate::jsonrpc::{self, Id, RpcError};

impl Client {
    /// An answer came. One that nobody waits for is an [`Event::OtherMessage`].
    pub(super) fn reply(
        &mut self,
        id: &Id,
        answer: Result<Value, RpcError>,
        out: &mut Vec<Output>,
    ) {
        let number = match id {
            Id::Number(number) => number.as_u64().filter(|number| self.sent.remove(number)),
            Id::String(_) => None,
        };
        let Some((number, call)) = number.and_then(|n| Some((n, Call::of_id(n)?))) else {
            let raw = match answer {
                Ok(result) => jsonrpc::response_line(id, &result),
                Err(error) => jsonrpc::error_line(Some(id), &error),
            };
            let raw = String::from_utf8_lossy(&raw).into_owned();
            out.push(Output::Event(Event::OtherMessage { raw }));
            return;
        };
        out.push(Output::ClearTimer { id: TimerId::Response(number) });
        match answer {
            Ok(result) => self.accepted(call, &result, out),
            Err(error) => self.refused(call, error.to_string(), out),
        }
    }

    fn accepted(&mut self, call: Call, result: &Value, out: &mut Vec<Output>) {
        match call {
            Call::Initialize => {
                self.agent = result["userAgent"].as_str().map(str::to_owned);
                out.push(Output::Send(jsonrpc::notification_line("initialized", &Value::Null)));
                let params = wire::thread(&self.options);
                self.call(Call::Thread, &params, out);
            }
            Call::Thread => self.thread_opened(result, out),
            Call::Turn(number) => match result["turn"]["id"].as_str() {
                Some(id) if self.running_turn() == Some(number) => {
                    let id = id.to_owned();
                    self.turn_named(&id, out);
                }
                Some(_) => {}
                None => self.refused(call, "the answer names no turn".to_owned(), out),
            },
            Call::Name | Call::Interrupt(..) | Call::Steer(..) => {}
        }
    }

    fn thread_opened(&mut self, result: &Value, out: &mut Vec<Output>) {
        let Some(id) = result["thread"]["id"].as_str().filter(|id| !id.is_empty()) else {
            return self.refused(Call::Thread, "the answer names no thread".to_owned(), out);
        };
        let text = |name: &str| result[name].as_str().map(str::to_owned);
        let model = text("model");
        self.thread = Some(Thread { id: id.to_owned(), model: model.clone() });
        self.phase = Phase::Open;
        if let Some(name) = &self.options.thread_name {
            let params = wire::name(id, name);
            self.call(Call::Name, &params, out);
        }
        out.push(Output::Event(Event::SessionStarted {
            thread_id: id.to_owned(),
            model,
            model_provider: text("modelProvider"),
            agent: self.agent.clone(),
            resumed: self.options.resume.is_some(),
        }));
    }

    fn refused(&mut self, call: Call, message: String, out: &mut Vec<Output>) {
        let category = ErrorCategory::ResponseError;
        let method = call.method(&self.options);
        match call {
            Call::Initialize | Call::Thread => {
                let message = format!("the agent refused {method}: {message}");
                self.startup_failed(category, message, out);
            }
            Call::Turn(number) if self.running_turn() == Some(number) => {
                let message = format!("the agent refused {method}: {message}");
                self.end_turn(TurnOutcome::Error, Some(category), Some(message), None, out);
            }
            _ => {
                if let Call::Interrupt(number, _) = call {
                    self.interrupt_refused(number);
                }
                let method = method.to_owned();
                out.push(Output::Event(Event::RequestFailed { method, category, message }));
            }
        }
    }

    /// No answer came in time. The session lives on only when it can do without.
    pub(super) fn unanswered(&mut self, id: u64, out: &mut Vec<Output>) {
        let Some(call) = Some(id).filter(|id| self.sent.remove(id)).and_then(Call::of_id) else {
            return;
        };
        let category = ErrorCategory::ResponseTimeout;
        let method = call.method(&self.options);
        let limit = self.options.read_timeout_ms;
        let message = format!("the agent did not answer {method} within {limit} ms");
        match call {
            Call::Initialize | Call::Thread => self.startup_failed(category, message, out),
            Call::Turn(number) | Call::Interrupt(number, _)
                if self.running_turn() == Some(number) =>
            {
                self.turn_broken(category, message, out);
            }
            _ => out.push(Output::Event(Event::RequestFailed {
                method: method.to_owned(),
                category,
                message,
            })),
        }
    }
}
