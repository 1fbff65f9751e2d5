//! The turns of a thread: inputs go into the session, its events come out as notifications.

mod asking;
mod begin;
mod end;
mod items;
mod naming;

use std::collections::VecDeque;

use canon_agent::{EventData, Outcome, Session, SessionEvent, Status};
use canon_protocol::codex::client::Usage;
use canon_protocol::codex::server::outgoing::{
    self, Outgoing, ThreadStatus, Turn, TurnError, TurnScope, TurnStatus,
};
use canon_protocol::jsonrpc::RpcError;
use canon_runtime::clock;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use self::asking::Asking;
use self::begin::said;
use self::end::{Form, ended, rate_limits, seconds, turn_error};
use self::items::Items;
pub(super) use self::naming::{Call, Naming};
use super::gate::News;
use super::history::ENDS;
use super::input::Given;
use super::invalid;
use super::thread::{Command, Thread};

/// A turn that runs.
struct Running {
    turn: Turn,
    started_ms: u64,
    items: Items,
    error: Option<TurnError>,
    /// Requests to stop it that were answered already; kept for the status at its end.
    interrupted: bool,
    diff: String,
    form: Option<Form>,
}

/// All turns of one thread, one after the other.
pub(super) struct Turns {
    thread: Thread,
    session: Option<Session>,
    running: Option<Running>,
    /// Tokens of the thread's own last reply, and those that its model can hold.
    last: (Usage, Option<u64>),
    /// What was said into turns, as long as it has not entered the conversation.
    told: VecDeque<Given>,
    asking: Asking,
}

/// What happens next.
enum Next {
    Command(Option<Command>),
    News(News),
    Event(Option<Box<SessionEvent>>),
}

impl Turns {
    pub(super) fn new(thread: Thread) -> Self {
        Self {
            thread,
            session: None,
            running: None,
            last: (Usage::default(), None),
            told: VecDeque::new(),
            asking: Asking::default(),
        }
    }

    /// Runs until the server lets the thread go.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Command>,
        mut heard: mpsc::UnboundedReceiver<News>,
    ) {
        loop {
            let next = tokio::select! {
                biased;
                command = inbox.recv() => Next::Command(command),
                // Before the events: a request is resolved before its call goes on.
                Some(news) = heard.recv() => Next::News(news),
                event = next_event(&mut self.session) => Next::Event(event.map(Box::new)),
            };
            match next {
                Next::Command(Some(command)) => self.obey(command).await,
                Next::Command(None) => break,
                Next::News(News::Ask(ask)) => self.ask(ask).await,
                Next::News(News::Resolved { id, wait }) => self.resolved(&id, wait).await,
                Next::Event(Some(event)) => self.event(*event).await,
                // Only a session that panicked ends without a last event.
                Next::Event(None) => self.lost().await,
            }
        }
        // The server lets it go: what runs is aborted, and its processes end before we do.
        if let Some(mut session) = self.session.take() {
            let _ = session.abort();
            while session.next_event().await.is_some() {}
        }
        self.thread.close().await;
    }

    async fn obey(&mut self, command: Command) {
        let (id, answer) = match command {
            Command::Start { id, start } => return self.start(id, *start).await,
            Command::Steer { id, steer } => (id, self.steer(&steer).await),
            Command::Interrupt { id, turn_id } => {
                self.settle().await;
                (id, self.interrupt(&turn_id))
            }
            Command::Revert { id, before_turn_id } => {
                let reverted = self.revert(&before_turn_id).await;
                let done = reverted.is_ok();
                self.thread.host.out.answer(&id, reverted).await;
                if done {
                    self.notify(outgoing::thread_event("thread/reverted", self.thread.id())).await;
                }
                return;
            }
        };
        self.thread.host.out.answer(&id, answer).await;
    }

    /// Ends the session and keeps its conversation for the next one.
    async fn end_session(&mut self) {
        let Some(mut session) = self.session.take() else { return };
        let handle = session.handle();
        if let Ok(history) = handle.history().await {
            self.thread.history = history;
        }
        let _ = session.close();
        while let Some(event) = session.next_event().await {
            if let EventData::SessionEnd { outcome, .. } = event.data {
                self.thread.spend(&outcome);
            }
        }
        self.asking.forget();
        self.told.clear();
    }

    fn interrupt(&mut self, turn_id: &str) -> Result<Value, RpcError> {
        self.expect(turn_id, "interrupt")?;
        if let Some(session) = &self.session {
            session.interrupt().map_err(|error| invalid(error.to_string()))?;
        }
        if let Some(running) = &mut self.running {
            running.interrupted = true;
        }
        Ok(outgoing::empty_result())
    }

    fn expect(&self, turn_id: &str, why: &str) -> Result<&Running, RpcError> {
        match &self.running {
            Some(running) if running.turn.id == turn_id => Ok(running),
            Some(running) => Err(invalid(format!(
                "expected active turn id `{turn_id}` but found `{}`",
                running.turn.id
            ))),
            None => Err(invalid(format!("no active turn to {why}"))),
        }
    }

    async fn revert(&mut self, before_turn_id: &str) -> Result<Value, RpcError> {
        if let Some(running) = &self.running {
            let turn = &running.turn.id;
            return Err(invalid(format!("turn `{turn}` runs; interrupt it before thread/revert")));
        }
        self.end_session().await;
        self.thread.revert(before_turn_id)?;
        Ok(outgoing::thread_alone(&self.thread.facts.lock().thread))
    }

    async fn event(&mut self, event: SessionEvent) {
        self.asking.observe(&event.data);
        let used_up = self.count(&event.data);
        if self.running.is_none() && matches!(event.data, EventData::UserInput { .. }) {
            self.begin_by_itself().await;
        }
        let heard = match &event.data {
            EventData::UserInput { content, .. } | EventData::SteeringInjected { content, .. } => {
                self.heard(content)
            }
            _ => None,
        };
        let Some(running) = &mut self.running else {
            // What subagents do between turns is no part of any.
            self.release().await;
            if let EventData::SessionEnd { outcome, .. } = &event.data {
                self.thread.spend(outcome);
                self.end_session().await;
            }
            return;
        };
        let thread_id = self.thread.gate.thread_id.clone();
        let turn_id = running.turn.id.clone();
        let scope = TurnScope { thread_id: &thread_id, turn_id: &turn_id };
        let mut out = running.items.take(&event, scope);
        if let Some(given) = heard {
            out.extend(said(given, scope, event.timestamp));
        }
        if used_up {
            let total = usage(&self.thread.facts.lock().used);
            out.push(scope.token_usage(total, self.last.0, self.last.1));
        }
        if changes_files(&event.data) {
            let diff = self.thread.gate.changes.diff().await;
            if diff != running.diff {
                out.push(scope.diff(&diff));
                running.diff = diff;
            }
        }
        let mut over = None;
        match event.data {
            EventData::TokenUsage { rate_limit, .. } => {
                if let Some(params) = rate_limit.and_then(|limits| rate_limits(&limits)) {
                    *self.thread.host.setup.rate_limits() = Some(params.clone());
                    out.push(Outgoing { method: "account/rateLimits/updated", params });
                }
            }
            EventData::Error { code, message } => {
                let error = turn_error(&code, message);
                out.push(outgoing::thread_status(&thread_id, &ThreadStatus::SystemError));
                out.push(scope.error(&error, false));
                running.error = Some(error);
            }
            EventData::TurnLimit { limit, message, .. } => {
                running.error = Some(turn_error(end::code_of(limit), message));
            }
            EventData::Warning { message, .. } | EventData::LoopDetection { message, .. } => {
                out.push(outgoing::warning(&thread_id, &message));
            }
            EventData::Subagent { agent_id, event } => {
                let warning = warning_of(&agent_id, &event.data);
                out.extend(warning.map(|warning| outgoing::warning(&thread_id, &warning)));
            }
            EventData::ProcessingEnd { outcome, .. } if !self.is_corrected(&outcome) => {
                over = Some((outcome, false));
            }
            EventData::SessionEnd { outcome, .. } => over = Some((outcome, true)),
            _ => {}
        }
        if let (Some(_), Some(running)) = (&over, &mut self.running) {
            out.extend(running.items.close(scope));
        }
        for notification in out {
            self.notify(notification).await;
        }
        self.release().await;
        if let Some((outcome, closed)) = over {
            if closed {
                self.thread.spend(&outcome);
                self.end_session().await;
                self.thread.distrust_environment();
            }
            if let Some(running) = self.running.take() {
                self.over(ended(running, &outcome)).await;
            }
        }
    }

    /// Adds what was used up, by the thread itself or a subagent; whether that is any.
    fn count(&mut self, data: &EventData) -> bool {
        let mut data = data;
        let mut own = true;
        while let EventData::Subagent { event, .. } = data {
            (data, own) = (&event.data, false);
        }
        let EventData::TokenUsage { last, context_window, .. } = data else { return false };
        self.thread.facts.lock().used += last.clone();
        if own {
            self.last = (usage(last), *context_window);
        }
        true
    }

    /// Whether the model is told to correct its last message; the turn goes on then.
    fn is_corrected(&mut self, outcome: &Outcome) -> bool {
        let running = self.running.as_mut().filter(|running| !running.interrupted);
        let form = running.and_then(|running| running.form.as_mut());
        let (Some(form), Some(session), Status::Completed) = (form, &self.session, &outcome.status)
        else {
            return false;
        };
        form.correction(&outcome.text).is_some_and(|again| session.submit(again).is_ok())
    }

    /// Tells and keeps the end of a turn.
    async fn over(&mut self, turn: Turn) {
        let mark = json!({
            "usage": self.thread.facts.lock().used,
            "id": turn.id, "status": turn.status, "completedAt": turn.completed_at,
            "durationMs": turn.duration_ms,
            "error": turn.error.as_ref().map(|error| &error.message),
            "info": turn.error.as_ref().and_then(|error| error.info.clone()),
        });
        if let Err(error) = self.thread.mark(ENDS, mark) {
            let message = format!("the end of the turn is not on the disk: {error}");
            self.notify(outgoing::warning(self.thread.id(), &message)).await;
        }
        let failed = turn.status == TurnStatus::Failed;
        {
            let mut facts = self.thread.facts.lock();
            facts.running = None;
            facts.thread.updated_at = seconds(clock::now_ms());
            let idle = if failed { ThreadStatus::SystemError } else { ThreadStatus::Idle };
            facts.thread.status = idle;
        }
        if !failed {
            self.notify(outgoing::thread_status(self.thread.id(), &ThreadStatus::Idle)).await;
        }
        self.notify(self.scope(&turn.id).completed(&turn)).await;
    }

    /// The session's task is gone without a word.
    async fn lost(&mut self) {
        self.session = None;
        self.asking.forget();
        self.told.clear();
        let Some(mut running) = self.running.take() else { return };
        let turn_id = running.turn.id.clone();
        let open = running.items.close(self.scope(&turn_id));
        for notification in open {
            self.notify(notification).await;
        }
        let message = "the session's task ended without a result; see the log".to_owned();
        let turn = Turn {
            status: TurnStatus::Failed,
            error: Some(turn_error("internal", message)),
            completed_at: Some(seconds(clock::now_ms())),
            ..running.turn
        };
        self.over(turn).await;
    }

    fn scope<'a>(&'a self, turn_id: &'a str) -> TurnScope<'a> {
        TurnScope { thread_id: self.thread.id(), turn_id }
    }

    async fn notify(&self, outgoing: Outgoing) {
        self.thread.host.out.notify(outgoing).await;
    }
}

/// The next event of a session; never without one.
async fn next_event(session: &mut Option<Session>) -> Option<SessionEvent> {
    match session {
        Some(session) => session.next_event().await,
        None => std::future::pending().await,
    }
}

/// Whether a tool that changes files has ended, of the thread's agent or a subagent.
fn changes_files(data: &EventData) -> bool {
    match data {
        EventData::ToolCallEnd { tool_name, .. } => {
            matches!(tool_name.as_str(), "write_file" | "edit_file" | "apply_patch")
        }
        EventData::Subagent { event, .. } => changes_files(&event.data),
        _ => false,
    }
}

/// What people should know of a subagent.
fn warning_of(agent_id: &str, data: &EventData) -> Option<String> {
    match data {
        EventData::Warning { message, .. }
        | EventData::LoopDetection { message, .. }
        | EventData::TurnLimit { message, .. }
        | EventData::Error { message, .. } => Some(format!("{agent_id}: {message}")),
        EventData::Subagent { agent_id: below, event } => {
            warning_of(&format!("{agent_id}/{below}"), &event.data)
        }
        _ => None,
    }
}

pub(super) fn usage(usage: &canon_llm::Usage) -> Usage {
    Usage {
        input_tokens: usage.input_tokens,
        cached_input_tokens: usage.cache_read_tokens.unwrap_or(0),
        output_tokens: usage.output_tokens,
        reasoning_output_tokens: usage.reasoning_tokens.unwrap_or(0),
        total_tokens: usage.total_tokens,
    }
}
