//! How a host talks to a running session.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use canon_exec::ExecutionEnvironment;
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot, watch};

use super::driver::Command;
use super::event::Event;
use super::input::Input;
use super::options::SessionError;
use super::turn::Turn;
use crate::config::SessionConfig;
use crate::events::{SessionEvent, SessionState};
use crate::pricing::Pricing;
use crate::profiles::Profile;
use crate::tools::{Registered, Tool, ToolRegistry};

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
    pub(super) known: Arc<Mutex<Known>>,
}

/// What the handles of a session have told it last: all changes come through them.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) config: SessionConfig,
    pub(super) provider: String,
    pub(super) model: String,
}

impl Known {
    /// Refuses a money budget that cannot be counted.
    pub(super) fn check_price(&self, pricing: &dyn Pricing) -> Result<(), SessionError> {
        let Self { config, provider, model } = self;
        if config.budget.max_cost_usd.is_some() && pricing.price(provider, model).is_none() {
            return Err(SessionError::NoPrice { provider: provider.clone(), model: model.clone() });
        }
        Ok(())
    }
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

    /// Says something: into the work, as by [`steer`](Self::steer), or, when there is none, as an
    /// input. Which of them is decided when it arrives, so it is never left behind.
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub fn tell(&self, input: impl Into<Input>) -> Result<(), SessionClosed> {
        self.event(Event::Tell { input: input.into() })
    }

    /// The limits and settings as they were last set.
    pub fn config(&self) -> SessionConfig {
        self.known().config.clone()
    }

    /// Changes limits and settings, from the next decision on (loop spec §1.2). A budget counts
    /// what the session has used up so far.
    ///
    /// # Errors
    /// [`SessionError::NoPrice`] when there is a money budget then and the model has no price.
    pub fn configure(&self, change: impl FnOnce(&mut SessionConfig)) -> Result<(), SessionError> {
        self.change(
            |known| change(&mut known.config),
            |known| Ok(Command::Configure(Box::new(known.config.clone()))),
        )
    }

    /// From the next model call on; `None` for the provider's default (loop spec §2.7).
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub fn set_reasoning_effort(&self, effort: Option<String>) -> Result<(), SessionClosed> {
        // A change that leaves model and budget alone needs no price.
        self.configure(|config| config.reasoning_effort = effort).map_err(|_| SessionClosed)
    }

    /// Another model from the next call on, with the tools and the prompt that the session has:
    /// for a model of the same family. [`set_profile`](Self::set_profile) changes all.
    ///
    /// # Errors
    /// [`SessionError::NoPrice`] when the session has a money budget and the model no price.
    pub fn set_model(&self, provider: &str, model: &str) -> Result<(), SessionError> {
        self.change(
            |known| (known.provider, known.model) = (provider.to_owned(), model.to_owned()),
            |known| {
                let (provider, model) = (known.provider.clone(), known.model.clone());
                Ok(Command::SetModel { provider, model })
            },
        )
    }

    /// Another model from the next call on, with its own tools, instructions and options; the
    /// host's own tools stay. The prompt is made anew.
    ///
    /// # Errors
    /// [`SessionError::NoPrice`] as for [`set_model`](Self::set_model), [`SessionError::Tool`] when
    /// no model could be offered one of the profile's tools.
    pub fn set_profile(&self, profile: Profile) -> Result<(), SessionError> {
        ToolRegistry::new(profile.tools.iter().cloned())?;
        self.change(
            |known| {
                (known.provider, known.model) = (profile.provider.clone(), profile.model.clone());
            },
            |_| Ok(Command::SetProfile(Box::new(profile.clone()))),
        )
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

    /// From the next model call on, a tool of this name is not offered, and a call of it is
    /// answered with an error, whoever brought it; until one is [added](Self::add_tool).
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub fn remove_tool(&self, name: impl Into<String>) -> Result<(), SessionClosed> {
        self.send(Command::RemoveTool(name.into()))
    }

    /// From the next round of tool calls on, tools work there (loop spec §1.2). The model is told
    /// by a steering message; the prompt stays as it is. The host has initialised it, and cleans
    /// both up. Subagents that are at work stay where they are.
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub fn set_environment(&self, env: Arc<dyn ExecutionEnvironment>) -> Result<(), SessionClosed> {
        self.send(Command::SetEnvironment(env))
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

    /// Changes what is known if it is sound then, and tells the session, in one order for all handles.
    fn change(
        &self,
        change: impl FnOnce(&mut Known),
        command: impl FnOnce(&Known) -> Result<Command, SessionError>,
    ) -> Result<(), SessionError> {
        let mut known = self.known();
        let mut next = known.clone();
        change(&mut next);
        next.check_price(self.pricing.as_ref())?;
        self.send(command(&next)?)?;
        *known = next;
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Stream for EventReceiver {
    type Item = SessionEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SessionEvent>> {
        self.0.poll_recv(cx)
    }
}
