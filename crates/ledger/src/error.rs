//! One error enum per operation.

use std::io;
use std::path::PathBuf;

use crate::record::{MAX_NAME_BYTES, MAX_RECORD_BYTES};

/// Why a ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no ledger yet; a writer makes one.
    #[error("there is no ledger at {}", path.display())]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another writer holds the ledger.
    #[error("the ledger {} is being written by {}: stop it, or use another state directory", path.display(), holder(*.pid))]
    Locked {
        /// The ledger's file.
        path: PathBuf,
        /// The holder's process id, where it could be read.
        pid: Option<u32>,
    },
    /// The file or its directory cannot be used as asked.
    #[error("cannot open the ledger {}: check that its directory exists and that it can be read and written", path.display())]
    Io {
        /// The ledger's file, or the one beside it that failed.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a ledger: move it away or name another file", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version of Canon.
    #[error("the ledger {} has format {found}, this version knows up to {known}: use the newer version of canon", path.display())]
    NewerFormat {
        /// The ledger's file.
        path: PathBuf,
        /// The format of the file.
        found: i64,
        /// The newest format that this code knows.
        known: i64,
    },
    /// The end of the ledger does not fit its own head: it must not be written any further.
    #[error("the ledger {} is damaged: {why}; run `canon ledger verify`, keep the file, and start a new one", path.display())]
    Damaged {
        /// The ledger's file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// SQLite failed.
    #[error("cannot open the ledger {}", path.display())]
    Sqlite {
        /// The ledger's file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// Why records or a snapshot were not stored. Nothing of the failed call is in the ledger.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The name of a stream or kind is empty, too long, or holds control characters.
    #[error(
        "{name:?} cannot name a stream or a kind: use 1 to {MAX_NAME_BYTES} bytes without control characters"
    )]
    Name {
        /// The name as given.
        name: String,
    },
    /// The payload is beyond [`MAX_RECORD_BYTES`].
    #[error(
        "a payload of {bytes} bytes is beyond the limit of {MAX_RECORD_BYTES}: store it as a file and record its digest"
    )]
    TooLarge {
        /// The size of the payload.
        bytes: usize,
    },
    /// A number is beyond what the store holds (2^63 - 1).
    #[error("{what} {value} is out of range")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// A snapshot claims records that are not there.
    #[error(
        "a snapshot of {stream:?} up to {upto_seq} is ahead of the stream, which ends at {last_seq}"
    )]
    SnapshotAhead {
        /// The stream.
        stream: String,
        /// What the snapshot claims.
        upto_seq: u64,
        /// Where the stream ends; 0 when empty.
        last_seq: u64,
    },
    /// The disk, a quota or [`WriterOptions::max_bytes`](crate::WriterOptions) leaves no room.
    #[error("no room for the ledger {}: free some space on its file system, then try again", path.display())]
    Full {
        /// The ledger's file.
        path: PathBuf,
    },
    /// SQLite failed; the message is of the whole commit.
    #[error("cannot write the ledger {}: {message}", path.display())]
    Store {
        /// The ledger's file.
        path: PathBuf,
        /// What SQLite said. Text, because one failure answers all the calls that shared the commit.
        message: String,
    },
    /// The end of the ledger changed under its writer.
    #[error("the ledger {} is damaged: {why}; stop, and run `canon ledger verify`", path.display())]
    Damaged {
        /// The ledger's file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// The writer has been closed.
    #[error("the ledger's writer is closed")]
    Closed,
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What is stored does not hold together.
    #[error(
        "the ledger is damaged at record {seq} of {stream:?}: {why}; run `canon ledger verify`"
    )]
    Damaged {
        /// The stream.
        stream: String,
        /// The sequence number at which reading stopped.
        seq: u64,
        /// What does not fit.
        why: String,
    },
    /// SQLite failed, a corrupt file included.
    #[error("cannot read the ledger: run `canon ledger verify`")]
    Sqlite(#[from] rusqlite::Error),
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError<E> {
    /// The records could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The fold refused a record.
    #[error("record {seq} of {stream:?} ({kind} version {version}) cannot be replayed")]
    Fold {
        /// The stream.
        stream: String,
        /// The record's sequence number.
        seq: u64,
        /// The record's kind.
        kind: String,
        /// The record's version.
        version: u32,
        /// What the fold said.
        #[source]
        source: E,
    },
}

/// What [`Ledger::verify`](crate::Ledger::verify) found.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The first record that does not hold.
    #[error("the ledger is damaged at position {position} ({}): {why}", place(.stream.as_deref(), *.seq))]
    Record {
        /// Its place among all records, from 1.
        position: u64,
        /// Its stream, where that could be read.
        stream: Option<String>,
        /// Its number in the stream, where that could be read.
        seq: Option<u64>,
        /// What does not fit.
        why: String,
    },
    /// All records hold among themselves, but the stored head says that others, or more, were written.
    #[error("the ledger's head does not fit its {records} records: {why}")]
    Head {
        /// How many records hold.
        records: u64,
        /// What does not fit.
        why: String,
    },
    /// A snapshot does not hold.
    #[error("the snapshot of {stream:?} up to {upto_seq} is damaged: {why}")]
    Snapshot {
        /// Its stream.
        stream: String,
        /// The last record that it stands for.
        upto_seq: u64,
        /// What does not fit.
        why: String,
    },
    /// The file cannot be read as far as the end.
    #[error("cannot read the ledger after position {position}")]
    Sqlite {
        /// The last position that was read and holds.
        position: u64,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
}

fn place(stream: Option<&str>, seq: Option<u64>) -> String {
    match (stream, seq) {
        (Some(stream), Some(seq)) => format!("record {seq} of {stream:?}"),
        (Some(stream), None) => format!("in {stream:?}"),
        _ => "stream unknown".to_owned(),
    }
}
