//! What a test wants the server to answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::gate::{Gate, Waiter};
use super::part::{Chunks, Fault, Part, Tokens, Usage};

/// One answer, in no provider's words: the wire that is asked renders it in its own. Built from its
/// content, then bent by the other methods.
///
/// As JSON it has the fields below, all optional, for example
/// `{"parts": [{"type": "text", "text": "Hi."}], "usage": {"tokens": {"input": 7}}, "finish": "length"}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reply {
    pub(super) parts: Vec<Part>,
    /// An HTTP error instead of an answer.
    pub(super) error: Option<Fault>,
    /// Pairs of name and value.
    pub(super) headers: Vec<(String, String)>,
    pub(super) usage: Option<Usage>,
    /// `stop`, `length`, `tool_calls`, `content_filter`, or a word of the wire.
    pub(super) finish: Option<String>,
    /// A failure after status 200.
    pub(super) failed: Option<Fault>,
    /// Events before `failed`; all of the content when absent.
    pub(super) failed_after_events: Option<usize>,
    /// Events that stand right after the beginning of the stream.
    pub(super) events: Vec<Value>,
    /// What the stream ends in, instead of its last event.
    pub(super) tail: Option<String>,
    pub(super) chunks: Option<Chunks>,
    pub(super) break_after_events: Option<usize>,
    pub(super) break_after_bytes: Option<usize>,
    pub(super) hang_after_events: Option<usize>,
    #[serde(skip)]
    pub(super) gate: Option<Waiter>,
}

impl Reply {
    /// An answer with nothing in it yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An assistant message.
    pub fn text(text: &str) -> Self {
        Self::new().and_text(text)
    }

    /// One tool call.
    pub fn tool_call(call_id: &str, name: &str, arguments: &Value) -> Self {
        Self::new().and_tool_call(call_id, name, &arguments.to_string())
    }

    /// An HTTP error with the wire's error object; `code` is the wire's word for it (`code` of OpenAI's
    /// object, `type` of Anthropic's, `status` of Google's).
    pub fn error(status: u16, code: Option<&str>, message: &str) -> Self {
        let code = code.map(str::to_owned);
        let error = Some(Fault { status, code, message: message.to_owned() });
        Self { error, ..Self::default() }
    }

    /// A text more.
    #[must_use]
    pub fn and_text(self, text: &str) -> Self {
        self.and(Part::Text { text: text.to_owned() })
    }

    /// A tool call more; `arguments` as the model wrote them, well-formed or not. An empty `call_id` is
    /// left out on the Gemini wire.
    #[must_use]
    pub fn and_tool_call(self, call_id: &str, name: &str, arguments: &str) -> Self {
        self.and(Part::ToolCall {
            id: call_id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        })
    }

    /// Reasoning: its readable form, one string a section, and its opaque form (encrypted content,
    /// signature; empty for none).
    #[must_use]
    pub fn and_reasoning(self, sections: &[&str], signature: &str) -> Self {
        self.and(Part::Reasoning {
            sections: sections.iter().map(|text| (*text).to_owned()).collect(),
            signature: signature.to_owned(),
        })
    }

    /// Reasoning that nobody may read.
    #[must_use]
    pub fn and_redacted(self, data: &str) -> Self {
        self.and(Part::Redacted { data: data.to_owned() })
    }

    /// An image that the model made, in base64.
    #[must_use]
    pub fn and_image(self, media_type: &str, data: &str) -> Self {
        self.and(Part::Image { media_type: media_type.to_owned(), data: data.to_owned() })
    }

    /// Any output item, block or part more, in the words of the wire that it is sent on. The Responses
    /// wire adds an `id` when it has none; the Chat wire merges it into the message.
    #[must_use]
    pub fn and_item(self, item: Value) -> Self {
        self.and(Part::Raw { value: item })
    }

    /// A part more.
    #[must_use]
    pub fn and(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// A header of the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// [`Tokens`], or the wire's own usage object, instead of the usual ones.
    #[must_use]
    pub fn usage(mut self, usage: impl Into<Usage>) -> Self {
        self.usage = Some(usage.into());
        self
    }

    /// Ends for this reason: `stop`, `length`, `tool_calls` or `content_filter`, which each wire spells
    /// in its own way, or a word of the wire. On the Responses wire other words are the reason of an
    /// `incomplete` response.
    #[must_use]
    pub fn finish(mut self, reason: &str) -> Self {
        self.finish = Some(reason.to_owned());
        self
    }

    /// The same as [`Self::finish`], in the words of the Responses wire.
    #[must_use]
    pub fn incomplete(self, reason: &str) -> Self {
        self.finish(reason)
    }

    /// Fails with this code and message after status 200 and all content, in the wire's own form. What
    /// is not streamed is an HTTP error instead, except on the Responses wire.
    #[must_use]
    pub fn failed(mut self, code: &str, message: &str) -> Self {
        let code = Some(code.to_owned());
        self.failed = Some(Fault { status: 0, code, message: message.to_owned() });
        self
    }

    /// As [`Self::failed`], after this many events of the stream.
    #[must_use]
    pub fn failed_after(mut self, events: usize, code: &str, message: &str) -> Self {
        self.failed_after_events = Some(events);
        self.failed(code, message)
    }

    /// An event of the stream that stands right after the beginning.
    #[must_use]
    pub fn event(mut self, event: Value) -> Self {
        self.events.push(event);
        self
    }

    /// Ends the stream with these bytes instead of its last event.
    #[must_use]
    pub fn ending_in(mut self, bytes: &str) -> Self {
        self.tail = Some(bytes.to_owned());
        self
    }

    /// Sends the stream in pieces of this many bytes, whatever they cut through.
    #[must_use]
    pub fn in_chunks_of(mut self, bytes: usize) -> Self {
        self.chunks = Some(Chunks::Of(bytes));
        self
    }

    /// Sends the stream in pieces of these sizes in bytes; what is left is the last one.
    #[must_use]
    pub fn in_chunks(mut self, sizes: &[usize]) -> Self {
        self.chunks = Some(Chunks::Sizes(sizes.to_vec()));
        self
    }

    /// Breaks the connection after this many events.
    #[must_use]
    pub fn breaking_after(mut self, events: usize) -> Self {
        self.break_after_events = Some(events);
        self
    }

    /// Breaks the connection after this many bytes of the body.
    #[must_use]
    pub fn breaking_after_bytes(mut self, bytes: usize) -> Self {
        self.break_after_bytes = Some(bytes);
        self
    }

    /// Falls silent after this many events and keeps the connection open; 0 never answers at all.
    #[must_use]
    pub fn hanging_after(mut self, events: usize) -> Self {
        self.hang_after_events = Some(events);
        self
    }

    /// The reply, and the gate that its events wait at. A reply that is not streamed is one event.
    #[must_use]
    pub fn gated(mut self) -> (Self, Gate) {
        let (gate, waiter) = Gate::new();
        self.gate = Some(waiter);
        (self, gate)
    }

    /// Whether the model calls a tool.
    pub(super) fn calls_tools(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }))
    }

    /// The reason why it ends, in neutral words where there are some.
    pub(super) fn reason(&self) -> &str {
        match self.finish.as_deref() {
            Some("max_output_tokens") => "length",
            Some(reason) => reason,
            None if self.calls_tools() => "tool_calls",
            None => "stop",
        }
    }

    /// With these counts, if it has none of its own.
    pub(super) fn counted(mut self, counts: Tokens) -> Self {
        self.usage.get_or_insert_with(|| counts.into());
        self
    }

    /// The counts of tokens, or the raw object that stands for them.
    pub(super) fn tokens(&self) -> Result<Tokens, &Value> {
        match &self.usage {
            None => Ok(Tokens::default()),
            Some(Usage::Tokens(tokens)) => Ok(*tokens),
            Some(Usage::Raw(raw)) => Err(raw),
        }
    }
}
