//! The requests that a client sends: their ids and parameters.
//!
//! Ids follow from what is asked, not from a counter, so that a replayed client gives every
//! request the id that it had.

use serde_json::{Map, Value, json};

use super::options::{Options, ToolSpec};

/// One request of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Initialize,
    Thread,
    Name,
    /// Number of the turn.
    Turn(u32),
    /// Number of the turn, and of the attempt from 0, below [`INTERRUPTS`].
    Interrupt(u32, u32),
    /// Number of the turn, and of the steering within it from 0.
    Steer(u32, u32),
}

const STRIDE: u64 = 1 << 20;
/// How often one turn can be interrupted; an agent that refuses so often will not stop.
pub(super) const INTERRUPTS: u32 = 31;

impl Call {
    pub(super) fn id(self) -> u64 {
        match self {
            Call::Initialize => 0,
            Call::Thread => 1,
            Call::Name => 2,
            Call::Turn(turn) => u64::from(turn) * STRIDE,
            Call::Interrupt(turn, nth) => u64::from(turn) * STRIDE + 1 + u64::from(nth),
            Call::Steer(turn, nth) => {
                u64::from(turn) * STRIDE + 1 + u64::from(INTERRUPTS) + u64::from(nth)
            }
        }
    }

    /// The call that has this id, if any can.
    pub(super) fn of_id(id: u64) -> Option<Call> {
        let turn = u32::try_from(id / STRIDE).ok()?;
        let rest = u32::try_from(id % STRIDE).ok()?;
        match (turn, rest) {
            (0, 0) => Some(Call::Initialize),
            (0, 1) => Some(Call::Thread),
            (0, 2) => Some(Call::Name),
            (0, _) => None,
            (turn, 0) => Some(Call::Turn(turn)),
            (turn, nth) if nth <= INTERRUPTS => Some(Call::Interrupt(turn, nth - 1)),
            (turn, nth) => Some(Call::Steer(turn, nth - 1 - INTERRUPTS)),
        }
    }

    pub(super) fn method(self, options: &Options) -> &'static str {
        match self {
            Call::Initialize => "initialize",
            Call::Thread if options.resume.is_some() => "thread/resume",
            Call::Thread => "thread/start",
            Call::Name => "thread/name/set",
            Call::Turn(_) => "turn/start",
            Call::Interrupt(..) => "turn/interrupt",
            Call::Steer(..) => "turn/steer",
        }
    }
}

pub(super) fn initialize(options: &Options) -> Value {
    json!({
        "clientInfo": { "name": options.client_name, "version": options.client_version },
        "capabilities": { "experimentalApi": true },
    })
}

/// Parameters of `thread/start`, or of `thread/resume`, which takes no tools.
pub(super) fn thread(options: &Options) -> Value {
    let mut params = Map::new();
    if let Some(resume) = &options.resume {
        params.insert("threadId".to_owned(), json!(resume.thread_id));
    } else if !options.tools.is_empty() {
        let tools: Vec<Value> = options.tools.iter().map(tool).collect();
        params.insert("dynamicTools".to_owned(), json!(tools));
    }
    params.insert("cwd".to_owned(), json!(options.cwd));
    params.insert("approvalPolicy".to_owned(), options.approval_policy.clone());
    params.insert("sandbox".to_owned(), json!(options.sandbox));
    if let Some(model) = &options.model {
        params.insert("model".to_owned(), json!(model));
    }
    Value::Object(params)
}

fn tool(spec: &ToolSpec) -> Value {
    json!({
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "inputSchema": spec.input_schema,
    })
}

pub(super) fn name(thread_id: &str, name: &str) -> Value {
    json!({ "threadId": thread_id, "name": name })
}

pub(super) fn turn(options: &Options, thread_id: &str, prompt: &str) -> Value {
    let mut params = json!({
        "threadId": thread_id,
        "input": [text(prompt)],
        "cwd": options.cwd,
    });
    if let Some(policy) = &options.turn_sandbox_policy {
        params["sandboxPolicy"] = policy.clone();
    }
    params
}

pub(super) fn steer(thread_id: &str, turn_id: &str, more: &str) -> Value {
    json!({ "threadId": thread_id, "expectedTurnId": turn_id, "input": [text(more)] })
}

pub(super) fn interrupt(thread_id: &str, turn_id: &str) -> Value {
    json!({ "threadId": thread_id, "turnId": turn_id })
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text, "text_elements": [] })
}
