//! What those who watch a run are told (Attractor §9.6, ruling 27).

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::mpsc;

use crate::engine::EventKind;

/// An event: `{seq, at, run, node?, kind, data}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Counts from 1 without gaps, within one process that runs the run.
    pub seq: u64,
    /// Unix milliseconds.
    pub at: u64,
    /// The run.
    pub run: String,
    /// The node that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub what: EventKind,
}

/// Where events go. Without anybody who watches they go nowhere.
#[derive(Debug, Clone)]
pub struct Events {
    run: Arc<str>,
    /// The last number; held while sending, so that numbers come in order.
    seq: Arc<Mutex<u64>>,
    to: Option<mpsc::UnboundedSender<Event>>,
}

impl Events {
    /// Events of a run for the other end of `to`.
    pub fn new(run: &str, to: Option<mpsc::UnboundedSender<Event>>) -> Self {
        Self { run: run.into(), seq: Arc::default(), to }
    }

    /// Tells that something happened.
    pub fn emit(&self, what: EventKind) {
        let Some(to) = &self.to else { return };
        let mut seq = self.seq.lock().unwrap_or_else(PoisonError::into_inner);
        *seq += 1;
        let event = Event {
            seq: *seq,
            at: canon_runtime::clock::now_ms(),
            run: self.run.to_string(),
            node: what.node().map(str::to_owned),
            what,
        };
        // Nobody listens any more: the run goes on.
        let _ = to.send(event);
    }
}
