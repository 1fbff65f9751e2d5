//! The line decoder on an async byte stream.

use std::collections::VecDeque;
use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Line, LineDecoder};

const CHUNK: usize = 16 * 1024;

/// Reads lines from an [`AsyncRead`]. [`LineReader::next`] may be cancelled without losing data.
#[derive(Debug)]
pub struct LineReader<R> {
    input: R,
    decoder: LineDecoder,
    chunk: BytesMut,
    ready: VecDeque<Line>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// A reader with the default cap of [`super::DEFAULT_MAX_LINE`].
    pub fn new(input: R) -> Self {
        Self::with_max(input, super::DEFAULT_MAX_LINE)
    }

    /// A reader that accepts lines of up to `max` bytes.
    pub fn with_max(input: R, max: usize) -> Self {
        Self {
            input,
            decoder: LineDecoder::new(max),
            chunk: BytesMut::new(),
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// The next line, or `None` at the end of the stream. A last line without a terminator counts.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            self.chunk.clear();
            self.chunk.reserve(CHUNK);
            if self.input.read_buf(&mut self.chunk).await? == 0 {
                self.ended = true;
                self.ready.extend(self.decoder.finish());
            } else {
                self.decoder.push(&self.chunk, &mut self.ready);
            }
        }
    }
}
