//! One connection to the supervisor's socket. What it is sent comes from the journal file, so that
//! a slow daemon costs disk, not memory.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::event::PollFlags;

use crate::supervisor::frame::{Decoder, Frame};
use crate::supervisor::journal::Records;

/// Once this much waits to be written, no further record is read for it.
const HIGH_WATER: usize = 256 * 1024;

pub(super) struct Connection {
    stream: UnixStream,
    decoder: Decoder,
    outgoing: Vec<u8>,
    written: usize,
    records: Records,
    from: u64,
    /// Records flow only to a daemon that was let in.
    welcomed: bool,
    finished: bool,
}

impl Connection {
    pub(super) fn new(stream: UnixStream, journal: &Path) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let records = Records::open(journal).map_err(io::Error::other)?;
        Ok(Self {
            stream,
            decoder: Decoder::default(),
            outgoing: Vec::new(),
            written: 0,
            records,
            from: 0,
            welcomed: false,
            finished: false,
        })
    }

    pub(super) fn poll_fd(&self, journal_length: u64) -> (BorrowedFd<'_>, PollFlags) {
        let behind = self.welcomed && self.records.position() < journal_length;
        let flags = if behind || self.written < self.outgoing.len() {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        };
        (self.stream.as_fd(), flags)
    }

    /// The whole frames that have come; an error when the peer is gone or speaks no frames.
    pub(super) fn receive(&mut self) -> io::Result<Vec<Frame>> {
        // A peer that was killed resets the connection; what it had said before still counts.
        let open = self.decoder.fill(&mut self.stream).unwrap_or(false);
        let mut frames = Vec::new();
        while let Some(frame) = self.decoder.next()? {
            frames.push(frame);
        }
        if !open && frames.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(frames)
    }

    /// Lets the peer in: from record `from` on it is sent the journal.
    pub(super) fn welcome(&mut self, welcome: &Frame, from: u64) {
        self.welcomed = true;
        self.from = from;
        self.outgoing.extend(welcome.encode());
    }

    /// A last frame to a peer that is not served any more, as far as it can take it at once.
    pub(super) fn farewell(&mut self, frame: &Frame) {
        self.outgoing.extend(frame.encode());
        let _ = self.flush();
    }

    /// Sends records as far as the peer takes them; the journal holds `journal_length` bytes.
    pub(super) fn send_records(&mut self, journal_length: u64) -> io::Result<()> {
        self.flush()?;
        while self.outgoing.len() - self.written < HIGH_WATER
            && self.records.position() < journal_length
        {
            let Some(record) = self.records.next_record().map_err(io::Error::other)? else { break };
            if record.seq >= self.from {
                self.outgoing.extend(Frame::Record(record.encode()).encode());
            }
        }
        self.flush()
    }

    /// Sends the rest and then, once, `last`.
    pub(super) fn finish(&mut self, journal_length: u64, last: &Frame) -> io::Result<()> {
        self.send_records(journal_length)?;
        if !self.finished && self.records.position() >= journal_length {
            self.finished = true;
            self.outgoing.extend(last.encode());
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.written < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.written..]) {
                Ok(n) => self.written += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.outgoing.clear();
        self.written = 0;
        Ok(())
    }
}
