//! Writing an issue file: one writer at a time, whole or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::scan::{MAX_BYTES, Stamp, read_file};

/// How long a writer waits for another one.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// How often a write starts anew because somebody else wrote the file in between.
const ATTEMPTS: usize = 5;

/// Why a file was not written; the file is as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("cannot lock {}: {source}", path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error("{} stays locked by another writer; try again later", path.display())]
    Locked { path: PathBuf },
    #[error("cannot {what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{}: {message}", path.display())]
    Refused { path: PathBuf, message: String },
    #[error("{} keeps changing under the write; try again later", path.display())]
    Contended { path: PathBuf },
}

/// Holds the directory's lock file until dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held open for its lock")] File);

/// Waits for the lock of `dir`; blocks the thread for up to ten seconds.
pub(super) fn lock(dir: &Path) -> Result<Lock, StoreError> {
    let path = dir.join(".canon.lock");
    let fail = |source| StoreError::Lock { path: path.clone(), source };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o644)
        .open(&path)
        .map_err(fail)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(file)),
            Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { path }),
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
    }
}

/// Replaces the text of `path` by what `edit` makes of it. The caller holds the [`Lock`]; writers
/// that know no lock (editors) are noticed by the file's stamp.
pub(super) fn rewrite(
    path: &Path,
    _lock: &Lock,
    edit: impl Fn(&str) -> Result<String, String>,
) -> Result<(), StoreError> {
    let refused = |message: String| StoreError::Refused { path: path.to_owned(), message };
    for _ in 0..ATTEMPTS {
        let (stamp, bytes) = read_file(path).map_err(|source| io_error("read", path, source))?;
        let text =
            std::str::from_utf8(&bytes).map_err(|_| refused("the file is not UTF-8".to_owned()))?;
        let (mark, text) = match text.strip_prefix('\u{feff}') {
            Some(rest) => ("\u{feff}", rest),
            None => ("", text),
        };
        let edited = edit(text).map_err(refused)?;
        if (edited.len() + mark.len()) as u64 > MAX_BYTES {
            return Err(refused(format!("the file would be larger than {MAX_BYTES} bytes")));
        }
        if edited == text || replace(path, stamp, &format!("{mark}{edited}"))? {
            return Ok(());
        }
    }
    Err(StoreError::Contended { path: path.to_owned() })
}

fn io_error(what: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { what, path: path.to_owned(), source }
}

/// Puts `text` at `path` in one step; `false` when the file is no longer the one with `stamp`.
fn replace(path: &Path, stamp: Stamp, text: &str) -> Result<bool, StoreError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.{}.tmp", canon_runtime::id::new("w")));
    let result = write_and_swap(path, stamp, text, &temporary, dir);
    if !matches!(result, Ok(true)) {
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn write_and_swap(
    path: &Path,
    stamp: Stamp,
    text: &str,
    temporary: &Path,
    dir: &Path,
) -> Result<bool, StoreError> {
    let metadata = fs::symlink_metadata(path).map_err(|source| io_error("read", path, source))?;
    let mode = metadata.permissions().mode() & 0o7777;
    let write = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().create_new(true).write(true).mode(mode).open(temporary)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()
    };
    write().map_err(|source| io_error("write", temporary, source))?;
    let now = fs::symlink_metadata(path).map_err(|source| io_error("read", path, source))?;
    if Stamp::of(&now) != stamp || !now.is_file() {
        return Ok(false);
    }
    fs::rename(temporary, path).map_err(|source| io_error("replace", path, source))?;
    // The rename is what must survive a power cut, not only the bytes.
    if let Ok(handle) = File::open(dir) {
        let _ = handle.sync_all();
    }
    Ok(true)
}
