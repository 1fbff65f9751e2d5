//! What daemon and supervisor say to each other: frames of a length, a kind and a payload.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

/// No frame is longer: the longest line and its header fit.
pub(super) const MAX_FRAME: usize = 64 * 1024 * 1024;

/// The daemon's first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Grows with each start of the daemon; a lower one than seen before is refused.
    pub epoch: u64,
    /// Number of the first record to send.
    pub from: u64,
}

/// The supervisor's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Number that the next record will get.
    pub next: u64,
    /// How many input lines it has taken so far; the daemon numbers its next one with this.
    pub inputs: u64,
    /// Process id of the agent, as the supervisor sees it.
    pub agent_pid: u32,
}

/// How an agent ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatus {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that killed it, if one did.
    pub signal: Option<i32>,
    /// Why the supervisor ended it, if it did: `told`, `orphaned`, `journal` (it could not be
    /// written), `journal_full`.
    pub ended_by: Option<String>,
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => f.write_str("unknown status"),
        }?;
        match self.ended_by.as_deref() {
            Some("journal_full") => f.write_str(", because it wrote more than a session may"),
            Some("journal") => f.write_str(", because its output could not be recorded"),
            Some("orphaned") => f.write_str(", because no daemon came back in time"),
            _ => Ok(()),
        }
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// Daemon: let me in.
    Hello(Hello),
    /// Daemon: write this line to the agent, as input number `number`.
    Input { number: u64, line: Vec<u8> },
    /// Daemon: end the agent.
    Stop,
    /// Supervisor: you are in.
    Welcome(Welcome),
    /// Supervisor: a record of the journal, as it lies there.
    Record(Vec<u8>),
    /// Supervisor: a newer daemon has taken over, or your epoch is old.
    Fenced,
    /// Supervisor: the agent has ended and every record was sent.
    Exited(ExitStatus),
}

impl Frame {
    /// The frame as bytes: length (u32, little endian) of kind and payload, kind, payload.
    pub(super) fn encode(&self) -> Vec<u8> {
        let json = |value: &dyn erased::Json| value.bytes();
        let (kind, payload) = match self {
            Self::Hello(hello) => (b'h', json(hello)),
            Self::Input { number, line } => {
                let mut payload = number.to_le_bytes().to_vec();
                payload.extend_from_slice(line);
                (b'i', payload)
            }
            Self::Stop => (b's', Vec::new()),
            Self::Welcome(welcome) => (b'w', json(welcome)),
            Self::Record(record) => (b'r', record.clone()),
            Self::Fenced => (b'f', Vec::new()),
            Self::Exited(exit) => (b'x', json(exit)),
        };
        let length = u32::try_from(payload.len() + 1).unwrap_or(u32::MAX);
        let mut out = Vec::with_capacity(payload.len() + 5);
        out.extend_from_slice(&length.to_le_bytes());
        out.push(kind);
        out.extend_from_slice(&payload);
        out
    }

    fn decode(kind: u8, payload: &[u8]) -> io::Result<Self> {
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "a frame of unknown form");
        Ok(match kind {
            b'h' => Self::Hello(serde_json::from_slice(payload)?),
            b'i' => {
                let (number, line) = payload.split_first_chunk::<8>().ok_or_else(bad)?;
                Self::Input { number: u64::from_le_bytes(*number), line: line.to_vec() }
            }
            b's' => Self::Stop,
            b'w' => Self::Welcome(serde_json::from_slice(payload)?),
            b'r' => Self::Record(payload.to_vec()),
            b'f' => Self::Fenced,
            b'x' => Self::Exited(serde_json::from_slice(payload)?),
            _ => return Err(bad()),
        })
    }
}

mod erased {
    pub(super) trait Json {
        fn bytes(&self) -> Vec<u8>;
    }
    impl<T: serde::Serialize> Json for T {
        fn bytes(&self) -> Vec<u8> {
            serde_json::to_vec(self).unwrap_or_default()
        }
    }
}

/// Collects bytes and yields frames.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// Adds bytes as they came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one; an error if the peer does not speak frames.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame>> {
        let rest = &self.buffer[self.start..];
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || length > MAX_FRAME {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame of impossible length"));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let frame = Frame::decode(body[0], &body[1..])?;
        self.start += 4 + length;
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        Ok(Some(frame))
    }

    /// Reads what is there; `false` at the end of the stream.
    pub(super) fn fill(&mut self, from: &mut impl Read) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        loop {
            match from.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(n) => self.push(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames() -> Vec<Frame> {
        vec![
            Frame::Hello(Hello { epoch: 3, from: 9 }),
            Frame::Input { number: 7, line: b"{\"a\":1}".to_vec() },
            Frame::Input { number: 8, line: Vec::new() },
            Frame::Stop,
            Frame::Welcome(Welcome { next: 2, inputs: 1, agent_pid: 77 }),
            Frame::Record(vec![0, 255, 10, 13]),
            Frame::Fenced,
            Frame::Exited(ExitStatus { code: Some(1), signal: None, ended_by: None }),
        ]
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(cuts in prop::collection::vec(1usize..40, 0..60)) {
            let bytes: Vec<u8> = frames().iter().flat_map(Frame::encode).collect();
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            let mut rest = bytes.as_slice();
            for cut in cuts.into_iter().chain(std::iter::repeat(usize::MAX)) {
                let (chunk, tail) = rest.split_at(cut.min(rest.len()));
                decoder.push(chunk);
                while let Some(frame) = decoder.next().unwrap() {
                    seen.push(frame);
                }
                rest = tail;
                if rest.is_empty() { break; }
            }
            prop_assert_eq!(seen, frames());
        }
    }

    #[test]
    fn a_peer_that_speaks_something_else_is_an_error() {
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 0], &[1, 0, 0, 0, b'?']] {
            let mut decoder = Decoder::default();
            decoder.push(bytes);
            assert!(decoder.next().is_err());
        }
    }
}
