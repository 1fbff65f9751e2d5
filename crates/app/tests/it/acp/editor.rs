//! A client of the Agent Client Protocol: `canon acp` as a child, its pipes, files of its own.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};

use canon_protocol::acp::update::{SessionNotification, SessionUpdate};
use canon_testkit::sdks::Script;
use serde_json::{Value, json};

use crate::up::env::{PATIENCE, TestEnv};

static JUDGE: Script = Script::new(
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/acp_frames.py"),
    env!("CARGO_TARGET_TMPDIR"),
);

pub(crate) struct Editor {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    next: u64,
    asked: HashMap<u64, String>,
    /// What permission requests are answered, in order; none left: not answered.
    pub(crate) permits: VecDeque<Value>,
    /// Texts that the editor has and the disk has not.
    pub(crate) buffers: HashMap<String, String>,
    /// Every update, by session.
    pub(crate) updates: Vec<(String, Value)>,
    /// Every request of the agent: method and parameters.
    pub(crate) requests: Vec<(String, Value)>,
    /// The agent's requests that it gave up.
    pub(crate) given_up: Vec<Value>,
    /// What the official SDK is to judge: the message's type and its body.
    frames: Vec<(String, Value)>,
}

impl Editor {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("the agent starts");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
            next: 0,
            asked: HashMap::new(),
            permits: VecDeque::new(),
            buffers: HashMap::new(),
            updates: Vec::new(),
            requests: Vec::new(),
            given_up: Vec::new(),
            frames: Vec::new(),
        }
    }

    pub(crate) fn line(&mut self, line: &str) {
        let _ = writeln!(self.stdin.as_mut().unwrap(), "{line}");
    }

    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> u64 {
        self.next += 1;
        self.asked.insert(self.next, method.to_owned());
        let (id, method) = (self.next, method.to_owned());
        let frame = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.line(&frame.to_string());
        id
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the agent without a word, and waits for its end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn notify(&mut self, method: &str, params: &Value) {
        self.line(&json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string());
    }

    /// The next message that is neither an update nor a request that is answered here.
    pub(crate) fn message(&mut self) -> Value {
        loop {
            if let Some(message) = self.step() {
                return message;
            }
        }
    }

    /// Takes one message; gives an answer.
    pub(crate) fn step(&mut self) -> Option<Value> {
        let line = self.lines.recv_timeout(PATIENCE).expect("the agent says something");
        let message: Value = serde_json::from_str(&line).expect("a line of JSON");
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        match message["method"].as_str() {
            Some("session/update") => self.updated(&message["params"]),
            Some("$/cancel_request") => {
                self.given_up.push(message["params"]["requestId"].clone());
            }
            Some(method) => self.asked_by_agent(method, &message),
            None => {
                if let Some(method) = message["id"].as_u64().and_then(|id| self.asked.get(&id))
                    && message.get("result").is_some()
                {
                    self.frames.push((method.clone(), message["result"].clone()));
                }
                return Some(message);
            }
        }
        None
    }

    fn updated(&mut self, params: &Value) {
        let read: SessionNotification = serde_json::from_value(params.clone()).unwrap();
        assert!(!matches!(read.update, SessionUpdate::Unknown(_)), "{params}");
        self.frames.push(("session/update".to_owned(), params.clone()));
        self.updates.push((read.session_id, params["update"].clone()));
    }

    fn asked_by_agent(&mut self, method: &str, message: &Value) {
        let params = &message["params"];
        self.frames.push((method.to_owned(), params.clone()));
        self.requests.push((method.to_owned(), params.clone()));
        let path = params["path"].as_str().unwrap_or_default().to_owned();
        let result = match method {
            "session/request_permission" => match self.permits.pop_front() {
                Some(outcome) => json!({ "result": { "outcome": outcome } }),
                None => return,
            },
            "fs/read_text_file" => {
                let unsaved = self.buffers.get(&path).cloned();
                match unsaved.or_else(|| std::fs::read_to_string(&path).ok()) {
                    Some(content) => json!({ "result": { "content": content } }),
                    None => json!({ "error": { "code": -32002, "message": "no such file" } }),
                }
            }
            "fs/write_text_file" => {
                self.buffers.remove(&path);
                std::fs::write(&path, params["content"].as_str().unwrap()).unwrap();
                json!({ "result": {} })
            }
            _ => json!({ "error": { "code": -32601, "message": "no such method" } }),
        };
        let mut answer = result;
        answer["jsonrpc"] = json!("2.0");
        answer["id"] = message["id"].clone();
        self.line(&answer.to_string());
    }

    /// Asks and waits for the answer, whole.
    pub(crate) fn answer(&mut self, method: &str, params: &Value) -> Value {
        let id = self.ask(method, params);
        self.answer_to(id)
    }

    pub(crate) fn answer_to(&mut self, id: u64) -> Value {
        let answer = self.message();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Asks and waits for a good answer.
    pub(crate) fn result(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.answer(method, params);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    pub(crate) fn initialize(&mut self, fs: bool) -> Value {
        let capabilities = json!({ "fs": { "readTextFile": fs, "writeTextFile": fs } });
        let params = json!({ "protocolVersion": 1, "clientCapabilities": capabilities });
        self.result("initialize", &params)
    }

    /// A new session in `work`.
    pub(crate) fn session(&mut self, env: &TestEnv) -> String {
        let params = json!({ "cwd": env.path("work"), "mcpServers": [] });
        let session = self.result("session/new", &params);
        session["sessionId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn prompt(&mut self, session: &str, text: &str) -> u64 {
        let prompt = json!([{ "type": "text", "text": text }]);
        self.ask("session/prompt", &json!({ "sessionId": session, "prompt": prompt }))
    }

    /// Prompts and gives the reason to stop.
    pub(crate) fn says(&mut self, session: &str, text: &str) -> String {
        let id = self.prompt(session, text);
        let answer = self.answer_to(id);
        answer["result"]["stopReason"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Takes messages until the agent asked this.
    pub(crate) fn until_asked(&mut self, method: &str) {
        while !self.requests.iter().any(|(asked, _)| asked == method) {
            assert_eq!(self.step(), None);
        }
    }

    /// What the agent said in a session, or thought, or the user is told to have said.
    pub(crate) fn text(&self, session: &str, kind: &str) -> String {
        let texts = self
            .updates
            .iter()
            .filter(|(id, update)| id == session && update["sessionUpdate"] == kind);
        texts.filter_map(|(_, update)| update["content"]["text"].as_str()).collect()
    }

    /// The title of each call, in their order.
    pub(crate) fn titles(&self) -> Vec<&str> {
        let begun = self.updates.iter().filter(|(_, it)| it["sessionUpdate"] == "tool_call");
        begun.filter_map(|(_, update)| update["title"].as_str()).collect()
    }

    /// The last status of each call, in their order.
    pub(crate) fn calls(&self) -> Vec<(String, String)> {
        let mut calls: Vec<(String, String)> = Vec::new();
        for (_, update) in &self.updates {
            let Some(status) = update["status"].as_str() else { continue };
            let id = update["toolCallId"].as_str().unwrap_or_default();
            match calls.iter_mut().find(|(known, _)| known == id) {
                Some(call) => status.clone_into(&mut call.1),
                None => calls.push((id.to_owned(), status.to_owned())),
            }
        }
        calls
    }

    /// Waits until the agent has told a client that does not end its input.
    pub(crate) fn ends_by_itself(mut self, env: &TestEnv) {
        while self.lines.recv_timeout(PATIENCE).is_ok() {}
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        env.assert_nothing_left();
    }

    /// Ends the input, waits for the agent to go, looks that nothing is left of it, and has the
    /// official SDK judge what it said.
    pub(crate) fn finish(mut self, env: &TestEnv) {
        drop(self.stdin.take());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        env.assert_nothing_left();
        for (kind, body) in std::mem::take(&mut self.frames) {
            match JUDGE.ask(&json!({ "kind": kind, "body": body })).unwrap() {
                Some(verdict) => assert_eq!(verdict["problem"], Value::Null, "{kind}: {body}"),
                None => return,
            }
        }
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
