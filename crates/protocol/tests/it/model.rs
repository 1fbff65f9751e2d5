//! The least of a Responses endpoint that Codex is content with. It takes any parameter: Codex
//! sends some of its own, which a strict fake refuses.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) enum Reply {
    Text(&'static str),
    Tool(&'static str, Value),
    /// Status 400 with this message.
    Refuse(&'static str),
    /// Begins an answer and never ends it.
    Hang,
}

#[derive(Default)]
struct Shared {
    replies: VecDeque<Reply>,
    requests: Vec<String>,
    /// Connections that hang stay open as long as the server.
    hanging: Vec<TcpStream>,
}

pub(crate) struct Model {
    port: u16,
    shared: Arc<(Mutex<Shared>, Condvar)>,
}

impl Model {
    pub(crate) fn start() -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new((Mutex::default(), Condvar::new()));
        let seen = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = seen.clone();
                std::thread::spawn(move || serve(stream, &seen));
            }
        });
        Model { port, shared }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub(crate) fn push(&self, reply: Reply) {
        self.shared.0.lock().unwrap().replies.push_back(reply);
    }

    /// Waits until so many requests have come.
    pub(crate) fn wait_for(&self, requests: usize) {
        let (shared, changed) = &*self.shared;
        let guard = shared.lock().unwrap();
        let waited = changed
            .wait_timeout_while(guard, Duration::from_secs(60), |s| s.requests.len() < requests)
            .unwrap();
        assert!(!waited.1.timed_out(), "the model was not asked");
    }

    pub(crate) fn last_request(&self) -> String {
        self.shared.0.lock().unwrap().requests.last().cloned().unwrap()
    }
}

/// One request a connection: the answer says `connection: close`.
fn serve(mut stream: TcpStream, shared: &(Mutex<Shared>, Condvar)) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line == "\r\n" {
            break;
        }
        head.push(line.to_ascii_lowercase());
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    if !head[0].starts_with("post /v1/responses ") {
        let _ = stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        return;
    }
    let (shared, changed) = shared;
    let mut shared = shared.lock().unwrap();
    shared.requests.push(String::from_utf8(body).unwrap());
    changed.notify_all();
    let number = shared.requests.len();
    let item = match shared.replies.pop_front().unwrap_or(Reply::Refuse("no reply is left")) {
        Reply::Text(text) => json!({
            "type": "message", "id": format!("m{number}"), "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }),
        Reply::Tool(name, arguments) => json!({
            "type": "function_call", "id": format!("f{number}"), "call_id": format!("call{number}"),
            "name": name, "arguments": arguments.to_string(),
        }),
        Reply::Refuse(message) => {
            let body = json!({"error": {"message": message, "type": "invalid_request_error"}});
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
            return;
        }
        Reply::Hang => {
            let _ = stream.write_all((BEGIN.to_owned() + &created(number)).as_bytes());
            shared.hanging.push(stream);
            return;
        }
    };
    let usage = json!({
        "input_tokens": 100, "input_tokens_details": {"cached_tokens": 20},
        "output_tokens": 10, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 110,
    });
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": item});
    let completed = json!({"type": "response.completed", "response": {
        "id": format!("r{number}"), "status": "completed", "output": [item], "usage": usage,
    }});
    let stream_text = BEGIN.to_owned() + &created(number) + &event(&done) + &event(&completed);
    let _ = stream.write_all(stream_text.as_bytes());
}

const BEGIN: &str =
    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n";

fn created(number: usize) -> String {
    event(&json!({"type": "response.created", "response": {"id": format!("r{number}")}}))
}

fn event(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
}
