//! Output of any length in bounded memory: the head and the tail are kept.

use std::collections::VecDeque;

/// Keeps the first half and the last half of a limit, and counts what lay between.
#[derive(Debug)]
pub(crate) struct Capture {
    head: Vec<u8>,
    head_limit: usize,
    tail: VecDeque<u8>,
    tail_limit: usize,
    dropped: u64,
}

impl Capture {
    pub(crate) fn new(limit: usize) -> Self {
        let head_limit = limit.div_ceil(2);
        Self {
            head: Vec::new(),
            head_limit,
            tail: VecDeque::new(),
            tail_limit: limit - head_limit,
            dropped: 0,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(self.head_limit - self.head.len()));
        self.head.extend_from_slice(first);
        // What would fall out of the tail at once need not go in.
        let skipped = rest.len().saturating_sub(self.tail_limit);
        let kept = &rest[skipped..];
        let pushed_out = (self.tail.len() + kept.len()).saturating_sub(self.tail_limit);
        self.tail.drain(..pushed_out);
        self.tail.extend(kept);
        self.dropped += (skipped + pushed_out) as u64;
    }

    /// Bytes not kept.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The text, with a marker line at the gap. No character is torn by the gap itself.
    pub(crate) fn into_text(mut self) -> String {
        if self.dropped == 0 {
            self.head.extend(self.tail);
            return into_string(self.head);
        }
        let torn_head = torn_end(&self.head);
        let tail: Vec<u8> = self.tail.into();
        let torn_tail = tail.iter().take(3).take_while(|byte| is_continuation(**byte)).count();
        self.head.truncate(self.head.len() - torn_head);
        let dropped = self.dropped + (torn_head + torn_tail) as u64;
        self.head.extend_from_slice(format!("\n[... {dropped} bytes omitted ...]\n").as_bytes());
        self.head.extend_from_slice(&tail[torn_tail..]);
        into_string(self.head)
    }
}

/// Copies only where bytes have to be replaced.
fn into_string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Length of an unfinished character at the end.
fn torn_end(bytes: &[u8]) -> usize {
    let back = bytes.iter().rev().take(3).take_while(|byte| is_continuation(**byte)).count();
    let Some(lead) = bytes.len().checked_sub(back + 1).and_then(|index| bytes.get(index)) else {
        return 0;
    };
    let wanted = match lead {
        0xC0..=0xDF => 1,
        0xE0..=0xEF => 2,
        0xF0..=0xF7 => 3,
        _ => 0,
    };
    if wanted > back { back + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn captured(limit: usize, chunks: &[&[u8]]) -> (String, u64) {
        let mut capture = Capture::new(limit);
        chunks.iter().for_each(|chunk| capture.push(chunk));
        let dropped = capture.dropped();
        (capture.into_text(), dropped)
    }

    #[test]
    fn short_output_is_whole() {
        assert_eq!(captured(10, &[b"hello", b"world"]), ("helloworld".into(), 0));
    }

    #[test]
    fn head_and_tail_survive() {
        assert_eq!(
            captured(6, &[b"abc", b"defghijk", b"l"]),
            ("abc\n[... 6 bytes omitted ...]\njkl".into(), 6)
        );
    }

    #[test]
    fn a_character_cut_by_the_gap_is_dropped_whole() {
        let (text, _) = captured(4, &["aßßßßßb".as_bytes()]);
        assert!(!text.contains('\u{FFFD}'), "{text}");
        assert!(text.starts_with('a') && text.ends_with('b'));
    }

    #[test]
    fn a_limit_of_nothing_keeps_nothing() {
        assert_eq!(captured(0, &[b"abc"]), ("\n[... 3 bytes omitted ...]\n".into(), 3));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_text(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            cuts in prop::collection::vec(1usize..20, 0..40),
            limit in 0usize..64,
        ) {
            let whole = captured(limit, &[&bytes]);
            let mut rest = bytes.as_slice();
            let mut chunks = Vec::new();
            for cut in cuts {
                let (chunk, remaining) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = remaining;
            }
            chunks.push(rest);
            prop_assert_eq!(&captured(limit, &chunks), &whole);
            prop_assert_eq!(whole.1, bytes.len().saturating_sub(limit) as u64);
        }
    }
}
