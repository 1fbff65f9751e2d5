//! The numbered journal of a session's lines, in both directions.
//!
//! A record is a header of 21 bytes (number u64, milliseconds since the Unix epoch u64, direction
//! u8, length u32, all little endian) and the line's bytes without its line end. A half-written
//! record at the end, as a kill leaves it, is not a record.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use canon_protocol::lines::Line;

const HEADER: usize = 21;

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The daemon, to the agent's standard input.
    ToAgent,
    /// The agent, on its standard output.
    FromAgent,
    /// The agent, on its standard output, a line over the cap; the bytes are its whole length
    /// (u64, little endian) and its beginning.
    FromAgentTooLong,
}

impl Direction {
    fn byte(self) -> u8 {
        match self {
            Self::ToAgent => b'i',
            Self::FromAgent => b'o',
            Self::FromAgentTooLong => b'x',
        }
    }

    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            b'i' => Self::ToAgent,
            b'o' => Self::FromAgent,
            b'x' => Self::FromAgentTooLong,
            _ => return None,
        })
    }
}

/// One line of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number in the session, from 0.
    pub seq: u64,
    /// When the supervisor took it, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who wrote it.
    pub direction: Direction,
    /// The line, without its end.
    pub line: Vec<u8>,
}

/// Why a journal cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("session journal {}: {source}", path.display())]
pub struct JournalError {
    path: PathBuf,
    source: io::Error,
}

impl Record {
    /// The line as the protocol's decoders take it.
    pub fn into_line(self) -> Line {
        match (self.direction, self.line.split_first_chunk::<8>()) {
            (Direction::FromAgentTooLong, Some((len, head))) => {
                Line::TooLong { len: u64::from_le_bytes(*len), head: head.to_vec().into() }
            }
            _ => Line::data(&self.line),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.line.len());
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.at_ms.to_le_bytes());
        out.push(self.direction.byte());
        out.extend_from_slice(&u32::try_from(self.line.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&self.line);
        out
    }

    /// A record from all of its bytes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, line) = bytes.split_first_chunk::<HEADER>()?;
        let (seq, at_ms, direction, length) = parse_header(header)?;
        (line.len() == length).then(|| Self { seq, at_ms, direction, line: line.to_vec() })
    }
}

fn parse_header(header: &[u8; HEADER]) -> Option<(u64, u64, Direction, usize)> {
    let (seq, rest) = header.split_first_chunk::<8>()?;
    let (at_ms, rest) = rest.split_first_chunk::<8>()?;
    let (&direction, length) = rest.split_first()?;
    Some((
        u64::from_le_bytes(*seq),
        u64::from_le_bytes(*at_ms),
        Direction::of(direction)?,
        u32::from_le_bytes(length.try_into().ok()?) as usize,
    ))
}

/// The journal as its supervisor writes it.
#[derive(Debug)]
pub(super) struct Writer {
    file: File,
    path: PathBuf,
    next: u64,
    length: u64,
}

impl Writer {
    pub(super) fn create(path: &Path) -> Result<Self, JournalError> {
        let file = File::options()
            .create_new(true)
            .append(true)
            .open(path)
            .map_err(|source| JournalError { path: path.to_owned(), source })?;
        Ok(Self { file, path: path.to_owned(), next: 0, length: 0 })
    }

    /// Number of the next record.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Bytes written so far: whoever read that many has read all.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn append(
        &mut self,
        at_ms: u64,
        direction: Direction,
        line: Vec<u8>,
    ) -> Result<(), JournalError> {
        let bytes = Record { seq: self.next, at_ms, direction, line }.encode();
        self.file
            .write_all(&bytes)
            .map_err(|source| JournalError { path: self.path.clone(), source })?;
        self.next += 1;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// The records of a journal file, in order; ends before a half-written one and can be asked again
/// when the file has grown.
#[derive(Debug)]
pub struct Records {
    file: BufReader<File>,
    path: PathBuf,
    position: u64,
}

impl Records {
    /// Reads the journal at `path` from its beginning.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let file =
            File::open(path).map_err(|source| JournalError { path: path.to_owned(), source })?;
        Ok(Self { file: BufReader::new(file), path: path.to_owned(), position: 0 })
    }

    /// Bytes of whole records read so far: equal to the writer's length when all were read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next record, if a whole one is there.
    pub fn next_record(&mut self) -> Result<Option<Record>, JournalError> {
        self.read().map_err(|source| JournalError { path: self.path.clone(), source })
    }

    fn read(&mut self) -> io::Result<Option<Record>> {
        let mut header = [0; HEADER];
        if !self.read_whole(&mut header)? {
            return Ok(None);
        }
        let (seq, at_ms, direction, length) = parse_header(&header).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a record of unknown form")
        })?;
        let mut line = vec![0; length];
        if !self.read_whole(&mut line)? {
            return Ok(None);
        }
        self.position += (HEADER + length) as u64;
        Ok(Some(Record { seq, at_ms, direction, line }))
    }

    /// Fills `buffer`; if the file ends first, goes back to where the record began.
    fn read_whole(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        match self.file.read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.file.seek(SeekFrom::Start(self.position))?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_a_torn_tail_is_none() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("journal");
        let mut writer = Writer::create(&path).unwrap();
        writer.append(5, Direction::ToAgent, b"in".to_vec()).unwrap();
        writer.append(6, Direction::FromAgent, vec![255; 3000]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(whole.len() as u64, writer.length());
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut records = Records::open(&path).unwrap();
            let mut count = 0;
            while let Some(record) = records.next_record().unwrap() {
                assert_eq!(record.seq, count);
                count += 1;
            }
            assert_eq!(count, u64::from(cut >= HEADER + 2), "cut at {cut}");
            // The rest arrives: reading goes on where it stopped.
            std::fs::write(&path, &whole).unwrap();
            while records.next_record().unwrap().is_some() {
                count += 1;
            }
            assert_eq!(count, 2, "cut at {cut}");
        }
    }

    #[test]
    fn encode_and_decode_agree() {
        let record =
            Record { seq: 9, at_ms: 1, direction: Direction::FromAgentTooLong, line: vec![1, 2] };
        assert_eq!(Record::decode(&record.encode()), Some(record.clone()));
        assert_eq!(Record::decode(&record.encode()[..22]), None);
    }
}
