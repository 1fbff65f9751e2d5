//! Events on their way to a host that may be slow: see [`crate::EventReceiver`].

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::events::SessionEvent;

/// Events in the channel itself.
const CHANNEL: usize = 64;

/// Waiting events from which on no more is taken in from models and tools.
const FULL: usize = 4096;

pub(super) struct Outbox {
    waiting: VecDeque<SessionEvent>,
    /// `None` when the host wants no events.
    sender: Option<mpsc::Sender<SessionEvent>>,
}

impl Outbox {
    pub(super) fn new() -> (Self, mpsc::Receiver<SessionEvent>) {
        let (sender, receiver) = mpsc::channel(CHANNEL);
        (Self { waiting: VecDeque::new(), sender: Some(sender) }, receiver)
    }

    pub(super) fn push(&mut self, event: SessionEvent) {
        if self.sender.is_some() {
            self.waiting.push_back(event);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= FULL
    }

    /// Nothing follows what was handed over.
    pub(super) fn close(&mut self) {
        self.sender = None;
    }

    /// Hands over as much as there is room for, at least one event; may be dropped at any time.
    pub(super) async fn deliver(&mut self) {
        let Some(sender) = &self.sender else {
            self.waiting.clear();
            return;
        };
        let listening = match sender.reserve().await {
            Ok(permit) => {
                if let Some(event) = self.waiting.pop_front() {
                    permit.send(event);
                }
                while let Ok(permit) = sender.try_reserve() {
                    let Some(event) = self.waiting.pop_front() else { break };
                    permit.send(event);
                }
                true
            }
            Err(_) => false,
        };
        if !listening {
            self.sender = None;
            self.waiting.clear();
        }
    }
}
