//! The thread that owns the writing connection.

use std::io;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use super::Appended;
use super::commit::Committer;
use crate::lock::WriterLock;
use crate::{AppendError, NewRecord};

/// How much may share one commit, so that a flood does not keep the first in line waiting.
const BATCH_REQUESTS: usize = 1024;
const BATCH_BYTES: usize = 32 << 20;

/// What can be asked of the thread; checked before it is queued.
pub(super) enum Work {
    Append { stream: String, records: Vec<NewRecord> },
    Snapshot { stream: String, upto_seq: u64, version: u32, bytes: Vec<u8> },
}

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Self::Append { records, .. } => records.iter().map(|record| record.bytes.len()).sum(),
            Self::Snapshot { bytes, .. } => bytes.len(),
        }
    }
}

/// Work, and whom to tell once it is on the disk.
pub(super) struct Request {
    pub(super) work: Work,
    pub(super) answer: Box<dyn FnOnce(Result<Appended, AppendError>) + Send>,
}

/// Starts the thread. It ends when all senders are gone and everything queued is written.
pub(super) fn start(
    mut committer: Committer,
    requests: Receiver<Request>,
    lock: WriterLock,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("ledger-writer".to_owned()).spawn(move || {
        while let Ok(first) = requests.recv() {
            let batch = drain(first, &requests);
            let (work, answers): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|request| (request.work, request.answer)).unzip();
            for (answer, outcome) in answers.into_iter().zip(committer.commit(&work)) {
                answer(outcome);
            }
        }
        // The connection goes before the lock: the next writer finds the file at rest.
        drop(committer);
        drop(lock);
    })
}

fn drain(first: Request, requests: &Receiver<Request>) -> Vec<Request> {
    let mut bytes = first.work.bytes();
    let mut batch = vec![first];
    while batch.len() < BATCH_REQUESTS
        && bytes < BATCH_BYTES
        && let Ok(next) = requests.try_recv()
    {
        bytes = bytes.saturating_add(next.work.bytes());
        batch.push(next);
    }
    batch
}
