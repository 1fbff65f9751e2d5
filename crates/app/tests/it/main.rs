//! Integration tests of the `canon` crate.

// A panic in a helper is a report as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod api;
mod client;
mod daemon;
