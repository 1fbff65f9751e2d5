//! The turns of a thread: inputs go into the session, its events come out as notifications.

mod items;

use std::sync::{Arc, Mutex, PoisonError};

use canon_agent::{EventData, Outcome, Session, SessionEvent, Status};
use canon_protocol::codex::client::Usage;
use canon_protocol::codex::server::call::{TurnStart, UserInput};
use canon_protocol::codex::server::outgoing::{
    self, Outgoing, ThreadItem, Turn, TurnError, TurnScope, TurnStatus,
};
use canon_protocol::jsonrpc::{Id, RpcError};
use canon_runtime::{clock, id};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use self::items::Items;
use super::invalid;
use super::thread::{Command, Thread};

/// The id of the turn that runs, for tools that tell it to the client.
#[derive(Debug, Clone, Default)]
pub(super) struct CurrentTurn(Arc<Mutex<String>>);

impl CurrentTurn {
    pub(super) fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, id: &str) {
        id.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A turn that runs.
struct Running {
    turn: Turn,
    started_ms: u64,
    items: Items,
    error: Option<TurnError>,
    /// Requests to stop it that were answered already; kept for the status at its end.
    interrupted: bool,
}

/// All turns of one thread, one after the other.
pub(super) struct Turns {
    thread: Thread,
    session: Session,
    current: CurrentTurn,
    running: Option<Running>,
    over: bool,
}

impl Turns {
    pub(super) fn new(thread: Thread, session: Session, current: CurrentTurn) -> Self {
        Self { thread, session, current, running: None, over: false }
    }

    /// Runs until the client is gone, beginning with one turn.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Command>,
        id: Id,
        start: TurnStart,
    ) {
        self.start(id, start).await;
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
                event = self.session.next_event(), if !self.over => match event {
                    Some(event) => self.event(event).await,
                    None => self.over = true,
                },
            }
        }
        // The client is gone: what runs is aborted, and its processes end before we do.
        let _ = self.session.abort();
        while self.session.next_event().await.is_some() {}
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Start { id, start } => self.start(id, *start).await,
            Command::Steer { id, expected, input } => {
                let steered = self.steer(&expected, &input);
                self.answer(&id, steered).await;
            }
            Command::Interrupt { id, turn_id } => {
                let interrupted = self.interrupt(&turn_id);
                self.answer(&id, interrupted).await;
            }
        }
    }

    async fn start(&mut self, id: Id, start: TurnStart) {
        match self.begin(&start) {
            // A second start during a turn joins that turn.
            Ok(None) => {
                let turn =
                    self.running.as_ref().map(|running| outgoing::turn_result(&running.turn));
                self.answer(&id, Ok(turn.unwrap_or_default())).await;
            }
            Ok(Some((turn, text))) => {
                self.answer(&id, Ok(outgoing::turn_result(&turn))).await;
                let scope = self.scope(&turn.id);
                let item = ThreadItem::UserMessage { id: id::new("item"), text };
                let now = clock::now_ms();
                let started = [
                    scope.started(&turn),
                    scope.item_started(&item, now),
                    scope.item_completed(&item, now),
                ];
                for notification in started {
                    self.notify(notification).await;
                }
            }
            Err(error) => self.answer(&id, Err(error)).await,
        }
    }

    /// Gives the input to the session; `None` if it joined a running turn.
    fn begin(&mut self, start: &TurnStart) -> Result<Option<(Turn, String)>, RpcError> {
        if self.over {
            return Err(invalid("the thread is over: its session ended with an error"));
        }
        if start.output_schema.is_some() {
            return Err(invalid("outputSchema is not supported by this agent"));
        }
        self.thread.accepts(start)?;
        let text = text_of(&start.input)?;
        if let Some(effort) = start.effort.as_ref().and_then(Value::as_str) {
            let _ = self.session.set_reasoning_effort(Some(effort.to_owned()));
        }
        if self.running.is_some() {
            self.session.steer(text).map_err(|error| invalid(error.to_string()))?;
            return Ok(None);
        }
        let turn_id = id::new("turn");
        self.current.set(&turn_id);
        self.session.submit(text.as_str()).map_err(|error| invalid(error.to_string()))?;
        let now = clock::now_ms();
        let turn = Turn::started(turn_id, seconds(now));
        self.running = Some(Running {
            turn: turn.clone(),
            started_ms: now,
            items: Items::new(self.thread.cwd.clone()),
            error: None,
            interrupted: false,
        });
        Ok(Some((turn, text)))
    }

    fn steer(&self, expected: &str, input: &[UserInput]) -> Result<Value, RpcError> {
        let running = self.expect(expected)?;
        let text = text_of(input)?;
        self.session.steer(text).map_err(|error| invalid(error.to_string()))?;
        Ok(outgoing::steer_result(&running.turn.id))
    }

    fn interrupt(&mut self, turn_id: &str) -> Result<Value, RpcError> {
        self.expect(turn_id)?;
        self.session.interrupt().map_err(|error| invalid(error.to_string()))?;
        if let Some(running) = &mut self.running {
            running.interrupted = true;
        }
        Ok(outgoing::empty_result())
    }

    fn expect(&self, turn_id: &str) -> Result<&Running, RpcError> {
        match &self.running {
            Some(running) if running.turn.id == turn_id => Ok(running),
            Some(running) => Err(invalid(format!(
                "expected active turn id `{turn_id}` but found `{}`",
                running.turn.id
            ))),
            None => Err(invalid("no active turn")),
        }
    }

    async fn event(&mut self, event: SessionEvent) {
        let thread_id = self.thread.id.clone();
        let Some(running) = &mut self.running else { return };
        let turn_id = running.turn.id.clone();
        let scope = TurnScope { thread_id: &thread_id, turn_id: &turn_id };
        let mut notifications = running.items.take(&event, scope);
        match event.data {
            EventData::TokenUsage { last, total, context_window, .. } => {
                notifications.push(scope.token_usage(usage(&total), usage(&last), context_window));
            }
            EventData::Error { code, message } => {
                let error = turn_error(&code, message);
                notifications.push(scope.error(&error, false));
                running.error = Some(error);
            }
            EventData::TurnLimit { message, .. } => {
                running.error = Some(turn_error("limit", message));
            }
            EventData::Warning { message, .. } | EventData::LoopDetection { message, .. } => {
                let params = json!({ "threadId": thread_id, "message": message });
                notifications.push(Outgoing { method: "warning", params });
            }
            EventData::ProcessingEnd { outcome, .. } | EventData::SessionEnd { outcome, .. } => {
                notifications.extend(running.items.close(scope));
                notifications.push(scope.completed(&ended(running, &outcome)));
                self.running = None;
            }
            _ => {}
        }
        for notification in notifications {
            self.notify(notification).await;
        }
    }

    fn scope<'a>(&'a self, turn_id: &'a str) -> TurnScope<'a> {
        TurnScope { thread_id: &self.thread.id, turn_id }
    }

    async fn answer(&self, id: &Id, answer: Result<Value, RpcError>) {
        let _ = self.thread.peer.respond(id, answer).await;
    }

    async fn notify(&self, outgoing: Outgoing) {
        let _ = self.thread.peer.notify(outgoing.method, &outgoing.params).await;
    }
}

/// The turn as it ended.
fn ended(running: &mut Running, outcome: &Outcome) -> Turn {
    let now = clock::now_ms();
    let (status, error) = match &outcome.status {
        Status::Completed | Status::AwaitingInput => (TurnStatus::Completed, None),
        Status::Aborted => (TurnStatus::Interrupted, None),
        Status::Limit { .. } => {
            let limit = || turn_error("limit", "a limit of the session was reached".to_owned());
            (TurnStatus::Failed, Some(running.error.take().unwrap_or_else(limit)))
        }
        Status::Failed { code, message } => {
            (TurnStatus::Failed, Some(turn_error(code, message.clone())))
        }
    };
    let status = if running.interrupted && status == TurnStatus::Completed {
        TurnStatus::Interrupted
    } else {
        status
    };
    Turn {
        status,
        error,
        completed_at: Some(seconds(now)),
        duration_ms: Some(now.saturating_sub(running.started_ms)),
        ..running.turn.clone()
    }
}

/// The code in the spelling of Codex, where it has one.
fn turn_error(code: &str, message: String) -> TurnError {
    let info = match code {
        "context_length" => "contextWindowExceeded",
        "limit" | "quota_exceeded" | "rate_limit" => "usageLimitExceeded",
        "authentication" | "access_denied" => "unauthorized",
        "server" => "internalServerError",
        "invalid_request" | "not_found" | "configuration" => "badRequest",
        _ => "other",
    };
    TurnError { message, info: Some(json!(info)), details: None }
}

fn text_of(input: &[UserInput]) -> Result<String, RpcError> {
    let texts: Result<Vec<&str>, RpcError> = input
        .iter()
        .map(|part| match part {
            UserInput::Text(text) => Ok(text.as_str()),
            UserInput::Other(other) => Err(invalid(format!(
                "input of type {} is not supported by this agent; send text",
                other["type"]
            ))),
        })
        .collect();
    let text = texts?.join("\n\n");
    if text.trim().is_empty() {
        return Err(invalid("input holds no text"));
    }
    Ok(text)
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

fn seconds(ms: u64) -> i64 {
    i64::try_from(ms / 1000).unwrap_or(i64::MAX)
}
