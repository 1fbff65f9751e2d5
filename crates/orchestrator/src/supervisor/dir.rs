//! The directory of a session: what lies in it and who may act on it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::frame::ExitStatus;

/// What a supervisor is told about its session. It never holds a secret: the environment reaches
/// the supervisor as its own environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The attempt that the session belongs to.
    pub attempt_id: String,
    /// Shell command that starts the agent (Symphony §10.1: run by `bash -lc`).
    pub command: String,
    /// The workspace, absolute: the agent's working directory.
    pub cwd: PathBuf,
    /// From TERM to KILL when the session is ended, milliseconds.
    pub grace_ms: u64,
    /// How long the agent may go on without a daemon, milliseconds.
    pub orphan_grace_ms: u64,
}

/// Why a session's directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("session directory {}: {what}: {source}", path.display())]
pub struct DirError {
    path: PathBuf,
    what: &'static str,
    source: io::Error,
}

/// Whether a session still has its supervisor.
#[derive(Debug)]
pub enum SessionState {
    /// A supervisor holds the lock.
    Alive,
    /// None does, and none ever will: the lock was taken and the session declared dead.
    Dead {
        /// How the agent ended, if its supervisor lived to say so.
        exit: Option<ExitStatus>,
    },
}

/// The directory of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDir {
    path: PathBuf,
}

impl SessionDir {
    /// The session `attempt_id` under `sessions`; nothing is touched.
    pub fn new(sessions: &Path, attempt_id: &str) -> Self {
        Self { path: sessions.join(attempt_id) }
    }

    /// The directory at `path`.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The numbered journal of lines.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The agent's standard error, capped.
    pub fn stderr(&self) -> PathBuf {
        self.path.join("stderr.log")
    }

    /// What the supervisor itself complains of.
    pub(super) fn supervisor_log(&self) -> PathBuf {
        self.path.join("supervisor.log")
    }

    /// Makes the directory, private to the user, and writes the spec.
    pub(super) fn create(&self, spec: &Spec) -> Result<(), DirError> {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(|source| self.error("cannot be made", source))?;
        let text = serde_json::to_vec(spec)
            .map_err(|source| self.error("cannot hold its spec", source.into()))?;
        fs::write(self.path.join("spec.json"), text)
            .map_err(|source| self.error("its spec cannot be written", source))
    }

    pub(super) fn spec(&self) -> Result<Spec, DirError> {
        let text = fs::read(self.path.join("spec.json"))
            .map_err(|source| self.error("its spec cannot be read", source))?;
        serde_json::from_slice(&text)
            .map_err(|source| self.error("its spec is not valid", source.into()))
    }

    /// Takes the lock for as long as the returned file lives; `None` if somebody holds it.
    pub(super) fn lock(&self) -> Result<Option<File>, DirError> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.join("lock"))
            .map_err(|source| self.error("its lock cannot be opened", source))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(source) => Err(self.error("its lock cannot be taken", source.into())),
        }
    }

    pub(super) fn is_declared_dead(&self) -> bool {
        self.path.join("dead").exists()
    }

    pub(super) fn write_exit(&self, exit: &ExitStatus) -> Result<(), DirError> {
        let text = serde_json::to_vec(exit)
            .map_err(|source| self.error("cannot hold its exit status", source.into()))?;
        fs::write(self.path.join("exit.json"), text)
            .map_err(|source| self.error("its exit status cannot be written", source))
    }

    /// How the agent ended, if that is on record.
    pub fn exit(&self) -> Option<ExitStatus> {
        serde_json::from_slice(&fs::read(self.path.join("exit.json")).ok()?).ok()
    }

    /// Finds out whether the session's supervisor lives. If none does, the session is declared
    /// dead under its lock, so that a supervisor still on its way finds that and goes. A directory
    /// that was never made counts as dead.
    pub fn settle(&self) -> Result<SessionState, DirError> {
        if !self.path.exists() {
            return Ok(SessionState::Dead { exit: None });
        }
        let Some(_lock) = self.lock()? else {
            return Ok(SessionState::Alive);
        };
        File::create(self.path.join("dead"))
            .map_err(|source| self.error("cannot be declared dead", source))?;
        Ok(SessionState::Dead { exit: self.exit() })
    }

    /// A short path to the socket that works however deep the directory lies (a socket's path has
    /// at most 107 bytes): through the open directory. Valid while the returned handle lives.
    pub(super) fn socket(&self) -> Result<(File, PathBuf), DirError> {
        use std::os::fd::AsRawFd as _;
        let dir =
            File::open(&self.path).map_err(|source| self.error("cannot be opened", source))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/socket", dir.as_raw_fd()));
        Ok((dir, path))
    }

    fn error(&self, what: &'static str, source: io::Error) -> DirError {
        DirError { path: self.path.clone(), what, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            attempt_id: "a1".into(),
            command: "true".into(),
            cwd: "/".into(),
            grace_ms: 1,
            orphan_grace_ms: 1,
        }
    }

    #[test]
    fn a_spec_survives_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let dir = SessionDir::new(root.path(), "a1");
        dir.create(&spec()).unwrap();
        assert_eq!(dir.spec().unwrap(), spec());
    }

    #[test]
    fn settling_declares_an_unlocked_session_dead_for_good() {
        let root = tempfile::tempdir().unwrap();
        let dir = SessionDir::new(root.path(), "a1");
        assert!(matches!(dir.settle().unwrap(), SessionState::Dead { exit: None }));
        dir.create(&spec()).unwrap();
        let lock = dir.lock().unwrap().unwrap();
        assert!(matches!(dir.settle().unwrap(), SessionState::Alive));
        assert!(!dir.is_declared_dead());
        drop(lock);
        assert!(matches!(dir.settle().unwrap(), SessionState::Dead { exit: None }));
        assert!(dir.is_declared_dead());
    }
}
