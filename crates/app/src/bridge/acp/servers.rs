//! MCP servers that the client gives a session.

use std::path::{Path, PathBuf};

use canon_protocol::acp::agent::{McpServer, NameValue};
use canon_protocol::jsonrpc::{INTERNAL_ERROR, INVALID_PARAMS, RpcError};
use serde_json::{Map, Value, json};

use super::{invalid, refusal};
use crate::bridge::mcp::Servers;
use crate::error::Kind;

/// Characters of a server's name, the first part of its tools' names.
const NAME_LIMIT: usize = 32;

/// Starts them; the client is told of the first that does not start. The client is the user's, so
/// its programs run beside the sandbox, like those of a file of servers.
pub(super) async fn start(given: &[McpServer], roots: Vec<PathBuf>) -> Result<Servers, RpcError> {
    if given.is_empty() {
        return Ok(Servers::default());
    }
    let servers = form(given).map_err(invalid)?;
    let started = Servers::given(&servers, roots).await;
    started.map_err(|error| match error.kind() {
        Kind::Input => refusal(INVALID_PARAMS, &error),
        _ => refusal(INTERNAL_ERROR, &error),
    })
}

/// The servers in the form of a file of servers.
fn form(given: &[McpServer]) -> Result<Value, String> {
    let mut servers = Map::new();
    for server in given {
        let name = name(&server.name);
        let wrong = |why: &str| format!("mcpServers: `{}`: {why}", server.name);
        let command = server.command.as_deref();
        if command.is_some_and(|path| path.contains('/') && !Path::new(path).is_absolute()) {
            return Err(wrong("`command` must be an absolute path, or a name on PATH"));
        }
        if servers.insert(name.clone(), entry(server)).is_some() {
            return Err(wrong(&format!("another server is called `{name}` already; rename one")));
        }
    }
    Ok(json!({ "mcpServers": servers }))
}

fn entry(server: &McpServer) -> Value {
    let mut entry = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            entry.insert(key.to_owned(), value);
        }
    };
    let some = |values: &[NameValue]| (!values.is_empty()).then(|| object(values));
    set("type", server.transport.clone().map(Value::from));
    set("command", server.command.clone().map(Value::from));
    set("args", (!server.args.is_empty()).then(|| json!(server.args)));
    set("env", some(&server.env));
    set("url", server.url.clone().map(Value::from));
    set("headers", some(&server.headers));
    Value::Object(entry)
}

fn object(values: &[NameValue]) -> Value {
    let values = values.iter().map(|NameValue { name, value }| (name.clone(), json!(value)));
    Value::Object(values.collect())
}

/// A server's name in the letters that names of tools have: people call servers what they like.
fn name(given: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { ' ' };
    let plain: String = given.chars().map(plain).collect();
    let mut name = plain.split_whitespace().collect::<Vec<_>>().join("_");
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert_str(0, if name.is_empty() { "mcp" } else { "mcp_" });
    }
    name.truncate(NAME_LIMIT);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(value: Value) -> McpServer {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn servers_are_brought_into_the_form_of_a_file() {
        let program = json!({ "name": "My files", "command": "/bin/files", "args": ["-v"],
            "env": [{ "name": "KEY", "value": "k" }] });
        let address = json!({ "type": "http", "name": "web", "url": "https://a.example",
            "headers": [{ "name": "X", "value": "y" }] });
        let form = form(&[server(program), server(address)]).unwrap();
        let servers = json!({
            "My_files": { "command": "/bin/files", "args": ["-v"], "env": { "KEY": "k" } },
            "web": { "type": "http", "url": "https://a.example", "headers": { "X": "y" } },
        });
        assert_eq!(form, json!({ "mcpServers": servers }));
    }

    #[test]
    fn servers_that_cannot_be_told_apart_or_found_are_refused() {
        let given = |name: &str, command: &str| server(json!({ "name": name, "command": command }));
        let twice = form(&[given("a b", "/x"), given("a_b", "/x")]).unwrap_err();
        assert!(twice.contains("`a_b`") && twice.contains("rename"), "{twice}");
        let relative = form(&[given("a", "./x")]).unwrap_err();
        assert!(relative.contains("`a`") && relative.contains("absolute"), "{relative}");
        assert!(form(&[given("a", "npx")]).is_ok());
    }

    #[test]
    fn any_name_becomes_one_of_a_tool() {
        assert_eq!(name("GitHub"), "GitHub");
        assert_eq!(name("a__b. c"), "a_b_c");
        assert_eq!(name("7zip"), "mcp_7zip");
        assert_eq!(name("日本"), "mcp");
        assert_eq!(name(&"x".repeat(50)).len(), NAME_LIMIT);
    }
}
