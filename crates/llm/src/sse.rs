//! A push decoder for server-sent events: bytes in any chunking in, events out.
//!
//! It knows lines that end in LF, CRLF or CR, a byte order mark, comments, `data` over several lines,
//! `event`, `id` and `retry`. A line that is too long is itself an event and not the end of the stream.

use std::borrow::Cow;
use std::time::Duration;

/// Longest line that is kept, in bytes; a whole answer of a model arrives as one line.
pub const DEFAULT_MAX_LINE: usize = 64 * 1024 * 1024;

/// One thing that the stream said. What lies whole in one chunk is borrowed from it and not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SseEvent<'a> {
    /// A dispatched message.
    Message {
        /// The `event` field; empty when there was none.
        event: &'a str,
        /// The payload: the `data` lines joined by LF.
        data: &'a str,
        /// The last `id` seen; it stays until another one comes.
        id: Option<&'a str>,
    },
    /// A line beyond the limit, its start kept; the message that it belonged to is lost with it.
    OverlongLine {
        /// The first bytes of the line, as text.
        start: &'a str,
        /// Its length in bytes, without the line end.
        length: u64,
    },
    /// The server asks for this wait before a new connection.
    Retry(Duration),
}

/// Keeps what one chunk left unfinished for the next.
#[derive(Debug)]
pub struct SseDecoder {
    max_line: usize,
    /// The unfinished line; only its start once it is over the limit.
    partial: Vec<u8>,
    /// Set once the unfinished line is over the limit: how many of its bytes are not in `partial`.
    dropped: Option<u64>,
    /// The last chunk ended in CR: an LF that follows belongs to it.
    after_cr: bool,
    /// No line has ended yet, so a byte order mark may stand before the first.
    at_start: bool,
    /// The last one seen; it outlives its message.
    id: Option<String>,
    /// The unfinished message.
    pending: Pending<'static>,
}

/// A message that no blank line has ended.
#[derive(Debug, Default)]
struct Pending<'a> {
    event: Cow<'a, str>,
    data: Option<Cow<'a, str>>,
    spoiled: bool,
}

/// How much of an over-long line is shown, in bytes.
const OVERLONG_SHOWN: usize = 256;

/// A line buffer that grew beyond this is given back after its line, in bytes.
const KEPT_CAPACITY: usize = 1024 * 1024;

impl Default for SseDecoder {
    fn default() -> Self {
        Self::with_max_line(DEFAULT_MAX_LINE)
    }
}

impl SseDecoder {
    /// A decoder with its own limit on the length of a line, in bytes.
    pub fn with_max_line(max_line: usize) -> Self {
        Self {
            max_line,
            partial: Vec::new(),
            dropped: None,
            after_cr: false,
            at_start: true,
            id: None,
            pending: Pending::default(),
        }
    }

    /// Takes the next bytes and hands every event that they complete to `emit`.
    pub fn push(&mut self, mut bytes: &[u8], mut emit: impl FnMut(SseEvent<'_>)) {
        if self.after_cr
            && let Some((first, rest)) = bytes.split_first()
        {
            self.after_cr = false;
            if *first == b'\n' {
                bytes = rest;
            }
        }
        // Borrows from `bytes` as long as the chunk lasts.
        let mut pending = std::mem::take(&mut self.pending);
        while let Some(end) = find_line_end(bytes) {
            self.end_line(&bytes[..end], &mut pending, &mut emit);
            let ended_in_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if ended_in_cr {
                match bytes.split_first() {
                    Some((b'\n', rest)) => bytes = rest,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
        }
        self.pending = pending.into_owned();
        self.keep(bytes);
    }

    /// The connection ended: hands out what a missing last blank line held back.
    pub fn finish(mut self, mut emit: impl FnMut(SseEvent<'_>)) {
        let mut pending = std::mem::take(&mut self.pending);
        if !self.partial.is_empty() {
            self.end_line(&[], &mut pending, &mut emit);
        }
        self.dispatch(&mut pending, &mut emit);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.dropped.is_none() && self.partial.len() + bytes.len() <= self.max_line {
            self.partial.extend_from_slice(bytes);
            return;
        }
        let total = self.partial.len() as u64 + bytes.len() as u64;
        let room = OVERLONG_SHOWN.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..room.min(bytes.len())]);
        self.partial.truncate(OVERLONG_SHOWN);
        let before = self.dropped.unwrap_or(0);
        self.dropped = Some(before + (total - self.partial.len() as u64));
    }

    fn end_line<'a>(
        &mut self,
        tail: &'a [u8],
        pending: &mut Pending<'a>,
        emit: &mut impl FnMut(SseEvent<'_>),
    ) {
        let first = std::mem::take(&mut self.at_start);
        if self.partial.is_empty() && self.dropped.is_none() && tail.len() <= self.max_line {
            self.line(without_bom(tail, first), pending, emit);
            return;
        }
        self.keep(tail);
        let mut whole = std::mem::take(&mut self.partial);
        match self.dropped.take() {
            None => {
                // The line is put together from chunks, so it does not outlive this call as it is.
                let mut shorter = std::mem::take(pending);
                self.line(without_bom(&whole, first), &mut shorter, emit);
                *pending = shorter.into_owned();
            }
            Some(dropped) => {
                pending.spoiled = true;
                emit(SseEvent::OverlongLine {
                    start: &String::from_utf8_lossy(&whole),
                    length: dropped + whole.len() as u64,
                });
            }
        }
        if whole.capacity() <= KEPT_CAPACITY {
            whole.clear();
            self.partial = whole;
        }
    }

    fn line<'a>(
        &mut self,
        line: &'a [u8],
        pending: &mut Pending<'a>,
        emit: &mut impl FnMut(SseEvent<'_>),
    ) {
        if line.is_empty() {
            self.dispatch(pending, emit);
            return;
        }
        let (name, value) = match line.iter().position(|b| *b == b':') {
            Some(0) => return,
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => pending.add_data(text(value)),
            b"event" => pending.event = text(value),
            b"id" if !value.contains(&0) => self.id = Some(text(value).into_owned()),
            b"retry" => emit_retry(value, emit),
            // The format tells readers to ignore fields that it does not define.
            _ => {}
        }
    }

    fn dispatch(&mut self, pending: &mut Pending<'_>, emit: &mut impl FnMut(SseEvent<'_>)) {
        let Pending { event, data, spoiled } = std::mem::take(pending);
        if let Some(data) = data
            && !spoiled
        {
            emit(SseEvent::Message { event: &event, data: &data, id: self.id.as_deref() });
        }
    }
}

impl<'a> Pending<'a> {
    fn add_data(&mut self, value: Cow<'a, str>) {
        match &mut self.data {
            None => self.data = Some(value),
            Some(data) => {
                let data = data.to_mut();
                data.push('\n');
                data.push_str(&value);
            }
        }
    }

    fn into_owned(self) -> Pending<'static> {
        Pending {
            event: Cow::Owned(self.event.into_owned()),
            data: self.data.map(|data| Cow::Owned(data.into_owned())),
            spoiled: self.spoiled,
        }
    }
}

/// The strict check is much the faster one, and hardly ever fails.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Where the first LF or CR is, eight bytes at a time: most of a stream is payload.
fn find_line_end(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_byte = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let lf = zero_byte(word ^ (ONES * u64::from(b'\n')));
        let cr = zero_byte(word ^ (ONES * u64::from(b'\r')));
        // The lowest mark is always a true one.
        if lf | cr != 0 {
            return Some(number * 8 + (lf | cr).trailing_zeros() as usize / 8);
        }
    }
    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    Some(words.len() * 8 + end)
}

fn emit_retry(value: &[u8], emit: &mut impl FnMut(SseEvent<'_>)) {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).unwrap_or_default();
    if digits && let Ok(milliseconds) = text.parse() {
        emit(SseEvent::Retry(Duration::from_millis(milliseconds)));
    }
}

fn without_bom(line: &[u8], first: bool) -> &[u8] {
    match line.strip_prefix(b"\xEF\xBB\xBF") {
        Some(rest) if first => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests;
