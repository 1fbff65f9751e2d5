//! How agents are spoken to: capped line reader, JSON-RPC peer, the Codex app-server protocol (client and server).
