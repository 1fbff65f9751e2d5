//! Append-only, hash-chained streams of records on SQLite.
