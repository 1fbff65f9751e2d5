//! What those who watch a run are told (Attractor §9.6, ruling 27).

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use canon_runtime::secret::Redactor;
use serde::Serialize;
use serde_json::Value;
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
    redactor: Arc<Redactor>,
}

impl Events {
    /// Events of a run for the other end of `to`, without secrets.
    pub fn new(
        run: &str,
        to: Option<mpsc::UnboundedSender<Event>>,
        redactor: Arc<Redactor>,
    ) -> Self {
        Self { run: run.into(), seq: Arc::default(), to, redactor }
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
            what: self.clean(what),
        };
        // Nobody listens any more: the run goes on.
        let _ = to.send(event);
    }

    /// What handlers, tools and people said passes the redactor; the rest is the engine's own.
    fn clean(&self, mut what: EventKind) -> EventKind {
        let text = |text: &mut String| redact_text(&self.redactor, text);
        match &mut what {
            EventKind::StageCompleted { notes, .. } => text(notes),
            EventKind::StageFailed { error, .. } | EventKind::PipelineFailed { error, .. } => {
                text(error);
            }
            EventKind::PipelineWarning { message } => text(message),
            EventKind::InterviewStarted { question, .. }
            | EventKind::InterviewTimeout { question, .. } => text(question),
            EventKind::InterviewCompleted { question, answer, .. } => {
                text(question);
                text(answer);
            }
            EventKind::StageProgress { detail, .. } => redact_value(&self.redactor, detail),
            _ => {}
        }
        what
    }
}

/// Takes secrets out of a text.
pub(crate) fn redact_text(redactor: &Redactor, text: &mut String) {
    if let Cow::Owned(clean) = redactor.redact(text) {
        *text = clean;
    }
}

/// Takes secrets out of all texts of a value, keys included.
pub(crate) fn redact_value(redactor: &Redactor, value: &mut Value) {
    match value {
        Value::String(text) => redact_text(redactor, text),
        Value::Array(values) => values.iter_mut().for_each(|value| redact_value(redactor, value)),
        Value::Object(object) => {
            for (mut key, mut value) in std::mem::take(object) {
                redact_text(redactor, &mut key);
                redact_value(redactor, &mut value);
                object.insert(key, value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
