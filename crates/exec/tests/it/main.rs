//! Real shells, real sandboxes, real git.

// A panic here is the report.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod companion;
mod contract;
mod docker;
mod elsewhere;
mod escapes;
mod files;
mod git_programs;
mod limits;
mod namespaces;
mod process;
mod resources;
mod sandbox;
mod search;
mod ssh;
mod support;
mod wrap;
