//! What the rest of the program may see of the daemon and ask of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::sync::mpsc;

use super::Input;
use crate::dispatch::{Event, IssueView, Machine, Snapshot};
use crate::sessions::LiveCell;
use crate::settings::Settings;
use crate::tracker::RecordProblem;

/// The daemon's state as it was after the last batch of inputs, with live counters beside it.
#[derive(Debug)]
pub struct View {
    /// The machine's own view.
    pub snapshot: Snapshot,
    /// Live counters by issue id.
    pub live: BTreeMap<String, LiveCell>,
    /// Every issue that the machine knows more of than the tracker does, by identifier.
    pub issues: BTreeMap<String, Arc<IssueView>>,
    /// Settings in force.
    pub settings: Arc<Settings>,
    /// Why the workflow file as it stands now is not in force, if it is not.
    pub config_error: Option<String>,
    /// Records of the tracker that need a person.
    pub problems: Vec<RecordProblem>,
}

impl View {
    pub(super) fn empty(settings: &Arc<Settings>) -> Self {
        Self {
            snapshot: Machine::new().snapshot(0),
            live: BTreeMap::new(),
            issues: BTreeMap::new(),
            settings: settings.clone(),
            config_error: None,
            problems: Vec::new(),
        }
    }
}

/// Why an answer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It goes to the agent.
    Taken,
    /// The issue asks nothing.
    NotAsked,
    /// The issue asks several things; name one.
    Ambiguous,
    /// The daemon ends.
    Gone,
}

/// A handle on a running daemon; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    view: Arc<ArcSwap<View>>,
    input: mpsc::Sender<Input>,
}

impl Handle {
    pub(super) fn new(view: Arc<ArcSwap<View>>, input: mpsc::Sender<Input>) -> Self {
        Self { view, input }
    }

    /// The latest view. Never waits, whatever the daemon does.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Asks for a poll and reconciliation now (Symphony §13.7.2). False if the daemon ends or is
    /// swamped.
    pub fn refresh(&self) -> bool {
        self.send(Event::RefreshRequested)
    }

    /// No new dispatch until [`Handle::resume`].
    pub fn pause(&self) -> bool {
        self.send(Event::Paused)
    }

    /// Dispatches again.
    pub fn resume(&self) -> bool {
        self.send(Event::Resumed)
    }

    /// Stops an issue and holds it until [`Handle::retry`].
    pub fn stop(&self, issue_id: &str) -> bool {
        self.send(Event::StopRequested { issue_id: issue_id.to_owned() })
    }

    /// Has an issue that waits run as soon as there is a slot.
    pub fn retry(&self, issue_id: &str) -> bool {
        self.send(Event::RetryNow { issue_id: issue_id.to_owned() })
    }

    /// Answers a question of an issue's agent (ruling 7); without `request`, the only open one.
    pub fn answer(&self, identifier: &str, request: Option<&str>, answer: Value) -> Answered {
        let view = self.view();
        let blocked = view.issues.get(identifier).and_then(|issue| issue.blocked.as_ref());
        let Some(blocked) = blocked else { return Answered::NotAsked };
        let open: Vec<&String> = blocked
            .questions
            .iter()
            .filter(|(key, row)| {
                !row.answered && request.is_none_or(|wanted| wanted == key.as_str())
            })
            .map(|(key, _)| key)
            .collect();
        let request = match open.as_slice() {
            [] => return Answered::NotAsked,
            [only] => (*only).clone(),
            _ => return Answered::Ambiguous,
        };
        let issue_id = blocked.attempt.issue_id.clone();
        match self.send(Event::OperatorAnswered { issue_id, request, answer }) {
            true => Answered::Taken,
            false => Answered::Gone,
        }
    }

    fn send(&self, event: Event) -> bool {
        self.input.try_send(Input::Event(event)).is_ok()
    }
}
