//! Runs on disk.

// A panic here is the report.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod draw;
mod fan_ins;
mod gates;
mod hooks;
mod language;
mod llm;
mod managers;
mod repository;
mod runs;
mod support;
mod tool_hooks;
mod tools;
