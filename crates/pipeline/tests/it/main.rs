//! Runs on disk.

// A panic here is the report.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod llm;
mod runs;
// Not every module uses all of it.
#[allow(unreachable_pub, dead_code)]
mod support;
mod tool_hooks;
