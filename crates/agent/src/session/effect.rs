//! What the session machine wants done.

use std::time::Duration;

use canon_llm::ToolCall;

use crate::events::SessionEvent;

/// One order of the machine to its driver, to be carried out in sequence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Tell the host.
    Emit(Box<SessionEvent>),
    /// Keep a turn before any later effect; if that fails, begin nothing more.
    Record {
        /// Its place in the history.
        at: usize,
    },
    /// Ask the model, with the machine's history as it stands.
    CallModel {
        /// Id of the call.
        call: u64,
    },
    /// Drop a model call.
    CancelModel {
        /// The call.
        call: u64,
    },
    /// Run the tool calls of one reply; each must get its `Finished`.
    RunTools {
        /// Id of the round.
        round: u64,
        /// The calls, in the reply's order.
        calls: Vec<ToolCall>,
    },
    /// End the tools of a round; each still owes its `Finished`.
    CancelTools {
        /// The round.
        round: u64,
    },
    /// Drop the tools of a round that did not end when cancelled; nothing more is owed.
    DropTools {
        /// The round.
        round: u64,
    },
    /// Ring once.
    SetTimer {
        /// Id of the timer.
        timer: u64,
        /// From now.
        after: Duration,
    },
    /// Have every subagent give up what it is at.
    InterruptSubagents,
    /// End all subagents; `SubagentsClosed` follows.
    CloseSubagents,
    /// The session is closed and nothing follows.
    Stop,
}
