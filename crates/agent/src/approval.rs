//! The gate between a call that can run and its run (loop spec §8, "Approval / Permission System").

use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::tools::Access;

/// Decides about tool calls before they run.
///
/// A call is reviewed once its arguments are known to satisfy the tool's schema, and when its turn
/// to run has come: calls of one reply that may overlap are reviewed at the same time, one that
/// must wait for another is reviewed after that one's end. The host's event `tool_call_start`
/// is sent before the review begins, but may still be on its way when it does. The time of a
/// review is no part of a call's `duration_ms`, and no time limit of the session applies to it.
#[async_trait]
pub trait Approver: Send + Sync {
    /// Decides about one call. Dropped when the call is given up meanwhile: the input was
    /// interrupted, or the session aborted. Nothing runs if it panics.
    async fn review(&self, call: &PendingCall) -> Verdict;
}

/// A tool call that could run now.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingCall {
    /// The tool.
    pub tool_name: String,
    /// The id of the call, as in the session's events; unique among a session and its subagents.
    pub call_id: String,
    /// The subagent that wants it, `agent-1`, or `agent-1/agent-2` for one of its own; `None` for
    /// the session itself.
    pub agent_id: Option<String>,
    /// They satisfy the tool's schema, and have the names that it gives them.
    pub arguments: Map<String, Value>,
    /// What the call touches, as far as its tool can say.
    pub access: Access,
    /// Where it runs: what the call says, else where relative paths begin.
    pub working_directory: PathBuf,
}

/// What an [`Approver`] decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The call runs.
    Allow,
    /// It does not; the model is told and goes on.
    Deny {
        /// Told to the model; may be empty.
        reason: String,
    },
    /// It does not, and the whole input is given up, as by
    /// [`SessionHandle::interrupt`](crate::SessionHandle::interrupt).
    Abort,
}

/// What the model reads in place of the call's output.
pub(crate) fn refusal(reason: &str) -> String {
    match reason.trim() {
        "" => "[DENIED: The user did not allow this call. It did not run.]".to_owned(),
        reason => format!("[DENIED: The user did not allow this call. It did not run. {reason}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn a_refusal_says_why_where_there_is_a_reason() {
        assert!(refusal("Too risky.").ends_with("did not run. Too risky.]"));
        assert!(refusal(" \n").ends_with("did not run.]"));
    }
}
