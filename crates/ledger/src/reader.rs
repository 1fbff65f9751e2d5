//! Reading, also while a writer writes.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use canon_digest::{ChainHead, Digest};
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::{OpenError, ReadError, Record, Snapshot, Writer, WriterOptions, schema};

/// How much of a stream is held in memory at a time.
const PAGE_RECORDS: usize = 256;
const PAGE_BYTES: usize = 4 << 20;

pub(crate) const COLUMNS: &str = "position, stream, seq, kind, version, at_ms, head, bytes";

/// A ledger opened for reading. Calls block on the disk: in async code, make them where blocking is allowed.
#[derive(Debug)]
pub struct Ledger {
    connection: Mutex<Connection>,
    path: PathBuf,
}

/// A stream and its extent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its name.
    pub stream: String,
    /// How many records it has, which is also the number of the last.
    pub last_seq: u64,
    /// When its last record happened, in Unix milliseconds.
    pub last_at_ms: u64,
}

impl Ledger {
    /// Opens an existing ledger for reading.
    ///
    /// # Errors
    /// [`OpenError::Absent`] when no writer has made it yet; the other kinds as they say.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        Ok(Self { connection: Mutex::new(schema::open_reader(path)?), path: path.to_owned() })
    }

    /// Opens a ledger for writing, makes it if it is absent, and keeps every other writer away until the last clone
    /// of the writer is dropped. The directory must exist.
    ///
    /// # Errors
    /// [`OpenError::Locked`] names the process that writes it already; the other kinds as they say.
    pub fn open_writer(path: impl AsRef<Path>) -> Result<Writer, OpenError> {
        Writer::open(path.as_ref(), WriterOptions::default())
    }

    /// Where the ledger is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The streams in order of their names.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn streams(&self) -> Result<Vec<StreamInfo>, ReadError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            // From one name to the next in the index, instead of over all records.
            "WITH RECURSIVE name (stream) AS (
                 SELECT min(stream) FROM record
                 UNION ALL
                 SELECT (SELECT min(stream) FROM record WHERE stream > name.stream) FROM name WHERE stream IS NOT NULL
             )
             SELECT r.stream, r.seq, r.at_ms FROM name CROSS JOIN record r
             WHERE r.stream = name.stream AND r.seq = (SELECT max(seq) FROM record WHERE stream = name.stream)
             ORDER BY r.stream",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(StreamInfo {
                stream: row.get(0)?,
                last_seq: unsigned(row, 1)?,
                last_at_ms: unsigned(row, 2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The number of the last record of `stream`, 0 when it has none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn last_seq(&self, stream: &str) -> Result<u64, ReadError> {
        Ok(last_seq(&self.lock(), stream)?)
    }

    /// The position of the last record of all, and the head of the chain. 0 and [`ChainHead::EMPTY`] when there is none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn head(&self) -> Result<(u64, ChainHead), ReadError> {
        Ok(stored_head(&self.lock())?)
    }

    /// The records of `stream` with numbers from `from_seq` on (0 and 1 are the same), a page at a time: records
    /// appended meanwhile are seen.
    pub fn read<'a>(&'a self, stream: &str, from_seq: u64) -> Records<'a> {
        Records {
            ledger: self,
            stream: stream.to_owned(),
            next_seq: from_seq.max(1),
            page: VecDeque::new(),
            done: false,
        }
    }

    /// The last `limit` records of all streams, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn tail(&self, limit: usize) -> Result<Vec<Record>, ReadError> {
        let sql = format!("SELECT {COLUMNS} FROM record ORDER BY position DESC LIMIT ?1");
        let mut records = self.select(&sql, i64::MAX, limit)?;
        records.reverse();
        Ok(records)
    }

    /// Up to `limit` records of all streams after `position`, oldest first: call it again with the last one's
    /// position to follow the ledger.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn after(&self, position: u64, limit: usize) -> Result<Vec<Record>, ReadError> {
        let sql =
            format!("SELECT {COLUMNS} FROM record WHERE position > ?2 ORDER BY position LIMIT ?1");
        self.select(&sql, signed(position), limit)
    }

    fn select(&self, sql: &str, position: i64, limit: usize) -> Result<Vec<Record>, ReadError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = match statement.parameter_count() {
            1 => statement.query_map([limit], record)?,
            _ => statement.query_map([limit, position], record)?,
        };
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest snapshot of `stream`, if there is one.
    ///
    /// # Errors
    /// The file cannot be read, or the snapshot's bytes are not those that were stored.
    pub fn latest_snapshot(&self, stream: &str) -> Result<Option<Snapshot>, ReadError> {
        self.snapshot_before(stream, u64::MAX)
    }

    /// The newest snapshot of `stream` with an `upto_seq` below the one given: for going back when the newest is
    /// damaged or of an unknown version.
    ///
    /// # Errors
    /// The file cannot be read, or the snapshot's bytes are not those that were stored.
    pub fn snapshot_before(
        &self,
        stream: &str,
        upto_seq: u64,
    ) -> Result<Option<Snapshot>, ReadError> {
        let connection = self.lock();
        let found = connection
            .prepare_cached(
                "SELECT upto_seq, version, digest, bytes FROM snapshot WHERE stream = ?1 AND upto_seq < ?2
                 ORDER BY upto_seq DESC LIMIT 1",
            )?
            .query_row((stream, signed(upto_seq)), |row| {
                let snapshot = Snapshot {
                    stream: stream.to_owned(),
                    upto_seq: unsigned(row, 0)?,
                    version: row.get(1)?,
                    bytes: row.get(3)?,
                };
                Ok((snapshot, digest(row, 2)?))
            })
            .optional()?;
        let Some((snapshot, stored)) = found else {
            return Ok(None);
        };
        let Snapshot { upto_seq, version, .. } = snapshot;
        let damaged = |why: &str| ReadError::Damaged {
            stream: stream.to_owned(),
            seq: upto_seq,
            why: why.to_owned(),
        };
        let head = head_at(&connection, stream, upto_seq)?
            .ok_or_else(|| damaged("the record of the snapshot is missing"))?;
        if Snapshot::digest(stream, upto_seq, version, &snapshot.bytes, head) != stored {
            return Err(damaged("the snapshot is not the one that was stored"));
        }
        Ok(Some(snapshot))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic in a caller's fold leaves no statement half done: the connection is as good as before.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The records of one stream in order; see [`Ledger::read`]. Ends after the first error.
#[derive(Debug)]
pub struct Records<'a> {
    ledger: &'a Ledger,
    stream: String,
    next_seq: u64,
    page: VecDeque<Record>,
    done: bool,
}

impl Records<'_> {
    fn fill(&mut self) -> Result<(), ReadError> {
        let connection = self.ledger.lock();
        let sql = format!(
            "SELECT {COLUMNS} FROM record WHERE stream = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows =
            statement.query((&self.stream, signed(self.next_seq), PAGE_RECORDS as i64))?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let record = record(row)?;
            bytes += record.bytes.len();
            self.page.push_back(record);
            if bytes >= PAGE_BYTES {
                break;
            }
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<Record>, ReadError> {
        if self.page.is_empty() {
            self.fill()?;
        }
        let Some(record) = self.page.pop_front() else {
            return Ok(None);
        };
        if record.seq != self.next_seq {
            return Err(ReadError::Damaged {
                stream: self.stream.clone(),
                seq: self.next_seq,
                why: format!("the record is missing, the next one is {}", record.seq),
            });
        }
        self.next_seq += 1;
        Ok(Some(record))
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.advance();
        self.done = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

/// A row of [`COLUMNS`].
pub(crate) fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        position: unsigned(row, 0)?,
        stream: row.get(1)?,
        seq: unsigned(row, 2)?,
        kind: row.get(3)?,
        version: row.get(4)?,
        at_ms: unsigned(row, 5)?,
        head: ChainHead::from_digest(digest(row, 6)?),
        bytes: row.get(7)?,
    })
}

pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

pub(crate) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    Ok(Digest::from_bytes(row.get(column)?))
}

/// Beyond 2^63 - 1 nothing is stored, so the largest number stands for all above it.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn last_seq(connection: &Connection, stream: &str) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM record WHERE stream = ?1")?
        .query_row([stream], |row| unsigned(row, 0))
}

pub(crate) fn stored_head(connection: &Connection) -> rusqlite::Result<(u64, ChainHead)> {
    connection
        .prepare_cached("SELECT position, head FROM head")?
        .query_row([], |row| Ok((unsigned(row, 0)?, ChainHead::from_digest(digest(row, 1)?))))
}

/// The head of the chain after a record; of the empty chain for number 0.
pub(crate) fn head_at(
    connection: &Connection,
    stream: &str,
    seq: u64,
) -> rusqlite::Result<Option<ChainHead>> {
    if seq == 0 {
        return Ok(Some(ChainHead::EMPTY));
    }
    connection
        .prepare_cached("SELECT head FROM record WHERE stream = ?1 AND seq = ?2")?
        .query_row((stream, signed(seq)), |row| digest(row, 0))
        .optional()
        .map(|found| found.map(ChainHead::from_digest))
}
