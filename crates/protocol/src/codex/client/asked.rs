//! Requests of the agent: every one is answered at once or waits for the host (ruling 4).

use serde_json::{Value, json};

use super::questions::{self, Form, Verdict};
use super::{
    Answer, AnswerError, Client, ErrorCategory, Event, InputRequired, OnInputRequired, Output,
    Phase, RequestEnd, RequestKey, TimerId, ToolCall,
};
use crate::jsonrpc::{self, INVALID_REQUEST, Id, METHOD_NOT_FOUND, RpcError};

/// A request of the agent that waits for the host.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) id: Id,
    pub(super) what: Ask,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    Tool(ToolCall),
    Input { form: Form, input: InputRequired },
}

impl Asked {
    pub(super) fn key(&self) -> &RequestKey {
        match &self.what {
            Ask::Tool(call) => &call.key,
            Ask::Input { input, .. } => &input.key,
        }
    }

    pub(super) fn input(&self) -> Option<&InputRequired> {
        match &self.what {
            Ask::Tool(_) => None,
            Ask::Input { input, .. } => Some(input),
        }
    }

    /// The event that hands the request to the host.
    pub(super) fn event(&self) -> Event {
        match &self.what {
            Ask::Tool(call) => Event::ToolCall(call.clone()),
            Ask::Input { input, .. } => Event::InputRequired(input.clone()),
        }
    }
}

impl Client {
    pub(super) fn request(&mut self, id: Id, method: String, params: Value, out: &mut Vec<Output>) {
        if self.phase == Phase::Over {
            let error = RpcError::new(INVALID_REQUEST, "the session is over");
            out.push(Output::Send(jsonrpc::error_line(Some(&id), &error)));
            out.push(Output::Event(Event::UnsupportedRequest { method, params }));
        } else if method == "item/tool/call" && params["tool"].is_string() {
            self.tool_call(id, &params, out);
        } else if let Some(form) = Form::of(&method) {
            self.question(id, form, method, params, out);
        } else {
            let message = format!("{method} is not supported by this client");
            let error = RpcError::new(METHOD_NOT_FOUND, message);
            out.push(Output::Send(jsonrpc::error_line(Some(&id), &error)));
            out.push(Output::Event(Event::UnsupportedRequest { method, params }));
        }
    }

    fn tool_call(&mut self, id: Id, params: &Value, out: &mut Vec<Output>) {
        let tool = params["tool"].as_str().unwrap_or_default().to_owned();
        let grouped = params["namespace"].as_str().is_some_and(|namespace| !namespace.is_empty());
        let known = self.options.tools.iter().any(|spec| spec.name == tool);
        if !known || grouped {
            let names: Vec<&str> =
                self.options.tools.iter().map(|spec| spec.name.as_str()).collect();
            let message = format!("there is no tool {tool:?}; tools: {}", names.join(", "));
            let result = failure("unsupported_tool_call", &message);
            out.push(Output::Send(jsonrpc::response_line(&id, &result)));
            out.push(Output::Event(Event::UnsupportedToolCall { tool }));
            return;
        }
        let key = RequestKey::of(&id);
        let call = ToolCall {
            key: key.clone(),
            call_id: params["callId"].as_str().unwrap_or_default().to_owned(),
            tool,
            arguments: params["arguments"].clone(),
        };
        self.hand_over(Asked { id, what: Ask::Tool(call) }, out);
        if self.options.tool_timeout_ms > 0 {
            let after_ms = self.options.tool_timeout_ms;
            out.push(Output::SetTimer { id: TimerId::Tool(key), after_ms });
        }
    }

    fn question(&mut self, id: Id, form: Form, method: String, raw: Value, out: &mut Vec<Output>) {
        let questions = questions::read(&raw);
        let paths = raw["itemId"].as_str().and_then(|item| self.changes.get(item));
        let paths = paths.map(Vec::as_slice).unwrap_or_default();
        let question = questions::words(form, &raw, &questions, paths);
        let never = self.options.approval_policy == "never";
        if form.is_approval() && (self.options.auto_approve || never) {
            let granted = self.options.auto_approve;
            let verdict = match granted {
                true => Verdict::Accept { for_session: true },
                false => Verdict::Decline,
            };
            let result = form.verdict(verdict, &raw);
            out.push(Output::Send(jsonrpc::response_line(&id, &result)));
            out.push(Output::Event(match granted {
                true => Event::ApprovalAutoApproved { method, what: question },
                false => Event::ApprovalDeclined { method, what: question },
            }));
            return;
        }
        let waiting = self.options.on_input_required == OnInputRequired::Block;
        let key = RequestKey::of(&id);
        let kind = form.kind();
        let input = InputRequired { key, kind, question, questions, method, raw, waiting };
        if waiting {
            self.hand_over(Asked { id, what: Ask::Input { form, input } }, out);
        } else {
            self.fail_on_input(&id, form, input, out);
        }
    }

    /// Policy `fail`: refuse, stop the turn, and end it here and now.
    fn fail_on_input(&mut self, id: &Id, form: Form, input: InputRequired, out: &mut Vec<Output>) {
        let result = form.verdict(Verdict::Cancel, &input.raw);
        out.push(Output::Send(jsonrpc::response_line(id, &result)));
        let message = format!("the agent needs input: {}", input.question);
        out.push(Output::Event(Event::InputRequired(input)));
        if self.turn.is_some() {
            self.interrupt_turn(out);
            self.turn_broken(ErrorCategory::TurnInputRequired, message, out);
        }
    }

    /// An id that is in use already names a new request from now on.
    fn hand_over(&mut self, asked: Asked, out: &mut Vec<Output>) {
        self.close_request(&asked.key().clone(), RequestEnd::Resolved, out);
        out.push(Output::Event(asked.event()));
        self.asked.push(asked);
    }

    /// Answers a tool call, a question or an approval.
    pub fn answer(&mut self, key: &RequestKey, answer: Answer) -> Result<Vec<Output>, AnswerError> {
        let asked = self.asked.iter().find(|asked| asked.key() == key);
        let asked = asked.ok_or_else(|| AnswerError::Unknown(key.clone()))?;
        let result = match (&asked.what, &answer) {
            (Ask::Tool(_), Answer::Tool { success, text }) => tool_result(*success, text),
            (Ask::Tool(_), Answer::Raw { result }) => result.clone(),
            (Ask::Tool(_), _) | (_, Answer::Tool { .. }) => {
                return Err(AnswerError::WrongKind(key.clone()));
            }
            (Ask::Input { form, input }, _) => {
                form.result(&answer, &input.raw, &input.questions).map_err(|expected| {
                    AnswerError::Unreadable { key: key.clone(), kind: input.kind, expected }
                })?
            }
        };
        // These two have no word for "and stop".
        let stops = answer == Answer::Cancel
            && matches!(asked.what, Ask::Input { form: Form::UserInput | Form::Permissions, .. });
        let mut out = vec![Output::Send(jsonrpc::response_line(&asked.id, &result))];
        self.close_request(key, RequestEnd::Answered, &mut out);
        if stops {
            self.interrupt_turn(&mut out);
        }
        self.watch_silence(false, &mut out);
        Ok(out)
    }

    pub(super) fn tool_timed_out(&mut self, key: &RequestKey, out: &mut Vec<Output>) {
        let asked = self.asked.iter().find(|asked| asked.key() == key);
        let Some(Asked { id, what: Ask::Tool(call) }) = asked else { return };
        let limit = self.options.tool_timeout_ms;
        let message = format!("{} did not finish within {limit} ms", call.tool);
        let result = failure("tool_timeout", &message);
        out.push(Output::Send(jsonrpc::response_line(id, &result)));
        self.close_request(key, RequestEnd::TimedOut, out);
    }

    /// Removes a request that no longer waits.
    pub(super) fn close_request(
        &mut self,
        key: &RequestKey,
        reason: RequestEnd,
        out: &mut Vec<Output>,
    ) -> Option<Asked> {
        let at = self.asked.iter().position(|asked| asked.key() == key)?;
        let asked = self.asked.remove(at);
        self.say_closed(&asked, reason, out);
        Some(asked)
    }

    pub(super) fn drop_asked(&mut self, out: &mut Vec<Output>) {
        for asked in std::mem::take(&mut self.asked) {
            self.say_closed(&asked, RequestEnd::TurnOver, out);
        }
    }

    fn say_closed(&self, asked: &Asked, reason: RequestEnd, out: &mut Vec<Output>) {
        let key = asked.key().clone();
        if matches!(asked.what, Ask::Tool(_)) && self.options.tool_timeout_ms > 0 {
            out.push(Output::ClearTimer { id: TimerId::Tool(key.clone()) });
        }
        out.push(Output::Event(Event::RequestClosed { key, reason }));
    }
}

fn tool_result(success: bool, text: &str) -> Value {
    json!({ "contentItems": [{ "type": "inputText", "text": text }], "success": success })
}

/// A failure that a model can read (Symphony §10.5: structured).
fn failure(code: &str, message: &str) -> Value {
    let text = json!({ "error": { "code": code, "message": message } }).to_string();
    tool_result(false, &text)
}
