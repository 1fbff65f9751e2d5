//! Reading the directory: only files that changed since the last read are opened.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::catalogue::Catalogue;
use super::record::{self, Malformed, Record};
use crate::tracker::{RecordProblem, TrackerError};

/// Largest issue file that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 1024 * 1024;

/// Tells one content of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// One file of the directory, as last read.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    stamp: Option<Stamp>,
    pub(super) record: Result<Arc<Record>, Arc<Malformed>>,
}

/// The cache; one read at a time.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    cache: Mutex<Cache>,
    problems: Mutex<Vec<RecordProblem>>,
}

#[derive(Debug, Default)]
struct Cache {
    entries: HashMap<PathBuf, Entry>,
    catalogue: Option<Arc<Catalogue>>,
}

impl Scanner {
    /// Reads `dir` as it is now.
    ///
    /// # Errors
    /// When the directory cannot be read: never an empty list instead (ruling 11).
    pub(super) fn read(&self, dir: &Path) -> Result<Arc<Catalogue>, TrackerError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = scan(dir, &cache.entries).map_err(|error| TrackerError::Request {
            what: format!("cannot read the issue directory {}", dir.display()),
            source: error.into(),
        })?;
        match &cache.catalogue {
            Some(catalogue) if !fresh.changed => Ok(Arc::clone(catalogue)),
            _ => {
                let mut entries: Vec<Entry> = fresh.entries.values().cloned().collect();
                entries.sort_by(|a, b| a.path.cmp(&b.path));
                let catalogue = Arc::new(Catalogue::new(entries));
                *cache = Cache { entries: fresh.entries, catalogue: Some(Arc::clone(&catalogue)) };
                self.report(catalogue.problems());
                Ok(catalogue)
            }
        }
    }

    /// What the last read complained about.
    pub(super) fn problems(&self) -> Vec<RecordProblem> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs each problem once, not at every poll.
    fn report(&self, problems: Vec<RecordProblem>) {
        let mut last = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        for problem in problems.iter().filter(|problem| !last.contains(problem)) {
            tracing::warn!(
                path = %problem.place.display(),
                line = problem.line,
                reason = %problem.message,
                outcome = "skipped",
                "issue file needs attention"
            );
        }
        *last = problems;
    }
}

struct Fresh {
    entries: HashMap<PathBuf, Entry>,
    /// Whether anything differs from what was known.
    changed: bool,
}

fn scan(dir: &Path, known: &HashMap<PathBuf, Entry>) -> io::Result<Fresh> {
    let mut fresh = Fresh { entries: HashMap::with_capacity(known.len()), changed: false };
    for item in fs::read_dir(dir)? {
        let item = item?;
        if !is_issue_name(&item.file_name()) {
            continue;
        }
        let path = item.path();
        let entry = match item.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => Some(unreadable(&path, None, known, &error)),
            Ok(metadata) if metadata.is_dir() => continue,
            Ok(metadata) => read_entry(&path, &metadata, known),
        };
        if let Some(entry) = entry {
            fresh.changed |= known
                .get(&path)
                .is_none_or(|last| last.stamp.is_none() || last.stamp != entry.stamp);
            fresh.entries.insert(path, entry);
        }
    }
    fresh.changed |= fresh.entries.len() != known.len();
    Ok(fresh)
}

/// `*.md`, but neither hidden, nor a draft (`_…`), nor a README.
fn is_issue_name(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let lower = name.to_lowercase();
    lower.ends_with(".md") && !name.starts_with(['.', '_']) && lower != "readme.md"
}

/// The entry for `path`, from the cache where the file has not changed; `None` where it has gone.
fn read_entry(path: &Path, metadata: &Metadata, known: &HashMap<PathBuf, Entry>) -> Option<Entry> {
    let stamp = Stamp::of(metadata);
    if let Some(entry) = known.get(path).filter(|entry| entry.stamp == Some(stamp)) {
        return Some(entry.clone());
    }
    if !metadata.is_file() {
        let error = io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file; symbolic links are not followed",
        );
        return Some(unreadable(path, Some(stamp), known, &error));
    }
    match read_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(unreadable(path, None, known, &error)),
        Ok((stamp, bytes)) => {
            let name = path.file_name().map(Path::new).unwrap_or(path);
            let record = match bytes.len() as u64 > MAX_BYTES {
                true => Err(Malformed {
                    line: None,
                    message: format!("the file is larger than {MAX_BYTES} bytes; shorten it"),
                    id: None,
                }),
                false => record::parse(name, &bytes),
            };
            let record = record
                .map(Arc::new)
                .map_err(|malformed| Arc::new(with_last_id(malformed, path, known)));
            Some(Entry { path: path.to_owned(), stamp: Some(stamp), record })
        }
    }
}

/// Content with the stamp of exactly that content.
pub(super) fn read_file(path: &Path) -> io::Result<(Stamp, Vec<u8>)> {
    let file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok((stamp, bytes))
}

fn unreadable(
    path: &Path,
    stamp: Option<Stamp>,
    known: &HashMap<PathBuf, Entry>,
    error: &io::Error,
) -> Entry {
    let malformed =
        Malformed { line: None, message: format!("cannot read the file: {error}"), id: None };
    Entry {
        path: path.to_owned(),
        stamp,
        record: Err(Arc::new(with_last_id(malformed, path, known))),
    }
}

/// A file that does not tell its id any more most likely still has the one that it had.
fn with_last_id(
    mut malformed: Malformed,
    path: &Path,
    known: &HashMap<PathBuf, Entry>,
) -> Malformed {
    if malformed.id.is_none() {
        malformed.id = match known.get(path).map(|entry| &entry.record) {
            Some(Ok(record)) => Some(record.issue.id.clone()),
            Some(Err(before)) => before.id.clone(),
            None => None,
        };
    }
    malformed
}
