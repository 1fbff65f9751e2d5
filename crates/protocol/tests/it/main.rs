//! The Codex client over real pipes: against the fake agent, against the real Codex, and against
//! the real Codex's schema.

// Helpers of tests may panic as tests do: the lint's exception covers test functions only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod codex;
mod drive;
mod fake;
mod model;
mod replay;
mod schema;
