//! Records, snapshots, and the bytes that their digests cover.

use canon_digest::{ChainHead, Digest, Sha256Writer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AppendError;

/// The longest name of a stream or a kind, in bytes.
pub const MAX_NAME_BYTES: usize = 200;

/// The largest payload of a record or a snapshot, in bytes.
pub const MAX_RECORD_BYTES: usize = 256 << 20;

/// A record on its way into the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// What the record says, in the stream owner's words, such as `tick`.
    pub kind: String,
    /// The version of that kind's payload.
    pub version: u32,
    /// When it happened, in Unix milliseconds. The ledger has no clock: the caller says.
    pub at_ms: u64,
    /// The payload.
    pub bytes: Vec<u8>,
}

impl NewRecord {
    /// A record whose payload is `payload` as JSON.
    ///
    /// # Errors
    /// Whatever the payload's `Serialize` refuses.
    pub fn json(
        kind: impl Into<String>,
        version: u32,
        at_ms: u64,
        payload: &impl Serialize,
    ) -> serde_json::Result<Self> {
        Ok(Self { kind: kind.into(), version, at_ms, bytes: serde_json::to_vec(payload)? })
    }

    pub(crate) fn check(&self) -> Result<(), AppendError> {
        check_name(&self.kind)?;
        check_size(&self.bytes)?;
        check_range("the time", self.at_ms)
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), AppendError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(AppendError::Name { name: name.to_owned() });
    }
    Ok(())
}

pub(crate) fn check_size(bytes: &[u8]) -> Result<(), AppendError> {
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(AppendError::TooLarge { bytes: bytes.len() });
    }
    Ok(())
}

pub(crate) fn check_range(what: &'static str, value: u64) -> Result<(), AppendError> {
    match i64::try_from(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(AppendError::OutOfRange { what, value }),
    }
}

/// A record in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place among the records of all streams, from 1, without gaps.
    pub position: u64,
    /// Its stream.
    pub stream: String,
    /// Its place in its stream, from 1, without gaps.
    pub seq: u64,
    /// See [`NewRecord::kind`].
    pub kind: String,
    /// See [`NewRecord::version`].
    pub version: u32,
    /// See [`NewRecord::at_ms`].
    pub at_ms: u64,
    /// The payload.
    pub bytes: Vec<u8>,
    /// The head of the chain after this record.
    pub head: ChainHead,
}

impl Record {
    /// The payload read as JSON.
    ///
    /// # Errors
    /// The payload is not JSON, or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.bytes)
    }

    /// The head that the chain has after this record, if `before` is the head before it.
    pub fn extends(&self, before: ChainHead) -> ChainHead {
        before.extend(self.digest())
    }

    /// The digest of the record itself, without its predecessor.
    pub fn digest(&self) -> Digest {
        Fields {
            position: self.position,
            stream: &self.stream,
            seq: self.seq,
            kind: &self.kind,
            version: self.version,
            at_ms: self.at_ms,
            bytes: &self.bytes,
        }
        .digest()
    }
}

/// What a record's digest covers.
pub(crate) struct Fields<'a> {
    pub(crate) position: u64,
    pub(crate) stream: &'a str,
    pub(crate) seq: u64,
    pub(crate) kind: &'a str,
    pub(crate) version: u32,
    pub(crate) at_ms: u64,
    pub(crate) bytes: &'a [u8],
}

impl Fields<'_> {
    /// Numbers are eight bytes, big endian; texts and bytes carry their length first. No two records share an encoding.
    pub(crate) fn digest(&self) -> Digest {
        let mut hash = Sha256Writer::new();
        hash.update(b"canon.ledger.record.v1\0");
        hash.update(self.position.to_be_bytes());
        framed(&mut hash, self.stream.as_bytes());
        hash.update(self.seq.to_be_bytes());
        framed(&mut hash, self.kind.as_bytes());
        hash.update(u64::from(self.version).to_be_bytes());
        hash.update(self.at_ms.to_be_bytes());
        framed(&mut hash, self.bytes);
        hash.finish()
    }
}

fn framed(hash: &mut Sha256Writer, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

/// The state of a stream's owner after the stream's first `upto_seq` records. It saves time and proves nothing: the
/// records stay, and a snapshot that is damaged or of an unknown version can be passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The stream.
    pub stream: String,
    /// The last record that the state includes; replay goes on at the next. 0 is the state before any record.
    pub upto_seq: u64,
    /// The version of the payload.
    pub version: u32,
    /// The payload.
    pub bytes: Vec<u8>,
}

impl Snapshot {
    /// The payload read as JSON.
    ///
    /// # Errors
    /// The payload is not JSON, or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.bytes)
    }

    /// Covers the history that the snapshot was taken from as well, by its head.
    pub(crate) fn digest(
        stream: &str,
        upto_seq: u64,
        version: u32,
        bytes: &[u8],
        head: ChainHead,
    ) -> Digest {
        let mut hash = Sha256Writer::new();
        hash.update(b"canon.ledger.snapshot.v1\0");
        hash.update(head.digest().as_bytes());
        framed(&mut hash, stream.as_bytes());
        hash.update(upto_seq.to_be_bytes());
        hash.update(u64::from(version).to_be_bytes());
        framed(&mut hash, bytes);
        hash.finish()
    }
}
