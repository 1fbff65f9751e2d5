//! `codex` (Symphony §5.3.6): the agent's process and the policies that it is given.

use std::path::Path;

use serde_json::{Value, json};

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
