//! Canonical JSON (RFC 8785), git tree digests, Merkle trees (RFC 6962) and hash chains.
//!
//! Synchronous and small: no network, no clock; the file system only in [`tree_digest`].
//!
//! ```
//! let bytes = canon_digest::canonical(&serde_json::json!({"b": 1.0, "a": "é"}))?;
//! assert_eq!(bytes, r#"{"a":"é","b":1}"#.as_bytes());
//! assert_eq!(canon_digest::sha256(&bytes).to_string().len(), 64);
//! # Ok::<(), canon_digest::CanonicalError>(())
//! ```

mod canonical;
mod chain;
mod digest;
pub mod merkle;
mod tree;

pub use canonical::{CanonicalError, MAX_DEPTH, canonical};
pub use chain::ChainHead;
pub use digest::{Digest, ParseDigestError, Sha256Writer, sha256};
pub use tree::{TreeError, blob_digest, tree_digest};
