//! Append-only, hash-chained streams of records on SQLite.
//!
//! A ledger is one file. One process at a time writes it ([`Writer`], under a lock on `<file>.lock`), any number
//! read it meanwhile ([`Ledger`]). Records are bytes to the ledger: the owner of a stream defines what its kinds and
//! versions mean, and anyone can still read what they do not know. Every record's digest covers the record before it,
//! whichever stream that one belongs to, so that [`Ledger::verify`] names the first record that was altered, removed
//! or slipped in.
//!
//! An append is answered only once the record is on the disk; what was answered survives `kill -9` and a power cut.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use canon_ledger::{Ledger, NewRecord};
//!
//! let writer = Ledger::open_writer("ledger.db")?;
//! let stored = writer.append("dispatch", vec![NewRecord::json("tick", 1, 0, &7)?]).await?;
//! assert_eq!(stored.last_seq, 1);
//!
//! let sum = writer.reader()?.replay("dispatch", 0, |sum, record| Ok::<_, serde_json::Error>(sum + record.json::<i32>()?))?;
//! assert_eq!(sum, 7);
//! # Ok(()) }
//! ```

mod error;
mod lock;
mod reader;
mod record;
mod replay;
mod schema;
mod verify;
mod writer;

pub use error::{AppendError, OpenError, ReadError, ReplayError, VerifyError};
pub use reader::{Ledger, Records, StreamInfo};
pub use record::{MAX_NAME_BYTES, MAX_RECORD_BYTES, NewRecord, Record, Snapshot};
pub use verify::Report;
pub use writer::{Appended, Writer, WriterOptions};
