//! Is everything still as it was written?

use std::collections::HashMap;

use canon_digest::ChainHead;
use rusqlite::{Connection, Row};

use crate::reader::{COLUMNS, digest, head_at, record, stored_head, unsigned};
use crate::{Ledger, Record, Snapshot, VerifyError};

/// A ledger that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many records there are.
    pub records: u64,
    /// How many streams they belong to.
    pub streams: usize,
    /// How many snapshots there are.
    pub snapshots: u64,
    /// The head of the chain: note it elsewhere, and no later rewriting of the whole file can be denied.
    pub head: ChainHead,
}

impl Ledger {
    /// Reads everything, as it is at one moment, and checks the chain from its start, the numbers of each stream, the
    /// stored head and the snapshots. Takes time in proportion to the ledger's size, and one record's memory.
    ///
    /// # Errors
    /// [`VerifyError::Record`] names the first record that does not hold.
    pub fn verify(&self) -> Result<Report, VerifyError> {
        let mut connection = self.lock();
        let sqlite = |source| VerifyError::Sqlite { position: 0, source };
        let moment = connection.transaction().map_err(sqlite)?;
        let mut chain = Chain::default();
        chain.walk(&moment)?;
        chain.check_head(&moment)?;
        Ok(Report {
            records: chain.position,
            streams: chain.last_seqs.len(),
            snapshots: snapshots(&moment, &chain)?,
            head: chain.head,
        })
    }
}

struct Chain {
    position: u64,
    head: ChainHead,
    last_seqs: HashMap<String, u64>,
}

impl Default for Chain {
    fn default() -> Self {
        Self { position: 0, head: ChainHead::EMPTY, last_seqs: HashMap::new() }
    }
}

impl Chain {
    fn walk(&mut self, connection: &Connection) -> Result<(), VerifyError> {
        let sql = format!("SELECT {COLUMNS} FROM record NOT INDEXED ORDER BY position");
        let mut statement = connection.prepare(&sql).map_err(|source| self.sqlite(source))?;
        let mut rows = statement.query([]).map_err(|source| self.sqlite(source))?;
        while let Some(row) = rows.next().map_err(|source| self.sqlite(source))? {
            let record = record(row).map_err(|source| self.unreadable(row, &source))?;
            self.take(&record)?;
        }
        Ok(())
    }

    fn take(&mut self, record: &Record) -> Result<(), VerifyError> {
        let bad = |position, why: String| VerifyError::Record {
            position,
            stream: Some(record.stream.clone()),
            seq: Some(record.seq),
            why,
        };
        let expected = self.position + 1;
        if record.position != expected {
            let why =
                format!("the record is missing, the next one is at position {}", record.position);
            return Err(VerifyError::Record { position: expected, stream: None, seq: None, why });
        }
        let head = record.extends(self.head);
        if record.head != head {
            return Err(bad(expected, "it is not the record that was written".to_owned()));
        }
        let last_seq = self.last_seqs.entry(record.stream.clone()).or_default();
        if record.seq != *last_seq + 1 {
            return Err(bad(expected, format!("it follows number {last_seq} of its stream")));
        }
        *last_seq = record.seq;
        (self.position, self.head) = (expected, head);
        Ok(())
    }

    fn check_head(&self, connection: &Connection) -> Result<(), VerifyError> {
        let bad = |why: String| VerifyError::Head { records: self.position, why };
        let (position, head) =
            stored_head(connection).map_err(|error| bad(format!("it cannot be read: {error}")))?;
        if position > self.position {
            return Err(bad(format!("{position} were written, the last ones are missing")));
        }
        if (position, head) != (self.position, self.head) {
            return Err(bad(format!("it is the head of {position} other records")));
        }
        Ok(())
    }

    fn sqlite(&self, source: rusqlite::Error) -> VerifyError {
        VerifyError::Sqlite { position: self.position, source }
    }

    /// A row that SQLite hands out but that is no record.
    fn unreadable(&self, row: &Row<'_>, source: &rusqlite::Error) -> VerifyError {
        VerifyError::Record {
            position: self.position + 1,
            stream: row.get(1).ok(),
            seq: unsigned(row, 2).ok(),
            why: format!("it cannot be read: {source}"),
        }
    }
}

fn snapshots(connection: &Connection, chain: &Chain) -> Result<u64, VerifyError> {
    let sqlite = |source| chain.sqlite(source);
    let mut statement = connection
        .prepare("SELECT stream, upto_seq, version, digest, bytes FROM snapshot ORDER BY stream, upto_seq")
        .map_err(sqlite)?;
    let mut rows = statement.query([]).map_err(sqlite)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(sqlite)? {
        let bad = |why: String| VerifyError::Snapshot {
            stream: row.get(0).unwrap_or_default(),
            upto_seq: unsigned(row, 1).unwrap_or_default(),
            why,
        };
        if !holds(connection, row).map_err(|error| bad(format!("it cannot be read: {error}")))? {
            return Err(bad("it is not the one that was stored".to_owned()));
        }
        count += 1;
    }
    Ok(count)
}

fn holds(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<bool> {
    let stream: String = row.get(0)?;
    let upto_seq = unsigned(row, 1)?;
    let bytes: Vec<u8> = row.get(4)?;
    let Some(head) = head_at(connection, &stream, upto_seq)? else {
        return Ok(false);
    };
    Ok(Snapshot::digest(&stream, upto_seq, row.get(2)?, &bytes, head) == digest(row, 3)?)
}
