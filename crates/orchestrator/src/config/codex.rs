//! `codex` (Symphony §5.3.6): the agent's process and the policies that it is given.

use std::path::Path;

use serde_json::{Value, json};

use super::section::{Section, shown};

/// How the agent's process is launched and spoken to.
#[derive(Debug, Clone, PartialEq)]
pub struct CodexConfig {
    /// Shell command, run by `bash -lc` in the workspace, never rewritten; default `codex app-server`.
    pub command: String,
    /// Codex `AskForApproval`, passed through; default `"never"` (ruling 13).
    pub approval_policy: Value,
    /// Codex `SandboxMode`, passed through; default `"workspace-write"` (ruling 13).
    pub thread_sandbox: Value,
    /// Codex `SandboxPolicy`, passed through; see [`CodexConfig::turn_sandbox_policy_for`] for the default.
    pub turn_sandbox_policy: Option<Value>,
    /// Limit of a turn in milliseconds, at least 1; default 3 600 000.
    pub turn_timeout_ms: u64,
    /// Limit of a request's answer in milliseconds, at least 1; default 5 000.
    pub read_timeout_ms: u64,
    /// Silence after which a session counts as stalled, in milliseconds; default 300 000, `None` when disabled
    /// (any value of 0 or less, ruling 12).
    pub stall_timeout_ms: Option<u64>,
}

impl CodexConfig {
    /// The turn's sandbox policy: as configured, or write access to `workspace` alone, without network (ruling 13).
    pub fn turn_sandbox_policy_for(&self, workspace: &Path) -> Value {
        self.turn_sandbox_policy.clone().unwrap_or_else(|| {
            json!({
                "type": "workspaceWrite",
                "writableRoots": [workspace.to_string_lossy()],
                "networkAccess": false,
                "excludeTmpdirEnvVar": false,
                "excludeSlashTmp": false,
            })
        })
    }
}

impl CodexConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let command = match section.raw("command") {
            None => "codex app-server".to_owned(),
            Some(Value::String(command)) if !command.trim().is_empty() => command.clone(),
            Some(other) => {
                section
                    .error("command", format!("found {}, expected a shell command", shown(other)));
                String::new()
            }
        };
        let stall = section.number("stall_timeout_ms", 300_000, i64::MIN, " of milliseconds");
        let config = Self {
            command,
            approval_policy: pass_through(
                &mut section,
                "approval_policy",
                "text or a map",
                |value| value.is_string() || value.is_object(),
            )
            .unwrap_or_else(|| json!("never")),
            thread_sandbox: pass_through(&mut section, "thread_sandbox", "text", Value::is_string)
                .unwrap_or_else(|| json!("workspace-write")),
            turn_sandbox_policy: pass_through(
                &mut section,
                "turn_sandbox_policy",
                "a map with a `type`",
                |value| value.get("type").is_some_and(Value::is_string),
            ),
            turn_timeout_ms: section.millis("turn_timeout_ms", 3_600_000),
            read_timeout_ms: section.millis("read_timeout_ms", 5_000),
            stall_timeout_ms: u64::try_from(stall).ok().filter(|stall| *stall > 0),
        };
        section.finish();
        config
    }
}

/// The agent's version decides what a value means; only its shape is checked here.
fn pass_through(
    section: &mut Section<'_>,
    key: &'static str,
    expected: &str,
    fits: impl Fn(&Value) -> bool,
) -> Option<Value> {
    let value = section.raw(key)?;
    if fits(value) {
        return Some(value.clone());
    }
    section.error(key, format!("found {}, expected {expected}", shown(value)));
    None
}
