//! Errors of file and search operations.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file operation did not happen.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing is there.
    #[error("{}: no such file or directory", path.display())]
    NotFound {
        /// path as given
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: permission denied", path.display())]
    PermissionDenied {
        /// path as given
        path: PathBuf,
        /// operating system's reason
        source: io::Error,
    },
    /// The sandbox policy refused.
    #[error("{}: refused by the sandbox policy: {why}", path.display())]
    OutsidePolicy {
        /// path as given
        path: PathBuf,
        /// which rule refused it, and what is allowed instead
        why: String,
    },
    /// A file was wanted.
    #[error("{}: is a directory", path.display())]
    IsDirectory {
        /// path as given
        path: PathBuf,
    },
    /// A directory was wanted.
    #[error("{}: is not a directory", path.display())]
    NotADirectory {
        /// path as given
        path: PathBuf,
    },
    /// A pipe, socket or device.
    #[error("{}: is not a regular file", path.display())]
    NotAFile {
        /// path as given
        path: PathBuf,
    },
    /// Text was wanted.
    #[error("{}: is a binary file", path.display())]
    Binary {
        /// path as given
        path: PathBuf,
    },
    /// Bigger than the caller accepts.
    #[error("{}: {size} bytes, more than the limit of {limit}", path.display())]
    TooLarge {
        /// path as given
        path: PathBuf,
        /// bytes, or what had been read when the limit was passed
        size: u64,
        /// the caller's limit in bytes
        limit: u64,
    },
    /// The place where the file lies cannot be reached. Whether a change was made is not known.
    #[error("no connection to {place}: {why}")]
    Unreachable {
        /// the place
        place: String,
        /// what the connection said
        why: String,
    },
    /// Anything else.
    #[error("{}: {source}", path.display())]
    Io {
        /// path as given
        path: PathBuf,
        /// operating system's reason
        source: io::Error,
    },
}

impl FileError {
    /// Sorts an operating system error into the variants.
    pub fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::PermissionDenied { path, source }
            }
            io::ErrorKind::IsADirectory => Self::IsDirectory { path },
            io::ErrorKind::NotADirectory => Self::NotADirectory { path },
            _ => Self::Io { path, source },
        }
    }
}

/// Why a search did not happen.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The pattern does not parse.
    #[error("invalid pattern `{pattern}`: {why}")]
    InvalidPattern {
        /// pattern as given
        pattern: String,
        /// parser's message
        why: String,
    },
    /// The place to search is not there or not allowed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The caller cancelled.
    #[error("search cancelled")]
    Cancelled,
}
