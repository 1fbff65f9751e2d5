//! What a test wants the server to answer.

use serde_json::{Value, json};

/// One answer. Built from its content, then bent by the other methods.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub(super) items: Vec<Value>,
    pub(super) status: Option<(u16, Option<String>, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) usage: Option<Value>,
    pub(super) incomplete: Option<String>,
    pub(super) failed: Option<(String, String)>,
    pub(super) extra_events: Vec<Value>,
    pub(super) raw_tail: Option<String>,
    pub(super) chunk: Option<usize>,
    pub(super) break_after_events: Option<usize>,
    pub(super) hang_after_events: Option<usize>,
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

    /// One function call.
    pub fn tool_call(call_id: &str, name: &str, arguments: &Value) -> Self {
        Self::new().and_tool_call(call_id, name, &arguments.to_string())
    }

    /// An HTTP error with the service's error object.
    pub fn error(status: u16, code: Option<&str>, message: &str) -> Self {
        Self {
            status: Some((status, code.map(str::to_owned), message.to_owned())),
            ..Self::default()
        }
    }

    /// A message more.
    #[must_use]
    pub fn and_text(self, text: &str) -> Self {
        self.and_item(json!({
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{ "type": "output_text", "text": text, "annotations": [], "logprobs": [] }],
        }))
    }

    /// A function call more; `arguments` as the model wrote them, well-formed or not.
    #[must_use]
    pub fn and_tool_call(self, call_id: &str, name: &str, arguments: &str) -> Self {
        self.and_item(json!({
            "type": "function_call",
            "status": "completed",
            "call_id": call_id,
            "name": name,
            "arguments": arguments,
        }))
    }

    /// A reasoning item more: its readable summary, one string a section, and its opaque form.
    #[must_use]
    pub fn and_reasoning(self, summary: &[&str], encrypted: &str) -> Self {
        let summary: Vec<Value> =
            summary.iter().map(|text| json!({ "type": "summary_text", "text": text })).collect();
        self.and_item(json!({
            "type": "reasoning",
            "summary": summary,
            "encrypted_content": encrypted,
        }))
    }

    /// Any output item more; an `id` is added when it has none.
    #[must_use]
    pub fn and_item(mut self, item: Value) -> Self {
        self.items.push(item);
        self
    }

    /// A header of the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The usage object instead of the usual one.
    #[must_use]
    pub fn usage(mut self, usage: Value) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Ends as `incomplete` for this reason.
    #[must_use]
    pub fn incomplete(mut self, reason: &str) -> Self {
        self.incomplete = Some(reason.to_owned());
        self
    }

    /// Ends as `failed` with this code and message, after status 200.
    #[must_use]
    pub fn failed(mut self, code: &str, message: &str) -> Self {
        self.failed = Some((code.to_owned(), message.to_owned()));
        self
    }

    /// An event of the stream that stands right after the beginning.
    #[must_use]
    pub fn event(mut self, event: Value) -> Self {
        self.extra_events.push(event);
        self
    }

    /// Ends the stream with these bytes instead of its last event.
    #[must_use]
    pub fn ending_in(mut self, bytes: &str) -> Self {
        self.raw_tail = Some(bytes.to_owned());
        self
    }

    /// Sends the stream in pieces of this many bytes, whatever they cut through.
    #[must_use]
    pub fn in_chunks_of(mut self, bytes: usize) -> Self {
        self.chunk = Some(bytes.max(1));
        self
    }

    /// Breaks the connection after this many events.
    #[must_use]
    pub fn breaking_after(mut self, events: usize) -> Self {
        self.break_after_events = Some(events);
        self
    }

    /// Falls silent after this many events and keeps the connection open; 0 never answers at all.
    #[must_use]
    pub fn hanging_after(mut self, events: usize) -> Self {
        self.hang_after_events = Some(events);
        self
    }
}
