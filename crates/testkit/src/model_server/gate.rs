//! Timing in the hands of the test: a stream goes on when it is told to.

use std::sync::Arc;

use tokio::sync::watch;

/// Holds the events of a gated [`Reply`](super::Reply) back. Dropping every copy lets all of them go.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<usize>>);

impl Gate {
    /// A closed gate, and the side that waits at it.
    pub(super) fn new() -> (Self, Waiter) {
        let (sender, receiver) = watch::channel(0);
        (Self(Arc::new(sender)), Waiter(receiver))
    }

    /// Lets this many events more through.
    pub fn allow(&self, events: usize) {
        self.0.send_modify(|allowed| *allowed = allowed.saturating_add(events));
    }

    /// Lets everything through.
    pub fn open(&self) {
        self.0.send_replace(usize::MAX);
    }
}

/// The server's side of a [`Gate`].
#[derive(Debug, Clone)]
pub(super) struct Waiter(watch::Receiver<usize>);

impl Waiter {
    /// Returns when event number `index` (from 0) may go.
    pub(super) async fn pass(&mut self, index: usize) {
        // An error means that nobody holds the gate any more.
        let _ = self.0.wait_for(|allowed| *allowed > index).await;
    }
}
