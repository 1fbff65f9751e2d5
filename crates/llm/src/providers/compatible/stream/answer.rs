//! The completion that a stream spells out, put together again.

use serde_json::{Map, Value, json};

use super::super::{REASONING_DETAILS, REASONING_TEXTS};
use super::Events;
use super::call::{Call, Piece};

/// An answer as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Fields of the completion beside its choices.
    head: Map<String, Value>,
    /// Fields of the first choice beside its message.
    choice: Map<String, Value>,
    /// Fields of the message that have no place of their own here.
    message: Map<String, Value>,
    content: Content,
    refusal: String,
    /// By the order of [`REASONING_TEXTS`].
    reasoning: [Option<String>; 2],
    details: Vec<Value>,
    calls: Vec<Call>,
    /// Whether there are choices beside the first.
    others: bool,
    begun: bool,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    None,
    Text(String),
    /// A list, when the server sends one.
    Blocks(Vec<Value>),
}

impl Answer {
    /// Whether a chunk has been read whole.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The server's id of the answer.
    pub(super) fn id(&self) -> Option<&str> {
        self.head.get("id").and_then(Value::as_str).filter(|id| !id.is_empty())
    }

    pub(super) fn has_finish_reason(&self) -> bool {
        self.choice.contains_key("finish_reason")
    }

    /// Takes what a chunk says beside its choices. Groq states the usage inside a field of its own.
    pub(super) fn head(&mut self, fields: Map<String, Value>) {
        self.begun = true;
        if let Some(usage) = fields.get("x_groq").and_then(|more| more.get("usage")) {
            self.head.insert("usage".into(), usage.clone());
        }
        for (name, value) in fields {
            if !value.is_null() {
                self.head.insert(name, value);
            }
        }
    }

    /// Takes what a choice says beside its delta.
    pub(super) fn choice(&mut self, fields: Map<String, Value>) {
        for (name, value) in fields {
            match value {
                Value::Null => {}
                Value::String(reason) if name == "finish_reason" && reason.is_empty() => {}
                // Moonshot's place for it.
                usage @ Value::Object(_) if name == "usage" => {
                    self.head.insert(name, usage);
                }
                value => merge_apart(&mut self.choice, &name, value),
            }
        }
    }

    pub(super) fn other_choice(&mut self) {
        self.others = true;
    }

    pub(super) fn text(&mut self, delta: &str) {
        match &mut self.content {
            Content::None => self.content = Content::Text(delta.to_owned()),
            Content::Text(text) => text.push_str(delta),
            Content::Blocks(_) if delta.is_empty() => {}
            Content::Blocks(_) => self.block(json!({ "type": "text", "text": delta })),
        }
    }

    /// Takes an entry of a content list; one that goes on with the last is joined to it.
    pub(super) fn block(&mut self, block: Value) {
        if !matches!(self.content, Content::Blocks(_)) {
            let before = std::mem::take(&mut self.content);
            self.content = Content::Blocks(match before {
                Content::Text(text) if !text.is_empty() => {
                    vec![json!({ "type": "text", "text": text })]
                }
                _ => Vec::new(),
            });
        }
        let Content::Blocks(blocks) = &mut self.content else { return };
        if let Some(last) = blocks.last_mut()
            && let Some(field) = ["text", "thinking"].into_iter().find(|kind| has_type(last, kind))
            && has_type(&block, field)
            && let (Value::Object(last), Value::Object(more)) = (last, &block)
        {
            for (name, value) in more.clone() {
                merge(last, &name, value);
            }
            return;
        }
        blocks.push(block);
    }

    pub(super) fn refusal(&mut self, delta: &str) {
        self.refusal.push_str(delta);
    }

    /// Takes reasoning under the name at `number` of [`REASONING_TEXTS`].
    pub(super) fn reasoning(&mut self, number: usize, delta: &str) {
        if let Some(field) = self.reasoning.get_mut(number) {
            field.get_or_insert_default().push_str(delta);
        }
    }

    /// Whether there is reasoning that is text by itself.
    pub(super) fn has_reasoning_text(&self) -> bool {
        self.reasoning.iter().flatten().any(|text| !text.is_empty())
    }

    /// Takes pieces of reasoning; one with the type and the index of the last goes on with it.
    pub(super) fn details(&mut self, details: Value) {
        let Value::Array(details) = details else {
            merge(&mut self.message, REASONING_DETAILS, details);
            return;
        };
        for detail in details {
            let same = |last: &&mut Value| {
                detail.get("index").is_some()
                    && ["type", "index"].iter().all(|name| last.get(name) == detail.get(name))
            };
            match (self.details.last_mut().filter(same), detail) {
                (Some(Value::Object(last)), Value::Object(more)) => {
                    for (name, value) in more {
                        merge(last, &name, value);
                    }
                }
                (_, detail) => self.details.push(detail),
            }
        }
    }

    /// Takes a piece of a call.
    pub(super) fn call(&mut self, call: Map<String, Value>, calls_so_far: usize, out: &mut Events) {
        let piece = Piece::new(call);
        let at = piece.target(&self.calls).unwrap_or_else(|| {
            self.calls.push(Call::default());
            self.calls.len() - 1
        });
        self.calls[at].take(piece, calls_so_far + at, out);
    }

    /// Takes more arguments of the last call with this index; `false` when there is none.
    pub(super) fn continue_call(
        &mut self,
        index: u64,
        arguments: &str,
        calls_so_far: usize,
        out: &mut Events,
    ) -> bool {
        let Some(at) = self.calls.iter().rposition(|call| call.has_index(index)) else {
            return false;
        };
        self.calls[at].arguments(arguments, calls_so_far + at, out);
        true
    }

    pub(super) fn close_calls(&mut self, calls_so_far: usize, out: &mut Events) {
        for (number, call) in (calls_so_far..).zip(&mut self.calls) {
            call.close(number, out);
        }
    }

    /// Takes any other field of the message.
    pub(super) fn field(&mut self, name: &str, value: Value) {
        merge(&mut self.message, name, value);
    }

    pub(super) fn whole_text(&self) -> String {
        match &self.content {
            Content::None => String::new(),
            Content::Text(text) => text.clone(),
            Content::Blocks(blocks) => blocks
                .iter()
                .filter_map(|block| block.get("text").unwrap_or(block).as_str())
                .collect(),
        }
    }

    pub(super) fn whole_refusal(&self) -> &str {
        &self.refusal
    }

    /// The completion, in the form that an answer in one piece has.
    pub(super) fn into_completion(self) -> Value {
        let mut message = Map::new();
        message.insert("role".into(), json!("assistant"));
        let content = match self.content {
            Content::None => Value::Null,
            Content::Text(text) => Value::String(text),
            Content::Blocks(blocks) => Value::Array(blocks),
        };
        message.insert("content".into(), content);
        for (name, text) in REASONING_TEXTS.into_iter().zip(self.reasoning) {
            if let Some(text) = text {
                message.insert(name.into(), Value::String(text));
            }
        }
        if !self.details.is_empty() {
            message.insert(REASONING_DETAILS.into(), Value::Array(self.details));
        }
        if !self.refusal.is_empty() {
            message.insert("refusal".into(), Value::String(self.refusal));
        }
        if !self.calls.is_empty() {
            let calls = self.calls.into_iter().map(Call::into_value).collect();
            message.insert("tool_calls".into(), Value::Array(calls));
        }
        message.extend(self.message);
        let mut choice = self.choice;
        choice.insert("message".into(), Value::Object(message));
        let other = self.others.then_some(Value::Null);
        let mut body = self.head;
        body.insert("object".into(), json!("chat.completion"));
        let choices = std::iter::once(Value::Object(choice)).chain(other).collect();
        body.insert("choices".into(), Value::Array(choices));
        Value::Object(body)
    }
}

fn has_type(block: &Value, kind: &str) -> bool {
    block.get("type").and_then(Value::as_str) == Some(kind)
}

/// Adds a delta to a field: texts and lists grow, objects are merged, anything else is replaced. Names of
/// things are not texts that grow.
pub(super) fn merge(fields: &mut Map<String, Value>, name: &str, value: Value) {
    match (fields.get_mut(name), value) {
        (Some(_), Value::Null) => {}
        (Some(Value::String(_)), Value::String(more)) if more.is_empty() => {}
        (Some(Value::String(text)), Value::String(more)) if !is_name(name) => text.push_str(&more),
        (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
        (Some(Value::Object(inner)), Value::Object(more)) => {
            for (name, value) in more {
                merge(inner, &name, value);
            }
        }
        (_, value) => {
            fields.insert(name.to_owned(), value);
        }
    }
}

/// As [`merge`], but texts are replaced: those of a choice are states, not deltas.
fn merge_apart(fields: &mut Map<String, Value>, name: &str, value: Value) {
    if value.is_string() {
        fields.insert(name.to_owned(), value);
    } else {
        merge(fields, name, value);
    }
}

fn is_name(field: &str) -> bool {
    matches!(field, "id" | "type" | "role" | "format" | "name" | "signature" | "index" | "status")
}
