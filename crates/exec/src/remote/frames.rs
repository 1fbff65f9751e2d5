//! What belongs to the command in the output of the program that carries it.
//!
//! Whatever comes before the first mark was said by the connection (or by a start-up file of the
//! login shell); what lies between the marks is the command's; the last mark says how it ended. A
//! stream without its last mark is a connection that broke: exit status 255 cannot tell.

const BORDER: u8 = 0x1E;
/// What the connection says is kept up to so many bytes.
const PREAMBLE_LIMIT: usize = 8 * 1024;

/// One stream, cut at its marks, whatever the borders of its chunks.
#[derive(Debug)]
pub(super) struct Frame {
    start: Vec<u8>,
    end: Vec<u8>,
    state: State,
    /// not decided yet
    held: Vec<u8>,
    preamble: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Before,
    Inside,
    After,
    Ended(String),
}

impl Frame {
    pub(super) fn new(nonce: &str) -> Self {
        let mark = |kind: char, after: u8| {
            let mut mark = vec![BORDER];
            mark.extend_from_slice(format!("{kind}{nonce}").as_bytes());
            mark.push(after);
            mark
        };
        Self {
            start: mark('S', BORDER),
            end: mark('E', b' '),
            state: State::Before,
            held: Vec::new(),
            preamble: Vec::new(),
        }
    }

    /// The command's own bytes among these.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        if self.state == State::Before {
            match find(&self.held, &self.start) {
                Some(at) => {
                    let rest = self.held.split_off(at + self.start.len());
                    self.held.truncate(at);
                    self.keep_preamble(at);
                    self.held = rest;
                    self.state = State::Inside;
                }
                None => {
                    self.keep_preamble(self.held.len() - begun(&self.held, &self.start));
                    return Vec::new();
                }
            }
        }
        let mut own = Vec::new();
        if self.state == State::Inside {
            match find(&self.held, &self.end) {
                Some(at) => {
                    let rest = self.held.split_off(at + self.end.len());
                    self.held.truncate(at);
                    own = std::mem::replace(&mut self.held, rest);
                    self.state = State::After;
                }
                None => {
                    let undecided =
                        self.held.split_off(self.held.len() - begun(&self.held, &self.end));
                    own = std::mem::replace(&mut self.held, undecided);
                }
            }
        }
        if self.state == State::After
            && let Some(at) = self.held.iter().position(|byte| *byte == BORDER)
        {
            self.state = State::Ended(String::from_utf8_lossy(&self.held[..at]).into_owned());
            self.held.clear();
        }
        if matches!(self.state, State::Ended(_)) {
            self.held.clear();
        }
        own
    }

    fn keep_preamble(&mut self, count: usize) {
        let said: Vec<u8> = self.held.drain(..count).collect();
        let room = PREAMBLE_LIMIT.saturating_sub(self.preamble.len());
        self.preamble.extend(said.into_iter().take(room));
    }

    /// The other side has begun with what it was asked.
    pub(super) fn has_begun(&self) -> bool {
        self.state != State::Before
    }

    /// How it ended there; `None`: the connection did not last until then.
    pub(super) fn ended(&self) -> Option<&str> {
        match &self.state {
            State::Ended(how) => Some(how),
            _ => None,
        }
    }

    /// What the connection itself said.
    pub(super) fn preamble(&self) -> String {
        let mut said = self.preamble.clone();
        if self.state == State::Before {
            said.extend_from_slice(&self.held);
        }
        String::from_utf8_lossy(&said).trim().to_owned()
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

/// Length of a mark's beginning at the end of the bytes.
fn begun(bytes: &[u8], mark: &[u8]) -> usize {
    (1..mark.len()).rev().find(|length| bytes.ends_with(&mark[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Frame) {
        let mut frame = Frame::new("abc");
        let mut own = Vec::new();
        let mut rest = bytes;
        for cut in cuts {
            let (chunk, after) = rest.split_at((*cut).min(rest.len()));
            own.extend(frame.push(chunk));
            rest = after;
        }
        own.extend(frame.push(rest));
        (own, frame)
    }

    proptest! {
        #[test]
        fn any_chunks_give_the_same(
            before in prop::collection::vec(any::<u8>(), 0..30),
            inside in prop::collection::vec(prop_oneof![any::<u8>(), Just(BORDER), Just(b'E'), Just(b'a')], 0..60),
            cuts in prop::collection::vec(1usize..7, 0..60),
        ) {
            let mut bytes = before;
            bytes.extend_from_slice(b"\x1eSabc\x1e");
            bytes.extend_from_slice(&inside);
            bytes.extend_from_slice(b"\x1eEabc 255\x1e");
            let (own, frame) = feed(&bytes, &cuts);
            prop_assert_eq!(own, inside);
            prop_assert_eq!(frame.ended(), Some("255"));
        }

        #[test]
        fn noise_is_never_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (own, frame) = feed(&bytes, &[3, 5]);
            prop_assert!(own.is_empty() && !frame.has_begun() && frame.ended().is_none());
        }
    }

    #[test]
    fn a_broken_stream_has_its_bytes_and_no_end() {
        let (own, frame) = feed(b"banner\n\x1eSabc\x1epartial\x1eEabc 25", &[4, 9]);
        assert_eq!(own, b"partial");
        assert!(frame.has_begun() && frame.ended().is_none());
        assert_eq!(frame.preamble(), "banner");
    }
}
