//! Attempts: one task for each, which prepares the workspace, talks to the agent through its
//! supervisor and reports to the dispatch machine. It decides nothing.

mod attempt;
mod converse;
mod evidence;
mod git;
mod live;
mod prepare;
mod record;
mod timers;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use attempt::Begin;
use canon_exec::sandbox::HelperCommand;
use canon_runtime::task::{self, TaskSpec};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use live::{Live, LiveCell, Phase, TailEntry};
pub use prepare::{quoted, remove_workspace};
pub use record::Origin;
pub use verify::Verification;

use crate::dispatch::{AttemptOutcome, Event, Failure, StopReason, Usage};
use crate::issue::Issue;
use crate::settings::Settings;
use crate::supervisor::{Launch, SessionDir, end_for_certain};

/// What all attempts of a daemon share.
#[derive(Debug)]
pub struct Host {
    /// How supervisors are started.
    pub launch: Launch,
    /// Shell command that runs Canon's own agent behind the app-server protocol.
    pub canon_agent: String,
    /// Model that overrides the workflow's, for Canon's own agent: `[provider/]model`.
    pub model: Option<String>,
    /// Where the sessions' directories lie.
    pub sessions: PathBuf,
    /// Grows with each start of the daemon.
    pub epoch: u64,
    /// Paths that no sandboxed command may read: the daemon's own state.
    pub masked: Vec<PathBuf>,
    /// How this program is started as the helper of a sandbox.
    pub sandbox_helper: Option<HelperCommand>,
    /// How long a session may go on without a daemon, milliseconds.
    pub orphan_grace_ms: u64,
}

/// What an attempt is told.
#[derive(Debug, Clone)]
pub enum Command {
    /// Start turn `turn_no` in the same thread, with continuation guidance.
    NextTurn {
        /// From 2.
        turn_no: u32,
        /// As just read.
        issue: Box<Issue>,
    },
    /// End the session in an orderly way; failed if there is a failure.
    End {
        /// Why the attempt counts as failed.
        failure: Option<crate::dispatch::Failure>,
    },
    /// An operator's answer.
    Answer {
        /// Names the question.
        request: String,
        /// As given.
        answer: Value,
    },
}

struct Handle {
    issue_id: String,
    commands: mpsc::UnboundedSender<Command>,
    stop: CancellationToken,
    stop_reason: Arc<OnceLock<StopReason>>,
    detach: CancellationToken,
    live: LiveCell,
}

/// The end of an attempt whose task did not come to its own: claim and slot must not stay with it.
fn broken_off(attempt_id: String) -> Event {
    let error = "the attempt broke off on a defect of canon; see the log".to_owned();
    Event::AttemptEnded {
        attempt_id,
        outcome: AttemptOutcome::Failed {
            failure: Failure { category: "internal".to_owned(), error },
        },
        usage: Usage::default(),
        ran_ms: 0,
        evidence: Value::Null,
    }
}

/// A session that lives but whose record cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the record of attempt {attempt_id} cannot be read: {source}")]
pub struct ResumeError {
    attempt_id: String,
    source: std::io::Error,
}

/// The attempts of this daemon.
pub struct Attempts {
    host: Arc<Host>,
    events: mpsc::Sender<Event>,
    running: BTreeMap<String, Handle>,
}

impl Attempts {
    /// None yet; what they report goes to `events`.
    pub fn new(host: Arc<Host>, events: mpsc::Sender<Event>) -> Self {
        Self { host, events, running: BTreeMap::new() }
    }

    /// Where the sessions' directories lie.
    pub fn sessions(&self) -> &Path {
        &self.host.sessions
    }

    /// The session directory of an attempt.
    pub fn dir(&self, attempt_id: &str) -> SessionDir {
        SessionDir::new(&self.host.sessions, attempt_id)
    }

    /// Starts an attempt that never ran. A second start of the same attempt does nothing.
    pub fn start(&mut self, settings: Arc<Settings>, origin: Origin) {
        self.spawn(settings, origin, Begin::Fresh);
    }

    /// Takes up an attempt whose supervisor lives.
    pub fn resume(&mut self, settings: Arc<Settings>, attempt_id: &str) -> Result<(), ResumeError> {
        let record = self.record(attempt_id)?;
        self.spawn(settings, record.origin.clone(), Begin::TakeUp(record));
        Ok(())
    }

    /// Finishes an attempt whose session is over: verification, `after_run`, evidence, report.
    pub fn conclude(
        &mut self,
        settings: Arc<Settings>,
        attempt_id: &str,
    ) -> Result<(), ResumeError> {
        let record = self.record(attempt_id)?;
        self.spawn(settings, record.origin.clone(), Begin::Conclude(record));
        Ok(())
    }

    fn record(&self, attempt_id: &str) -> Result<Box<record::AttemptRecord>, ResumeError> {
        record::AttemptRecord::load(&self.dir(attempt_id))
            .map(Box::new)
            .map_err(|source| ResumeError { attempt_id: attempt_id.to_owned(), source })
    }

    /// The daemon's epoch.
    pub fn epoch(&self) -> u64 {
        self.host.epoch
    }

    fn spawn(&mut self, settings: Arc<Settings>, origin: Origin, begin: Begin) {
        let attempt_id = origin.attempt_id.clone();
        if self.running.contains_key(&attempt_id) {
            return;
        }
        let (commands, inbox) = mpsc::unbounded_channel();
        let handle = Handle {
            issue_id: origin.issue.id.clone(),
            commands,
            stop: CancellationToken::new(),
            stop_reason: Arc::default(),
            detach: CancellationToken::new(),
            live: LiveCell::new(),
        };
        let attempt = attempt::Attempt {
            host: self.host.clone(),
            settings,
            dir: self.dir(&attempt_id),
            origin,
            inbox,
            events: self.events.clone(),
            stop: handle.stop.clone(),
            stop_reason: handle.stop_reason.clone(),
            detach: handle.detach.clone(),
            live: handle.live.clone(),
            open: false,
        };
        let (host, dir, events) = (self.host.clone(), self.dir(&attempt_id), self.events.clone());
        self.running.insert(attempt_id.clone(), handle);
        let working = task::spawn(TaskSpec::new("attempt").signalled(), attempt.run(begin));
        task::spawn(TaskSpec::new("attempt watch").signalled(), async move {
            if working.await.is_err() {
                end_for_certain(&dir, &attempt_id, host.epoch).await;
                let _ = events.send(broken_off(attempt_id)).await;
            }
        });
    }

    /// Tells an attempt something; one that is over hears nothing.
    pub fn tell(&self, attempt_id: &str, command: Command) {
        if let Some(handle) = self.running.get(attempt_id) {
            let _ = handle.commands.send(command);
        }
    }

    /// Interrupts an attempt, whatever it does. False if it is not one of ours.
    pub fn stop(&self, attempt_id: &str, reason: StopReason) -> bool {
        let Some(handle) = self.running.get(attempt_id) else { return false };
        let _ = handle.stop_reason.set(reason);
        handle.stop.cancel();
        true
    }

    /// Forgets an attempt that has reported its end.
    pub fn forget(&mut self, attempt_id: &str) -> Option<LiveCell> {
        self.running.remove(attempt_id).map(|handle| handle.live)
    }

    /// Leaves every session to its supervisor.
    pub fn detach(&mut self) {
        for handle in self.running.values() {
            handle.detach.cancel();
        }
        self.running.clear();
    }

    /// Milliseconds of silence by attempt, for the stall check.
    pub fn silence(&self) -> BTreeMap<String, u64> {
        self.running.iter().map(|(id, handle)| (id.clone(), handle.live.silence_ms())).collect()
    }

    /// The cells to look at, by issue id.
    pub fn live(&self) -> BTreeMap<String, LiveCell> {
        self.running.values().map(|handle| (handle.issue_id.clone(), handle.live.clone())).collect()
    }
}
