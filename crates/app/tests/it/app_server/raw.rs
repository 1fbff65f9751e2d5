//! An app-server under frames that a test writes itself.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use serde_json::{Value, json};

use super::schemas::Schemas;
use crate::up::env::{PATIENCE, TestEnv};

pub(crate) struct Raw {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    /// Every message of the server.
    pub(crate) said: Vec<Value>,
    /// Messages before this one were looked at.
    seen: usize,
    asked: HashMap<String, String>,
    next: u64,
}

impl Raw {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("the server starts");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let message = serde_json::from_str(&line);
                let message = message.unwrap_or_else(|error| panic!("no JSON, {error}: {line}"));
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        let (said, asked) = (Vec::new(), HashMap::new());
        Self { child, stdin, lines, said, seen: 0, asked, next: 0 }
    }

    /// `canon app-server` in `env`, with its transcript, and initialised.
    pub(crate) fn canon(env: &TestEnv, capabilities: &Value) -> Self {
        let transcript = env.path("transcript.jsonl");
        let model = transcript.to_str().unwrap();
        let mut raw =
            Self::start(env.canon(&["app-server", "--provider", "scripted", "--model", model]));
        raw.initialize(capabilities);
        raw
    }

    pub(crate) fn initialize(&mut self, capabilities: &Value) {
        let client = json!({ "name": "test", "title": "Test", "version": "1" });
        self.ok("initialize", json!({ "clientInfo": client, "capabilities": capabilities }));
        self.send(json!({ "method": "initialized" }));
    }

    pub(crate) fn send(&mut self, message: Value) {
        if let (Some(method), Some(id)) = (message["method"].as_str(), message.get("id")) {
            self.asked.insert(id.to_string(), method.to_owned());
        }
        // A server that has ended shows when it is read.
        let _ = writeln!(self.stdin.as_mut().unwrap(), "{message}");
    }

    /// Sends a line that may be no message.
    pub(crate) fn line(&mut self, line: &str) {
        let _ = writeln!(self.stdin.as_mut().unwrap(), "{line}");
    }

    /// Sends a request and gives its id.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        self.send(json!({ "id": self.next, "method": method, "params": params }));
        self.next
    }

    /// The answer to a request.
    pub(crate) fn answer_to(&mut self, id: u64) -> Value {
        let is_answer = |said: &Value| said["id"] == id && said.get("method").is_none();
        if let Some(said) = self.said.iter().find(|said| is_answer(said)) {
            return said.clone();
        }
        let patience = Instant::now() + PATIENCE;
        loop {
            let said = self.hear(patience);
            if is_answer(&said) {
                return said;
            }
        }
    }

    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        self.answer_to(id)
    }

    pub(crate) fn ok(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params.clone());
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    /// The message of the error that a request is answered with.
    pub(crate) fn refused(&mut self, method: &str, params: Value) -> String {
        let answer = self.ask(method, params.clone());
        assert_eq!(answer["error"]["code"], -32600, "{method} {params}: {answer}");
        answer["error"]["message"].as_str().unwrap().to_owned()
    }

    /// Answers a request of the server.
    pub(crate) fn reply(&mut self, request: &Value, result: Value) {
        self.send(json!({ "id": request["id"], "result": result }));
    }

    fn hear(&mut self, patience: Instant) -> Value {
        let wait = patience.saturating_duration_since(Instant::now());
        let said = self.lines.recv_timeout(wait);
        let said = said.unwrap_or_else(|_| panic!("nothing more is said: {:#?}", self.said));
        self.said.push(said.clone());
        said
    }

    /// The next message that is as wanted, after the last one that was.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let patience = Instant::now() + PATIENCE;
        loop {
            while self.seen < self.said.len() {
                self.seen += 1;
                if wanted(&self.said[self.seen - 1]) {
                    return self.said[self.seen - 1].clone();
                }
            }
            self.hear(patience);
        }
    }

    pub(crate) fn hears(&mut self, method: &str) -> Value {
        self.until(|said| said["method"] == method)
    }

    /// Starts a thread; its id.
    pub(crate) fn thread(&mut self, params: Value) -> String {
        let started = self.ok("thread/start", params);
        started["thread"]["id"].as_str().unwrap().to_owned()
    }

    /// Starts a turn; its id.
    pub(crate) fn turn(&mut self, thread: &str, text: &str) -> String {
        let input = json!([{ "type": "text", "text": text }]);
        let started = self.ok("turn/start", json!({ "threadId": thread, "input": input }));
        started["turn"]["id"].as_str().unwrap().to_owned()
    }

    /// The end of the turn that runs.
    pub(crate) fn end(&mut self) -> Value {
        self.hears("turn/completed")["params"]["turn"].clone()
    }

    /// The last completed item of this type.
    pub(crate) fn item(&self, kind: &str) -> Value {
        let items = self.said.iter().rev().filter(|said| said["method"] == "item/completed");
        let mut items = items.map(|said| &said["params"]["item"]);
        items.find(|item| item["type"] == kind).cloned().unwrap_or_default()
    }

    /// Closes its input; it ends well, and all that it said is valid.
    pub(crate) fn finish(mut self) -> Vec<Value> {
        self.close();
        if let Some(schemas) = Schemas::get() {
            schemas.check_all(&self.said, &self.asked);
        }
        std::mem::take(&mut self.said)
    }

    /// The same for a server that is its own judge.
    pub(crate) fn finish_unchecked(mut self) -> Vec<Value> {
        self.close();
        std::mem::take(&mut self.said)
    }

    fn close(&mut self) {
        self.stdin = None;
        while let Ok(said) = self.lines.recv_timeout(PATIENCE) {
            self.said.push(said);
        }
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
