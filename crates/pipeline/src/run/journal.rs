//! The truth of a run: `journal.jsonl`, one record a line (ruling 16).
//!
//! A record is on disk before anything that follows from it is done. The last line may be torn by a
//! crash, and is then dropped: what it told of happens again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::{Finish, Snapshot, StageRecord};

/// The version of the format that is written; all earlier ones are read.
pub const VERSION: u32 = 1;

/// A lock is held for a moment by those who only look whether it is held, and by a program that is
/// just being started from the process that let it go.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The first record: what the run is a run of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The format's version.
    pub v: u32,
    /// The run's id.
    pub run: String,
    /// The graph's name.
    pub name: String,
    /// Digest of the graph that is run, checked on resume.
    pub graph: String,
    /// `2026-02` for old files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
    /// Where chance comes from.
    pub seed: u64,
    /// When the run began, in Unix milliseconds.
    pub begun: u64,
    /// `--input` values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// Values that the context began with, beside the graph's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub context: BTreeMap<String, Value>,
    /// The repository that the run works in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<PathBuf>,
    /// The state of the repository that it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// The run and record that it was forked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<String>,
    /// The directory of the source, where the paths in it begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<PathBuf>,
    /// How many managers stand above it: 0 for a run that somebody began.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub depth: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// The first.
    Run(Header),
    /// An attempt at a stage.
    Stage(StageRecord),
    /// The records from number `to` on, counted from 1 among the stage records in force, no longer
    /// count.
    Rewind {
        /// How many stage records stay.
        keep: usize,
        /// Unix milliseconds.
        at: u64,
    },
    /// The run ended, or was stopped.
    End {
        /// How.
        finish: Finish,
        /// Unix milliseconds.
        at: u64,
    },
}

/// A journal that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A line in the middle is no record.
    #[error("{}: line {line} is no record of a run: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Written by a later version.
    #[error("{}: format version {found}, this program reads up to {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
    /// Somebody else is at it.
    #[error("{}: another process is running this run", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
}

/// What a journal holds that still counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// The first record.
    pub header: Header,
    /// Attempts in force, in order.
    pub stages: Vec<StageRecord>,
    /// How it ended, if nothing happened after that.
    pub end: Option<Finish>,
    /// When, in Unix milliseconds.
    pub ended: Option<u64>,
    /// Bytes of whole lines.
    pub bytes: u64,
}

/// Reads a journal; a torn last line is left out.
///
/// # Errors
/// [`JournalError`] where a whole line is no record, or the file cannot be read.
pub fn read(path: &Path) -> Result<Contents, JournalError> {
    let file = File::open(path).map_err(|source| io_error(path, source))?;
    let mut lines = BufReader::new(file);
    let mut contents: Option<Contents> = None;
    let mut bytes = 0;
    for number in 1.. {
        let mut line = Vec::new();
        let read = lines.read_until(b'\n', &mut line).map_err(|source| io_error(path, source))?;
        if read == 0 || line.last() != Some(&b'\n') {
            break;
        }
        bytes += read as u64;
        let damaged =
            |why: String| JournalError::Damaged { path: path.to_owned(), line: number, why };
        let entry: Entry = match serde_json::from_slice(&line) {
            Ok(entry) => entry,
            Err(error) => {
                return Err(newer(path, &line).unwrap_or_else(|| damaged(error.to_string())));
            }
        };
        take(&mut contents, entry).map_err(damaged)?;
    }
    let mut contents = contents.ok_or_else(|| JournalError::Damaged {
        path: path.to_owned(),
        line: 1,
        why: "there is no whole first record".to_owned(),
    })?;
    contents.bytes = bytes;
    Ok(contents)
}

fn take(contents: &mut Option<Contents>, entry: Entry) -> Result<(), String> {
    match (entry, contents.as_mut()) {
        (Entry::Run(header), None) => {
            *contents =
                Some(Contents { header, stages: Vec::new(), end: None, ended: None, bytes: 0 });
        }
        (Entry::Run(_), Some(_)) => return Err("a second first record".to_owned()),
        (_, None) => return Err("the first record does not say what is run".to_owned()),
        (Entry::Stage(record), Some(contents)) => {
            contents.stages.push(record);
            (contents.end, contents.ended) = (None, None);
        }
        (Entry::Rewind { keep, .. }, Some(contents)) => {
            if keep > contents.stages.len() {
                return Err(format!("a rewind to record {keep}, which is not there"));
            }
            contents.stages.truncate(keep);
            (contents.end, contents.ended) = (None, None);
        }
        (Entry::End { finish, at }, Some(contents)) => {
            (contents.end, contents.ended) = (Some(finish), Some(at));
        }
    }
    Ok(())
}

/// The better reason for a first line that cannot be read.
fn newer(path: &Path, line: &[u8]) -> Option<JournalError> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let found = u32::try_from(value.get("v")?.as_u64()?).ok()?;
    (found > VERSION).then(|| JournalError::Version { path: path.to_owned(), found })
}

/// The one writer of a journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    written: u64,
}

impl Journal {
    /// A new journal with its first record.
    ///
    /// # Errors
    /// [`JournalError::Io`], also where there is one already.
    pub fn create(path: &Path, header: Header) -> Result<Self, JournalError> {
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = file.map_err(|source| io_error(path, source))?;
        let mut journal = Self::lock(file, path, 0)?;
        journal.append(&Entry::Run(header))?;
        if let Some(parent) = path.parent() {
            File::open(parent)
                .and_then(|dir| dir.sync_all())
                .map_err(|source| io_error(parent, source))?;
        }
        Ok(journal)
    }

    /// Takes a journal over: locks it, reads it, cuts a torn last line off.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(path: &Path) -> Result<(Self, Contents), JournalError> {
        let file = OpenOptions::new().read(true).append(true).open(path);
        let file = file.map_err(|source| io_error(path, source))?;
        let mut journal = Self::lock(file, path, 0)?;
        let contents = read(path)?;
        let end = journal.file.seek(SeekFrom::End(0)).map_err(|source| io_error(path, source))?;
        if end != contents.bytes {
            let cut = journal.file.set_len(contents.bytes).and_then(|()| journal.file.sync_all());
            cut.map_err(|source| io_error(path, source))?;
        }
        journal.written = contents.bytes;
        Ok((journal, contents))
    }

    fn lock(file: File, path: &Path, written: u64) -> Result<Self, JournalError> {
        lock(&file, path)?;
        Ok(Self { file, path: path.to_owned(), written })
    }

    /// Writes an entry and waits until it is on disk.
    ///
    /// # Errors
    /// [`JournalError::Io`]; nothing may be done then that rests on the entry.
    pub fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        self.append_all(std::slice::from_ref(entry))
    }

    /// [`append`](Self::append) for several entries that come from one decision: one wait.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn append_all(&mut self, entries: &[Entry]) -> Result<(), JournalError> {
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)
                .map_err(|error| io_error(&self.path, error.into()))?;
            lines.push(b'\n');
        }
        let written = self.file.write_all(&lines).and_then(|()| self.file.sync_data());
        written.map_err(|source| io_error(&self.path, source))?;
        self.written += lines.len() as u64;
        Ok(())
    }

    /// Bytes in the journal.
    pub const fn bytes(&self) -> u64 {
        self.written
    }
}

fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(io_error(path, source)),
        }
    }
    Err(JournalError::Busy { path: path.to_owned() })
}

/// Keeps others from running a run, whatever its journal holds, for as long as the file is open.
///
/// # Errors
/// [`JournalError::Busy`] where somebody runs it.
pub(super) fn hold(path: &Path) -> Result<File, JournalError> {
    let file = File::open(path).map_err(|source| io_error(path, source))?;
    lock(&file, path)?;
    Ok(file)
}

/// Whether a process is running the run.
pub(super) fn is_held(path: &Path) -> io::Result<bool> {
    match File::open(path)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn io_error(path: &Path, source: io::Error) -> JournalError {
    JournalError::Io { path: path.to_owned(), source }
}
