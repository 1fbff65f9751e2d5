//! The least of a Responses endpoint that Codex is content with. It takes any parameter: Codex
//! sends some of its own, which the strict fake refuses.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

pub(crate) enum Reply {
    Text(&'static str),
    Tool(&'static str, Value),
    /// Status 400 with this message.
    Refuse(&'static str),
}

#[derive(Default)]
struct Shared {
    replies: VecDeque<Reply>,
    requests: Vec<String>,
}

pub(crate) struct Model {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

impl Model {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Mutex<Shared>>::default();
        let seen = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || serve(stream, &seen));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub(crate) fn push(&self, reply: Reply) {
        self.shared.lock().unwrap().replies.push_back(reply);
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.lock().unwrap().requests.clone()
    }
}

/// One request a connection: the answer says `connection: close`.
fn serve(mut stream: TcpStream, shared: &Mutex<Shared>) {
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
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let answer = match head[0].starts_with("post /v1/responses ") {
        true => respond(String::from_utf8(body).unwrap(), &mut shared.lock().unwrap()),
        false => plain("404 Not Found", ""),
    };
    let _ = stream.write_all(answer.as_bytes());
}

fn respond(request: String, shared: &mut Shared) -> String {
    shared.requests.push(request);
    let number = shared.requests.len();
    let item = match shared.replies.pop_front().unwrap_or(Reply::Refuse("no reply is left")) {
        Reply::Text(text) => json!({
            "type": "message", "id": format!("m{number}"), "role": "assistant",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }],
        }),
        Reply::Tool(name, arguments) => json!({
            "type": "function_call", "id": format!("f{number}"), "call_id": format!("call{number}"),
            "name": name, "arguments": arguments.to_string(),
        }),
        Reply::Refuse(message) => {
            let body = json!({ "error": { "message": message, "type": "invalid_request_error" } });
            return plain("400 Bad Request", &body.to_string());
        }
    };
    let usage = json!({
        "input_tokens": 100, "input_tokens_details": { "cached_tokens": 20 },
        "output_tokens": 10, "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": 110,
    });
    let events = [
        json!({ "type": "response.created", "response": { "id": format!("r{number}") } }),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
        json!({ "type": "response.completed", "response": {
            "id": format!("r{number}"), "status": "completed", "output": [item], "usage": usage,
        } }),
    ];
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n";
    let events = events
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()));
    head.to_owned() + &events.collect::<String>()
}

fn plain(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}
