//! From stream events back to a whole response (unified-llm §4.4).

use crate::types::{
    ContentPart, FinishReason, FinishReasonKind, Message, Response, Role, StreamEvent, ToolCall,
    ToolCallData, Usage,
};

/// Collects the events of one stream. At the end it holds what `complete` would have given; before, as
/// much of it as has come.
#[derive(Debug, Clone, Default)]
pub struct StreamAccumulator {
    segments: Vec<Segment>,
    finished: Option<Response>,
}

#[derive(Debug, Clone)]
enum Segment {
    Text { id: String, text: String },
    Reasoning { text: String, open: bool },
    Call { id: String, name: String, raw: String, whole: Option<ToolCall> },
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
                self.text(text_id);
            }
            StreamEvent::TextDelta { text_id, delta } => self.text(text_id).push_str(delta),
            StreamEvent::TextEnd { text_id, text } => text.clone_into(self.text(text_id)),
            StreamEvent::ReasoningStart => {
                self.segments.push(Segment::Reasoning { text: String::new(), open: true })
            }
            StreamEvent::ReasoningDelta { reasoning_delta } => self.reasoning(reasoning_delta),
            StreamEvent::ReasoningEnd => {
                if let Some(Segment::Reasoning { open, .. }) = self.open_reasoning() {
                    *open = false;
                }
            }
            StreamEvent::ToolCallStart { tool_call } => {
                self.call(&tool_call.id, &tool_call.name);
            }
            StreamEvent::ToolCallDelta { tool_call, delta } => {
                if let Segment::Call { raw, .. } = self.call(&tool_call.id, &tool_call.name) {
                    raw.push_str(delta);
                }
            }
            StreamEvent::ToolCallEnd { tool_call } => {
                if let Segment::Call { whole, .. } = self.call(&tool_call.id, &tool_call.name) {
                    *whole = Some(tool_call.clone());
                }
            }
            StreamEvent::Finish { response, .. } => self.finished = Some((**response).clone()),
            StreamEvent::StreamStart { .. }
            | StreamEvent::StepFinish { .. }
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
        let parts = self.segments.iter().filter_map(|segment| match segment {
            Segment::Text { text, .. } => Some(ContentPart::text(text.as_str())),
            Segment::Reasoning { text, .. } => Some(ContentPart::thinking(text.as_str())),
            Segment::Call { whole, .. } => {
                Some(ContentPart::tool_call(ToolCallData::from(whole.clone()?)))
            }
        });
        Message::new(Role::Assistant, parts.collect())
    }

    /// A response made of what has come, for streams that carry no final one.
    pub(crate) fn into_response(
        self,
        id: String,
        provider: &str,
        model: &str,
        end: Option<(FinishReason, Usage)>,
    ) -> Response {
        let message = self.partial_message();
        let (finish_reason, usage) =
            end.unwrap_or((FinishReason::new(FinishReasonKind::Other, None), Usage::default()));
        Response {
            id,
            model: model.to_owned(),
            provider: provider.to_owned(),
            message,
            finish_reason,
            usage,
            raw: None,
            warnings: Vec::new(),
            rate_limit: None,
        }
    }

    fn text(&mut self, wanted: &str) -> &mut String {
        let known = self
            .segments
            .iter()
            .position(|segment| matches!(segment, Segment::Text { id, .. } if id == wanted));
        let at = known.unwrap_or_else(|| {
            self.segments.push(Segment::Text { id: wanted.to_owned(), text: String::new() });
            self.segments.len() - 1
        });
        match &mut self.segments[at] {
            Segment::Text { text, .. } | Segment::Reasoning { text, .. } => text,
            Segment::Call { raw, .. } => raw,
        }
    }

    fn open_reasoning(&mut self) -> Option<&mut Segment> {
        self.segments
            .iter_mut()
            .rev()
            .find(|segment| matches!(segment, Segment::Reasoning { open: true, .. }))
    }

    fn reasoning(&mut self, delta: &str) {
        match self.open_reasoning() {
            Some(Segment::Reasoning { text, .. }) => text.push_str(delta),
            _ => self.segments.push(Segment::Reasoning { text: delta.to_owned(), open: true }),
        }
    }

    fn call(&mut self, wanted: &str, tool: &str) -> &mut Segment {
        let known = self
            .segments
            .iter()
            .position(|segment| matches!(segment, Segment::Call { id, .. } if id == wanted));
        let at = known.unwrap_or_else(|| {
            self.segments.push(Segment::Call {
                id: wanted.to_owned(),
                name: tool.to_owned(),
                raw: String::new(),
                whole: None,
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
