//! What several tests need.

use std::path::PathBuf;

use canon_ledger::{Ledger, NewRecord, Writer};
use tempfile::TempDir;

/// A directory for one ledger.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("ledger.db")
    }

    pub(crate) fn writer(&self) -> Writer {
        Ledger::open_writer(self.path()).unwrap()
    }

    pub(crate) fn reader(&self) -> Ledger {
        Ledger::open(self.path()).unwrap()
    }

    /// The file behind the ledger's back.
    pub(crate) fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

pub(crate) fn record(kind: &str, bytes: impl Into<Vec<u8>>) -> NewRecord {
    NewRecord { kind: kind.to_owned(), version: 1, at_ms: 1_700_000_000_000, bytes: bytes.into() }
}
