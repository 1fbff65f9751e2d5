//! Asking the user before a tool runs.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use canon_agent::{Approver, PendingCall, Verdict};
use canon_exec::ExecutionEnvironment;
use canon_protocol::acp::client::{
    PermissionAnswer, PermissionKind, PermissionOption, PermissionOutcome, RequestPermission,
};
use canon_protocol::acp::tool::{ToolCall, ToolKind, ToolStatus};
use canon_protocol::acp::update::SessionUpdate;
use serde_json::Value;
use tokio::sync::watch;

use super::calls;
use super::options::ApprovalMode;
use super::places::Places;
use super::session::{Unanswered, Voice};

/// Largest text, in bytes, that is read to show a change in it.
const MAX_SHOWN: u64 = 1024 * 1024;

const ONCE: &str = "allow-once";
const ALWAYS: &str = "allow-always";
const REJECT: &str = "reject-once";

/// What of a call is allowed for the rest of a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Grant {
    /// Changes of files.
    Edits,
    /// One command.
    Command(String),
    /// A tool.
    Tool(String),
}

impl Grant {
    fn of(tool: &str, arguments: &Value) -> Self {
        match (calls::kind(tool), arguments["command"].as_str()) {
            (ToolKind::Edit, _) => Self::Edits,
            (ToolKind::Execute, Some(command)) => Self::Command(command.to_owned()),
            _ => Self::Tool(tool.to_owned()),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Edits => "Allow all edits in this session".to_owned(),
            Self::Command(_) => "Allow this command in this session".to_owned(),
            Self::Tool(tool) => format!("Allow {tool} in this session"),
        }
    }
}

/// Whether a mode wants a question about such a tool. What only looks around in the sandbox, or
/// only leads to calls that are asked about themselves, needs none.
fn wants_question(mode: ApprovalMode, tool: &str) -> bool {
    !matches!(
        (calls::kind(tool), mode),
        (_, ApprovalMode::Auto)
            | (ToolKind::Read | ToolKind::Search | ToolKind::Think, _)
            | (ToolKind::Edit, ApprovalMode::AcceptEdits)
    )
}

/// What a session may do without asking, and what it is asked about.
pub(super) struct Gate {
    mode: Mutex<ApprovalMode>,
    granted: Mutex<HashSet<Grant>>,
    /// Calls that the client was told of.
    announced: watch::Sender<HashSet<String>>,
    /// What was in the file that a call changes, before it did.
    before: Mutex<HashMap<String, String>>,
}

impl Gate {
    pub(super) fn new(mode: ApprovalMode) -> Self {
        Self {
            mode: Mutex::new(mode),
            granted: Mutex::default(),
            announced: watch::Sender::default(),
            before: Mutex::default(),
        }
    }

    pub(super) fn set_mode(&self, mode: ApprovalMode) {
        *lock(&self.mode) = mode;
    }

    pub(super) fn asks(&self, tool: &str, arguments: &Value) -> bool {
        wants_question(*lock(&self.mode), tool)
            && !lock(&self.granted).contains(&Grant::of(tool, arguments))
    }

    pub(super) fn announce(&self, call_id: &str) {
        self.announced.send_if_modified(|calls| calls.insert(call_id.to_owned()));
    }

    /// Waits until the client was told of a call.
    async fn announced(&self, call_id: &str) {
        // It fails only when the gate is gone, which is ours.
        let _ = self.announced.subscribe().wait_for(|calls| calls.contains(call_id)).await;
    }

    /// Forgets a call that ended; gives what was in its file before.
    pub(super) fn forget(&self, call_id: &str) -> Option<String> {
        self.announced.send_if_modified(|calls| calls.remove(call_id));
        lock(&self.before).remove(call_id)
    }

    fn grant(&self, grant: Grant) {
        lock(&self.granted).insert(grant);
    }
}

/// Asks the client about the calls of one session.
pub(super) struct Reviewer {
    pub(super) gate: Arc<Gate>,
    pub(super) voice: Voice,
    pub(super) environment: Arc<dyn ExecutionEnvironment>,
    pub(super) places: Places,
}

#[async_trait]
impl Approver for Reviewer {
    async fn review(&self, call: &PendingCall) -> Verdict {
        let arguments = Value::Object(call.arguments.clone());
        let places = self.places.from(&call.working_directory);
        let before = self.before(&call.tool_name, &arguments, &places).await;
        if let Some(before) = &before {
            lock(&self.gate.before).insert(call.call_id.clone(), before.clone());
        }
        if !self.gate.asks(&call.tool_name, &arguments) {
            return Verdict::Allow;
        }
        let (id, tool) = (&call.call_id, &call.tool_name);
        let shown = calls::begun(id, tool, &arguments, &places, before.as_deref());
        let grant = Grant::of(tool, &arguments);
        let shown = calls::of_agent(shown, call.agent_id.as_deref());
        // Its start is told before it is reviewed, and may still be on its way.
        self.gate.announced(id).await;
        let verdict = self.ask(shown, grant).await;
        if verdict == Verdict::Allow {
            let status = Some(ToolStatus::InProgress);
            let running = ToolCall { status, ..ToolCall::new(&call.call_id) };
            self.voice.update(SessionUpdate::ToolCallUpdate(running)).await;
        }
        verdict
    }
}

impl Reviewer {
    /// The text that a call is about to change, as far as it is small enough to show.
    async fn before(&self, tool: &str, arguments: &Value, places: &Places) -> Option<String> {
        let path = calls::changed_file(tool, arguments, places)?;
        self.environment.read_text(&path, MAX_SHOWN).await.ok()
    }

    async fn ask(&self, shown: ToolCall, grant: Grant) -> Verdict {
        let option = |id: &str, name: String, kind| PermissionOption {
            option_id: id.to_owned(),
            name,
            kind,
        };
        let request = RequestPermission {
            session_id: self.voice.session_id().to_owned(),
            tool_call: ToolCall { status: Some(ToolStatus::Pending), ..shown },
            options: vec![
                option(ONCE, "Allow".to_owned(), PermissionKind::AllowOnce),
                option(ALWAYS, grant.name(), PermissionKind::AllowAlways),
                option(REJECT, "Reject".to_owned(), PermissionKind::RejectOnce),
            ],
        };
        // People take their time; who cancels the prompt ends this as well.
        let asked = self.voice.ask("session/request_permission", &request, None).await;
        match asked.map(|PermissionAnswer { outcome }| outcome) {
            Ok(PermissionOutcome::Selected { option_id }) => match option_id.as_str() {
                ONCE => Verdict::Allow,
                ALWAYS => {
                    self.gate.grant(grant);
                    Verdict::Allow
                }
                REJECT => Verdict::Deny {
                    reason: "Do not try it in another way; ask what to do instead.".to_owned(),
                },
                other => Verdict::Deny { reason: format!("The answer was {other:?}.") },
            },
            Ok(PermissionOutcome::Cancelled) => Verdict::Abort,
            // Nobody is there any more; the session is about to end.
            Err(Unanswered::Gone) => Verdict::Abort,
            Err(why) => Verdict::Deny { reason: format!("The user could not be asked: {why}.") },
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mode_says_what_is_asked_about() {
        let asked = |mode| {
            let tools =
                ["read_file", "grep", "edit_file", "apply_patch", "shell", "web_fetch", "x__y"];
            tools.into_iter().filter(|tool| wants_question(mode, tool)).collect::<Vec<_>>()
        };
        let ask = ["edit_file", "apply_patch", "shell", "web_fetch", "x__y"];
        assert_eq!(asked(ApprovalMode::Ask), ask);
        assert_eq!(asked(ApprovalMode::AcceptEdits), ask[2..]);
        assert!(asked(ApprovalMode::Auto).is_empty());
    }

    #[test]
    fn what_was_allowed_for_good_is_no_more_than_that() {
        let gate = Gate::new(ApprovalMode::Ask);
        let (test, push) = (json!({ "command": "cargo test" }), json!({ "command": "git push" }));
        gate.grant(Grant::of("shell", &test));
        assert!(!gate.asks("shell", &test) && gate.asks("shell", &push));
        gate.grant(Grant::of("edit_file", &json!({ "file_path": "a" })));
        assert!(!gate.asks("apply_patch", &json!({ "patch": "" })));
        gate.grant(Grant::of("x__y", &json!({})));
        assert!(!gate.asks("x__y", &json!({ "z": 1 })) && gate.asks("x__z", &json!({})));
        assert!(gate.asks("shell", &json!({})));
    }

    #[test]
    fn the_mode_holds_from_when_it_is_set() {
        let gate = Gate::new(ApprovalMode::Ask);
        let command = json!({ "command": "ls" });
        assert!(gate.asks("shell", &command));
        gate.set_mode(ApprovalMode::Auto);
        assert!(!gate.asks("shell", &command));
    }
}
