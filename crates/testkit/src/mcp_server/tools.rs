//! The tools of the fake, most of which do something that a server should not.

use serde_json::{Value, json};

use super::{McpSession, Out, answer, error};

/// More than any client should take as one message.
const HUGE: usize = 17 * 1024 * 1024;

/// All tools; `late` comes later.
pub(super) fn definitions(has_grown: bool) -> Vec<Value> {
    let text =
        json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]});
    let nothing = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"});
    let mut all =
        vec![json!({"name": "echo", "description": "Says it again.\u{202e}", "inputSchema": text})];
    let names = [
        "log",
        "fail",
        "refuse",
        "image",
        "structured",
        "slow",
        "crash",
        "garbage",
        "huge",
        "grow",
        "shrink",
        "chatty",
    ];
    all.extend(names.map(|name| json!({"name": name, "inputSchema": nothing})));
    all.extend(["ask", "env"].map(|name| json!({"name": name, "inputSchema": text})));
    if has_grown {
        all.push(json!({"name": "late", "inputSchema": nothing}));
    }
    all
}

/// A result of text.
pub(super) fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

impl McpSession {
    pub(super) fn call(&mut self, id: &Value, params: &Value) -> Vec<Out> {
        let argument = params["arguments"]["text"].as_str().unwrap_or_default();
        let name = params["name"].as_str().unwrap_or_default();
        match name {
            "echo" => vec![answer(id, text(argument))],
            "log" => vec![answer(id, text(&self.log.join("\n")))],
            "fail" => {
                vec![answer(id, json!({"isError": true, "content": text("no luck")["content"]}))]
            }
            "refuse" => vec![error(id, -32000, "not today")],
            "image" => vec![answer(
                id,
                json!({"content": [
                    {"type": "text", "text": "a picture:"},
                    {"type": "image", "data": "iVBORw==", "mimeType": "image/png"},
                    {"type": "resource_link", "uri": "file:///x", "name": "x"},
                ]}),
            )],
            "structured" => vec![answer(id, json!({"content": [], "structuredContent": {"n": 1}}))],
            "slow" => progress(params, 2),
            "chatty" => {
                let mut steps = progress(params, 3);
                steps.insert(
                    0,
                    note("notifications/message", json!({"level": "info", "data": "at work"})),
                );
                steps.push(answer(id, text("done")));
                steps
            }
            "crash" => vec![Out::Exit("the fake crashes, as asked".to_owned(), 3)],
            "garbage" => vec![Out::Raw("{ no message".to_owned()), answer(id, text("still here"))],
            "huge" => vec![Out::Raw("x".repeat(HUGE))],
            "grow" => {
                self.has_grown = true;
                vec![note("notifications/tools/list_changed", json!({})), answer(id, text("grown"))]
            }
            "shrink" => {
                self.has_grown = false;
                vec![note("notifications/tools/list_changed", json!({})), answer(id, text("gone"))]
            }
            "late" if self.has_grown => vec![answer(id, text("I am new"))],
            "ask" => {
                self.asks_for = Some(id.clone());
                vec![Out::Send(
                    json!({"jsonrpc": "2.0", "id": "ours", "method": argument, "params": asked(argument)}),
                )]
            }
            "env" => {
                let value = std::env::var(argument).unwrap_or_else(|_| "(not set)".to_owned());
                vec![answer(id, text(&value))]
            }
            other => vec![error(id, -32602, &format!("no tool {other}"))],
        }
    }
}

fn asked(method: &str) -> Value {
    match method {
        "elicitation/create" => {
            json!({"message": "who?", "requestedSchema": {"type": "object", "properties": {}}})
        }
        "sampling/createMessage" => json!({"messages": [], "maxTokens": 1}),
        _ => json!({}),
    }
}

fn note(method: &str, params: Value) -> Out {
    Out::Send(json!({"jsonrpc": "2.0", "method": method, "params": params}))
}

fn progress(params: &Value, steps: u32) -> Vec<Out> {
    let token = &params["_meta"]["progressToken"];
    (1..=steps)
        .filter(|_| !token.is_null())
        .map(|step| {
            let at =
                json!({"progressToken": token, "progress": step, "total": 3, "message": "step"});
            note("notifications/progress", at)
        })
        .collect()
}
