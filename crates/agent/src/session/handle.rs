//! How a host talks to a running session.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::driver::Command;
use super::event::Event;
use super::input::Input;
use super::options::SessionError;
use super::state::ModelSettings;
use super::turn::Turn;
use crate::events::{SessionEvent, SessionState};
use crate::pricing::Pricing;
use crate::profiles::context_window;
use crate::tools::{Registered, Tool};

/// The session is over: nothing can be submitted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is closed")]
pub struct SessionClosed;

/// Talks to a session from any task. Calls return at once; what they cause shows in the events.
#[derive(Clone)]
pub struct SessionHandle {
    pub(super) id: Arc<str>,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) state: watch::Receiver<SessionState>,
    pub(super) pricing: Arc<dyn Pricing>,
    pub(super) has_cost_budget: bool,
}

impl SessionHandle {
    /// The session's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the session stands.
    pub fn state(&self) -> SessionState {
        *self.state.borrow()
    }

    /// Gives an input. While another is being worked on, it waits behind it.
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub fn submit(&self, input: impl Into<Input>) -> Result<(), SessionClosed> {
        self.event(Event::Submit { input: input.into() })
    }

    /// Gives an input for when the current one is dealt with, at once if there is none
    /// (loop spec §2.6).
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub fn follow_up(&self, input: impl Into<Input>) -> Result<(), SessionClosed> {
        self.submit(input)
    }

    /// Puts a message into the conversation after the current round of tool calls, or, when the
    /// session is idle, behind the next input (loop spec §2.6).
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub fn steer(&self, input: impl Into<Input>) -> Result<(), SessionClosed> {
        self.event(Event::Steer { input: input.into() })
    }

    /// Gives the current input up: its model call is dropped, its processes are killed, and the
    /// session goes on with the next input, or idles. The conversation keeps what had happened.
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub fn interrupt(&self) -> Result<(), SessionClosed> {
        self.event(Event::Interrupt)
    }

    /// Ends the session now: its model call is dropped, its processes are killed.
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub fn abort(&self) -> Result<(), SessionClosed> {
        self.event(Event::Abort)
    }

    /// Ends the session when everything that was submitted is dealt with.
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub fn close(&self) -> Result<(), SessionClosed> {
        self.event(Event::Close)
    }

    /// From the next model call on; `None` for the provider's default (loop spec §2.7).
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub fn set_reasoning_effort(&self, effort: Option<String>) -> Result<(), SessionClosed> {
        self.event(Event::SetReasoningEffort(effort))
    }

    /// Another model from the next call on, with the tools and the prompt that the session has.
    ///
    /// # Errors
    /// [`SessionError::NoPrice`] when the session has a money budget and the model no price.
    pub fn set_model(&self, provider: &str, model: &str) -> Result<(), SessionError> {
        let price = self.pricing.price(provider, model);
        if self.has_cost_budget && price.is_none() {
            return Err(SessionError::NoPrice {
                provider: provider.to_owned(),
                model: model.to_owned(),
            });
        }
        self.event(Event::SetModel(ModelSettings {
            provider: provider.to_owned(),
            model: model.to_owned(),
            context_window: context_window(provider, model),
            price,
        }))?;
        Ok(())
    }

    /// One more tool from the next model call on; it takes the place of one of the same name.
    ///
    /// # Errors
    /// [`SessionError::Tool`] when no model could be offered it.
    pub fn add_tool(&self, tool: Arc<dyn Tool>) -> Result<(), SessionError> {
        let registered = Arc::new(Registered::new(tool)?);
        self.send(Command::AddTool(registered))?;
        Ok(())
    }

    /// The conversation so far; also after the session is closed, as long as there is a handle.
    ///
    /// # Errors
    /// [`SessionClosed`] when the session's task is gone.
    pub async fn history(&self) -> Result<Vec<Turn>, SessionClosed> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::History(reply)).map_err(|_| SessionClosed)?;
        answer.await.map_err(|_| SessionClosed)
    }

    fn event(&self, event: Event) -> Result<(), SessionClosed> {
        self.send(Command::Event(event))
    }

    fn send(&self, command: Command) -> Result<(), SessionClosed> {
        if self.state() == SessionState::Closed {
            return Err(SessionClosed);
        }
        self.commands.send(command).map_err(|_| SessionClosed)
    }
}

impl std::fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionHandle").field("id", &self.id).field("state", &self.state()).finish()
    }
}

/// A session's events, in order, none ever lost.
///
/// When some thousand of them wait to be read, the session stops taking in what models and tools
/// produce, and so do they in turn, until the reader catches up; commands of the host, `abort`
/// first of all, are still taken. A host that wants no events drops the receiver.
#[derive(Debug)]
pub struct EventReceiver(pub(super) mpsc::Receiver<SessionEvent>);

impl EventReceiver {
    /// The next event; `None` after the session's last one. May be dropped and called again.
    pub async fn recv(&mut self) -> Option<SessionEvent> {
        self.0.recv().await
    }
}
