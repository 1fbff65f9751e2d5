//! Tests through the public API.

mod dispatch;
mod simulation;
