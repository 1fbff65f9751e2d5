//! Integration tests of canon-ledger.

// A panic in a helper is a report as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod append;
mod kill;
mod model;
mod open;
mod room;
mod support;
mod tamper;
