//! Many chunks into one `GenerateContentResponse`, the one that `generateContent` would have given.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What the chunks have said so far.
#[derive(Debug, Default)]
pub(super) struct Fold {
    /// Fields beside the candidates; the last word counts.
    head: Map<String, Value>,
    /// The text of the last `usageMetadata`, read at the end: every chunk has one.
    usage: String,
    /// What the last delta said of the model and of its answer; empty when `head` may say otherwise.
    names: [String; 2],
    candidates: BTreeMap<u64, Candidate>,
}

/// One candidate so far.
#[derive(Debug, Default)]
pub(super) struct Candidate {
    fields: Map<String, Value>,
    /// The `role` of the content.
    role: String,
    /// Fields of `content` beside the role and the parts.
    content: Option<Map<String, Value>>,
    parts: Option<Vec<Value>>,
    run: Option<Run>,
}

/// Text that is still growing.
#[derive(Debug)]
struct Run {
    is_thought: bool,
    text: String,
}

impl Fold {
    /// A field beside the candidates.
    pub(super) fn head(&mut self, name: String, value: Value) {
        if name == "usageMetadata" {
            self.usage.clear();
        }
        self.names = Default::default();
        self.head.insert(name, value);
    }

    /// `modelVersion` and `responseId`, which are the same in every chunk.
    pub(super) fn names(&mut self, model: &str, id: &str) {
        let names = [model, id];
        if self.names == names {
            return;
        }
        for (field, name) in ["modelVersion", "responseId"].into_iter().zip(names) {
            if !name.is_empty() {
                self.head.insert(field.to_owned(), json!(name));
            }
        }
        self.names = names.map(str::to_owned);
    }

    /// `usageMetadata` as JSON text.
    pub(super) fn usage(&mut self, text: &str) {
        self.usage.clear();
        self.usage.push_str(text);
    }

    /// The candidate of this index, new or known.
    pub(super) fn candidate(&mut self, index: u64) -> &mut Candidate {
        self.candidates.entry(index).or_default()
    }

    /// Whether there was any candidate.
    pub(super) fn has_candidates(&self) -> bool {
        !self.candidates.is_empty()
    }

    /// Whether every candidate has a reason to be finished.
    pub(super) fn is_complete(&self) -> bool {
        self.has_candidates() && self.candidates.values().all(Candidate::is_complete)
    }

    /// The whole answer, `main` first among the candidates.
    pub(super) fn into_body(mut self, main: u64) -> Value {
        if let Ok(usage) = serde_json::from_str(&self.usage) {
            self.head.insert("usageMetadata".to_owned(), usage);
        }
        let first = self.candidates.remove(&main);
        let candidates = first.into_iter().chain(self.candidates.into_values());
        let candidates: Vec<Value> = candidates.map(Candidate::into_value).collect();
        let mut body = Map::new();
        body.insert("candidates".to_owned(), Value::Array(candidates));
        body.append(&mut self.head);
        Value::Object(body)
    }
}

impl Candidate {
    /// A field beside the content. Objects such as grounding are put together, the rest is replaced.
    pub(super) fn field(&mut self, name: String, value: Value) {
        match (self.fields.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(more)) => join(known, more),
            (_, value) => {
                self.fields.insert(name, value);
            }
        }
    }

    /// A field of `content` beside the parts.
    pub(super) fn content(&mut self, name: String, value: Value) {
        match value {
            Value::String(role) if name == "role" => self.role(&role),
            value => {
                self.content.get_or_insert_default().insert(name, value);
            }
        }
    }

    /// The `role` of the content, which is the same in every chunk.
    pub(super) fn role(&mut self, role: &str) {
        self.content.get_or_insert_default();
        if !role.is_empty() && self.role != role {
            role.clone_into(&mut self.role);
        }
    }

    /// There is a content and it has a list of parts, though it may be empty.
    pub(super) fn open_parts(&mut self) {
        self.content.get_or_insert_default();
        self.parts.get_or_insert_default();
    }

    /// More text; neighbours of one kind are one part.
    pub(super) fn text(&mut self, is_thought: bool, text: &str) {
        self.open_parts();
        match &mut self.run {
            Some(run) if run.is_thought == is_thought => run.text.push_str(text),
            _ if text.is_empty() => {}
            _ => {
                self.end_run();
                self.run = Some(Run { is_thought, text: text.to_owned() });
            }
        }
    }

    /// A part that stays as it is; its place among the parts.
    pub(super) fn part(&mut self, part: Value) -> usize {
        self.open_parts();
        self.end_run();
        let parts = self.parts.get_or_insert_default();
        parts.push(part);
        parts.len() - 1
    }

    /// The part at a place that [`Self::part`] gave.
    pub(super) fn part_mut(&mut self, at: usize) -> Option<&mut Value> {
        self.parts.as_mut()?.get_mut(at)
    }

    fn is_complete(&self) -> bool {
        self.fields.get("finishReason").is_some_and(Value::is_string)
    }

    fn end_run(&mut self) {
        if let Some(Run { is_thought, text }) = self.run.take() {
            let part = if is_thought {
                json!({ "text": text, "thought": true })
            } else {
                json!({ "text": text })
            };
            self.parts.get_or_insert_default().push(part);
        }
    }

    fn into_value(mut self) -> Value {
        self.end_run();
        let mut candidate = Map::new();
        if let Some(mut content) = self.content {
            if !self.role.is_empty() {
                content.insert("role".to_owned(), Value::String(self.role));
            }
            if let Some(parts) = self.parts {
                content.insert("parts".to_owned(), Value::Array(parts));
            }
            candidate.insert("content".to_owned(), Value::Object(content));
        }
        candidate.append(&mut self.fields);
        Value::Object(candidate)
    }
}

/// Lists grow, whether a chunk brings what is new or all there is so far; of anything else the last word
/// counts.
fn join(known: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        match (known.get_mut(&name), value) {
            (Some(Value::Array(list)), Value::Array(more)) => {
                if more.starts_with(list) {
                    *list = more;
                } else {
                    list.extend(more);
                }
            }
            (_, value) => {
                known.insert(name, value);
            }
        }
    }
}
