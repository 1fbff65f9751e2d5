//! The client side: drives one agent session over the Codex app-server protocol.
//!
//! [`Client`] is a pure machine. The host feeds it the agent's lines, its own wishes, expired
//! timers and the agent's exit; it returns [`Output`]s, which the host performs in order. What
//! it knows is a function of the lines that went over the wire in both directions, so that
//! [`Client::replay`] can rebuild it from a session's journal after a restart.
//!
//! Policy (Symphony §10.5): `auto_approve` grants every approval for the session and says so;
//! otherwise the approval policy `never` declines each one, and any other policy treats it like
//! a question. Questions, elicitations and open approvals block or fail the turn as
//! `on_input_required` says. A tool that was not advertised gets a failure result, an unknown
//! request a JSON-RPC error; the session goes on after both.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use serde_json::Value;

mod answer;
mod asked;
mod event;
mod item;
mod limits;
mod notified;
mod options;
mod questions;
mod replay;
mod replies;
mod turns;
mod usage;
mod wire;

pub use answer::{Answer, AnswerError};
pub use event::{
    ErrorCategory, Event, Exit, InputKind, InputRequired, Question, RequestEnd, RequestKey,
    ToolCall, TurnEnd, TurnOutcome,
};
pub use item::{Item, ItemKind, ItemPhase};
pub use options::{OnInputRequired, Options, Resume, SandboxMode, ToolSpec};
pub use replay::{Direction, Replayed};
pub use usage::Usage;

use crate::jsonrpc::{self, Message};
use crate::lines::Line;
use asked::Asked;
use limits::Limits;
use turns::Turn;
use usage::Meter;
use wire::Call;

/// Names a timer. At most one runs per name; setting it again replaces it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerId {
    /// The agent must answer our request with this id.
    Response(u64),
    /// The agent must say something during this turn. Set anew by each of its lines.
    Silence(u32),
    /// The host must answer this tool call.
    Tool(RequestKey),
}

/// What the host has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write this line, and a `\n` after it, to the agent's stdin.
    Send(Vec<u8>),
    /// Take note, or act.
    Event(Event),
    /// Call [`Client::timer`] with `id` after so many milliseconds, unless it is set again or
    /// cleared before.
    SetTimer {
        /// Its name.
        id: TimerId,
        /// Milliseconds from now.
        after_ms: u64,
    },
    /// Forget this timer; it may not run.
    ClearTimer {
        /// Its name.
        id: TimerId,
    },
}

/// Why a call was refused. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The session is not ready yet: wait for [`Event::SessionStarted`].
    #[error("the agent session has not started yet")]
    NotReady,
    /// A turn runs already.
    #[error("a turn of this agent session is still running")]
    TurnRuns,
    /// No turn runs, or the agent has not named it yet.
    #[error("no turn of this agent session is running")]
    NoTurn,
    /// The session is over.
    #[error("the agent session is over")]
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Open,
    Over,
}

/// What the agent said about the thread.
#[derive(Clone, Debug, PartialEq)]
struct Thread {
    id: String,
    model: Option<String>,
}

/// One agent session, seen from the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    options: Options,
    phase: Phase,
    /// The agent's `userAgent`.
    agent: Option<String>,
    thread: Option<Thread>,
    /// Requests of ours without an answer.
    sent: BTreeSet<u64>,
    /// Turns asked for so far.
    turns: u32,
    turn: Option<Turn>,
    /// Ids of turns that are over: what still comes of them is not of the running one.
    ended: VecDeque<String>,
    /// The newest turn that the agent took up.
    last_turn_id: Option<String>,
    /// Requests of the agent without an answer, in the order in which they came.
    asked: Vec<Asked>,
    /// Paths of file changes by item, for the question that may follow.
    changes: BTreeMap<String, Vec<String>>,
    /// The turn whose silence timer runs.
    silence: Option<u32>,
    meter: Meter,
    /// Set while the total of a resumed thread is not known yet.
    base_unknown: bool,
    limits: Limits,
}

impl Client {
    /// A client that has not said anything yet.
    pub fn new(options: Options) -> Self {
        let resume = options.resume.as_ref();
        let base = resume.and_then(|resume| Some((resume.thread_id.as_str(), resume.usage?)));
        Self {
            phase: Phase::Starting,
            agent: None,
            thread: None,
            sent: BTreeSet::new(),
            turns: 0,
            turn: None,
            ended: VecDeque::new(),
            last_turn_id: None,
            asked: Vec::new(),
            changes: BTreeMap::new(),
            silence: None,
            meter: base.map(|(thread, usage)| Meter::with_base(thread, usage)).unwrap_or_default(),
            base_unknown: resume.is_some_and(|resume| resume.usage.is_none()),
            limits: Limits::default(),
            options,
        }
    }

    /// Opens the conversation. Call once, before anything else.
    pub fn start(&mut self) -> Vec<Output> {
        let mut out = Vec::new();
        if Path::new(&self.options.cwd).is_absolute() {
            let params = wire::initialize(&self.options);
            self.call(Call::Initialize, &params, &mut out);
        } else {
            let message = format!("workspace path {:?} is not absolute", self.options.cwd);
            self.startup_failed(ErrorCategory::InvalidWorkspaceCwd, message, &mut out);
        }
        out
    }

    /// Takes one line of the agent's stdout.
    pub fn received(&mut self, line: &Line) -> Vec<Output> {
        let mut out = Vec::new();
        match line {
            Line::Data(bytes) if bytes.is_empty() => {}
            Line::Data(bytes) => self.message(Message::parse(bytes), &mut out),
            Line::TooLong { len, head } => {
                let reason = "line over the cap".to_owned();
                out.push(malformed(reason, *len, head));
            }
        }
        self.watch_silence(true, &mut out);
        out
    }

    fn message(&mut self, message: Message, out: &mut Vec<Output>) {
        match message {
            Message::Request { id, method, params } => {
                self.request(id, method, params.value(), out);
            }
            Message::Notification { method, params } => self.notified(method, &params, out),
            Message::Response { id, result } => self.reply(&id, Ok(result.value()), out),
            Message::ErrorResponse { id: Some(id), error } => self.reply(&id, Err(error), out),
            Message::ErrorResponse { id: None, error } => {
                out.push(Output::Event(Event::OtherMessage { raw: error.to_string() }));
            }
            Message::Unknown(raw) => {
                let raw = String::from_utf8_lossy(&raw).into_owned();
                out.push(Output::Event(Event::OtherMessage { raw }));
            }
            Message::Malformed { raw, reason } => {
                out.push(malformed(reason, raw.len() as u64, &raw));
            }
        }
    }

    /// A timer ran out. One that is no longer due is ignored.
    pub fn timer(&mut self, id: &TimerId) -> Vec<Output> {
        let mut out = Vec::new();
        match id {
            TimerId::Response(id) => self.unanswered(*id, &mut out),
            TimerId::Silence(turn) if self.silence == Some(*turn) => {
                let limit = self.options.turn_timeout_ms;
                let message = format!("the agent said nothing for {limit} ms");
                self.turn_broken(ErrorCategory::TurnTimeout, message, &mut out);
            }
            TimerId::Silence(_) => {}
            TimerId::Tool(key) => self.tool_timed_out(key, &mut out),
        }
        self.watch_silence(false, &mut out);
        out
    }

    /// The agent's process ended, and all its lines were taken.
    pub fn exited(&mut self, exit: Exit) -> Vec<Output> {
        let mut out = Vec::new();
        let message = format!("the agent ended with {exit}");
        if self.phase == Phase::Starting {
            let category = match exit.code {
                // What a shell says of a command that it does not find.
                Some(127) => ErrorCategory::CodexNotFound,
                _ => ErrorCategory::PortExit,
            };
            self.startup_failed(category, message, &mut out);
        } else if self.turn.is_some() {
            self.turn_broken(ErrorCategory::PortExit, message, &mut out);
        }
        self.close(&mut out);
        out.push(Output::Event(Event::Exited(exit)));
        out
    }

    /// Sends a request and waits for its answer.
    fn call(&mut self, call: Call, params: &Value, out: &mut Vec<Output>) {
        let method = call.method(&self.options);
        out.push(Output::Send(jsonrpc::request_line(&call.id().into(), method, params)));
        self.note_call(call, out);
    }

    /// What a request of ours changes here, when it is sent and when it is replayed.
    fn note_call(&mut self, call: Call, out: &mut Vec<Output>) {
        self.sent.insert(call.id());
        let after_ms = self.options.read_timeout_ms;
        out.push(Output::SetTimer { id: TimerId::Response(call.id()), after_ms });
        self.note_turn_call(call, out);
    }

    fn startup_failed(&mut self, category: ErrorCategory, message: String, out: &mut Vec<Output>) {
        out.push(Output::Event(Event::StartupFailed { category, message }));
        self.close(out);
    }

    /// Ends the session: nothing waits any more, and nothing will be started.
    fn close(&mut self, out: &mut Vec<Output>) {
        self.phase = Phase::Over;
        for id in std::mem::take(&mut self.sent) {
            out.push(Output::ClearTimer { id: TimerId::Response(id) });
        }
        self.drop_asked(out);
        self.watch_silence(false, out);
    }

    /// Sets or clears the silence timer. It runs during a turn, except while the agent waits for
    /// us, and starts anew with each line of the agent (Symphony §10.6).
    fn watch_silence(&mut self, heard: bool, out: &mut Vec<Output>) {
        let waits = self.asked.is_empty() && self.options.turn_timeout_ms > 0;
        let wanted = self.turn.as_ref().filter(|_| waits).map(|turn| turn.number);
        if let Some(old) = self.silence.filter(|old| wanted != Some(*old)) {
            out.push(Output::ClearTimer { id: TimerId::Silence(old) });
        }
        if let Some(turn) = wanted.filter(|turn| heard || self.silence != Some(*turn)) {
            let after_ms = self.options.turn_timeout_ms;
            out.push(Output::SetTimer { id: TimerId::Silence(turn), after_ms });
        }
        self.silence = wanted;
    }

    /// The options that the client was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The thread, once the session has started.
    pub fn thread_id(&self) -> Option<&str> {
        self.thread.as_ref().map(|thread| thread.id.as_str())
    }

    /// Number of the running turn, if one runs.
    pub fn running_turn(&self) -> Option<u32> {
        self.turn.as_ref().map(|turn| turn.number)
    }

    /// `"<thread_id>-<turn_id>"` of the newest turn that the agent took up (Symphony §10.2).
    pub fn session_id(&self) -> Option<String> {
        Some(format!("{}-{}", self.thread_id()?, self.last_turn_id.as_ref()?))
    }

    /// How many turns were asked for so far.
    pub fn turns(&self) -> u32 {
        self.turns
    }

    /// True while a turn runs or may be started.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// True once no turn runs and none can be started.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Tokens that this session added so far, over all its threads.
    pub fn usage(&self) -> Usage {
        self.meter.sum()
    }

    /// The latest rate limits, merged; `None` before the first report.
    pub fn rate_limits(&self) -> Option<&Value> {
        self.limits.latest()
    }

    /// The model, as the agent last reported it.
    pub fn model(&self) -> Option<&str> {
        self.thread.as_ref()?.model.as_deref()
    }

    /// Questions and approvals that wait for a person, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = &InputRequired> {
        self.asked.iter().filter_map(Asked::input)
    }
}

fn malformed(reason: String, len: u64, bytes: &[u8]) -> Output {
    let head = &bytes[..bytes.len().min(crate::lines::HEAD_LEN)];
    let head = String::from_utf8_lossy(head).into_owned();
    Output::Event(Event::Malformed { reason, len, head })
}

#[cfg(test)]
mod tests;
