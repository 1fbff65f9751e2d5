//! The HTTP API over a daemon made by hand, on a real port.

mod access;
mod actions;
pub(crate) mod fake;
mod page;
mod shapes;
pub(crate) mod wire;
