//! The fake model server as a program, for clients that are not written in Rust.
//!
//! It prints `{"root_url": …, "base_url": …}`, then reads a line of JSON at a time: a `Reply` (see
//! `canon_testkit::model_server::Reply`) that it queues, or `{"otherwise": Reply}` for the answer to
//! every request that finds the queue empty. Each line is acknowledged by `{"queued": N}`. When
//! standard input ends it prints `{"violations": […], "replies_left": N, "requests": […]}` and exits,
//! with 1 when there were violations. With `--count-tokens` it counts tokens instead of saying the
//! same in each answer.

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use canon_testkit::model_server::{ModelServer, ReceivedRequest, Reply};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Otherwise {
    otherwise: Reply,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "model-server: {error}");
            ExitCode::from(64)
        }
    }
}

/// Whether every request was sound.
fn run() -> Result<bool, String> {
    let server = ModelServer::start().map_err(|error| error.to_string())?;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--count-tokens" => server.count_tokens(),
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    say(&json!({ "root_url": server.root_url(), "base_url": server.base_url() }))?;
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.map_err(|error| error.to_string())?;
        if !line.trim().is_empty() {
            take(&server, &line).map_err(|error| format!("line {}: {error}", number + 1))?;
            say(&json!({ "queued": server.replies_left() }))?;
        }
    }
    let violations = server.violations();
    let requests: Vec<Value> = server.requests().iter().map(shown).collect();
    let left = server.replies_left();
    say(&json!({ "violations": violations, "replies_left": left, "requests": requests }))?;
    Ok(violations.is_empty())
}

fn take(server: &ModelServer, line: &str) -> Result<(), serde_json::Error> {
    let value: Value = serde_json::from_str(line)?;
    if value.get("otherwise").is_some() {
        let Otherwise { otherwise } = serde_json::from_value(value)?;
        server.otherwise(otherwise);
    } else {
        server.push(serde_json::from_value(value)?);
    }
    Ok(())
}

fn shown(request: &ReceivedRequest) -> Value {
    let headers: Map<String, Value> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    json!({
        "wire": request.wire,
        "path": request.path,
        "query": request.query,
        "headers": headers,
        "body": request.body,
    })
}

fn say(line: &Value) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| error.to_string())
}
