//! Hash chains: each head stands for everything before it, in order.

use serde::{Deserialize, Serialize};

use crate::{Digest, Sha256Writer};

/// Keeps a chain link from being mistaken for the digest of some other 64 bytes.
const DOMAIN: &[u8] = b"canon.chain.v1\0";

/// The head of a hash chain. Equal heads mean equal histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainHead(Digest);

impl ChainHead {
    /// The head of the empty chain.
    pub const EMPTY: Self = Self(Digest::ZERO);

    /// Takes up a chain whose head was stored.
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// The head as a digest.
    pub const fn digest(&self) -> Digest {
        self.0
    }

    /// The head after one more record, given by its digest.
    #[must_use]
    pub fn extend(self, record: Digest) -> Self {
        let mut hash = Sha256Writer::new();
        hash.update(DOMAIN);
        hash.update(self.0.as_bytes());
        hash.update(record.as_bytes());
        Self(hash.finish())
    }
}
