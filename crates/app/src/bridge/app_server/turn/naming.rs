//! How tool calls look to the client.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use canon_agent::patch::{Operation, Patch};
use canon_protocol::codex::server::outgoing::{
    CollabAgent, CollabStatus, CollabTool, FileChange, FileChangeKind, ItemStatus, ThreadItem,
};
use serde_json::{Value, json};

/// How tools look to the client.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    pub(crate) thread_id: String,
    /// Where commands run.
    pub(crate) cwd: PathBuf,
    /// Group and name of each tool of the client, by what the model calls it.
    pub(crate) dynamic: HashMap<String, (Option<String>, String)>,
    /// MCP servers, each with what the names of its tools begin with.
    pub(crate) servers: Vec<(String, String)>,
}

/// A tool call.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) id: &'a str,
    pub(crate) tool: &'a str,
    pub(crate) arguments: &'a Value,
    /// Where the agent that wants it works.
    pub(crate) cwd: &'a Path,
    /// The subagent that wants it; empty for the thread's own agent.
    pub(crate) agent: &'a str,
}

/// How a call ended.
pub(crate) struct End<'a> {
    pub(crate) output: &'a str,
    pub(crate) is_error: bool,
    pub(crate) declined: bool,
    pub(crate) details: &'a Value,
    /// Milliseconds, where they are known.
    pub(crate) duration_ms: Option<u64>,
}

impl Naming {
    /// The item of a tool call.
    pub(crate) fn item(&self, call: Call<'_>, end: Option<End<'_>>) -> ThreadItem {
        let Call { tool, arguments, cwd, .. } = call;
        let id = call.id.to_owned();
        let status = match &end {
            None => ItemStatus::InProgress,
            Some(end) if end.declined => ItemStatus::Declined,
            Some(end) if end.is_error => ItemStatus::Failed,
            Some(_) => ItemStatus::Completed,
        };
        // A tool of the client may have any name.
        if let Some((namespace, tool)) = self.dynamic.get(tool) {
            return dynamic(id, namespace.clone(), tool, arguments, status, end);
        }
        if let Some(collab) = collab_tool(tool) {
            return self.collab(call, collab, status, end.as_ref());
        }
        match tool {
            "shell" => {
                let exit_code = end.as_ref().and_then(|end| end.details["exit_code"].as_i64());
                let workdir = arguments["workdir"].as_str().unwrap_or_default();
                ThreadItem::CommandExecution {
                    id,
                    command: arguments["command"].as_str().unwrap_or_default().to_owned(),
                    cwd: cwd.join(workdir).components().as_path().to_string_lossy().into_owned(),
                    status,
                    exit_code: exit_code.and_then(|code| i32::try_from(code).ok()),
                    duration_ms: end.as_ref().and_then(|end| end.duration_ms),
                    output: end.map(|end| end.output.to_owned()),
                }
            }
            "write_file" | "edit_file" => ThreadItem::FileChange {
                id,
                changes: vec![change(arguments, end.as_ref().map(|end| end.details))],
                status,
            },
            "apply_patch" => ThreadItem::FileChange {
                id,
                changes: patch_changes(arguments["patch"].as_str().unwrap_or_default()),
                status,
            },
            _ => match self.server_of(tool) {
                Some((server, tool)) => mcp(id, server, tool, arguments, status, end),
                None => dynamic(id, None, tool, arguments, status, end),
            },
        }
    }

    /// The MCP server of a tool, and the tool's own name.
    fn server_of<'a>(&'a self, tool: &'a str) -> Option<(&'a str, &'a str)> {
        let mut servers = self.servers.iter();
        servers.find_map(|(prefix, server)| Some((server.as_str(), tool.strip_prefix(prefix)?)))
    }

    fn collab(
        &self,
        call: Call<'_>,
        tool: CollabTool,
        status: ItemStatus,
        end: Option<&End<'_>>,
    ) -> ThreadItem {
        let arguments = call.arguments;
        let text = |name: &str| arguments[name].as_str().map(str::to_owned);
        let named = arguments["agent_ids"].as_array().into_iter().flatten();
        let named = named.chain([&arguments["agent_id"]]).filter_map(Value::as_str);
        // What a tool says of agents, for machines: of one, or a list.
        let said = end.map(|end| end.details);
        let said = match said {
            Some(Value::Array(reports)) => reports.as_slice(),
            Some(report @ Value::Object(_)) => std::slice::from_ref(report),
            _ => &[],
        };
        let path = |id: &str| match call.agent {
            "" => id.to_owned(),
            agent => format!("{agent}/{id}"),
        };
        let mut receivers: Vec<CollabAgent> = said
            .iter()
            .filter_map(|report| {
                let id = path(report["agent_id"].as_str()?);
                let message = report["output"].as_str().filter(|text| !text.is_empty());
                Some(CollabAgent {
                    id,
                    status: standing(report),
                    message: message.map(str::to_owned),
                })
            })
            .collect();
        for id in named.map(path) {
            if receivers.iter().all(|known| known.id != id) {
                receivers.push(CollabAgent { id, status: None, message: None });
            }
        }
        ThreadItem::CollabAgentToolCall {
            id: call.id.to_owned(),
            tool,
            status: without_refusal(status),
            sender: if call.agent.is_empty() {
                self.thread_id.clone()
            } else {
                call.agent.to_owned()
            },
            receivers,
            prompt: text("task").or_else(|| text("message")),
            model: text("model"),
        }
    }
}

/// Of most calls the protocol knows no refusal.
fn without_refusal(status: ItemStatus) -> ItemStatus {
    if status == ItemStatus::Declined { ItemStatus::Failed } else { status }
}

fn collab_tool(tool: &str) -> Option<CollabTool> {
    match tool {
        "spawn_agent" => Some(CollabTool::SpawnAgent),
        "send_input" => Some(CollabTool::SendInput),
        "wait" => Some(CollabTool::Wait),
        "close_agent" => Some(CollabTool::CloseAgent),
        _ => None,
    }
}

fn standing(report: &Value) -> Option<CollabStatus> {
    match report["status"].as_str()? {
        "running" => Some(CollabStatus::Running),
        "completed" => Some(CollabStatus::Completed),
        _ if report["closed"] == true => Some(CollabStatus::Shutdown),
        _ => Some(CollabStatus::Errored),
    }
}

fn dynamic(
    id: String,
    namespace: Option<String>,
    tool: &str,
    arguments: &Value,
    status: ItemStatus,
    end: Option<End<'_>>,
) -> ThreadItem {
    ThreadItem::DynamicToolCall {
        id,
        tool: tool.to_owned(),
        namespace,
        arguments: arguments.clone(),
        status: without_refusal(status),
        duration_ms: end.as_ref().and_then(|end| end.duration_ms),
        result: end
            .map(|end| (!end.is_error, json!([{ "type": "inputText", "text": end.output }]))),
    }
}

fn mcp(
    id: String,
    server: &str,
    tool: &str,
    arguments: &Value,
    status: ItemStatus,
    end: Option<End<'_>>,
) -> ThreadItem {
    ThreadItem::McpToolCall {
        id,
        server: server.to_owned(),
        tool: tool.to_owned(),
        arguments: arguments.clone(),
        status: without_refusal(status),
        duration_ms: end.as_ref().and_then(|end| end.duration_ms),
        result: end.map(|end| match end.is_error {
            true => Err(end.output.to_owned()),
            false => Ok(end.output.to_owned()),
        }),
    }
}

/// The changes that a patch asks for; none if it cannot be read.
fn patch_changes(patch: &str) -> Vec<FileChange> {
    let operations = Patch::parse(patch).map(|patch| patch.operations).unwrap_or_default();
    let changes = operations.iter().map(|operation| {
        let (kind, diff) = match operation {
            Operation::Add { lines, .. } => {
                let lines: String = lines.iter().map(|line| format!("+{line}\n")).collect();
                (FileChangeKind::Add, format!("@@\n{lines}"))
            }
            Operation::Delete { .. } => (FileChangeKind::Delete, String::new()),
            Operation::Update { move_to, hunks, .. } => {
                let diff = hunks.iter().map(ToString::to_string).collect();
                (FileChangeKind::Update(move_to.clone()), diff)
            }
        };
        FileChange { path: operation.path().to_owned(), kind, diff }
    });
    changes.collect()
}

/// The change as far as the call tells it: what an edit takes out and puts in, or the new content.
fn change(arguments: &Value, details: Option<&Value>) -> FileChange {
    let added = details.is_some_and(|details| details["change"] == "add");
    let lines = |sign: char, text: &Value| -> String {
        let lines = text.as_str().unwrap_or_default().lines();
        lines.map(|line| format!("{sign}{line}\n")).collect()
    };
    FileChange {
        path: arguments["file_path"].as_str().unwrap_or_default().to_owned(),
        kind: if added { FileChangeKind::Add } else { FileChangeKind::Update(None) },
        diff: format!(
            "@@\n{}{}{}",
            lines('-', &arguments["old_string"]),
            lines('+', &arguments["new_string"]),
            lines('+', &arguments["content"]),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_a_change_of_each_file() {
        let changes = patch_changes(
            "*** Begin Patch\n*** Add File: a\n+x\n*** Update File: b\n*** Move to: c\n@@ d\n-e\n+f\n\
             *** Delete File: g\n*** End Patch",
        );
        let change = |path: &str, kind, diff: &str| FileChange {
            path: path.to_owned(),
            kind,
            diff: diff.to_owned(),
        };
        assert_eq!(
            changes,
            [
                change("a", FileChangeKind::Add, "@@\n+x\n"),
                change("b", FileChangeKind::Update(Some("c".to_owned())), "@@ d\n-e\n+f\n"),
                change("g", FileChangeKind::Delete, ""),
            ]
        );
        assert!(patch_changes("*** Begin Patch\n").is_empty());
    }
}
