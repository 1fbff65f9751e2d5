//! Copies of threads.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use canon_runtime::clock::now_ms;

use super::line::{Change, Header, TURN};
use super::{Store, ThreadError, scan, thread};

/// What a copy is called while it is written.
const UNFINISHED: &str = ".tmp";
/// After this long, an unfinished copy is one of a process that was killed.
const STALE: Duration = Duration::from_secs(60 * 60);

/// Writes the copy and gives its id. Lines are copied as they stand, with what this version does
/// not know of them.
pub(super) fn fork(
    store: &Store,
    id: &str,
    keep: Option<usize>,
    name: Option<String>,
) -> Result<String, ThreadError> {
    let path = store.path(id)?;
    let source = File::open(&path).map_err(|error| ThreadError::at(id, &path, error))?;
    let mut kept: Vec<String> = Vec::new();
    let is_turn = |line: &String| line.starts_with(TURN);
    let mut changes = Vec::new();
    let found = scan::lines(
        &source,
        &path,
        |_| true,
        |_, text| {
            match serde_json::from_str(text) {
                Ok(Change::Cut { keep }) => scan::cut(&mut kept, keep, is_turn),
                Ok(Change::Mark { .. }) | Err(_) => kept.push(text.to_owned()),
                Ok(change) => changes.push(change),
            }
            Ok(())
        },
    )?;
    let Some((mut meta, _)) = found else { return Err(ThreadError::Unknown { id: id.to_owned() }) };
    changes.into_iter().for_each(|change| scan::apply(&mut meta, change));
    scan::cut(&mut kept, keep.unwrap_or(usize::MAX), is_turn);
    meta.forked_from = Some(std::mem::replace(&mut meta.id, canon_runtime::id::new("thread")));
    meta.name = name;
    meta.created_at = now_ms();
    let io = |source| ThreadError::io(&path, source);
    let header = serde_json::to_string(&Header::of(&meta)).map_err(|error| io(error.into()))?;
    let text: String =
        std::iter::once(header).chain(kept).flat_map(|line| [line, "\n".to_owned()]).collect();
    let target = store.path(&meta.id)?;
    write(&store.dir, &target, &text).map_err(|source| ThreadError::io(&target, source))?;
    Ok(meta.id)
}

/// All of it or nothing, whatever happens meanwhile.
fn write(dir: &Path, target: &Path, text: &str) -> std::io::Result<()> {
    sweep(dir);
    let mut unfinished = target.as_os_str().to_owned();
    unfinished.push(UNFINISHED);
    let written = thread::options().create_new(true).open(&unfinished).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&unfinished, target)?;
        File::open(dir)?.sync_all()
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

/// Removes what copies left that were never finished.
fn sweep(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let unfinished = entry.file_name().to_string_lossy().ends_with(UNFINISHED);
        let written = entry.metadata().and_then(|found| found.modified());
        let age = written.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if unfinished && age.is_some_and(|age| age > STALE) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
