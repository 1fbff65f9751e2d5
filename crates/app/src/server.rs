//! The HTTP surface (Symphony §13.7): a JSON API and a plain page over what the daemon publishes,
//! and the few things that an operator may ask of it.
//!
//! Nothing here is needed for the daemon to work, and nothing here waits for it: an answer is made
//! from the latest published view.

mod access;
pub mod address;
mod bind;
mod daemon;
mod failure;
mod issue;
mod listener;
mod operate;
mod page;
mod refresh;
mod router;
pub(crate) mod span;
mod state;

/// Version of what the API answers: fields are added, never changed.
const VERSION: u32 = 1;

pub use access::{Access, TOKEN_VARIABLE};
pub use bind::{Bound, bind, bind_with};
pub use daemon::{
    Action, Daemon, FinishedRow, Gone, IssueReport, LiveRow, Overview, Refused, SessionLog, Surface,
};
pub use router::router;
