//! From stream events back to a whole response (unified-llm §4.4).

use crate::types::{
    ContentPart, FinishReason, Message, Response, Role, StreamEvent, ToolCall, ToolCallData, Usage,
};

/// Collects the events of one stream; of several steps those of the newest. At the end it holds what `complete` would have given; before, as
/// much of it as has come.
#[derive(Debug, Clone, Default)]
pub struct StreamAccumulator {
    segments: Vec<Segment>,
    finished: Option<Response>,
}

/// One part of the message to be. Which fields it uses depends on its kind.
#[derive(Debug, Clone)]
struct Segment {
    kind: Kind,
    /// Of the text segment or of the call; reasoning has none.
    id: String,
    /// Text or reasoning so far.
    text: String,
    /// The call, once it is whole.
    call: Option<ToolCall>,
    open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    Call,
}

impl StreamAccumulator {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next event.
    pub fn process(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::TextStart { text_id } => {
                self.segment(Kind::Text, text_id);
            }
            StreamEvent::TextDelta { text_id, delta } => {
                self.segment(Kind::Text, text_id).text.push_str(delta);
            }
            StreamEvent::TextEnd { text_id, text } => {
                text.clone_into(&mut self.segment(Kind::Text, text_id).text);
            }
            StreamEvent::ReasoningStart => {
                self.reasoning();
            }
            StreamEvent::ReasoningDelta { reasoning_delta } => {
                self.reasoning().text.push_str(reasoning_delta);
            }
            StreamEvent::ReasoningEnd => self.reasoning().open = false,
            StreamEvent::ToolCallStart { tool_call } => {
                self.segment(Kind::Call, &tool_call.id);
            }
            StreamEvent::ToolCallEnd { tool_call } => {
                self.segment(Kind::Call, &tool_call.id).call = Some(tool_call.clone());
            }
            // Segment ids are unique within one step only; the response is that of the last one.
            StreamEvent::StepFinish { .. } => self.segments.clear(),
            StreamEvent::Finish { response, .. } => self.finished = Some((**response).clone()),
            // The end of a call says all of its arguments.
            StreamEvent::ToolCallDelta { .. }
            | StreamEvent::StreamStart { .. }
            | StreamEvent::Error { .. }
            | StreamEvent::ProviderEvent { .. } => {}
        }
    }

    /// The response, once the stream has finished.
    pub fn response(&self) -> Option<&Response> {
        self.finished.as_ref()
    }

    /// The assistant message as far as it has come; calls that are not whole yet are left out.
    pub fn partial_message(&self) -> Message {
        if let Some(response) = &self.finished {
            return response.message.clone();
        }
        let parts = self.segments.iter().filter_map(|segment| match segment.kind {
            Kind::Text => Some(ContentPart::text(segment.text.as_str())),
            Kind::Reasoning => Some(ContentPart::thinking(segment.text.as_str())),
            Kind::Call => Some(ContentPart::tool_call(ToolCallData::from(segment.call.clone()?))),
        });
        Message::new(Role::Assistant, parts.collect())
    }

    /// A response made of what has come, for streams that carry no final one.
    pub(crate) fn into_response(
        self,
        id: String,
        provider: &str,
        model: &str,
        finish_reason: FinishReason,
        usage: Usage,
    ) -> Response {
        Response {
            id,
            model: model.to_owned(),
            provider: provider.to_owned(),
            message: self.partial_message(),
            finish_reason,
            usage,
            raw: None,
            warnings: Vec::new(),
            rate_limit: None,
        }
    }

    fn segment(&mut self, kind: Kind, id: &str) -> &mut Segment {
        let same = |segment: &Segment| segment.kind == kind && segment.id == id;
        // Mostly it is the newest.
        let known = self.segments.iter().rposition(same);
        self.at_or_new(known, kind, id)
    }

    /// The piece of reasoning that has not ended, or a new one.
    fn reasoning(&mut self) -> &mut Segment {
        let same = |segment: &Segment| segment.kind == Kind::Reasoning && segment.open;
        let known = self.segments.iter().rposition(same);
        self.at_or_new(known, Kind::Reasoning, "")
    }

    fn at_or_new(&mut self, known: Option<usize>, kind: Kind, id: &str) -> &mut Segment {
        let at = known.unwrap_or_else(|| {
            self.segments.push(Segment {
                kind,
                id: id.to_owned(),
                text: String::new(),
                call: None,
                open: true,
            });
            self.segments.len() - 1
        });
        &mut self.segments[at]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::types::PartialToolCall;

    #[test]
    fn segments_that_interleave_are_kept_apart_and_unfinished_calls_left_out() {
        let partial = |id: &str| PartialToolCall { id: id.to_owned(), name: "t".to_owned() };
        let text = |id: &str, delta: &str| StreamEvent::TextDelta {
            text_id: id.to_owned(),
            delta: delta.to_owned(),
        };
        let mut all = StreamAccumulator::new();
        for event in [
            StreamEvent::ReasoningStart,
            StreamEvent::ReasoningDelta { reasoning_delta: "hm".into() },
            StreamEvent::ReasoningEnd,
            text("a", "1"),
            text("b", "2"),
            text("a", "3"),
            StreamEvent::ToolCallStart { tool_call: partial("x") },
            StreamEvent::ToolCallDelta { tool_call: partial("x"), delta: "{}".into() },
            StreamEvent::ToolCallEnd {
                tool_call: ToolCall {
                    id: "x".into(),
                    name: "t".into(),
                    arguments: Map::new(),
                    raw_arguments: None,
                },
            },
            StreamEvent::ToolCallStart { tool_call: partial("y") },
        ] {
            all.process(&event);
        }
        assert_eq!(all.response(), None);
        assert_eq!(
            serde_json::to_value(all.partial_message().content).unwrap(),
            json!([
                {"kind": "thinking", "thinking": {"text": "hm", "redacted": false}},
                {"kind": "text", "text": "13"},
                {"kind": "text", "text": "2"},
                {"kind": "tool_call", "tool_call": {"id": "x", "name": "t", "arguments": {}, "type": "function"}},
            ])
        );
    }
}
