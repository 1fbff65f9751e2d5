//! Live output of a running tool, on its way to the host. A writer never waits and a slow host
//! never stops a tool: what was not yet taken is joined, and beyond a bound skipped with a marker.
//! Nothing of it is lost for good, since a tool's result comes whole with its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use canon_exec::OutputSink;
use canon_exec::process::{OutputChunk, OutputStream};
use tokio::sync::Notify;

/// Bytes that may wait.
const MOST_WAITING: usize = 256 * 1024;

/// The writing end, for a tool.
#[derive(Debug, Clone, Default)]
pub struct OutputDeltas(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    text: String,
    skipped: usize,
    /// The beginning of a character whose rest has not come, by stream.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl OutputDeltas {
    /// Shows `text` to the host. Never waits.
    pub fn send(&self, text: &str) {
        self.lock().push(text);
        self.0.news.notify_one();
    }

    /// A sink for a command's output.
    pub fn command_sink(&self) -> OutputSink {
        let deltas = self.clone();
        OutputSink::new(move |chunk| deltas.send_chunk(&chunk))
    }

    fn send_chunk(&self, chunk: &OutputChunk) {
        let mut waiting = self.lock();
        let carry = match chunk.stream {
            OutputStream::Stdout => &mut waiting.stdout,
            OutputStream::Stderr => &mut waiting.stderr,
        };
        let text = decode(carry, &chunk.bytes);
        waiting.push(&text);
        drop(waiting);
        self.0.news.notify_one();
    }

    /// Everything that waits, if there is any.
    pub(crate) fn take(&self) -> Option<String> {
        let mut waiting = self.lock();
        let mut text = std::mem::take(&mut waiting.text);
        let skipped = std::mem::take(&mut waiting.skipped);
        if skipped > 0 {
            text.push_str(&format!("\n[... {skipped} bytes of live output were skipped ...]\n"));
        }
        (!text.is_empty()).then_some(text)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn push(&mut self, text: &str) {
        if self.text.len() + text.len() > MOST_WAITING || self.skipped > 0 {
            self.skipped += text.len();
        } else {
            self.text.push_str(text);
        }
    }
}

/// The reading end.
pub(crate) struct Pending(OutputDeltas);

impl Pending {
    pub(crate) fn new(deltas: OutputDeltas) -> Self {
        Self(deltas)
    }

    /// The next output; may be dropped and asked again.
    pub(crate) async fn next(&self) -> String {
        loop {
            if let Some(text) = self.0.take() {
                return text;
            }
            self.0.0.news.notified().await;
        }
    }
}

/// The text of `bytes` behind `carry`, which keeps the beginning of a character that is cut off.
fn decode(carry: &mut Vec<u8>, bytes: &[u8]) -> String {
    carry.extend_from_slice(bytes);
    let whole = whole_characters(carry);
    let rest = carry.split_off(whole);
    let text = String::from_utf8_lossy(carry).into_owned();
    *carry = rest;
    text
}

/// How many of `bytes` are not the beginning of a cut-off character at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let needs = match bytes[at] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => 1,
        };
        return if needs > back { at } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_flood_is_skipped_with_a_marker() {
        let deltas = OutputDeltas::default();
        deltas.send("begin ");
        deltas.send(&"x".repeat(MOST_WAITING));
        deltas.send("more");
        let text = deltas.take().unwrap();
        assert!(text.starts_with("begin \n[... 262148 bytes"), "{text}");
        assert_eq!(deltas.take(), None);
        deltas.send("again");
        assert_eq!(deltas.take().as_deref(), Some("again"));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_text(text in "\\PC{0,40}", sizes in prop::collection::vec(1usize..5, 1..50)) {
            let deltas = OutputDeltas::default();
            let mut rest = text.as_bytes();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at((*size).min(rest.len()));
                deltas.send_chunk(&OutputChunk { stream: OutputStream::Stdout, bytes: chunk.to_vec() });
                rest = after;
            }
            prop_assert_eq!(deltas.take().unwrap_or_default(), text);
        }
    }
}
