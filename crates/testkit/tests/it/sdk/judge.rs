//! A Python process with the SDKs in it, asked in lines of JSON: see `tests/sdk/judge.py`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use canon_testkit::model_server::{ModelServer, ReceivedRequest, Reply, Wire};
use serde_json::{Value, json};

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
    let Some(python) = std::env::var_os("CANON_PYTHON") else {
        println!("skipped: sdks: CANON_PYTHON names no Python with the SDKs of model providers");
        return None;
    };
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
    let Value::Array(turns) = ask(Path::new(&python), &line)["turns"].take() else {
        panic!("no turns");
    };
    assert_eq!(server.violations(), Vec::<String>::new(), "{wire:?} {task:?}: {turns:#?}");
    assert_eq!(server.replies_left(), 0, "{wire:?} {task:?}: {turns:#?}");
    for turn in turns.iter().filter(|turn| turn.get("error").is_none()) {
        assert_eq!(turn["problems"], json!([]), "{wire:?} {task:?}: {turn:#}");
    }
    Some(Seen { turns, requests: server.requests() })
}

struct Judge {
    /// Kept, so that it lives as long as its pipes; it ends when they do.
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// One process for all tests of this binary: importing the SDKs takes a second.
static JUDGE: Mutex<Option<Judge>> = Mutex::new(None);

fn ask(python: &Path, task: &Value) -> Value {
    let mut slot = JUDGE.lock().unwrap_or_else(PoisonError::into_inner);
    // Taken out, so that one that broke off in the middle of an answer is not asked again.
    let mut judge = slot.take().unwrap_or_else(|| Judge::start(python));
    let answer = judge.ask(task);
    *slot = Some(judge);
    answer
}

impl Judge {
    fn start(python: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/judge.py");
        let mut child = Command::new(python)
            .arg(script)
            // What a machine is configured with must not reach the SDKs.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("PYTHONUTF8", "1")
            // What it compiles belongs where everything else that is built does.
            .env("PYTHONPYCACHEPREFIX", concat!(env!("CARGO_TARGET_TMPDIR"), "/pycache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { _child: child, input, output }
    }

    fn ask(&mut self, task: &Value) -> Value {
        writeln!(self.input, "{task}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{task}: {line:?}: {error}"))
    }
}
