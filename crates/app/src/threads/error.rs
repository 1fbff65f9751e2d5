//! What can be wrong with a thread.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Why a thread cannot be had, read or written.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// There is none.
    #[error("there is no thread `{id}`")]
    Unknown {
        /// What was asked for.
        id: String,
    },
    /// Another process has it, or this one a second time.
    #[error("thread `{id}` is open in another process; it can go on in one at a time")]
    InUse {
        /// The thread.
        id: String,
    },
    /// A later version of Canon wrote it.
    #[error(
        "{}: the thread has version {version}, this program knows {}; use a newer canon",
        path.display(),
        super::VERSION
    )]
    Newer {
        /// Its file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// Its file is no thread, or was changed by something else.
    #[error("{}:{line}: {why}", path.display())]
    Damaged {
        /// Its file.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Not a cursor that a list gave.
    #[error("`{cursor}` is not the cursor of a list of threads")]
    Cursor {
        /// What was given.
        cursor: String,
    },
    /// The disk.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What.
        source: io::Error,
    },
    /// An earlier write failed and could not be taken back.
    #[error("{}: an earlier write failed, so nothing more is written", path.display())]
    Broken {
        /// Its file.
        path: PathBuf,
    },
}

impl ThreadError {
    /// A failure with the file of the thread `id`.
    pub(super) fn at(id: &str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::Unknown { id: id.to_owned() },
            _ => Self::io(path, source),
        }
    }

    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

impl From<ThreadError> for Error {
    fn from(error: ThreadError) -> Self {
        let message = error.to_string();
        match error {
            ThreadError::Unknown { .. } | ThreadError::Cursor { .. } => Self::input(message),
            _ => Self::environment(message),
        }
    }
}
