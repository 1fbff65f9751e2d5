//! What the session machine is told.

use canon_llm::{LlmError, Response};
use serde_json::Value;

use super::input::Input;
use super::state::ModelSettings;
use crate::config::SessionConfig;
use crate::events::SessionEvent;
use crate::tools::ToolOutput;

/// One input of the machine. Those that answer an effect carry its id: late ones are ignored.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The session begins.
    Start {
        /// For [`crate::EventData::SessionStart`].
        working_directory: String,
    },
    /// The host gives an input; behind others when something is being worked on.
    Submit {
        /// What it says.
        input: Input,
    },
    /// The host redirects the work.
    Steer {
        /// The message.
        input: Input,
    },
    /// Somebody says something: into the work, or, when there is none, as an input.
    Tell {
        /// The message.
        input: Input,
    },
    /// The host wants the current input given up, and goes on with the session.
    Interrupt,
    /// The host wants everything to end now.
    Abort,
    /// The host has nothing more to submit.
    Close,
    /// Other limits and settings, from the next decision on.
    Configure(Box<SessionConfig>),
    /// From the next model call on.
    SetModel(ModelSettings),
    /// Tools work elsewhere, from the next round on.
    EnvironmentChanged {
        /// What the model is told.
        note: String,
    },
    /// Something happened in a subagent.
    Subagent {
        /// Which.
        agent_id: String,
        /// What.
        event: Box<SessionEvent>,
    },
    /// Nothing more comes of a subagent.
    SubagentGone {
        /// Which.
        agent_id: String,
    },
    /// All subagents have ended.
    SubagentsClosed,
    /// What stands before the history is made anew; until it is measured no model is called.
    PrefixUnknown,
    /// About how many characters stand before the history: the prompt and the tools' schemas.
    PrefixMeasured {
        /// Characters.
        chars: usize,
    },
    /// Something came of a model call.
    Model {
        /// The call.
        call: u64,
        /// What.
        news: ModelNews,
    },
    /// Something came of a tool call.
    Tool {
        /// The round.
        round: u64,
        /// The place of the call in its reply.
        index: usize,
        /// What.
        news: ToolNews,
    },
    /// Nothing may run in the environment any more, for good.
    EnvironmentLost {
        /// In words.
        why: String,
    },
    /// The host's journal did not take a turn; it is not asked again.
    JournalFailed {
        /// In words.
        why: String,
    },
    /// A timer rang.
    Timer {
        /// Which.
        timer: u64,
    },
}

/// What can come of a model call.
#[derive(Debug, Clone)]
pub(crate) enum ModelNews {
    /// More text.
    Text(String),
    /// More readable reasoning.
    Reasoning(String),
    /// Some other part of a reply; the host is not told, but the reply has begun.
    Other,
    /// The whole reply.
    Replied(Box<Response>),
    /// No reply.
    Failed(LlmError),
}

/// What can come of a tool call.
#[derive(Debug, Clone)]
pub(crate) enum ToolNews {
    /// It is about to run, or will not: the host is told.
    Started {
        /// What the host is shown of its arguments.
        arguments: Value,
    },
    /// The host's review of it is over: its time counts from here.
    Reviewed,
    /// The host refused it, and wants the current input given up; its last news.
    Abort,
    /// It wrote something.
    Output(String),
    /// It is done.
    Finished(ToolOutput),
}
