//! Environments around other environments (coding agent loop §4.4).

mod logging;
mod read_only;
mod subdirectory;

pub use logging::{Logging, Operation, Record, RecordSink};
pub use read_only::ReadOnly;
pub use subdirectory::Subdirectory;
