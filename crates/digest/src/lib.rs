//! Canonical JSON (RFC 8785), git tree digests, Merkle trees (RFC 6962) and hash chains.
