//! MCP servers that the client's `config` gives a thread, in the form of Codex's configuration.

use std::path::PathBuf;

use canon_protocol::jsonrpc::RpcError;
use serde_json::{Map, Value, json};

use super::{invalid, refusal};
use crate::bridge::mcp::Servers;

/// The member of `config`.
pub(super) const MEMBER: &str = "mcp_servers";

/// Starts them, for as long as the thread is loaded. The client is the user's, so its programs run
/// beside the sandbox.
pub(super) async fn start(given: Option<&Value>, cwd: PathBuf) -> Result<Servers, RpcError> {
    match given {
        None => Ok(Servers::default()),
        Some(given) => {
            let servers = form(given, |name| std::env::var(name).ok()).map_err(invalid)?;
            Servers::given(&servers, vec![cwd]).await.map_err(refusal)
        }
    }
}

/// Each server with what the names of its tools begin with.
pub(super) fn prefixes(given: Option<&Value>) -> Vec<(String, String)> {
    let names = given.and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    names
        .map(|name| (format!("{}__", name.chars().map(plain).collect::<String>()), name.clone()))
        .collect()
}

/// The servers in the form of a file of servers.
fn form(given: &Value, variable: impl Fn(&str) -> Option<String>) -> Result<Value, String> {
    let servers = given.as_object().ok_or("config.mcp_servers: expected an object")?;
    let mut all = Map::new();
    for (name, server) in servers {
        let entry = entry(server, &variable);
        all.insert(name.clone(), entry.map_err(|why| format!("config.mcp_servers.{name}{why}"))?);
    }
    Ok(json!({ "mcpServers": all }))
}

fn entry(server: &Value, variable: impl Fn(&str) -> Option<String>) -> Result<Value, String> {
    let members = server.as_object().ok_or(": expected an object")?;
    // Codex goes on without a server that does not start, unless it is told otherwise.
    let mut entry = Map::from_iter([("required".to_owned(), json!(false))]);
    let mut headers = Map::new();
    let mut seconds: f64 = 0.0;
    for (key, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let wrong = |why: &str| format!(".{key}: {why}");
        match key.as_str() {
            "command" | "args" | "env" | "cwd" | "url" | "required" => {
                entry.insert(key.clone(), value.clone());
            }
            "enabled" => {
                let enabled = value.as_bool().ok_or_else(|| wrong("expected true or false"))?;
                entry.insert("disabled".to_owned(), json!(!enabled));
            }
            "enabled_tools" => drop(entry.insert("tools".to_owned(), value.clone())),
            "http_headers" => {
                let given = value.as_object().ok_or_else(|| wrong("expected an object"))?;
                headers.extend(given.clone());
            }
            "bearer_token_env_var" => {
                let name = value.as_str().ok_or_else(|| wrong("expected a string"))?;
                let token = variable(name).ok_or_else(|| wrong("the variable is not set"))?;
                headers.insert("Authorization".to_owned(), json!(format!("Bearer {token}")));
            }
            // There is one limit here, for the start and for calls.
            "startup_timeout_sec" | "tool_timeout_sec" => {
                let given = value.as_f64().filter(|given| *given > 0.0);
                seconds = seconds.max(given.ok_or_else(|| wrong("expected seconds"))?);
            }
            _ => return Err(wrong("is not supported by this agent; leave it out")),
        }
    }
    if !headers.is_empty() {
        entry.insert("headers".to_owned(), Value::Object(headers));
    }
    if seconds > 0.0 {
        let ms = (seconds * 1000.0).ceil() as u64;
        entry.insert("timeout_ms".to_owned(), json!(ms));
    }
    Ok(Value::Object(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: Value) -> Result<Value, String> {
        form(&given, |name| (name == "TOKEN").then(|| "t".to_owned()))
    }

    #[test]
    fn servers_of_codex_are_brought_into_the_form_of_a_file() {
        let given = json!({
            "files": { "command": "files", "args": ["-v"], "env": { "A": "b" }, "cwd": null,
                "startup_timeout_sec": 5, "tool_timeout_sec": 2.5, "enabled": true,
                "enabled_tools": ["read"] },
            "web": { "url": "https://a.example", "bearer_token_env_var": "TOKEN",
                "http_headers": { "X": "y" }, "required": true, "enabled": false },
        });
        let servers = json!({
            "files": { "command": "files", "args": ["-v"], "env": { "A": "b" }, "required": false,
                "timeout_ms": 5000, "disabled": false, "tools": ["read"] },
            "web": { "url": "https://a.example", "required": true, "disabled": true,
                "headers": { "X": "y", "Authorization": "Bearer t" } },
        });
        assert_eq!(read(given).unwrap(), json!({ "mcpServers": servers }));
    }

    #[test]
    fn what_would_be_lost_is_refused_with_its_place() {
        for (given, place) in [
            (json!([]), "config.mcp_servers: "),
            (json!({ "a": 1 }), "config.mcp_servers.a: "),
            (json!({ "a": { "disabled_tools": ["x"] } }), "config.mcp_servers.a.disabled_tools: "),
            (json!({ "a": { "enabled": "no" } }), "config.mcp_servers.a.enabled: "),
            (json!({ "a": { "tool_timeout_sec": -1 } }), "config.mcp_servers.a.tool_timeout_sec: "),
            (json!({ "a": { "bearer_token_env_var": "NO" } }), "a.bearer_token_env_var: "),
        ] {
            let why = read(given).unwrap_err();
            assert!(why.contains(place), "{why}");
        }
    }

    #[test]
    fn tools_are_known_by_what_their_names_begin_with() {
        let names = prefixes(Some(&json!({ "my-files": {} })));
        assert_eq!(names, [("my_files__".to_owned(), "my-files".to_owned())]);
        assert!(prefixes(None).is_empty());
    }
}
