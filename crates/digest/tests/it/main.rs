//! Integration tests of canon-digest: published vectors, and git itself.

// A panic in a helper is a report as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod canonical;
mod chain;
mod merkle;
mod tree;
