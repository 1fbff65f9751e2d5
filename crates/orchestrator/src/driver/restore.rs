//! Rebuilding the machine from the ledger, and finding out which sessions outlived the daemon.

use std::collections::BTreeSet;

use canon_exec::group::{self, Signal};
use canon_ledger::{Ledger, ReadError, ReplayError};
use canon_runtime::id;
use canon_runtime::task::{self, TaskSpec};

use super::{Driver, EVENT_VERSION, STATE_VERSION, STREAM};
use crate::dispatch::{Event, Machine};
use crate::sessions::Attempts;
use crate::supervisor::{SessionDir, SessionState, end_for_certain, kill_leftovers};
use crate::workspace::workspace_key;

/// The variable by which every process of a hook knows its workspace (ruling 9).
const HOOK_WORKSPACE: &str = "CANON_WORKSPACE";

/// Why a ledger cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record was written by a newer version.
    #[error(
        "record {seq} ({kind}) has version {version}; this canon knows versions up to {EVENT_VERSION}: use a newer one"
    )]
    Newer {
        /// Number in the stream.
        seq: u64,
        /// Kind of the record.
        kind: String,
        /// Its version.
        version: u32,
    },
    /// A record is not what its kind says.
    #[error("record {seq} ({kind}) cannot be read: {source}")]
    Record {
        /// Number in the stream.
        seq: u64,
        /// Kind of the record.
        kind: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// The machine as the ledger has it.
pub(super) fn machine(ledger: &Ledger) -> Result<Machine, RestoreError> {
    let mut machine = Machine::new();
    let mut upto = 0;
    if let Some(snapshot) = ledger.latest_snapshot(STREAM)?
        && snapshot.version == STATE_VERSION
        // A snapshot that cannot be read only costs the time of a whole replay.
        && let Ok(state) = snapshot.json()
    {
        machine = Machine::restore(state);
        upto = snapshot.upto_seq;
    }
    let replayed = ledger.replay_after(STREAM, upto, machine, replay);
    replayed.map_err(|error| match error {
        ReplayError::Read(error) => error.into(),
        ReplayError::Fold { source, .. } => source,
    })
}

fn replay(mut machine: Machine, record: &canon_ledger::Record) -> Result<Machine, RestoreError> {
    let (seq, kind) = (record.seq, record.kind.clone());
    if record.version > EVENT_VERSION {
        return Err(RestoreError::Newer { seq, kind, version: record.version });
    }
    let event: Event =
        record.json().map_err(|source| RestoreError::Record { seq, kind, source })?;
    machine.apply(event, record.at_ms);
    Ok(machine)
}

impl Driver {
    /// The event that begins this daemon's part of the ledger. Sessions that live are taken up.
    pub(super) async fn first_event(&mut self) -> Event {
        let config = self.settings.dispatch();
        if self.machine.is_new() {
            return Event::Started { instance: id::new("w"), config };
        }
        let mut alive = BTreeSet::new();
        let live: Vec<(String, String)> = self
            .machine
            .live_attempts()
            .map(|(attempt_id, issue)| (attempt_id.to_owned(), issue.identifier.clone()))
            .collect();
        for (attempt_id, identifier) in live {
            let dir = self.attempts.dir(&attempt_id);
            match dir.settle() {
                Ok(SessionState::Alive) => match self.resume(&attempt_id) {
                    Ok(()) => {
                        alive.insert(attempt_id);
                    }
                    Err(error) => {
                        tracing::error!(attempt_id, reason = %error, outcome = "failed", "session resume");
                        // Nobody can speak to it, and the issue will be tried again: not beside it.
                        end_for_certain(&dir, &attempt_id, self.attempts.epoch()).await;
                    }
                },
                Ok(SessionState::Dead { .. }) => {
                    kill_leftovers(&attempt_id);
                    self.end_hooks(&identifier);
                    // One that had come as far as its agent still has an end to be made of it.
                    let settings = self.settings.clone();
                    if self.attempts.conclude(settings, &attempt_id).is_ok() {
                        alive.insert(attempt_id);
                    }
                }
                Err(error) => {
                    tracing::error!(attempt_id, reason = %error, outcome = "failed", "session check");
                    end_for_certain(&dir, &attempt_id, self.attempts.epoch()).await;
                }
            }
        }
        Event::Restarted { config, alive }
    }

    /// Ends what is left of the hooks that the last daemon ran in an issue's workspace. The kernel
    /// ended their shells with that daemon, but not what those had started.
    fn end_hooks(&self, identifier: &str) {
        let root = &self.settings.config.workspace.root;
        let root = root.canonicalize().unwrap_or_else(|_| root.clone());
        let workspace = root.join(workspace_key(identifier));
        for pid in group::processes_with_env(HOOK_WORKSPACE, &workspace.to_string_lossy()) {
            tracing::warn!(identifier, pid, outcome = "killed", "leftover of a hook");
            let _ = group::kill_process(pid, Signal::Kill);
        }
    }
}

/// Ends sessions that live but belong to no live attempt, and removes the directories of those that
/// the machine no longer remembers.
pub(super) fn tidy(attempts: &Attempts, machine: &Machine) {
    let Ok(entries) = std::fs::read_dir(attempts.sessions()) else { return };
    let live: BTreeSet<&str> = machine.live_attempts().map(|(attempt_id, _)| attempt_id).collect();
    for entry in entries.flatten() {
        let Ok(attempt_id) = entry.file_name().into_string() else { continue };
        if live.contains(attempt_id.as_str()) {
            continue;
        }
        let dir = attempts.dir(&attempt_id);
        match dir.settle() {
            Ok(SessionState::Alive) => stop_orphan(dir, attempt_id, attempts.epoch()),
            Ok(SessionState::Dead { .. }) => {
                if machine.issue_of_attempt(&attempt_id).is_none()
                    && let Err(error) = std::fs::remove_dir_all(dir.path())
                {
                    tracing::warn!(attempt_id, reason = %error, outcome = "failed", "session removal");
                }
            }
            Err(error) => {
                tracing::warn!(attempt_id, reason = %error, outcome = "failed", "session check");
            }
        }
    }
}

/// Ends a session that nobody wants any more, if it lives.
pub(super) fn stop_orphan(dir: SessionDir, attempt_id: String, epoch: u64) {
    task::spawn(TaskSpec::new("orphan stop"), async move {
        if matches!(dir.settle(), Ok(SessionState::Alive)) {
            end_for_certain(&dir, &attempt_id, epoch).await;
        }
    });
}
