//! Fakes that speak the real wires and validate their callers; used by tests and benches only.

pub mod app_server;
pub mod mcp_server;
pub mod model_server;
pub mod sdks;
