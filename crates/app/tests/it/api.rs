//! The HTTP API over a daemon made by hand, on a real port.

mod access;
mod actions;
mod fake;
mod page;
mod shapes;
mod wire;
