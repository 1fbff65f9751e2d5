//! Writing: handles that queue, and one thread that commits.

mod commit;
mod thread;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use canon_digest::ChainHead;
use tokio::sync::oneshot;

use crate::lock::WriterLock;
use crate::record::{check_name, check_range, check_size};
use crate::{AppendError, Ledger, NewRecord, OpenError, schema};
use commit::Committer;
use thread::{Request, Work};

/// How a ledger is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriterOptions {
    /// The size in bytes beyond which the ledger does not grow: appends fail with [`AppendError::Full`] as on a full
    /// disk. `None`: as large as the disk.
    pub max_bytes: Option<u64>,
}

/// What an append came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The number that the stream's last record has now.
    pub last_seq: u64,
    /// The position of that record among all; after an append of no records, that of the ledger's last one.
    pub position: u64,
    /// The head of the chain at that position.
    pub head: ChainHead,
}

/// The right to write a ledger. Clones share it; the last one to go closes the ledger, after everything queued is
/// written, and lets go of the lock.
#[derive(Clone, Debug)]
pub struct Writer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `None` once closed.
    queue: Mutex<Option<Sender<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    path: PathBuf,
}

impl Writer {
    /// Opens with options; see [`Ledger::open_writer`].
    ///
    /// # Errors
    /// As [`Ledger::open_writer`].
    pub fn open(path: &Path, options: WriterOptions) -> Result<Self, OpenError> {
        // Two names of one file must meet at one lock.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let lock = WriterLock::take(&path)?;
        let connection = schema::open_writer(&path)?;
        let committer = Committer::new(connection, path.clone(), &options)?;
        let (queue, requests) = mpsc::channel();
        let thread = thread::start(committer, requests, lock)
            .map_err(|source| OpenError::Io { path: path.clone(), source })?;
        Ok(Self(Arc::new(Shared {
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
            path,
        })))
    }

    /// Appends `records` to `stream`, all or none, and resolves once they are on the disk. They are queued by the call
    /// itself, in the order of calls: dropping the future takes nothing back. No records is a question: where does the
    /// stream end?
    ///
    /// # Errors
    /// [`AppendError`]; nothing of `records` is in the ledger then. Calls that waited for the same commit fail
    /// together. Later calls are tried afresh, so that freeing space is enough to go on.
    pub fn append(
        &self,
        stream: &str,
        records: Vec<NewRecord>,
    ) -> impl Future<Output = Result<Appended, AppendError>> + Send + 'static {
        self.later(append(stream, records))
    }

    /// [`Writer::append`] for callers outside async code; blocks until the records are on the disk.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn append_blocking(
        &self,
        stream: &str,
        records: Vec<NewRecord>,
    ) -> Result<Appended, AppendError> {
        self.now(append(stream, records))
    }

    /// Stores the state of `stream`'s owner after the stream's first `upto_seq` records. The two newest snapshots of a
    /// stream are kept.
    ///
    /// # Errors
    /// [`AppendError::SnapshotAhead`] when `upto_seq` is beyond what is appended or queued; else as [`Writer::append`].
    pub fn put_snapshot(
        &self,
        stream: &str,
        upto_seq: u64,
        version: u32,
        bytes: Vec<u8>,
    ) -> impl Future<Output = Result<(), AppendError>> + Send + 'static {
        let stored = self.later(snapshot(stream, upto_seq, version, bytes));
        async { stored.await.map(|_| ()) }
    }

    /// [`Writer::put_snapshot`] for callers outside async code.
    ///
    /// # Errors
    /// As [`Writer::put_snapshot`].
    pub fn put_snapshot_blocking(
        &self,
        stream: &str,
        upto_seq: u64,
        version: u32,
        bytes: Vec<u8>,
    ) -> Result<(), AppendError> {
        self.now(snapshot(stream, upto_seq, version, bytes)).map(|_| ())
    }

    /// A new reader of the same ledger.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn reader(&self) -> Result<Ledger, OpenError> {
        Ledger::open(&self.0.path)
    }

    /// Where the ledger is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Writes what is queued, lets go of the lock and returns when that is done. Later calls on clones fail with
    /// [`AppendError::Closed`].
    pub fn close(self) {
        self.0.close();
    }

    fn later(
        &self,
        work: Result<Work, AppendError>,
    ) -> impl Future<Output = Result<Appended, AppendError>> + Send + 'static {
        let (answer, result) = oneshot::channel();
        self.0.send(work, move |outcome| {
            // The caller may have lost interest; the record is stored all the same.
            let _ = answer.send(outcome);
        });
        async { result.await.unwrap_or(Err(AppendError::Closed)) }
    }

    fn now(&self, work: Result<Work, AppendError>) -> Result<Appended, AppendError> {
        let (answer, result) = mpsc::sync_channel(1);
        self.0.send(work, move |outcome| {
            let _ = answer.send(outcome);
        });
        result.recv().unwrap_or(Err(AppendError::Closed))
    }
}

impl Shared {
    fn send(
        &self,
        work: Result<Work, AppendError>,
        answer: impl FnOnce(Result<Appended, AppendError>) + Send + 'static,
    ) {
        let work = match work {
            Ok(work) => work,
            Err(error) => return answer(Err(error)),
        };
        let request = Request { work, answer: Box::new(answer) };
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let unsent = match queue.as_ref() {
            Some(queue) => queue.send(request).err().map(|failed| failed.0),
            None => Some(request),
        };
        drop(queue);
        if let Some(request) = unsent {
            (request.answer)(Err(AppendError::Closed));
        }
    }

    fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "the ledger's writer ended in a panic");
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}

fn append(stream: &str, records: Vec<NewRecord>) -> Result<Work, AppendError> {
    check_name(stream)?;
    records.iter().try_for_each(NewRecord::check)?;
    Ok(Work::Append { stream: stream.to_owned(), records })
}

fn snapshot(
    stream: &str,
    upto_seq: u64,
    version: u32,
    bytes: Vec<u8>,
) -> Result<Work, AppendError> {
    check_name(stream)?;
    check_size(&bytes)?;
    check_range("the sequence number", upto_seq)?;
    Ok(Work::Snapshot { stream: stream.to_owned(), upto_seq, version, bytes })
}
