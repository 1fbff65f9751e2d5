//! From an entry to the answer of a call, whole and as a stream. Deterministic.

use super::NAME;
use super::entry::{Answer, Entry, Reply, ScriptEvent};
use super::matcher::View;
use crate::accumulator::StreamAccumulator;
use crate::error::{ErrorKind, LlmError};
use crate::types::{
    ContentPart, Message, PartialToolCall, Request, Response, StreamEvent, ToolCall, Usage,
};

/// Pieces that a text is streamed in.
const PIECES: usize = 4;

/// An answer in both forms.
pub(super) struct Played {
    pub(super) response: Result<Response, LlmError>,
    pub(super) events: Vec<Result<StreamEvent, LlmError>>,
}

/// The answer of `entry`.
///
/// # Errors
/// The entry's own error, when it is one.
pub(super) fn play(entry: &Entry, view: &View<'_>) -> Result<Played, LlmError> {
    let id = format!("scripted_{}_{}", entry.line, view.turn);
    match &entry.answer {
        Answer::Error(error) => Err(error.clone()),
        Answer::Message(reply) => {
            let response = respond(reply, entry.line, id, view);
            let events = events_of(&response).into_iter().map(Ok).collect();
            Ok(Played { response: Ok(response), events })
        }
        Answer::Stream(events) => Ok(replay(events, id, view.request)),
    }
}

fn respond(reply: &Reply, line: usize, id: String, view: &View<'_>) -> Response {
    let mut message = reply.message.clone();
    for (index, part) in message.content.iter_mut().enumerate() {
        if let ContentPart::ToolCall { tool_call, .. } = part
            && tool_call.id.is_empty()
        {
            // The turn keeps ids of a repeated entry apart within one conversation.
            tool_call.id = format!("call_{}_{line}_{index}", view.turn);
        }
    }
    let usage = reply.usage.clone().unwrap_or_else(|| estimate(view.request, &message));
    Response {
        id,
        model: view.request.model.clone(),
        provider: NAME.to_owned(),
        message,
        finish_reason: reply.finish_reason.clone(),
        usage,
        raw: None,
        warnings: Vec::new(),
        rate_limit: None,
    }
}

/// A quarter of the length of all text, the usual rule of thumb.
fn estimate(request: &Request, answer: &Message) -> Usage {
    let tools: usize = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.parameters.to_string().len())
        .sum();
    let conversation: usize = request.messages.iter().map(length).sum();
    let tokens = |bytes: usize| u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX);
    Usage::new(tokens(tools + conversation), tokens(length(answer)))
}

fn length(message: &Message) -> usize {
    message
        .content
        .iter()
        .map(|part| match part {
            ContentPart::Text { text, .. } => text.len(),
            ContentPart::ToolCall { tool_call, .. } => {
                tool_call.name.len() + tool_call.arguments_text().len()
            }
            ContentPart::ToolResult { tool_result, .. } => tool_result.content_text().len(),
            ContentPart::Thinking { thinking, .. } => thinking.text.len(),
            _ => 0,
        })
        .sum()
}

fn events_of(response: &Response) -> Vec<StreamEvent> {
    let mut out = vec![StreamEvent::StreamStart { warnings: Vec::new() }];
    for (index, part) in response.message.content.iter().enumerate() {
        match part {
            ContentPart::Text { text, .. } => text_events(&format!("text_{index}"), text, &mut out),
            ContentPart::Thinking { thinking, .. } => {
                out.push(StreamEvent::ReasoningStart);
                out.extend(pieces(&thinking.text).map(|piece| StreamEvent::ReasoningDelta {
                    reasoning_delta: piece.to_owned(),
                }));
                out.push(StreamEvent::ReasoningEnd);
            }
            ContentPart::ToolCall { tool_call, .. } => {
                let partial =
                    PartialToolCall { id: tool_call.id.clone(), name: tool_call.name.clone() };
                out.push(StreamEvent::ToolCallStart { tool_call: partial.clone() });
                out.extend(pieces(&tool_call.arguments_text()).map(|piece| {
                    StreamEvent::ToolCallDelta {
                        tool_call: partial.clone(),
                        delta: piece.to_owned(),
                    }
                }));
                out.push(StreamEvent::ToolCallEnd { tool_call: ToolCall::from(tool_call) });
            }
            // Other parts have no events of their own; the response at the end holds them.
            _ => {}
        }
    }
    out.push(finish(response.clone()));
    out
}

fn text_events(id: &str, text: &str, out: &mut Vec<StreamEvent>) {
    out.push(StreamEvent::TextStart { text_id: id.to_owned() });
    out.extend(
        pieces(text).map(|piece| StreamEvent::TextDelta {
            text_id: id.to_owned(),
            delta: piece.to_owned(),
        }),
    );
    out.push(StreamEvent::TextEnd { text_id: id.to_owned(), text: text.to_owned() });
}

fn finish(response: Response) -> StreamEvent {
    StreamEvent::Finish {
        finish_reason: response.finish_reason.clone(),
        usage: response.usage.clone(),
        response: Box::new(response),
    }
}

/// A text in a few pieces of about one size, none of them empty, cut between characters.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let size = text.len().div_ceil(PIECES).max(1);
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = size.min(rest.len());
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        let (piece, more) = rest.split_at(end);
        rest = more;
        Some(piece)
    })
}

/// A recorded stream as it was, but for the provider's name; one that breaks off ends in an error.
fn replay(script: &[ScriptEvent], id: String, request: &Request) -> Played {
    let mut events = Vec::new();
    let mut seen = StreamAccumulator::new();
    for event in script {
        let response = match event {
            ScriptEvent::Event(StreamEvent::Error { error }) => {
                return broken(events, error.clone().with_provider(NAME));
            }
            ScriptEvent::Event(StreamEvent::Finish { response, .. }) => {
                Response { provider: NAME.to_owned(), ..(**response).clone() }
            }
            ScriptEvent::BareFinish { finish_reason, usage } => {
                let usage =
                    usage.clone().unwrap_or_else(|| estimate(request, &seen.partial_message()));
                seen.into_response(id, NAME, &request.model, finish_reason.clone(), usage)
            }
            ScriptEvent::Event(event) => {
                seen.process(event);
                events.push(Ok(event.clone()));
                continue;
            }
        };
        events.push(Ok(finish(response.clone())));
        return Played { response: Ok(response), events };
    }
    let message = "the scripted stream ends without `finish`, as a connection that breaks off";
    broken(events, LlmError::new(ErrorKind::Stream, message).with_provider(NAME))
}

fn broken(mut events: Vec<Result<StreamEvent, LlmError>>, error: LlmError) -> Played {
    events.push(Err(error.clone()));
    Played { response: Err(error), events }
}
