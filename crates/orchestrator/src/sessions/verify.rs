//! `agent.verify`: does the work pass its tests? Run before the first turn and after the last, in
//! the same kind of sandbox as the agent's commands, because the tests are what the agent wrote.

use std::path::Path;
use std::time::Duration;

use canon_exec::sandbox::{SandboxOptions, SandboxPolicy, SandboxedEnvironment};
use canon_exec::{ExecCommand, ExecutionEnvironment as _};
use serde::{Deserialize, Serialize};

use super::Host;
use super::live::one_line;
use crate::config::Verify;
use crate::issue::Issue;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Whether the command exited with 0 in time.
    pub green: bool,
    /// Its exit code, if it had one.
    pub exit_code: Option<i32>,
    /// The line that sums it up, for people: the last one that it printed.
    pub summary: String,
    /// Milliseconds.
    pub duration_ms: u64,
}

/// Runs the command in `workspace`. A command that cannot be run is red, and says why.
pub(super) async fn verify(
    verify: &Verify,
    workspace: &Path,
    issue: &Issue,
    host: &Host,
) -> Verification {
    let red =
        |summary: String| Verification { green: false, exit_code: None, summary, duration_ms: 0 };
    let options = SandboxOptions {
        masked_paths: host.masked.clone(),
        helper: host.sandbox_helper.clone(),
        ..SandboxOptions::default()
    };
    let policy = SandboxPolicy::workspace_write();
    let environment = match SandboxedEnvironment::new(policy, workspace.to_owned(), options).await {
        Ok(environment) => environment,
        Err(error) => return red(error.to_string()),
    };
    let mut command = ExecCommand::new(verify.command.clone());
    command.env.insert("CANON_ISSUE_ID".to_owned(), issue.id.clone());
    command.env.insert("CANON_ISSUE_IDENTIFIER".to_owned(), issue.identifier.clone());
    command.timeout = Some(Duration::from_millis(verify.timeout_ms));
    match environment.exec_command(command).await {
        Ok(result) => Verification {
            green: result.success(),
            exit_code: result.exit_code,
            summary: if result.timed_out {
                format!("no result within {} ms", verify.timeout_ms)
            } else {
                one_line(last_line(&result.combined))
            },
            duration_ms: result.duration_ms,
        },
        Err(error) => red(error.to_string()),
    }
}

fn last_line(text: &str) -> &str {
    text.trim().lines().next_back().unwrap_or_default()
}
