//! Lines out of a byte stream, with a cap (Symphony §10.1: 10 MB).
//!
//! An over-long line is an event of its own: its length and its beginning are reported, the
//! rest is skipped, and the stream goes on with the next line.

use bytes::{Bytes, BytesMut};

mod reader;

pub use reader::LineReader;

/// The default cap on one line, in bytes, without its terminator.
pub const DEFAULT_MAX_LINE: usize = 10 * 1024 * 1024;

/// How many bytes of an over-long line are kept for its report.
pub const HEAD_LEN: usize = 4096;

/// One line, without its terminator (`\n` or `\r\n`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A whole line of at most the cap. May be empty.
    Data(Bytes),
    /// A line longer than the cap; its content was skipped.
    TooLong {
        /// Length of the whole line in bytes, without its terminator.
        len: u64,
        /// The first [`HEAD_LEN`] bytes at most.
        head: Bytes,
    },
}

impl Line {
    /// A line from bytes that are already known to be one line.
    pub fn data(bytes: impl AsRef<[u8]>) -> Self {
        Line::Data(Bytes::copy_from_slice(bytes.as_ref()))
    }

    /// The bytes to show for this line: all of it, or the head of an over-long one.
    pub fn shown(&self) -> &[u8] {
        match self {
            Line::Data(bytes) => bytes,
            Line::TooLong { head, .. } => head,
        }
    }
}

/// Push decoder: chunks of any size in, whole lines out.
#[derive(Debug)]
pub struct LineDecoder {
    max: usize,
    /// The unfinished line; holds its head only once `skipped` is set.
    partial: BytesMut,
    /// Set once the unfinished line is over the cap: its length so far and its last byte.
    skipped: Option<(u64, u8)>,
}

impl Default for LineDecoder {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_LINE)
    }
}

impl LineDecoder {
    /// A decoder that accepts lines of up to `max` bytes, terminator not counted.
    pub fn new(max: usize) -> Self {
        Self { max, partial: BytesMut::new(), skipped: None }
    }

    /// Takes the next chunk and appends the lines that it completes to `out`.
    pub fn push(&mut self, mut chunk: &[u8], out: &mut impl Extend<Line>) {
        while let Some(end) = memchr(chunk) {
            self.take(&chunk[..end]);
            out.extend([self.complete()]);
            chunk = &chunk[end + 1..];
        }
        self.take(chunk);
    }

    /// Ends the stream: the last line, when it had no terminator.
    pub fn finish(&mut self) -> Option<Line> {
        (self.skipped.is_some() || !self.partial.is_empty()).then(|| self.complete())
    }

    fn take(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last().copied() else { return };
        if let Some((len, seen)) = &mut self.skipped {
            *len += bytes.len() as u64;
            *seen = last;
            self.keep_head(bytes);
            return;
        }
        // One byte of grace for the `\r` of a `\r\n` that may follow a line of exactly `max`.
        let room = self.max.saturating_add(1) - self.partial.len();
        if bytes.len() <= room {
            self.partial.extend_from_slice(bytes);
            return;
        }
        self.skipped = Some(((self.partial.len() + bytes.len()) as u64, last));
        self.partial.truncate(HEAD_LEN);
        self.keep_head(bytes);
    }

    fn keep_head(&mut self, bytes: &[u8]) {
        let room = HEAD_LEN.saturating_sub(self.partial.len()).min(bytes.len());
        self.partial.extend_from_slice(&bytes[..room]);
    }

    fn complete(&mut self) -> Line {
        let mut bytes = self.partial.split().freeze();
        if let Some((len, last)) = self.skipped.take() {
            // Lets go of the memory that the line had taken.
            self.partial = BytesMut::new();
            let len = len - u64::from(last == b'\r');
            bytes.truncate(usize::try_from(len).unwrap_or(HEAD_LEN));
            return Line::TooLong { len, head: bytes };
        }
        if bytes.last() == Some(&b'\r') {
            bytes.truncate(bytes.len() - 1);
        }
        if bytes.len() > self.max {
            let len = bytes.len() as u64;
            bytes.truncate(HEAD_LEN);
            return Line::TooLong { len, head: bytes };
        }
        Line::Data(bytes)
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests;
