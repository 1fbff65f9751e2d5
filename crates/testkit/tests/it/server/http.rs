//! A client of plain HTTP that hides nothing, and a request for each wire.

use std::io::{BufRead, BufReader, ErrorKind, Lines, Read, Write as _};
use std::net::TcpStream;

use canon_testkit::model_server::{ModelServer, Wire};
use serde_json::{Value, json};

/// An answer, with the chunks in which its body came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) chunks: Vec<Vec<u8>>,
    /// Whether the body came to its end.
    pub(super) is_whole: bool,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub(super) fn body(&self) -> String {
        String::from_utf8(self.chunks.concat()).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body()).unwrap()
    }

    /// The data of each event, but for `[DONE]`.
    pub(super) fn events(&self) -> Vec<Value> {
        let body = self.body();
        let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

pub(super) fn lines<R: Read>(from: R) -> Lines<BufReader<R>> {
    BufReader::new(from).lines()
}

pub(super) fn keys(wire: Wire) -> Vec<(&'static str, &'static str)> {
    match wire {
        Wire::Responses | Wire::Chat => vec![("authorization", "Bearer k")],
        Wire::Messages => vec![
            ("x-api-key", "k"),
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "prompt-caching-2024-07-31"),
        ],
        Wire::Gemini => vec![("x-goog-api-key", "k")],
    }
}

pub(super) fn path(wire: Wire, stream: bool) -> String {
    let path = match (wire, stream) {
        (Wire::Responses, _) => "/v1/responses",
        (Wire::Chat, _) => "/v1/chat/completions",
        (Wire::Messages, _) => "/v1/messages",
        (Wire::Gemini, false) => "/v1beta/models/gemini-3-pro-preview:generateContent",
        (Wire::Gemini, true) => "/v1beta/models/gemini-3-pro-preview:streamGenerateContent?alt=sse",
    };
    path.to_owned()
}

/// A sound request: a question, and `more` messages after it.
pub(super) fn body(wire: Wire, stream: bool, more: &[Value]) -> Value {
    let schema = json!({ "type": "object" });
    let with = |question: Value| -> Vec<Value> {
        std::iter::once(question).chain(more.iter().cloned()).collect()
    };
    let question = json!({ "role": "user", "content": "What is here?" });
    let mut body = match wire {
        Wire::Responses => json!({
            "model": "gpt-5.2",
            "store": false,
            "include": ["reasoning.encrypted_content"],
            "tools": [{ "type": "function", "name": "shell", "strict": false, "parameters": schema }],
            "input": with(question),
        }),
        Wire::Chat => json!({
            "model": "m",
            "tools": [{ "type": "function", "function": { "name": "shell", "parameters": schema } }],
            "messages": with(question),
        }),
        Wire::Messages => json!({
            "model": "claude-opus-4-6",
            "max_tokens": 4000,
            "cache_control": { "type": "ephemeral" },
            "thinking": { "type": "enabled", "budget_tokens": 2000 },
            "tools": [{ "name": "shell", "input_schema": schema }],
            "messages": with(question),
        }),
        Wire::Gemini => json!({
            "tools": [{ "functionDeclarations":
                [{ "name": "shell", "parametersJsonSchema": schema }] }],
            "contents": with(json!({ "role": "user", "parts": [{ "text": "What is here?" }] })),
        }),
    };
    if wire != Wire::Gemini {
        body["stream"] = json!(stream);
    }
    if wire == Wire::Chat && stream {
        body["stream_options"] = json!({ "include_usage": true });
    }
    body
}

/// An answer and the next question.
pub(super) fn turn(wire: Wire, number: usize) -> Vec<Value> {
    let question = format!("And question number {number}?");
    match wire {
        Wire::Gemini => vec![
            json!({ "role": "model", "parts": [{ "text": "a short answer" }] }),
            json!({ "role": "user", "parts": [{ "text": question }] }),
        ],
        _ => vec![
            json!({ "role": "assistant", "content": "a short answer" }),
            json!({ "role": "user", "content": question }),
        ],
    }
}

pub(super) fn ask(server: &ModelServer, wire: Wire, stream: bool, more: &[Value]) -> Answer {
    send(server, &path(wire, stream), &keys(wire), &body(wire, stream, more))
}

/// With the keys of every wire.
pub(super) fn ask_at(server: &ModelServer, path: &str, body: &Value) -> Answer {
    let all = [Wire::Chat, Wire::Messages, Wire::Gemini].map(keys).concat();
    send(server, path, &all, body)
}

pub(super) fn send(
    server: &ModelServer,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Answer {
    let root = server.root_url();
    send_to(root.strip_prefix("http://").unwrap(), path, headers, body)
}

pub(super) fn send_to(address: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut answer = open(address, path, headers, body);
    let mut chunks = Vec::new();
    let is_whole = loop {
        match answer.chunk() {
            Some(chunk) if chunk.is_empty() => break true,
            Some(chunk) => chunks.push(chunk),
            None => break false,
        }
    };
    Answer { status: answer.status, headers: answer.headers, chunks, is_whole }
}

/// An answer whose body is still to be read.
pub(super) struct Open {
    status: u16,
    headers: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
    /// What is left of a body of known length.
    left: Option<usize>,
}

impl Open {
    /// Whether there is nothing to read, though the connection stands.
    pub(super) fn has_nothing_yet(&self) -> bool {
        let socket = self.stream.get_ref();
        socket.set_nonblocking(true).unwrap();
        let seen = socket.peek(&mut [0]);
        socket.set_nonblocking(false).unwrap();
        let waits = seen.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        waits && self.stream.buffer().is_empty()
    }

    /// The next chunk; empty at the end, `None` when the connection broke.
    pub(super) fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut chunk = Vec::new();
        match self.left.take() {
            Some(length) => {
                chunk.resize(length, 0);
                self.stream.read_exact(&mut chunk).ok()?;
                self.left = Some(0);
            }
            None => {
                let mut line = String::new();
                self.stream.read_line(&mut line).ok()?;
                let size = usize::from_str_radix(line.trim_end(), 16).ok()?;
                chunk.resize(size + 2, 0);
                self.stream.read_exact(&mut chunk).ok()?;
                chunk.truncate(size);
            }
        }
        Some(chunk)
    }
}

pub(super) fn open(address: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Open {
    let body = body.to_string();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let left = length.map(|(_, value)| value.parse().unwrap());
    Open { status, headers, stream, left }
}
