//! The Codex app-server protocol (version 0.169.0), both sides.
//!
//! [`client`] drives an agent that speaks it; [`server`] has what an agent needs to speak it.
//! The schema that `codex app-server generate-json-schema --experimental` prints is the truth.

pub mod client;
pub mod server;

/// The Codex version whose schema this module was written and tested against.
pub const TARGET_VERSION: &str = "0.169.0";
