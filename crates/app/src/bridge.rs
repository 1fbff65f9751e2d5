//! Bridges between parts that do not know each other.

pub mod acp;
pub mod agent;
pub mod app_server;
pub mod mcp;
pub mod pipeline;
pub mod shape;
