//! Conversations on disk: one file of JSON Lines for each thread, in `threads` of Canon's state
//! directory. `canon exec`, `canon app-server` and `canon acp` keep theirs here.
//!
//! A thread is open in one process at a time, held by a lock on its file; anyone may read it. Each
//! turn is on the disk before what follows it begins. What a process that was killed left
//! half-written is cut off when the thread is opened again, and said.

mod error;
mod fork;
mod line;
mod list;
mod redact;
mod scan;
mod thread;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use canon_agent::Turn;
use canon_runtime::clock::now_ms;
use canon_runtime::secret::Redactor;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;

pub use error::ThreadError;
pub use line::VERSION;
pub use list::{Page, Query};
pub use thread::Thread;

/// What a thread begins with.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Its working directory, absolute.
    pub cwd: PathBuf,
    /// The provider that answers.
    pub provider: String,
    /// The provider's own model id.
    pub model: String,
    /// Which surface began it: `exec`, `app-server`, `acp`.
    pub source: String,
    /// What people call it.
    pub name: Option<String>,
    /// The host's last layer of the system prompt, to be given again when it is resumed.
    pub instructions: Option<String>,
}

/// What is known of a thread without its conversation. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Meta {
    /// Unique and never used again; later ones sort later.
    pub id: String,
    /// As in [`Origin`].
    pub cwd: PathBuf,
    /// As in [`Origin`], or what answered last.
    pub provider: String,
    /// As in [`Origin`], or what answered last.
    pub model: String,
    /// As in [`Origin`].
    pub source: String,
    /// What people call it.
    pub name: Option<String>,
    /// As in [`Origin`].
    pub instructions: Option<String>,
    /// The thread that it is a copy of, up to some turn.
    pub forked_from: Option<String>,
    /// Put away: left out of lists that do not ask for it.
    pub archived: bool,
    /// When it began.
    pub created_at: u64,
    /// When its file was last written.
    pub updated_at: u64,
    /// The beginning of its first input; empty before that.
    pub preview: String,
    /// Entries of the conversation.
    pub turns: usize,
}

/// One thing that a thread holds, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant)] // nearly all are turns
pub enum Entry {
    /// A part of the conversation.
    Turn(Turn),
    /// Something that a host keeps beside it, and no model sees.
    Mark {
        /// Whose and what, such as `exec/outcome`.
        label: String,
        /// As the host gave it.
        data: Value,
    },
}

/// A thread as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What is known of it.
    pub meta: Meta,
    /// What it holds.
    pub entries: Vec<Entry>,
    /// For people: what was cut off or passed over.
    pub notices: Vec<String>,
}

impl Stored {
    /// The conversation alone, for [`canon_agent::SessionOptions::history`].
    pub fn turns(&self) -> Vec<Turn> {
        let turn = |entry: &Entry| match entry {
            Entry::Turn(turn) => Some(turn.clone()),
            Entry::Mark { .. } => None,
        };
        self.entries.iter().filter_map(turn).collect()
    }
}

/// The threads of one state directory. Clones are the same store. Its functions block on the disk,
/// for moments.
#[derive(Debug, Clone)]
pub struct Store {
    dir: Arc<Path>,
    redactor: Arc<Redactor>,
}

impl Store {
    /// The store of this user's Canon, which takes the keys of providers out of what it keeps.
    ///
    /// # Errors
    /// When there is no place for Canon's state.
    pub fn home() -> Result<Self, Error> {
        let dir = crate::home::state()?.join("threads");
        Ok(Self::at(dir, crate::bridge::agent::redactor()))
    }

    /// The store in `dir`, which is made when something is kept.
    pub fn at(dir: PathBuf, redactor: Redactor) -> Self {
        Self { dir: dir.into(), redactor: Arc::new(redactor) }
    }

    /// A new thread, held by this process. It is on the disk from its first turn or mark on.
    pub fn create(&self, origin: Origin) -> Thread {
        let now = now_ms();
        Thread::new(
            self.clone(),
            Meta {
                id: canon_runtime::id::new("thread"),
                cwd: origin.cwd,
                provider: origin.provider,
                model: origin.model,
                source: origin.source,
                name: origin.name,
                instructions: origin.instructions,
                forked_from: None,
                archived: false,
                created_at: now,
                updated_at: now,
                preview: String::new(),
                turns: 0,
            },
        )
    }

    /// Opens a thread to go on with it; no other process can until the [`Thread`] is dropped.
    ///
    /// # Errors
    /// When there is none of that id, it is open elsewhere, or it cannot be understood.
    pub fn open(&self, id: &str) -> Result<(Thread, Stored), ThreadError> {
        Thread::open(self.clone(), id)
    }

    /// Reads a thread, open elsewhere or not.
    ///
    /// # Errors
    /// When there is none of that id, or it cannot be understood.
    pub fn read(&self, id: &str) -> Result<Stored, ThreadError> {
        let path = self.path(id)?;
        let file =
            std::fs::File::open(&path).map_err(|source| ThreadError::at(id, &path, source))?;
        Ok(scan::whole(&file, &path)?.0)
    }

    /// Threads, the last used first, a page at a time.
    ///
    /// # Errors
    /// When the directory cannot be read, or the cursor is none of ours.
    pub fn list(&self, query: &Query) -> Result<Page, ThreadError> {
        list::list(&self.dir, query)
    }

    /// The thread that was last used in `cwd` and is not archived.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn last(&self, cwd: &Path) -> Result<Option<Meta>, ThreadError> {
        let query = Query { cwd: Some(cwd.to_owned()), limit: 1, ..Query::default() };
        Ok(self.list(&query)?.threads.pop())
    }

    /// A new thread with the first `keep` turns of another, or all, and what stood between them.
    /// It has the other's origin and the name given; nothing happens to the other.
    ///
    /// # Errors
    /// As [`Self::read`], and when it cannot be written.
    pub fn fork(
        &self,
        id: &str,
        keep: Option<usize>,
        name: Option<String>,
    ) -> Result<(Thread, Stored), ThreadError> {
        // A copy of what cannot be read would be one more of the kind.
        let _ = self.read(id)?;
        let new = fork::fork(self, id, keep, name)?;
        self.open(&new)
    }

    /// Deletes a thread for good.
    ///
    /// # Errors
    /// When there is none of that id, or it is open elsewhere.
    pub fn delete(&self, id: &str) -> Result<(), ThreadError> {
        let path = self.path(id)?;
        let _lock = thread::lock(id, &path)?;
        std::fs::remove_file(&path).map_err(|source| ThreadError::at(id, &path, source))
    }

    /// The file of a thread; ids come from outside and may hold anything.
    fn path(&self, id: &str) -> Result<PathBuf, ThreadError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if id.is_empty() || id.len() > 64 || !id.bytes().all(fits) {
            return Err(ThreadError::Unknown { id: id.to_owned() });
        }
        Ok(self.dir.join(format!("{id}{}", list::SUFFIX)))
    }
}

#[cfg(test)]
mod tests;
