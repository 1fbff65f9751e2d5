//! One transaction for everything that waits.

use std::collections::HashMap;
use std::path::PathBuf;

use canon_digest::ChainHead;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::thread::Work;
use super::{Appended, WriterOptions};
use crate::reader::{head_at, last_seq, signed, stored_head};
use crate::record::Fields;
use crate::{AppendError, NewRecord, OpenError, Snapshot};

const KEPT_SNAPSHOTS: i64 = 2;

/// Of how many streams the end is kept in memory.
const REMEMBERED_STREAMS: usize = 4096;

/// The writing connection and the end of the chain.
pub(super) struct Committer {
    connection: Connection,
    path: PathBuf,
    end: End,
    /// Where streams end, filled as they are written to; emptied when a commit fails.
    last_seqs: HashMap<String, u64>,
}

/// The end of the chain.
#[derive(Clone, Copy)]
struct End {
    position: u64,
    head: ChainHead,
}

/// What one transaction does to the end of the chain and to the streams.
struct Batch<'a> {
    transaction: Transaction<'a>,
    end: End,
    last_seqs: &'a mut HashMap<String, u64>,
}

/// Why a batch was rolled back, or why one request of it was refused.
enum Failure {
    Sqlite(rusqlite::Error),
    Refused(AppendError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Committer {
    pub(super) fn new(
        connection: Connection,
        path: PathBuf,
        options: &WriterOptions,
    ) -> Result<Self, OpenError> {
        let end = Self::prepare(&connection, options)
            .map_err(|source| OpenError::Sqlite { path: path.clone(), source })?;
        let end = end.map_err(|why| OpenError::Damaged { path: path.clone(), why })?;
        Ok(Self { connection, path, end, last_seqs: HashMap::new() })
    }

    fn prepare(
        connection: &Connection,
        options: &WriterOptions,
    ) -> rusqlite::Result<Result<End, String>> {
        if let Some(max_bytes) = options.max_bytes {
            let page_bytes: i64 =
                connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = (signed(max_bytes) / page_bytes.max(1)).max(1);
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        }
        let (position, head) = stored_head(connection)?;
        let last: (u64, Option<ChainHead>) = connection.query_row(
            "SELECT coalesce(max(position), 0), (SELECT head FROM record ORDER BY position DESC LIMIT 1) FROM record",
            [],
            |row| {
                let head: Option<[u8; 32]> = row.get(1)?;
                let head = head.map(|bytes| ChainHead::from_digest(canon_digest::Digest::from_bytes(bytes)));
                Ok((crate::reader::unsigned(row, 0)?, head))
            },
        )?;
        if last != (position, (position > 0).then_some(head)) {
            return Ok(Err(format!(
                "its head is that of {position} records, but the last record is {}",
                last.0
            )));
        }
        Ok(Ok(End { position, head }))
    }

    /// Commits all of `batch` or nothing of it, apart from single requests that ask for the impossible. One outcome
    /// for each request, in order.
    pub(super) fn commit(&mut self, batch: &[Work]) -> Vec<Result<Appended, AppendError>> {
        self.write(batch).unwrap_or_else(|error| {
            self.last_seqs.clear();
            tracing::error!(path = %self.path.display(), %error, requests = batch.len(), "the ledger's commit failed");
            batch.iter().map(|_| Err(self.describe(&error))).collect()
        })
    }

    fn write(&mut self, batch: &[Work]) -> rusqlite::Result<Vec<Result<Appended, AppendError>>> {
        if self.last_seqs.len() > REMEMBERED_STREAMS {
            self.last_seqs.clear();
        }
        // Dropped on the way out of an error, which rolls back.
        let mut open = Batch {
            transaction: self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?,
            end: self.end,
            last_seqs: &mut self.last_seqs,
        };
        let mut outcomes = Vec::with_capacity(batch.len());
        for work in batch {
            outcomes.push(match open.apply(work) {
                Ok(appended) => Ok(appended),
                Err(Failure::Refused(error)) => Err(error),
                Err(Failure::Sqlite(error)) => return Err(error),
            });
        }
        self.end = open.finish()?;
        Ok(outcomes)
    }

    fn describe(&self, error: &rusqlite::Error) -> AppendError {
        let path = self.path.clone();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => AppendError::Full { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation) => {
                AppendError::Damaged { path, why: error.to_string() }
            }
            _ => AppendError::Store { path, message: error.to_string() },
        }
    }
}

impl Batch<'_> {
    fn finish(self) -> rusqlite::Result<End> {
        let End { position, head } = self.end;
        self.transaction
            .prepare_cached("UPDATE head SET position = ?1, head = ?2")?
            .execute((signed(position), head.digest().as_bytes()))?;
        self.transaction.commit()?;
        Ok(self.end)
    }

    fn apply(&mut self, work: &Work) -> Result<Appended, Failure> {
        match work {
            Work::Append { stream, records } => self.append(stream, records),
            Work::Snapshot { stream, upto_seq, version, bytes } => {
                self.snapshot(stream, *upto_seq, *version, bytes)
            }
        }
    }

    fn append(&mut self, stream: &str, records: &[NewRecord]) -> Result<Appended, Failure> {
        let mut seq = self.last_seq(stream)?;
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO record (position, stream, seq, kind, version, at_ms, head, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for record in records {
            let NewRecord { kind, version, at_ms, bytes } = record;
            let position = self.end.position + 1;
            seq += 1;
            let fields =
                Fields { position, stream, seq, kind, version: *version, at_ms: *at_ms, bytes };
            let head = self.end.head.extend(fields.digest());
            insert.execute((
                signed(position),
                stream,
                signed(seq),
                kind,
                version,
                signed(*at_ms),
                head.digest().as_bytes(),
                bytes,
            ))?;
            self.end = End { position, head };
        }
        if !records.is_empty() {
            self.last_seqs.insert(stream.to_owned(), seq);
        }
        Ok(self.appended(seq))
    }

    fn snapshot(
        &mut self,
        stream: &str,
        upto_seq: u64,
        version: u32,
        bytes: &[u8],
    ) -> Result<Appended, Failure> {
        let last_seq = self.last_seq(stream)?;
        let Some(head) = head_at(&self.transaction, stream, upto_seq)? else {
            return Err(Failure::Refused(AppendError::SnapshotAhead {
                stream: stream.to_owned(),
                upto_seq,
                last_seq,
            }));
        };
        let digest = Snapshot::digest(stream, upto_seq, version, bytes, head);
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO snapshot (stream, upto_seq, version, digest, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((stream, signed(upto_seq), version, digest.as_bytes(), bytes))?;
        self.transaction
            .prepare_cached(
                "DELETE FROM snapshot WHERE stream = ?1 AND upto_seq NOT IN
                 (SELECT upto_seq FROM snapshot WHERE stream = ?1 ORDER BY upto_seq DESC LIMIT ?2)",
            )?
            .execute((stream, KEPT_SNAPSHOTS))?;
        Ok(self.appended(last_seq))
    }

    fn last_seq(&self, stream: &str) -> rusqlite::Result<u64> {
        match self.last_seqs.get(stream) {
            Some(seq) => Ok(*seq),
            None => last_seq(&self.transaction, stream),
        }
    }

    fn appended(&self, last_seq: u64) -> Appended {
        Appended { last_seq, position: self.end.position, head: self.end.head }
    }
}
