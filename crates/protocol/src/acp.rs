//! The Agent Client Protocol (version 1), both sides: what editors and agents say to each other.
//!
//! JSON-RPC 2.0, one object a line, over the agent's standard input and output. [`agent`] is what
//! an agent is asked and answers, [`client`] what it asks of its client, [`update`] what it tells
//! while it works, [`content`] and [`tool`] what these are made of. The published schema
//! (`schema/v1`) is the truth; members that nobody here needs are read over, as is `_meta`.

pub mod agent;
pub mod client;
pub mod content;
pub mod tool;
pub mod update;

use serde::{Deserialize, Deserializer};

/// The only version that is spoken here.
pub const PROTOCOL_VERSION: u64 = 1;

/// Nothing can be done before the user has set up a key or an account.
pub const AUTH_REQUIRED: i64 = -32000;
/// A session or a file is not there.
pub const RESOURCE_NOT_FOUND: i64 = -32002;

/// A request was given up.
pub const REQUEST_CANCELLED: i64 = -32800;

/// The notification of either side that it waits no longer for an answer.
pub const CANCEL_REQUEST: &str = "$/cancel_request";

/// Some clients write `null` for what they have nothing to say about.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
