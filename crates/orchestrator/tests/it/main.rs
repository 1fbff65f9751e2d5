//! Tests through the public API.

mod dispatch;
mod simulation;
mod workflow_file;
