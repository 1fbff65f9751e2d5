//! How agents are spoken to: capped line reader, JSON-RPC peer, the Codex app-server protocol (client and server), the
//! Agent Client Protocol.
//!
//! Everything here works on any byte stream. The decoders and the Codex client are pure
//! machines: bytes or calls go in, [`codex::client::Output`]s come out, and nothing reads a
//! clock or performs IO. Only [`lines::LineReader`] and [`jsonrpc::peer`] touch tokio streams.

pub mod acp;
pub mod codex;
pub mod jsonrpc;
pub mod lines;
