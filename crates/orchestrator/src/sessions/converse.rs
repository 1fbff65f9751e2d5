//! The conversation of one attempt with its agent: lines between the supervisor and the protocol's
//! pure client, events to the dispatch machine, tool calls to the tracker.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use canon_protocol::codex::client::{
    Answer, Client, Event as AgentEvent, Exit, ItemKind, ItemPhase, Output, RequestKey, ToolCall,
    TurnEnd, TurnOutcome as AgentOutcome,
};
use canon_protocol::lines::Line;
use canon_runtime::task::{self, TaskSpec};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Command;
use super::evidence::Counted;
use super::live::{self, LiveCell, Phase};
use super::timers::Timers;
use crate::dispatch::{Event, Failure, Question, SessionInfo, TurnOutcome, Usage};
use crate::issue::Issue;
use crate::supervisor::{Attached, Direction, ExitStatus, GRACE_MS, Incoming, Link};
use crate::template;
use crate::tracker::{ToolContext, Tracker};

/// How a conversation ended.
pub(super) enum End {
    /// As the machine demanded.
    Ordered(Option<Failure>),
    /// Because it was stopped.
    Stopped,
    /// By itself, which is a failure.
    Failed(Failure),
    /// This daemon leaves the session to its supervisor, or was fenced off: nothing is reported.
    Left,
}

/// How a conversation ended, and with how many tokens.
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) usage: Usage,
    /// Nothing of the session is left, or it is another daemon's business.
    pub(super) settled: bool,
}

/// From the order to end a session to its end: what a supervisor allows its agent, with room.
const END_LIMIT: Duration = Duration::from_millis(GRACE_MS + 15_000);
/// A supervisor that takes no line for so long is stuck.
const SEND_LIMIT: Duration = Duration::from_secs(10);

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Everything that a conversation needs.
pub(super) struct Conversation<'a> {
    pub(super) attempt_id: &'a str,
    pub(super) issue: Issue,
    pub(super) prompt: &'a str,
    pub(super) attempt: Option<u32>,
    pub(super) max_turns: u32,
    pub(super) tracker: Arc<dyn Tracker>,
    pub(super) inbox: &'a mut mpsc::UnboundedReceiver<Command>,
    pub(super) events: &'a mpsc::Sender<Event>,
    pub(super) stop: &'a CancellationToken,
    pub(super) detach: &'a CancellationToken,
    pub(super) live: &'a LiveCell,
    pub(super) counted: &'a mut Counted,
    pub(super) client: Client,
    pub(super) link: Link,
    pub(super) timers: Timers,
    pub(super) tool_results: mpsc::UnboundedSender<(RequestKey, Answer)>,
    /// Questions that the machine was told of.
    pub(super) asked: BTreeSet<String>,
    /// Why the session is being ended, once it is, and until when its supervisor may take.
    pub(super) ending: Option<(End, Instant)>,
    /// The supervisor does not take what it is sent.
    pub(super) stuck: bool,
    pub(super) rate_limits: Option<Value>,
}

impl Conversation<'_> {
    /// Talks until the session is over. `outputs` is what the client wants first.
    pub(super) async fn run(
        mut self,
        attached: super::attempt::Streams,
        outputs: Vec<Output>,
    ) -> Ended {
        let super::attempt::Streams { mut lines, mut tool_answers } = attached;
        self.perform(outputs).await;
        loop {
            if self.stuck {
                return self.left_alive();
            }
            let stopping = self.ending.is_some();
            let deadline = self.ending.as_ref().map(|(_, until)| *until);
            tokio::select! {
                () = at(deadline) => return self.left_alive(),
                () = self.detach.cancelled() => return self.result(End::Left, true),
                () = self.stop.cancelled(), if !stopping => self.end(End::Stopped).await,
                incoming = lines.next() => match incoming {
                    Incoming::Record(record) => {
                        if record.direction != Direction::ToAgent {
                            self.receive(&record.into_line()).await;
                        }
                    }
                    Incoming::Exited(exit) => {
                        let end = self.exited(&exit).await;
                        return self.result(end, true);
                    }
                    Incoming::Fenced => return self.result(End::Left, true),
                    Incoming::Lost => return self.left_alive(),
                },
                Some((key, answer)) = tool_answers.recv() => {
                    // Refused only if the call no longer waits, which the agent knows already.
                    if let Ok(outputs) = self.client.answer(&key, answer) {
                        self.perform(outputs).await;
                    }
                }
                Some(command) = self.inbox.recv(), if !stopping => self.obey(command).await,
                timer = self.timers.next() => {
                    let outputs = self.client.timer(&timer);
                    self.perform(outputs).await;
                }
            }
        }
    }

    fn result(self, end: End, settled: bool) -> Ended {
        Ended { end, usage: live::usage(&self.client.usage()), settled }
    }

    /// The supervisor has gone without a word, or does nothing that it is told: whether its agent
    /// still runs is not known.
    fn left_alive(mut self) -> Ended {
        let end = match self.ending.take() {
            Some((end, _)) => end,
            None => End::Failed(failure("port_exit", "the session's supervisor cannot be reached")),
        };
        self.result(end, false)
    }

    async fn receive(&mut self, line: &Line) {
        self.live.touch();
        let outputs = self.client.received(line);
        self.perform(outputs).await;
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::NextTurn { turn_no, issue } => {
                self.issue = *issue;
                // Ordered before a restart and started then: once is enough.
                if turn_no <= self.client.turns() {
                    return;
                }
                let prompt = template::continuation(&self.issue, turn_no, self.max_turns);
                match self.client.turn(&prompt) {
                    Ok(outputs) => self.perform(outputs).await,
                    Err(refused) => {
                        self.fail("turn_failed", &format!("turn {turn_no}: {refused}")).await;
                    }
                }
            }
            Command::End { failure } => self.end(End::Ordered(failure)).await,
            Command::Answer { request, answer } => {
                let key = RequestKey::from_text(request);
                match self.client.answer(&key, operator_answer(answer)) {
                    Ok(outputs) => self.perform(outputs).await,
                    Err(error) => {
                        tracing::warn!(
                            issue_id = %self.issue.id, issue_identifier = %self.issue.identifier,
                            attempt_id = %self.attempt_id, outcome = "refused", reason = %error,
                            "operator answer"
                        );
                        self.live.note("answer_refused", &error.to_string());
                    }
                }
            }
        }
    }

    /// Has the supervisor end the agent; the end comes as its exit.
    async fn end(&mut self, end: End) {
        self.live.phase(Phase::Finishing);
        self.ending = Some((end, Instant::now() + END_LIMIT));
        // A supervisor that is gone shows as lost at once.
        self.stuck |= timeout(SEND_LIMIT, self.link.stop()).await.is_err();
    }

    async fn fail(&mut self, category: &str, error: &str) {
        if self.ending.is_none() {
            self.end(End::Failed(failure(category, error))).await;
        }
    }

    async fn perform(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                // A supervisor that is gone shows as lost in the next read.
                Output::Send(line) => {
                    self.stuck |= timeout(SEND_LIMIT, self.link.send(line)).await.is_err();
                }
                Output::SetTimer { id, after_ms } => self.timers.set(id, after_ms),
                Output::ClearTimer { id } => self.timers.clear(&id),
                Output::Event(event) => Box::pin(self.event(event)).await,
            }
        }
    }

    async fn event(&mut self, event: AgentEvent) {
        self.live.fold(&event);
        count(self.counted, &event);
        let attempt_id = self.attempt_id.to_owned();
        match event {
            AgentEvent::SessionStarted { thread_id, model, .. } => {
                self.live.phase(Phase::StreamingTurn);
                let sandbox = self.counted.sandbox.as_ref().map(Value::to_string);
                let session = SessionInfo { thread_id, model, sandbox, pid: None };
                self.report(Event::SessionStarted { attempt_id, session }).await;
                if self.client.turns() == 0 {
                    match self.client.turn(self.prompt) {
                        Ok(outputs) => self.perform(outputs).await,
                        Err(refused) => self.fail("turn_failed", &refused.to_string()).await,
                    }
                }
            }
            AgentEvent::StartupFailed { category, message } => {
                self.fail(category.name(), &message).await;
            }
            AgentEvent::TurnStarted { turn, session_id, .. } => {
                tracing::info!(
                    issue_id = %self.issue.id, issue_identifier = %self.issue.identifier,
                    session_id = %session_id, attempt = ?self.attempt, turn,
                    outcome = "started", "turn"
                );
                self.report(Event::TurnStarted { attempt_id, turn_no: turn, session_id }).await;
            }
            AgentEvent::TurnEnded(end) => self.turn_ended(end).await,
            AgentEvent::InputRequired(input) if input.waiting => {
                let request = input.key.to_string();
                self.asked.insert(request.clone());
                let kind = serde_json::to_value(input.kind).unwrap_or_default();
                let question = Question {
                    kind: kind.as_str().unwrap_or("input").to_owned(),
                    text: input.question,
                    payload: input.raw,
                };
                self.report(Event::InputRequired { attempt_id, request, question }).await;
            }
            AgentEvent::RequestClosed { key, .. } => {
                let request = key.to_string();
                if self.asked.remove(&request) {
                    self.report(Event::InputAnswered { attempt_id, request }).await;
                }
            }
            AgentEvent::ToolCall(call) => self.call_tool(call),
            AgentEvent::RateLimits { limits } => self.rate_limits = Some(limits),
            _ => {}
        }
    }

    async fn turn_ended(&mut self, end: TurnEnd) {
        let outcome = match end.outcome {
            AgentOutcome::Completed => TurnOutcome::Completed,
            _ => TurnOutcome::Failed {
                failure: failure(
                    end.category.map_or("turn_failed", |category| category.name()),
                    end.message.as_deref().unwrap_or("the agent gave no reason"),
                ),
            },
        };
        let session_id = self.client.session_id().unwrap_or_default();
        let (word, reason) = match &outcome {
            TurnOutcome::Completed => ("completed", String::new()),
            TurnOutcome::Failed { failure } => ("failed", failure.error.clone()),
        };
        tracing::info!(
            issue_id = %self.issue.id, issue_identifier = %self.issue.identifier,
            session_id = %session_id, turn = end.turn, outcome = word, reason, "turn"
        );
        if let Some(limits) = self.rate_limits.take() {
            self.report(Event::RateLimits { limits }).await;
        }
        let usage = live::usage(&self.client.usage());
        let attempt_id = self.attempt_id.to_owned();
        self.report(Event::TurnEnded { attempt_id, turn_no: end.turn, outcome, usage }).await;
    }

    /// Runs the call beside the conversation; its answer comes back through a channel.
    fn call_tool(&self, call: ToolCall) {
        let tracker = self.tracker.clone();
        let context = ToolContext { issue: self.issue.clone() };
        let results = self.tool_results.clone();
        task::spawn(TaskSpec::new("tool call"), async move {
            let result = tracker.execute_tool(&call.tool, &call.arguments, &context).await;
            let text = result.output.to_string();
            let answer = Answer::Tool { success: result.success, text };
            let _ = results.send((call.key, answer));
        });
    }

    async fn exited(&mut self, exit: &ExitStatus) -> End {
        let outputs = self.client.exited(Exit { code: exit.code, signal: exit.signal });
        self.perform(outputs).await;
        match self.ending.take() {
            Some((end, _)) => end,
            None => End::Failed(failure("port_exit", &format!("the agent ended: {exit}"))),
        }
    }

    async fn report(&self, event: Event) {
        // The driver outlives its attempts; if it is gone, so is the process.
        let _ = self.events.send(event).await;
    }
}

pub(super) fn failure(category: &str, error: &str) -> Failure {
    Failure { category: category.to_owned(), error: error.to_owned() }
}

/// Text is read as the question needs it; an object may be an answer in full.
fn operator_answer(answer: Value) -> Answer {
    match answer {
        Value::String(text) => Answer::Text { text },
        other => serde_json::from_value(other.clone()).unwrap_or(Answer::Raw { result: other }),
    }
}

/// Counts what the evidence tells.
pub(super) fn count(counted: &mut Counted, event: &AgentEvent) {
    match event {
        AgentEvent::SessionStarted { thread_id, model, model_provider, agent, .. } => {
            counted.thread_id = Some(thread_id.clone());
            counted.model.clone_from(model);
            counted.model_provider.clone_from(model_provider);
            counted.agent.clone_from(agent);
        }
        AgentEvent::Model { model } => counted.model = Some(model.clone()),
        AgentEvent::TurnStarted { turn, .. } => counted.turns = *turn,
        AgentEvent::Item { phase: ItemPhase::Completed, item } => {
            let tool = match &item.kind {
                ItemKind::CommandExecution { .. } => "shell",
                ItemKind::FileChange { .. } => "file_change",
                ItemKind::ToolCall { tool, .. } => tool,
                _ => return,
            };
            *counted.tools.entry(tool.to_owned()).or_default() += 1;
        }
        AgentEvent::Notification { method, params } if method == "canon/sandbox" => {
            counted.sandbox = Some(params.clone());
        }
        _ => {}
    }
}

/// Whether a journal's record is the agent's, as the client's replay needs it.
pub(super) fn direction(direction: Direction) -> canon_protocol::codex::client::Direction {
    match direction {
        Direction::ToAgent => canon_protocol::codex::client::Direction::ToAgent,
        _ => canon_protocol::codex::client::Direction::FromAgent,
    }
}

/// The two receiving ends of an attached session.
pub(super) fn split(attached: Attached) -> (crate::supervisor::Lines, Link) {
    (attached.lines, attached.link)
}
