//! Runs on disk.

// A panic here is the report.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod runs;
