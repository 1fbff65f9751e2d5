//! The Codex client over real pipes: against the fake agent, against the real Codex, and against
//! the real Codex's schema.

mod codex;
mod drive;
mod fake;
mod model;
mod replay;
mod schema;
