//! A model that answers at once: a Responses endpoint that asks for one shell command after the
//! other and checks that each was run.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

/// The server; it serves until the process ends.
pub(super) struct Model {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What came in.
#[derive(Default)]
pub(super) struct Seen {
    /// When the result of the first command came.
    pub(super) first_result: Option<Instant>,
    /// Commands whose output came back as it should.
    pub(super) results: usize,
    /// The first thing that was not as it should be.
    pub(super) wrong: Option<String>,
}

impl Model {
    pub(super) fn start(calls: usize) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared, calls));
            }
        });
        Ok(Self { address, seen })
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of one connection until it ends.
fn serve(stream: TcpStream, seen: &Mutex<Seen>, calls: usize) {
    let _ = stream.set_nodelay(true);
    let Ok(input) = stream.try_clone() else { return };
    let (mut reader, mut writer) = (BufReader::new(input), stream);
    while let Some((head, body)) = request(&mut reader) {
        let answer = if head.starts_with("POST /v1/responses ") {
            let (kind, text) = respond(&body, &mut lock(seen), calls);
            message("200 OK", kind, &text)
        } else {
            message("404 Not Found", "application/json", "{}")
        };
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The first line and the body of the next request.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, body))
}

fn message(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The next command, or after the last one a text.
fn respond(body: &[u8], seen: &mut Seen, calls: usize) -> (&'static str, String) {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let results = results(&request);
    if results.len() == 1 {
        seen.first_result.get_or_insert_with(Instant::now);
    }
    seen.results = seen.results.max(results.len());
    if let Some(last) = results.last()
        && !last.contains(&printed(results.len()))
    {
        seen.wrong.get_or_insert_with(|| format!("command {} gave: {last}", results.len()));
    }
    let next = results.len() + 1;
    let call = if next > calls { None } else { call(&request, next) };
    let item = call.unwrap_or_else(|| {
        if next <= calls {
            seen.wrong.get_or_insert_with(|| "no tool that runs commands is offered".to_owned());
        }
        json!({
            "type": "message", "id": "m1", "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": "done", "annotations": [] }],
        })
    });
    ("text/event-stream", stream(&item, next))
}

/// What the tools have answered so far.
fn results(request: &Value) -> Vec<String> {
    let items = request["input"].as_array().into_iter().flatten();
    items
        .filter(|item| item["type"] == "function_call_output")
        .map(|item| item["output"].to_string())
        .collect()
}

/// What command `number` prints: nothing that stands in the command itself.
fn printed(number: usize) -> String {
    format!("result-{}", 1000 + number)
}

/// A call of the tool that runs commands, in whatever form the agent offers one.
fn call(request: &Value, number: usize) -> Option<Value> {
    let command = format!("echo result-$((1000 + {number}))");
    let tools = request["tools"].as_array()?;
    let (name, arguments) = tools.iter().find_map(|tool| {
        let name = tool["name"].as_str()?;
        let properties = &tool["parameters"]["properties"];
        let arguments = match name {
            "exec_command" => json!({ "cmd": command }),
            "shell" if properties["command"]["type"] == "array" => {
                json!({ "command": ["bash", "-c", command] })
            }
            "shell" | "shell_command" => json!({ "command": command }),
            _ => return None,
        };
        Some((name, arguments))
    })?;
    Some(json!({
        "type": "function_call", "id": format!("f{number}"), "call_id": format!("call{number}"),
        "name": name, "arguments": arguments.to_string(), "status": "completed",
    }))
}

/// A reply with one item as the stream that tells of it.
fn stream(item: &Value, number: usize) -> String {
    let usage = json!({
        "input_tokens": 100, "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": 10, "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": 110,
    });
    let id = format!("r{number}");
    let events = [
        json!({ "type": "response.created", "response": {
            "id": id, "object": "response", "status": "in_progress", "model": "bench-model", "output": [],
        } }),
        json!({ "type": "response.output_item.added", "output_index": 0, "item": item }),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
        json!({ "type": "response.completed", "response": {
            "id": id, "object": "response", "status": "completed", "model": "bench-model",
            "output": [item], "usage": usage,
        } }),
    ];
    let line = |event: &Value| {
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
    };
    events.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_is_asked_in_its_own_words() {
        let arguments = |tools: Value| {
            let call = call(&json!({ "tools": tools }), 1)?;
            call["arguments"].as_str().map(str::to_owned)
        };
        let shell = json!([{ "name": "read_file" }, { "name": "shell", "parameters": {
            "properties": { "command": { "type": "string" } } } }]);
        assert!(arguments(shell).unwrap().starts_with("{\"command\":\"echo "));
        assert!(arguments(json!([{ "name": "exec_command" }])).unwrap().starts_with("{\"cmd\":"));
        assert_eq!(arguments(json!([{ "name": "grep" }])), None);
    }

    #[test]
    fn a_command_that_did_not_run_is_noticed() {
        let mut seen = Seen::default();
        let output = |text: &str| json!({ "type": "function_call_output", "output": text });
        let ask = |items: Value| json!({ "tools": [], "input": items }).to_string();
        respond(ask(json!([output("result-1001")])).as_bytes(), &mut seen, 1);
        assert_eq!((seen.results, seen.wrong.clone()), (1, None));
        respond(ask(json!([output("result-1001"), output("no shell")])).as_bytes(), &mut seen, 1);
        assert!(seen.wrong.unwrap().contains("no shell"));
    }
}
