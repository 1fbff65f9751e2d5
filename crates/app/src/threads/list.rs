//! Lists of threads: the last used first, a page at a time.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{Meta, ThreadError, scan};

/// What the files of threads end in.
pub(super) const SUFFIX: &str = ".jsonl";

/// Which threads are wanted.
#[derive(Debug, Clone)]
pub struct Query {
    /// Those of this working directory alone.
    pub cwd: Option<PathBuf>,
    /// Those that are put away, or those that are not; `None` for both.
    pub archived: Option<bool>,
    /// Most of them on a page; at least one is given.
    pub limit: usize,
    /// Where the page before ended: its [`Page::next`].
    pub cursor: Option<String>,
}

impl Default for Query {
    /// The first fifty that are not put away.
    fn default() -> Self {
        Self { cwd: None, archived: Some(false), limit: 50, cursor: None }
    }
}

/// Some threads.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The last used first.
    pub threads: Vec<Meta>,
    /// The cursor of the next page, when there may be one.
    pub next: Option<String>,
    /// For people: files that are no threads that this version can read.
    pub problems: Vec<String>,
}

/// When a file was last written, and the id that its name gives: the order of a list.
type Place = (u64, String);

pub(super) fn list(dir: &Path, query: &Query) -> Result<Page, ThreadError> {
    let mut places = places(dir).map_err(|source| ThreadError::io(dir, source))?;
    places.sort_unstable_by(|one, other| other.cmp(one));
    if let Some(cursor) = &query.cursor {
        let after = place(cursor)?;
        places.retain(|place| *place < after);
    }
    let mut page = Page::default();
    for (at, id) in places {
        let path = dir.join(format!("{id}{SUFFIX}"));
        match look(&path, query) {
            Ok(Some(meta)) => page.threads.push(meta),
            Ok(None) => continue,
            Err(error) => {
                page.problems.push(error.to_string());
                continue;
            }
        }
        if page.threads.len() >= query.limit.max(1) {
            page.next = Some(format!("{at}:{id}"));
            break;
        }
    }
    Ok(page)
}

fn look(path: &Path, query: &Query) -> Result<Option<Meta>, ThreadError> {
    let file = match File::open(path) {
        Ok(file) => file,
        // Deleted since.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ThreadError::io(path, error)),
    };
    let here = |meta: &Meta| query.cwd.as_ref().is_none_or(|cwd| *cwd == meta.cwd);
    let meta = scan::brief(&file, path, here)?;
    Ok(meta.filter(|meta| query.archived.is_none_or(|archived| archived == meta.archived)))
}

fn places(dir: &Path) -> io::Result<Vec<Place>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut places = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)) else { continue };
        // One that is deleted meanwhile is none.
        if let Ok(written) = entry.metadata().and_then(|found| found.modified()) {
            places.push((scan::unix_ms(written), id.to_owned()));
        }
    }
    Ok(places)
}

fn place(cursor: &str) -> Result<Place, ThreadError> {
    let parts = cursor.split_once(':').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    parts.ok_or_else(|| ThreadError::Cursor { cursor: cursor.to_owned() })
}
