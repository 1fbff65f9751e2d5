//! The SDKs, asked to talk to the fake model server: see `tests/sdk/judge.py`.

use canon_testkit::model_server::{ModelServer, ReceivedRequest, Reply, Wire};
use canon_testkit::sdks::Script;
use serde_json::{Value, json};

static JUDGE: Script = Script::new(
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/judge.py"),
    env!("CARGO_TARGET_TMPDIR"),
);

pub(super) const WIRES: [Wire; 4] = [Wire::Responses, Wire::Chat, Wire::Messages, Wire::Gemini];

/// What an SDK made of a conversation, and what the server heard of it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) turns: Vec<Value>,
    pub(super) requests: Vec<ReceivedRequest>,
}

impl Seen {
    /// The first turn.
    pub(super) fn first(&self) -> &Value {
        &self.turns[0]
    }
}

/// How an SDK asks, beside the question.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Task {
    pub(super) stream: bool,
    pub(super) tools: bool,
    pub(super) images: bool,
    pub(super) schema: bool,
    pub(super) thinking: bool,
}

impl Task {
    pub(super) fn streamed(stream: bool) -> Self {
        Self { stream, ..Self::default() }
    }
}

/// Has the SDK of `wire` talk to a server with these replies; `None`, and a line that says so, without the SDKs.
/// Nothing that either side complains of passes, and no reply is left over.
pub(super) fn judge(wire: Wire, task: Task, replies: &[Reply]) -> Option<Seen> {
    let server = ModelServer::start().unwrap();
    server.extend(replies.iter().cloned());
    let base_url = match wire {
        Wire::Responses | Wire::Chat => server.base_url(),
        Wire::Messages | Wire::Gemini => server.root_url(),
    };
    let Task { stream, tools, images, schema, thinking } = task;
    let line = json!({
        "wire": wire, "base_url": base_url, "stream": stream, "tools": tools, "images": images,
        "schema": schema, "thinking": thinking,
    });
    let Value::Array(turns) = JUDGE.ask(&line).unwrap()?["turns"].take() else {
        panic!("no turns");
    };
    assert_eq!(server.violations(), Vec::<String>::new(), "{wire:?} {task:?}: {turns:#?}");
    assert_eq!(server.replies_left(), 0, "{wire:?} {task:?}: {turns:#?}");
    for turn in turns.iter().filter(|turn| turn.get("error").is_none()) {
        assert_eq!(turn["problems"], json!([]), "{wire:?} {task:?}: {turn:#}");
    }
    Some(Seen { turns, requests: server.requests() })
}
