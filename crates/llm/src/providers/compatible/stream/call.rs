//! One tool call whose pieces are still coming.

use serde_json::{Map, Value, json};

use super::super::synthetic_id;
use super::Events;
use super::answer::merge;
use crate::types::{PartialToolCall, StreamEvent, ToolCall, ToolCallData};

/// A call as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    /// Arguments that came as an object instead of its text.
    object: Option<Value>,
    /// Fields beside `id`, `index` and the function.
    rest: Map<String, Value>,
    /// Fields of the function beside its name and arguments.
    function: Map<String, Value>,
    custom: bool,
    started: Option<PartialToolCall>,
}

/// One piece of a call in one form, whatever the server's.
pub(super) struct Piece {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: Option<Value>,
    rest: Map<String, Value>,
    function: Map<String, Value>,
    custom: bool,
}

impl Piece {
    pub(super) fn new(mut call: Map<String, Value>) -> Self {
        let index = call.remove("index").and_then(|index| index.as_u64());
        let id = text(call.remove("id"));
        let (custom, mut function) = match (call.remove("function"), call.remove("custom")) {
            (Some(Value::Object(function)), _) => (false, function),
            (_, Some(Value::Object(custom))) => (true, custom),
            _ => (false, Map::new()),
        };
        let name = text(function.remove("name"));
        let arguments = function.remove(argument_field(custom)).filter(|value| !value.is_null());
        Self { index, id, name, arguments, rest: call, function, custom }
    }

    /// Which of `calls` this goes on with, or `None` when it begins another.
    ///
    /// Servers give an index, or only ids, or neither; some give every call the index 0; some repeat the
    /// name in each piece.
    pub(super) fn target(&self, calls: &[Call]) -> Option<usize> {
        let at = match self.index {
            Some(_) => calls.iter().rposition(|call| call.index == self.index)?,
            None if !self.id.is_empty() => calls.iter().rposition(|call| call.id == self.id)?,
            None => calls.len().checked_sub(1)?,
        };
        let call = &calls[at];
        let differs = |a: &str, b: &str| !a.is_empty() && !b.is_empty() && a != b;
        if self.name.is_empty() {
            return Some(at);
        }
        let is_another = if differs(&self.id, &call.id) {
            true
        } else if self.id.is_empty() && call.started.is_some() {
            differs(&self.name, &call.name) || (self.has_arguments() && call.is_whole())
        } else {
            false
        };
        (!is_another).then_some(at)
    }

    fn has_arguments(&self) -> bool {
        self.arguments.as_ref().is_some_and(|arguments| arguments.as_str() != Some(""))
    }
}

fn argument_field(custom: bool) -> &'static str {
    if custom { "input" } else { "arguments" }
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

impl Call {
    /// Takes a piece. `number` is the call's place in the conversation, for one without an id.
    pub(super) fn take(&mut self, piece: Piece, number: usize, out: &mut Events) {
        self.index = self.index.or(piece.index);
        self.custom |= piece.custom;
        if self.id.is_empty() {
            self.id = piece.id;
        }
        // Before the call is announced, another name can only be the rest of it.
        if self.started.is_none() && self.name != piece.name {
            self.name.push_str(&piece.name);
        }
        for (name, value) in piece.rest {
            merge(&mut self.rest, &name, value);
        }
        for (name, value) in piece.function {
            merge(&mut self.function, &name, value);
        }
        match piece.arguments {
            Some(Value::String(delta)) => self.arguments(&delta, number, out),
            Some(object) => {
                self.arguments(&object.to_string(), number, out);
                self.object = Some(object);
            }
            None => {}
        }
    }

    /// Takes more arguments.
    pub(super) fn arguments(&mut self, delta: &str, number: usize, out: &mut Events) {
        if delta.is_empty() {
            return;
        }
        self.start(number, out);
        self.arguments.push_str(delta);
        if let Some(tool_call) = self.started.clone() {
            out.push(StreamEvent::ToolCallDelta { tool_call, delta: delta.to_owned() });
        }
    }

    pub(super) fn has_index(&self, index: u64) -> bool {
        self.index == Some(index)
    }

    fn start(&mut self, number: usize, out: &mut Events) {
        if self.started.is_none() {
            let id = if self.id.is_empty() { synthetic_id(number) } else { self.id.clone() };
            let call = PartialToolCall { id, name: self.name.clone() };
            out.push(StreamEvent::ToolCallStart { tool_call: call.clone() });
            self.started = Some(call);
        }
    }

    /// Says that nothing more comes.
    pub(super) fn close(&mut self, number: usize, out: &mut Events) {
        self.start(number, out);
        let Some(PartialToolCall { id, name }) = self.started.clone() else { return };
        let data = match &self.object {
            Some(object @ Value::Object(_)) => ToolCallData::new(id, name, object.clone()),
            Some(other) => ToolCallData::new(id, name, json!(other.to_string())),
            None if self.custom => ToolCallData::new(id, name, json!(self.arguments)),
            None => ToolCallData::from_raw(id, name, &self.arguments),
        };
        out.push(StreamEvent::ToolCallEnd { tool_call: ToolCall::from(&data) });
    }

    /// Whether the arguments are a whole object, so that more of them would be another call's.
    fn is_whole(&self) -> bool {
        self.arguments.ends_with('}')
            && ToolCallData::from_raw("", "", &self.arguments).arguments.is_object()
    }

    /// The call as a whole completion has it.
    pub(super) fn into_value(self) -> Value {
        let mut call = Map::new();
        // The id that was announced stays, even if the server had another one later.
        let id = match self.started {
            Some(started) if !self.id.is_empty() => started.id,
            _ => self.id,
        };
        if !id.is_empty() {
            call.insert("id".into(), json!(id));
        }
        call.extend(self.rest);
        let mut function = Map::new();
        function.insert("name".into(), json!(self.name));
        let arguments = self.object.unwrap_or_else(|| json!(self.arguments));
        function.insert(argument_field(self.custom).into(), arguments);
        function.extend(self.function);
        let kind = if self.custom { "custom" } else { "function" };
        call.insert(kind.into(), Value::Object(function));
        Value::Object(call)
    }
}
