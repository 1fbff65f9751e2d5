//! A client rebuilt from the journal of its session.
//!
//! Every line of the agent goes through the same code as it did live. What that code wants to
//! send is owed until the journal shows it as sent; what the journal shows as sent and nobody
//! owed came from the host (a turn, an answer, an interrupt) and is noted.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::wire::Call;
use super::{Client, Event, Options, Output, RequestEnd, RequestKey, TimerId};
use crate::jsonrpc::{Id, Message};
use crate::lines::Line;

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
    /// What is to be done now: lines that were decided on but never written; where the session
    /// stands, as the newest event of its life, which the host may or may not have seen before it
    /// went ([`Event::SessionStarted`] leaves it to start a turn, [`Event::TurnEnded`] to go on);
    /// tool calls and questions that still wait; and the timers that run, from the beginning.
    pub outputs: Vec<Output>,
}

/// What makes two lines the same message, whatever else is in them.
#[derive(Debug, PartialEq)]
enum Identity {
    Request(Id),
    Answer(Id),
    Notification(String),
}

impl Identity {
    fn of(message: &Message) -> Option<Identity> {
        match message {
            Message::Request { id, .. } => Some(Identity::Request(id.clone())),
            Message::Response { id, .. } | Message::ErrorResponse { id: Some(id), .. } => {
                Some(Identity::Answer(id.clone()))
            }
            Message::Notification { method, .. } => Some(Identity::Notification(method.clone())),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Past {
    events: Vec<Event>,
    owed: Vec<(Option<Identity>, Vec<u8>)>,
    timers: BTreeMap<TimerId, u64>,
}

impl Past {
    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(line) => {
                    let message = Message::parse(&Bytes::copy_from_slice(&line));
                    self.owed.push((Identity::of(&message), line));
                }
                Output::Event(event) => self.events.push(event),
                Output::SetTimer { id, after_ms } => {
                    self.timers.insert(id, after_ms);
                }
                Output::ClearTimer { id } => {
                    self.timers.remove(&id);
                }
            }
        }
    }

    /// Strikes an owed message off; false when none such is owed.
    fn paid(&mut self, message: &Message) -> bool {
        let identity = Identity::of(message);
        let at = self.owed.iter().position(|(owed, _)| *owed == identity);
        at.map(|at| self.owed.remove(at)).is_some()
    }
}

/// True for the events that say where a session stands.
fn is_standing(event: &Event) -> bool {
    matches!(
        event,
        Event::SessionStarted { .. }
            | Event::StartupFailed { .. }
            | Event::TurnRequested { .. }
            | Event::TurnStarted { .. }
            | Event::TurnEnded(_)
    )
}

/// Told again, unless the host caused it itself.
fn told(event: &Event) -> Option<Output> {
    let own = matches!(event, Event::TurnRequested { .. });
    (!own).then(|| Output::Event(event.clone()))
}

impl Client {
    /// Rebuilds a client from the journal of its session: the lines of both directions in the
    /// order in which they were recorded. An empty journal gives what [`Client::new`] and
    /// [`Client::start`] give. Nothing that the journal shows as sent is sent again.
    ///
    /// Timers leave no trace in a journal: a limit that had run out counts anew.
    pub fn replay(
        options: Options,
        journal: impl IntoIterator<Item = (Direction, Line)>,
    ) -> Replayed {
        let mut client = Client::new(options);
        let mut past = Past::default();
        past.take(client.start());
        for (direction, line) in journal {
            match (direction, &line) {
                (Direction::FromAgent, line) => past.take(client.received(line)),
                (Direction::ToAgent, Line::Data(bytes)) => {
                    let message = Message::parse(bytes);
                    if !past.paid(&message) {
                        past.take(client.sent(&message));
                    }
                }
                (Direction::ToAgent, Line::TooLong { .. }) => {}
            }
        }
        let mut outputs: Vec<Output> =
            past.owed.into_iter().map(|(_, line)| Output::Send(line)).collect();
        outputs.extend(past.events.iter().rev().find(|event| is_standing(event)).and_then(told));
        outputs.extend(client.asked.iter().map(|asked| Output::Event(asked.event())));
        let timers = past.timers.into_iter();
        outputs.extend(timers.map(|(id, after_ms)| Output::SetTimer { id, after_ms }));
        Replayed { client, events: past.events, outputs }
    }

    /// Notes a message that the host had decided to send.
    pub(super) fn sent(&mut self, message: &Message) -> Vec<Output> {
        let mut out = Vec::new();
        match message {
            Message::Request { id: Id::Number(id), .. } if !self.is_over() => {
                let call = id.as_u64().and_then(Call::of_id);
                if let Some(call @ (Call::Turn(_) | Call::Interrupt(..) | Call::Steer(..))) = call {
                    self.note_call(call, &mut out);
                }
            }
            Message::Response { id, .. } | Message::ErrorResponse { id: Some(id), .. } => {
                self.close_request(&RequestKey::of(id), RequestEnd::Answered, &mut out);
            }
            _ => {}
        }
        self.watch_silence(false, &mut out);
        out
    }
}
