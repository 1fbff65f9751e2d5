//! The turns of a thread: inputs go into the session, its events come out as notifications.

mod end;
mod items;

use std::sync::Arc;
use std::time::Duration;

use canon_agent::{EventData, Session, SessionEvent};
use canon_protocol::codex::client::Usage;
use canon_protocol::codex::server::call::{TurnStart, UserInput};
use canon_protocol::codex::server::outgoing::{
    self, Outgoing, ThreadItem, ThreadStatus, Turn, TurnError, TurnScope, TurnStatus,
};
use canon_protocol::jsonrpc::{Id, RpcError};
use canon_runtime::{clock, id};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::end::{ended, rate_limits, seconds, turn_error};
use self::items::Items;
pub(super) use self::items::Naming;
use super::gate::{Ask, News, Open, Wait};
use super::history::{BEGINS, ENDS};
use super::input::{self, Given};
use super::invalid;
use super::thread::{Command, Thread};

/// A request about a call whose item the client does not know waits for the item this long; calls
/// of subagents have none.
const ITEM_WAIT: Duration = Duration::from_millis(500);

/// A turn that runs.
struct Running {
    turn: Turn,
    started_ms: u64,
    items: Items,
    error: Option<TurnError>,
    /// Requests to stop it that were answered already; kept for the status at its end.
    interrupted: bool,
    diff: String,
}

/// All turns of one thread, one after the other.
pub(super) struct Turns {
    thread: Thread,
    session: Option<Session>,
    running: Option<Running>,
    /// Tokens of the thread in this process.
    total: canon_llm::Usage,
    /// Requests that wait for their item.
    held: Vec<(Instant, Ask)>,
    /// How many requests wait for an approval, and for an input.
    waiting: (usize, usize),
}

/// What happens next.
enum Next {
    Command(Option<Command>),
    News(News),
    Event(Option<Box<SessionEvent>>),
    HeldLongEnough,
}

impl Turns {
    pub(super) fn new(thread: Thread) -> Self {
        Self {
            thread,
            session: None,
            running: None,
            total: canon_llm::Usage::default(),
            held: Vec::new(),
            waiting: (0, 0),
        }
    }

    /// Runs until the server lets the thread go.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Command>,
        mut heard: mpsc::UnboundedReceiver<News>,
    ) {
        loop {
            let held_until = self.held.iter().map(|(until, _)| *until).min();
            let next = tokio::select! {
                biased;
                command = inbox.recv() => Next::Command(command),
                // Before the events: a request is resolved before its call goes on.
                Some(news) = heard.recv() => Next::News(news),
                event = next_event(&mut self.session) => Next::Event(event.map(Box::new)),
                () = ring(held_until) => Next::HeldLongEnough,
            };
            match next {
                Next::Command(Some(command)) => self.obey(command).await,
                Next::Command(None) => break,
                Next::News(News::Ask(ask)) => self.ask(ask).await,
                Next::News(News::Resolved { id, wait }) => self.resolved(&id, wait).await,
                Next::Event(Some(event)) => self.event(*event).await,
                // Only a session that panicked ends without a last event.
                Next::Event(None) => self.lost().await,
                Next::HeldLongEnough => self.release(|(until, _)| *until <= Instant::now()).await,
            }
        }
        // The server lets it go: what runs is aborted, and its processes end before we do.
        if let Some(mut session) = self.session.take() {
            let _ = session.abort();
            while session.next_event().await.is_some() {}
        }
    }

    async fn obey(&mut self, command: Command) {
        let (id, answer) = match command {
            Command::Start { id, start } => return self.start(id, *start).await,
            Command::Steer { id, expected, input } => (id, self.steer(&expected, &input).await),
            Command::Interrupt { id, turn_id } => (id, self.interrupt(&turn_id)),
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

    async fn start(&mut self, id: Id, start: TurnStart) {
        let (turn, given) = match self.begin(&start).await {
            Ok(begun) => begun,
            Err(error) => return self.thread.host.out.answer(&id, Err(error)).await,
        };
        self.thread.host.out.answer(&id, Ok(outgoing::turn_result(&turn))).await;
        // A second start during a turn joins that turn.
        let Some(given) = given else { return };
        self.show_status().await;
        let item = ThreadItem::UserMessage { id: id::new("item"), content: given.parts };
        let now = clock::now_ms();
        let scope = self.scope(&turn.id);
        let started = [
            scope.started(&turn),
            scope.item_started(&item, now),
            scope.item_completed(&item, now),
        ];
        for notification in started {
            self.notify(notification).await;
        }
    }

    /// Gives the input to the session; without the input if it joined a running turn.
    async fn begin(&mut self, start: &TurnStart) -> Result<(Turn, Option<Given>), RpcError> {
        let settings = self.thread.settings.with(&self.thread.host.setup, start)?;
        let given = input::read(&start.input, &settings.cwd).await?;
        if let (Some(running), Some(session)) = (&self.running, &self.session) {
            session.steer(given.input).map_err(|error| invalid(error.to_string()))?;
            return Ok((running.turn.clone(), None));
        }
        if !self.thread.settings.same_session(&settings) {
            self.end_session().await;
        }
        self.thread.change(settings).await?;
        if self.session.is_none() {
            self.session = Some(self.thread.session().await?);
        }
        let now = clock::now_ms();
        let turn = Turn::started(id::new("turn"), seconds(now));
        self.thread.mark_settings()?;
        self.thread.mark(BEGINS, json!({ "id": turn.id, "startedAt": turn.started_at }))?;
        self.thread.gate.begin_turn(&turn.id, self.thread.settings.policy);
        if let Some(session) = &self.session {
            let _ = session.set_reasoning_effort(self.thread.settings.effort.clone());
            let submitted = session.submit(given.input.clone());
            submitted.map_err(|error| invalid(error.to_string()))?;
        }
        self.running = Some(Running {
            turn: turn.clone(),
            started_ms: now,
            items: Items::new(Arc::clone(&self.thread.naming), Arc::clone(&self.thread.gate)),
            error: None,
            interrupted: false,
            diff: String::new(),
        });
        let mut facts = self.thread.facts.lock();
        facts.running = Some(turn.id.clone());
        facts.thread.updated_at = seconds(now);
        if facts.thread.preview.is_empty() {
            facts.thread.preview = given.input.text.chars().take(200).collect();
        }
        drop(facts);
        Ok((turn, Some(given)))
    }

    /// Ends the session and keeps its conversation for the next one.
    async fn end_session(&mut self) {
        let Some(mut session) = self.session.take() else { return };
        let handle = session.handle();
        if let Ok(history) = handle.history().await {
            self.thread.history = history;
        }
        let _ = session.close();
        while session.next_event().await.is_some() {}
    }

    async fn steer(&self, expected: &str, input: &[UserInput]) -> Result<Value, RpcError> {
        let running = self.expect(expected, "steer")?;
        let given = input::read(input, &self.thread.settings.cwd).await?;
        if let Some(session) = &self.session {
            session.steer(given.input).map_err(|error| invalid(error.to_string()))?;
        }
        Ok(outgoing::steer_result(&running.turn.id))
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
        let Some(running) = &mut self.running else {
            return if matches!(event.data, EventData::SessionEnd { .. }) {
                self.end_session().await;
            };
        };
        let thread_id = self.thread.gate.thread_id.clone();
        let turn_id = running.turn.id.clone();
        let scope = TurnScope { thread_id: &thread_id, turn_id: &turn_id };
        let mut out = running.items.take(&event, scope);
        let mut over = None;
        match event.data {
            EventData::TokenUsage { last, context_window, rate_limit, .. } => {
                self.total += last.clone();
                out.push(scope.token_usage(usage(&self.total), usage(&last), context_window));
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
            EventData::ToolCallEnd { ref tool_name, .. } if changes_files(tool_name) => {
                let diff = self.thread.gate.changes.diff().await;
                if diff != running.diff {
                    out.push(scope.diff(&diff));
                    running.diff = diff;
                }
            }
            EventData::ProcessingEnd { outcome, .. } => over = Some((outcome, false)),
            EventData::SessionEnd { outcome, .. } => over = Some((outcome, true)),
            _ => {}
        }
        if over.is_some() {
            out.extend(running.items.close(scope));
        }
        for notification in out {
            self.notify(notification).await;
        }
        self.release(|_| false).await;
        if let Some((outcome, closed)) = over {
            if closed {
                self.end_session().await;
                self.thread.distrust_environment();
            }
            if let Some(running) = self.running.take() {
                self.over(ended(running, &outcome)).await;
            }
        }
    }

    /// Tells and keeps the end of a turn.
    async fn over(&mut self, turn: Turn) {
        self.held.clear();
        let mark = json!({
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

    /// Asks the client, or holds the request until the client knows what it is about.
    async fn ask(&mut self, ask: Ask) {
        let known = self.running.as_ref().is_some_and(|running| running.items.has(&ask.call_id));
        if !known {
            self.held.push((Instant::now() + ITEM_WAIT, ask));
            return;
        }
        self.put(ask).await;
    }

    /// Asks what was held and is `due`, or is about an item that is known by now.
    async fn release(&mut self, due: impl Fn(&(Instant, Ask)) -> bool) {
        let items = self.running.as_ref().map(|running| &running.items);
        let known = |ask: &Ask| items.is_some_and(|items| items.has(&ask.call_id));
        let (ready, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|held| due(held) || known(&held.1));
        self.held = held;
        for (_, ask) in ready {
            self.put(ask).await;
        }
    }

    async fn put(&mut self, ask: Ask) {
        let Ask { wait, request, open, .. } = ask;
        if open.is_closed() {
            return;
        }
        *self.count(wait) += 1;
        self.show_status().await;
        match self.thread.host.out.peer.ask(request.method, &request.params).await {
            Ok(question) => {
                let news = self.thread.gate.news.clone();
                // If the call was given up meanwhile, its end is news of its own.
                let _ = open.send(Open { question, wait, news });
            }
            Err(error) => {
                tracing::debug!(%error, "the client is gone with a request open");
                *self.count(wait) -= 1;
            }
        }
    }

    async fn resolved(&mut self, request: &Id, wait: Wait) {
        let count = self.count(wait);
        *count = count.saturating_sub(1);
        self.notify(outgoing::request_resolved(self.thread.id(), request)).await;
        if self.running.is_some() {
            self.show_status().await;
        }
    }

    fn count(&mut self, wait: Wait) -> &mut usize {
        match wait {
            Wait::Approval => &mut self.waiting.0,
            Wait::Input => &mut self.waiting.1,
        }
    }

    /// Tells what the thread is doing, where that changed.
    async fn show_status(&self) {
        let (approvals, inputs) = self.waiting;
        let status = ThreadStatus::Active { approval: approvals > 0, input: inputs > 0 };
        {
            let mut facts = self.thread.facts.lock();
            if facts.thread.status == status {
                return;
            }
            facts.thread.status = status.clone();
        }
        self.notify(outgoing::thread_status(self.thread.id(), &status)).await;
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

async fn ring(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn changes_files(tool: &str) -> bool {
    matches!(tool, "write_file" | "edit_file" | "apply_patch")
}

fn usage(usage: &canon_llm::Usage) -> Usage {
    Usage {
        input_tokens: usage.input_tokens,
        cached_input_tokens: usage.cache_read_tokens.unwrap_or(0),
        output_tokens: usage.output_tokens,
        reasoning_output_tokens: usage.reasoning_tokens.unwrap_or(0),
        total_tokens: usage.total_tokens,
    }
}
