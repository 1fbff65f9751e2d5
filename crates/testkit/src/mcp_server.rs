//! A fake server of the Model Context Protocol (2025-11-25), over standard streams and over
//! streamable HTTP, that checks its caller and misbehaves when a tool of its own is called.

mod http;
mod tools;

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, Write as _};

use serde_json::{Value, json};

pub use http::McpHttpServer;

/// What the server does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Out {
    /// Sends a message.
    Send(Value),
    /// Writes something that is no message.
    Raw(String),
    /// Says something on standard error and ends with this status.
    Exit(String, i32),
}

/// One session with a caller, as a pure machine.
#[derive(Debug, Default)]
pub struct McpSession {
    is_introduced: bool,
    is_initialized: bool,
    /// There is one tool more.
    has_grown: bool,
    ids: BTreeSet<String>,
    /// What came, one line a message, and what was wrong with it.
    log: Vec<String>,
    /// The caller's request that waits for its answer to ours.
    asks_for: Option<Value>,
}

impl McpSession {
    /// Takes one message.
    pub fn receive(&mut self, message: &Value) -> Vec<Out> {
        if message["jsonrpc"] != "2.0" {
            return self.violation(&message["id"], "jsonrpc is not 2.0");
        }
        let Some(method) = message["method"].as_str() else { return self.take_answer(message) };
        let id = &message["id"];
        let detail = if method == "notifications/cancelled" {
            &message["params"]["reason"]
        } else {
            &Value::Null
        };
        self.log.push(if detail.is_null() {
            method.to_owned()
        } else {
            format!("{method} {detail}")
        });
        if id.is_null() {
            self.is_initialized |= method == "notifications/initialized" && self.is_introduced;
            return Vec::new();
        }
        if !self.ids.insert(id.to_string()) {
            return self.violation(id, "an id is used twice");
        }
        match method {
            "initialize" => self.initialize(id, &message["params"]),
            "ping" => vec![answer(id, json!({}))],
            _ if !self.is_initialized => self.violation(id, "a request before the handshake"),
            "tools/list" => self.list(id, &message["params"]),
            "tools/call" => self.call(id, &message["params"]),
            other => vec![error(id, -32601, &format!("no method {other}"))],
        }
    }

    fn initialize(&mut self, id: &Value, params: &Value) -> Vec<Out> {
        let is_whole = params["protocolVersion"].is_string()
            && params["capabilities"].is_object()
            && params["clientInfo"]["name"].is_string()
            && params["clientInfo"]["version"].is_string();
        if !is_whole || self.is_introduced {
            return self.violation(id, "a handshake that is not whole, or the second");
        }
        self.is_introduced = true;
        vec![answer(
            id,
            json!({
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {"listChanged": true}, "logging": {}},
                "serverInfo": {"name": "fake", "version": "1"},
            }),
        )]
    }

    /// Two pages.
    fn list(&self, id: &Value, params: &Value) -> Vec<Out> {
        let mut all = tools::definitions(self.has_grown);
        let rest = all.split_off(3);
        let result = match params["cursor"].as_str() {
            None => json!({"tools": all, "nextCursor": "more"}),
            Some("more") => json!({"tools": rest}),
            Some(other) => return vec![error(id, -32602, &format!("no page {other}"))],
        };
        vec![answer(id, result)]
    }

    fn take_answer(&mut self, message: &Value) -> Vec<Out> {
        let Some(id) = self.asks_for.take() else {
            return self.violation(&Value::Null, "an answer that nobody asked for");
        };
        let text = match message.get("result") {
            Some(result) => result.to_string(),
            None => format!("error {}", message["error"]["code"]),
        };
        vec![answer(&id, tools::text(&text))]
    }

    fn violation(&mut self, id: &Value, what: &str) -> Vec<Out> {
        self.log.push(format!("VIOLATION: {what}"));
        vec![error(id, -32600, what)]
    }
}

fn answer(id: &Value, result: Value) -> Out {
    Out::Send(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

fn error(id: &Value, code: i32, message: &str) -> Out {
    Out::Send(json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}))
}

/// Serves standard input and output until the input ends.
///
/// # Errors
/// A stream that cannot be read or written.
pub fn serve_standard_streams() -> io::Result<()> {
    let mut session = McpSession::default();
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line?).map_err(io::Error::other)?;
        for step in session.receive(&message) {
            match step {
                Out::Send(message) => writeln!(out, "{message}")?,
                Out::Raw(text) => writeln!(out, "{text}")?,
                Out::Exit(words, status) => {
                    writeln!(io::stderr(), "{words}")?;
                    std::process::exit(status);
                }
            }
            out.flush()?;
        }
    }
    Ok(())
}
