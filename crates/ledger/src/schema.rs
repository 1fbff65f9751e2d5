//! The file: how it is recognised, made and opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::OpenError;

/// Marks the file as a ledger in its header ("CANL").
const APPLICATION_ID: i64 = 0x4341_4E4C;

/// The newest format that this code knows.
pub(crate) const FORMAT: i64 = 1;

/// How long a reader waits for a checkpoint to finish. The writer is alone and never waits for another.
const BUSY: Duration = Duration::from_secs(10);

/// To what the write-ahead file shrinks again after something large went through it.
const JOURNAL_BYTES: i64 = 64 << 20;

/// `record` is the chain; `head` repeats its end, so that cutting off the last records shows.
const TABLES: &str = "
CREATE TABLE record (
    position INTEGER PRIMARY KEY,
    stream   TEXT    NOT NULL,
    seq      INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    head     BLOB    NOT NULL,
    bytes    BLOB    NOT NULL,
    UNIQUE (stream, seq)
) STRICT;
CREATE TABLE head (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL,
    head     BLOB    NOT NULL
) STRICT;
CREATE TABLE snapshot (
    stream   TEXT    NOT NULL,
    upto_seq INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    digest   BLOB    NOT NULL,
    bytes    BLOB    NOT NULL,
    PRIMARY KEY (stream, upto_seq)
) STRICT;
INSERT INTO head VALUES (1, 0, zeroblob(32));
";

/// What the header says about a file.
enum Found {
    /// No table, no mark: new, or its writer has not come further.
    Empty,
    Ledger,
}

/// Opens for reading only.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    match std::fs::metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(OpenError::Absent { path: path.to_owned() });
        }
        Err(source) => {
            return Err(OpenError::Io { path: path.to_owned(), source });
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| classify(path, error))?;
    connection.busy_timeout(BUSY).map_err(|error| classify(path, error))?;
    match recognise(path, &connection)? {
        Found::Ledger => Ok(connection),
        Found::Empty => Err(OpenError::Absent { path: path.to_owned() }),
    }
}

/// Opens for writing and makes the tables if there are none. The caller holds the lock.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(|error| classify(path, error))?;
    let found = connection
        .busy_timeout(BUSY)
        .map_err(|error| classify(path, error))
        .and_then(|()| recognise(path, &connection))?;
    prepare(&mut connection, &found).map_err(|error| classify(path, error))?;
    Ok(connection)
}

fn prepare(connection: &mut Connection, found: &Found) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES)?;
    if let Found::Empty = found {
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
    }
    Ok(())
}

fn recognise(path: &Path, connection: &Connection) -> Result<Found, OpenError> {
    let header = || -> rusqlite::Result<(i64, i64, i64)> {
        Ok((
            connection.pragma_query_value(None, "application_id", |row| row.get(0))?,
            connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
        ))
    };
    match header().map_err(|error| classify(path, error))? {
        (0, 0, 0) => Ok(Found::Empty),
        (APPLICATION_ID, FORMAT, _) => Ok(Found::Ledger),
        (APPLICATION_ID, found, _) if found > FORMAT => {
            Err(OpenError::NewerFormat { path: path.to_owned(), found, known: FORMAT })
        }
        _ => Err(OpenError::NotALedger { path: path.to_owned() }),
    }
}

fn classify(path: &Path, error: rusqlite::Error) -> OpenError {
    let path: PathBuf = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotALedger { path },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, why: error.to_string() },
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::DiskFull,
        ) => OpenError::Io { path, source: std::io::Error::other(error) },
        _ => OpenError::Sqlite { path, source: error },
    }
}
