//! A fake Codex app-server agent, driven by a scenario, that validates every message of its client.
