//! The `canon` binary as a library: one module per command, the bridges between the parts, and the
//! surfaces over them.

pub mod bridge;
pub mod cli;
pub mod error;
pub mod home;
pub mod server;
pub mod threads;
