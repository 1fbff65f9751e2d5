//! What stands between a session and its client: approvals, and questions of the model.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use canon_agent::{Access, Approver, PendingCall, Verdict};
use canon_protocol::codex::server::outgoing::{Outgoing, TurnScope};
use canon_protocol::jsonrpc::Id;
use canon_protocol::jsonrpc::peer::{PeerError, Question};
use canon_runtime::clock;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::diff::Changes;
use super::policy::{Kind, Rules, Ruling};

/// People sleep, and go away for a weekend.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What somebody is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Approval,
    Input,
    /// A tool of the client.
    Tool,
}

/// What the thread is told; it alone speaks to the client, so that everything has its order.
pub(super) enum News {
    /// Ask the client, once it knows the item.
    Ask(Ask),
    /// A request is answered or given up.
    Resolved { id: Id, wait: Wait },
}

/// A request for the client.
pub(super) struct Ask {
    pub(super) call_id: String,
    pub(super) wait: Wait,
    pub(super) request: Outgoing,
    pub(super) open: oneshot::Sender<Open>,
}

/// A request that the client has. However it ends, the thread hears of it.
pub(super) struct Open {
    pub(super) question: Question,
    pub(super) wait: Wait,
    pub(super) news: mpsc::UnboundedSender<News>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let resolved = News::Resolved { id: self.question.id().clone(), wait: self.wait };
        // A thread that is gone tells nobody anything.
        let _ = self.news.send(resolved);
    }
}

/// The gate of one thread.
pub(super) struct Gate {
    pub(super) thread_id: String,
    pub(super) news: mpsc::UnboundedSender<News>,
    pub(super) changes: Changes,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    turn_id: String,
    rules: Rules,
    declined: HashSet<String>,
}

impl Gate {
    pub(super) fn new(thread_id: String, news: mpsc::UnboundedSender<News>) -> Arc<Self> {
        Arc::new(Self { thread_id, news, changes: Changes::default(), state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn begins under this policy.
    pub(super) fn begin_turn(&self, turn_id: &str, policy: super::policy::Policy) {
        let mut state = self.state();
        turn_id.clone_into(&mut state.turn_id);
        state.rules.policy = policy;
        state.declined.clear();
        self.changes.forget();
    }

    pub(super) fn turn_id(&self) -> String {
        self.state().turn_id.clone()
    }

    /// Whether the client did not allow this call.
    pub(super) fn is_declined(&self, call_id: &str) -> bool {
        self.state().declined.contains(call_id)
    }

    /// Asks the client and waits for its answer, or why there is none.
    pub(super) async fn ask(
        &self,
        call_id: &str,
        wait: Wait,
        limit: Duration,
        request: impl FnOnce(TurnScope<'_>) -> Outgoing,
    ) -> Result<Value, String> {
        let turn_id = self.turn_id();
        let request = request(TurnScope { thread_id: &self.thread_id, turn_id: &turn_id });
        let method = request.method;
        let (open, opened) = oneshot::channel();
        let ask = Ask { call_id: call_id.to_owned(), wait, request, open };
        let gone = || PeerError::Closed.to_string();
        self.news.send(News::Ask(ask)).map_err(|_| gone())?;
        let answer = async {
            let mut open = opened.await.map_err(|_| gone())?;
            open.question.answer().await.map_err(|error| error.to_string())
        };
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("nobody answered {method} within {} s", limit.as_secs())),
        }
    }

    async fn decide(&self, call: &PendingCall, kind: Kind) -> Verdict {
        let at = clock::now_ms();
        // Whoever decides knows the thread alone: that a subagent wants it is to be said.
        let asker = call.agent_id.as_ref().map(|agent| format!("wanted by the subagent {agent}"));
        let answer = self.ask(&call.call_id, Wait::Approval, PATIENCE, |scope| match &kind {
            Kind::Command(command) => {
                let said = [command.reason.clone(), asker.clone()];
                let reason =
                    said.into_iter().flatten().reduce(|all, more| format!("{all} ({more})"));
                let cwd = command.cwd.to_string_lossy();
                scope.ask_command(&call.call_id, &command.text, &cwd, reason.as_deref(), at)
            }
            Kind::Files(_) => scope.ask_file_change(&call.call_id, asker.as_deref(), at),
        });
        match answer.await {
            Ok(answer) => self.verdict(call, kind, &answer["decision"]),
            Err(why) => {
                self.decline(call);
                Verdict::Deny { reason: format!("The client gave no answer: {why}.") }
            }
        }
    }

    fn verdict(&self, call: &PendingCall, kind: Kind, decision: &Value) -> Verdict {
        match decision.as_str() {
            Some("accept") => return Verdict::Allow,
            Some("acceptForSession") => {
                self.state().rules.allow(kind);
                return Verdict::Allow;
            }
            _ => self.decline(call),
        }
        match decision.as_str() {
            Some("decline") => Verdict::Deny { reason: String::new() },
            Some("cancel") => Verdict::Abort,
            _ => {
                tracing::warn!(%decision, "a decision that was not offered counts as `decline`");
                Verdict::Deny { reason: "The client's decision was not understood.".to_owned() }
            }
        }
    }

    fn decline(&self, call: &PendingCall) {
        self.state().declined.insert(call.call_id.clone());
    }
}

#[async_trait]
impl Approver for Gate {
    async fn review(&self, call: &PendingCall) -> Verdict {
        let ruling = self.state().rules.ruling(call);
        let verdict = match ruling {
            Ruling::Run => Verdict::Allow,
            Ruling::Ask(kind) => self.decide(call, kind).await,
            Ruling::Refuse(why) => {
                self.decline(call);
                Verdict::Deny { reason: why.to_owned() }
            }
        };
        if let (Verdict::Allow, Access::Writes(files)) = (&verdict, &call.access) {
            self.changes.before(files).await;
        }
        verdict
    }
}
