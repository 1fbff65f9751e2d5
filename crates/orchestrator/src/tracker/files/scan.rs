//! Reading the directory: only files that changed since the last read are opened, and where single
//! issues are asked for, only their files are looked at.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::catalogue::Catalogue;
use super::record::{self, Malformed, Record};
use crate::tracker::{RecordProblem, TrackerError};

/// Largest issue file that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 1024 * 1024;

/// Longest step in which file systems count time; two changes within one look the same.
const CLOCK_STEP: Duration = Duration::from_millis(50);

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

    /// Whether the last change is longer ago than the steps in which file systems keep time.
    fn is_settled(&self, now: SystemTime) -> bool {
        let (seconds, nanos) = self.changed;
        let changed = Duration::new(seconds.unsigned_abs(), u32::try_from(nanos).unwrap_or(0));
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        now.checked_sub(changed).is_some_and(|age| age > CLOCK_STEP)
    }
}

/// One file of the directory, as last read.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// `None`: to be read again.
    stamp: Option<Stamp>,
    pub(super) record: Result<Arc<Record>, Arc<Malformed>>,
}

/// The cache; one read at a time.
#[derive(Debug)]
pub(super) struct Scanner {
    terminal_states: Vec<String>,
    cache: Mutex<Cache>,
    problems: Mutex<Vec<RecordProblem>>,
}

/// Entries by name of the file.
type Entries = HashMap<OsString, Entry>;

#[derive(Debug, Default)]
struct Cache {
    entries: Entries,
    catalogue: Catalogue,
    /// Whether the directory was ever read.
    filled: bool,
}

impl Scanner {
    /// A scanner that has read nothing; `terminal_states` are [`state_key`](crate::issue::state_key)s.
    pub(super) fn new(terminal_states: Vec<String>) -> Self {
        Self { terminal_states, cache: Mutex::default(), problems: Mutex::default() }
    }

    /// Reads `dir` as it is now and shows it to `look`.
    ///
    /// # Errors
    /// When the directory cannot be read: never an empty list instead (ruling 11).
    pub(super) fn all<T>(
        &self,
        dir: &Path,
        look: impl FnOnce(&Catalogue) -> T,
    ) -> Result<T, TrackerError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        self.renew(&mut cache, dir)?;
        Ok(look(&cache.catalogue))
    }

    /// The same, where `look` only wants the issues `ids`: of those that are known, and their blockers,
    /// the files are looked at, and no other ones. That another file has taken one of their names
    /// meanwhile shows at the next reading of all.
    ///
    /// # Errors
    /// When the directory has to be read and cannot be.
    pub(super) fn some<T>(
        &self,
        dir: &Path,
        ids: &[String],
        look: impl FnOnce(&Catalogue) -> T,
    ) -> Result<T, TrackerError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if !cache.renew_some(dir, ids, &self.terminal_states) {
            self.renew(&mut cache, dir)?;
        }
        Ok(look(&cache.catalogue))
    }

    fn renew(&self, cache: &mut Cache, dir: &Path) -> Result<(), TrackerError> {
        let files = list(dir).map_err(|error| TrackerError::Request {
            what: format!("cannot read the issue directory {}", dir.display()),
            source: error.into(),
        })?;
        let same = cache.filled
            && files.len() == cache.entries.len()
            && files.iter().all(|(name, look)| is_known(&cache.entries, name, look));
        if same {
            return Ok(());
        }
        let entries: Entries = files
            .into_iter()
            .filter_map(|(name, look)| {
                Some((name.clone(), entry(dir, &name, look, &cache.entries)?))
            })
            .collect();
        let mut sorted: Vec<Entry> = entries.values().cloned().collect();
        sorted.sort_by(|a, b| a.path.cmp(&b.path));
        let catalogue = Catalogue::new(sorted, &self.terminal_states);
        *cache = Cache { entries, catalogue, filled: true };
        self.report(cache.catalogue.problems());
        Ok(())
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

impl Cache {
    /// Looks at the files of the issues `ids` alone; `false` where that is not enough.
    fn renew_some(&mut self, dir: &Path, ids: &[String], terminal_states: &[String]) -> bool {
        let Some(paths) = self.catalogue.files_of(ids) else { return false };
        for path in paths {
            let Some(name) = path.file_name() else { return false };
            let look = fs::symlink_metadata(&path);
            if is_known(&self.entries, name, &look) {
                continue;
            }
            let Some(entry) = entry(dir, name, look, &self.entries) else { return false };
            if !self.catalogue.renew(&entry, terminal_states) {
                return false;
            }
            self.entries.insert(name.to_owned(), entry);
        }
        true
    }
}

/// Every issue file in `dir` with what the system says of it.
fn list(dir: &Path) -> io::Result<Vec<(OsString, io::Result<Metadata>)>> {
    let mut files = Vec::new();
    for item in fs::read_dir(dir)? {
        let item = item?;
        let name = item.file_name();
        if !is_issue_name(&name) {
            continue;
        }
        match item.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(metadata) if metadata.is_dir() => {}
            look => files.push((name, look)),
        }
    }
    Ok(files)
}

/// `*.md`, but neither hidden, nor a draft (`_…`), nor a README.
fn is_issue_name(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let extension = name.len().checked_sub(3).and_then(|start| name.get(start..));
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case(b".md"))
        && !name.starts_with(b".")
        && !name.starts_with(b"_")
        && !name.eq_ignore_ascii_case(b"readme.md")
}

fn is_known(known: &Entries, name: &OsStr, look: &io::Result<Metadata>) -> bool {
    let stamp = look.as_ref().ok().map(Stamp::of);
    stamp.is_some() && known.get(name).is_some_and(|entry| entry.stamp == stamp)
}

/// The entry for `name`, from the cache where the file has not changed; `None` where it has gone.
fn entry(dir: &Path, name: &OsStr, look: io::Result<Metadata>, known: &Entries) -> Option<Entry> {
    let last = known.get(name);
    if let Some(entry) = last.filter(|_| is_known(known, name, &look)) {
        return Some(entry.clone());
    }
    let path = dir.join(name);
    let metadata = match look {
        Ok(metadata) => metadata,
        Err(error) => return Some(unreadable(path, last, &error)),
    };
    if !metadata.is_file() {
        let error = io::Error::other("not a regular file; symbolic links are not followed");
        return Some(unreadable(path, last, &error));
    }
    let (stamp, bytes) = match read_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(unreadable(path, last, &error)),
        Ok(read) => read,
    };
    let record = match bytes.len() as u64 > MAX_BYTES {
        true => Err(Malformed {
            line: None,
            message: format!("the file is larger than {MAX_BYTES} bytes; shorten it"),
            id: None,
        }),
        false => record::parse(Path::new(name), &bytes),
    };
    let record = record.map(Arc::new).map_err(|bad| Arc::new(with_last_id(bad, last)));
    // A file that changed just now may change again without its times telling.
    let stamp = Some(stamp).filter(|stamp| stamp.is_settled(SystemTime::now()));
    Some(Entry { path, stamp, record })
}

/// Content with the stamp of exactly that content.
pub(super) fn read_file(path: &Path) -> io::Result<(Stamp, Vec<u8>)> {
    let file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok((stamp, bytes))
}

fn unreadable(path: PathBuf, last: Option<&Entry>, error: &io::Error) -> Entry {
    let bad = Malformed { line: None, message: format!("cannot read the file: {error}"), id: None };
    Entry { path, stamp: None, record: Err(Arc::new(with_last_id(bad, last))) }
}

/// A file that does not tell its id any more most likely still has the one that it had. Where it
/// seems to tell another one, it may be either or neither: a broken `id` line makes no issue go.
fn with_last_id(mut bad: Malformed, last: Option<&Entry>) -> Malformed {
    let Some(last) = last else { return bad };
    let before = match &last.record {
        Ok(record) => Some(&record.issue.id),
        Err(before) => before.id.as_ref(),
    };
    bad.id = match bad.id {
        None => before.cloned(),
        Some(told) => Some(told).filter(|told| before == Some(told)),
    };
    bad
}
