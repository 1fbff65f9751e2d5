//! Canonical JSON (RFC 8785), git tree digests, Merkle trees (RFC 6962) and hash chains.
//!
//! Synchronous and small: no network, no clock; the file system only in [`tree`].
//!
//! ```
//! let bytes = canon_digest::canonical(&serde_json::json!({"b": 1.0, "a": "é"}))?;
//! assert_eq!(bytes, r#"{"a":"é","b":1}"#.as_bytes());
//! assert!(canon_digest::sha256(&bytes).to_string().starts_with("2"), "{}", canon_digest::sha256(&bytes));
//! # Ok::<(), canon_digest::CanonicalError>(())
//! ```

mod canonical;
mod chain;
mod digest;

pub use canonical::{CanonicalError, MAX_DEPTH, canonical};
pub use chain::ChainHead;
pub use digest::{Digest, ParseDigestError, Sha256Writer, sha256};
