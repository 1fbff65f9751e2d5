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

mod answer;
mod event;
mod item;
mod options;
mod usage;

pub use answer::{Answer, AnswerError};
pub use event::{
    ErrorCategory, Event, Exit, InputKind, InputRequired, Question, RequestEnd, RequestKey,
    ToolCall, TurnEnd, TurnOutcome,
};
pub use item::{Item, ItemKind, ItemPhase};
pub use options::{OnInputRequired, Options, Resume, SandboxMode, ToolSpec};
pub use usage::Usage;

use crate::lines::Line;

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

/// Which way a journaled line went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Written to the agent's stdin.
    ToAgent,
    /// Read from the agent's stdout.
    FromAgent,
}

/// What [`Client::replay`] found.
#[derive(Debug)]
pub struct Replayed {
    /// The client as it was when the journal ended.
    pub client: Client,
    /// Every event of the past, in order: fold them into counters, do not act on them.
    pub events: Vec<Event>,
    /// What is to be done now: lines that were decided on but never written, tool calls and
    /// questions that still wait (as events), and the timers that run.
    pub outputs: Vec<Output>,
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

/// One agent session, seen from the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    options: Options,
}

impl Client {
    /// A client that has not said anything yet.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Opens the conversation. Call once, before anything else.
    pub fn start(&mut self) -> Vec<Output> {
        Vec::new()
    }

    /// Takes one line of the agent's stdout.
    pub fn received(&mut self, line: &Line) -> Vec<Output> {
        let _ = line;
        Vec::new()
    }

    /// Starts a turn. Its end is told by one [`Event::TurnEnded`].
    pub fn turn(&mut self, prompt: &str) -> Result<Vec<Output>, Refused> {
        let _ = prompt;
        Err(Refused::NotReady)
    }

    /// Adds input to the running turn.
    pub fn steer(&mut self, text: &str) -> Result<Vec<Output>, Refused> {
        let _ = text;
        Err(Refused::NoTurn)
    }

    /// Answers a tool call, a question or an approval.
    pub fn answer(&mut self, key: &RequestKey, answer: Answer) -> Result<Vec<Output>, AnswerError> {
        let _ = answer;
        Err(AnswerError::Unknown(key.clone()))
    }

    /// Asks the agent to stop the running turn; nothing when none runs. The turn ends by
    /// [`Event::TurnEnded`] as usual.
    pub fn interrupt(&mut self) -> Vec<Output> {
        Vec::new()
    }

    /// A timer ran out. One that is no longer due is ignored.
    pub fn timer(&mut self, id: &TimerId) -> Vec<Output> {
        let _ = id;
        Vec::new()
    }

    /// The agent's process ended, and all its lines were taken.
    pub fn exited(&mut self, exit: Exit) -> Vec<Output> {
        let _ = exit;
        Vec::new()
    }

    /// Rebuilds a client from the journal of its session. An empty journal gives what
    /// [`Client::new`] and [`Client::start`] give.
    pub fn replay<'a>(
        options: Options,
        journal: impl IntoIterator<Item = (Direction, &'a Line)>,
    ) -> Replayed {
        let _ = journal.into_iter().count();
        let mut client = Client::new(options);
        let outputs = client.start();
        Replayed { client, events: Vec::new(), outputs }
    }

    /// The options that the client was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The thread, once the session has started.
    pub fn thread_id(&self) -> Option<&str> {
        None
    }

    /// Number of the running turn, if one runs.
    pub fn running_turn(&self) -> Option<u32> {
        None
    }

    /// `"<thread_id>-<turn_id>"` of the newest turn that the agent took up.
    pub fn session_id(&self) -> Option<String> {
        None
    }

    /// How many turns were asked for so far.
    pub fn turns(&self) -> u32 {
        0
    }

    /// True while a turn runs or may be started.
    pub fn is_open(&self) -> bool {
        false
    }

    /// Tokens that this session added so far.
    pub fn usage(&self) -> Usage {
        Usage::default()
    }

    /// The latest rate limits, merged; `None` before the first report.
    pub fn rate_limits(&self) -> Option<&serde_json::Value> {
        None
    }

    /// The model, as the agent last reported it.
    pub fn model(&self) -> Option<&str> {
        None
    }

    /// Questions and approvals that wait for a person, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = &InputRequired> {
        std::iter::empty()
    }
}
