//! The server side: what an agent needs to speak the Codex app-server protocol.

pub mod call;
pub mod outgoing;

pub use call::{ClientCall, parse};
pub use outgoing::Outgoing;
