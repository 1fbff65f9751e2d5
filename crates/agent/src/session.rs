//! A session: one conversation with a model that has tools (loop spec §2).

mod call_ids;
mod driver;
mod effect;
mod event;
mod handle;
mod input;
mod journal;
mod loops;
mod options;
mod state;
mod turn;

use std::pin::Pin;
use std::task::{Context, Poll};

use canon_llm::Usage;
use futures_util::Stream;

use crate::events::{EventData, Outcome, SessionEvent, Status};

pub(crate) use driver::begin;
pub(crate) use event::Event;
pub use handle::{EventReceiver, SessionClosed, SessionHandle};
pub use input::Input;
pub use journal::{Journal, JournalError};
pub use options::{SessionError, SessionOptions};
pub use turn::{AssistantTurn, ToolResultEntry, Turn};

/// A session and its events. Dropping it, and all handles, aborts it.
#[derive(Debug)]
pub struct Session {
    handle: SessionHandle,
    events: EventReceiver,
}

impl Session {
    /// Begins a session; must be called within a Tokio runtime. The environment belongs to the
    /// host, which initialises it before and cleans it up after.
    ///
    /// # Errors
    /// A tool that no model could be offered, or a money budget without a price to count with.
    pub fn new(options: SessionOptions) -> Result<Self, SessionError> {
        let (handle, events) = driver::start(options)?;
        Ok(Self { handle, events })
    }

    /// A handle for other tasks.
    pub fn handle(&self) -> SessionHandle {
        self.handle.clone()
    }

    /// The handle and the events apart, for a host that reads events in a task of its own.
    pub fn split(self) -> (SessionHandle, EventReceiver) {
        (self.handle, self.events)
    }

    /// The next event; `None` after [`EventData::SessionEnd`].
    pub async fn next_event(&mut self) -> Option<SessionEvent> {
        self.events.recv().await
    }

    /// Submits `input` and handles events until everything that was submitted is dealt with, or
    /// the session is closed. All earlier inputs must have been dealt with.
    ///
    /// # Errors
    /// [`SessionClosed`] when nothing can be submitted any more.
    pub async fn run_to_idle(
        &mut self,
        input: impl Into<Input>,
        mut on_event: impl FnMut(&SessionEvent),
    ) -> Result<Outcome, SessionClosed> {
        self.handle.submit(input)?;
        while let Some(event) = self.events.recv().await {
            on_event(&event);
            match event.data {
                EventData::ProcessingEnd { outcome, .. }
                | EventData::SessionEnd { outcome, .. } => {
                    return Ok(outcome);
                }
                _ => {}
            }
        }
        // Only a driver that panicked ends without a last event.
        Ok(Outcome {
            status: Status::Failed {
                code: "internal".to_owned(),
                message: "the session's task ended without a result; see the log".to_owned(),
            },
            text: String::new(),
            usage: Usage::default(),
            cost_usd: None,
            turns: 0,
            tool_calls: 0,
            earlier: None,
        })
    }
}

/// What a handle can do, a session can.
impl std::ops::Deref for Session {
    type Target = SessionHandle;

    fn deref(&self) -> &SessionHandle {
        &self.handle
    }
}

/// The session's events; [`Session::next_event`] as a stream.
impl Stream for Session {
    type Item = SessionEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SessionEvent>> {
        Pin::new(&mut self.events).poll_next(cx)
    }
}
