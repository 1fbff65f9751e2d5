//! The directories themselves: made, found and removed only as real directories directly below the
//! real root. Blocks the thread.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::WorkspaceError;

/// Path of the workspace `key`, and whether this call made it.
///
/// When it is `hooked`, a mark stands beside a new directory until [`finish`] or [`remove`]: a
/// directory that still has it was made by Canon and never finished, and is made anew.
pub(super) fn ensure(
    root: &Path,
    key: &str,
    hooked: bool,
) -> Result<(PathBuf, bool), WorkspaceError> {
    let fail = |source| WorkspaceError::Root { path: root.to_owned(), source };
    fs::create_dir_all(root).map_err(fail)?;
    let path = root.canonicalize().map_err(fail)?.join(key);
    let mark = mark(&path);
    if mark.symlink_metadata().is_ok() {
        remove(root, &path)?;
    }
    if find(root, key)?.is_some() {
        return Ok((path, false));
    }
    let make = |source| WorkspaceError::Io { what: "make", path: path.clone(), source };
    if hooked {
        File::create(&mark).and_then(|file| file.sync_all()).map_err(make)?;
    }
    if let Err(source) = fs::DirBuilder::new().mode(0o755).create(&path) {
        let _ = fs::remove_file(&mark);
        return Err(make(source));
    }
    Ok((path, true))
}

/// Takes the mark of an unfinished workspace away.
pub(super) fn finish(root: &Path, path: &Path) -> Result<(), WorkspaceError> {
    match fs::remove_file(mark(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(WorkspaceError::Root { path: root.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Where the mark of the workspace at `path` stands.
fn mark(path: &Path) -> PathBuf {
    let key = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".canon-unfinished.{key}"))
}

/// Makes `root` where it is missing and tries to make a directory in it.
pub(super) fn check_root(root: &Path) -> Result<(), WorkspaceError> {
    let fail = |source| WorkspaceError::Root { path: root.to_owned(), source };
    fs::create_dir_all(root).map_err(fail)?;
    let probe = root.join(format!(".{}", canon_runtime::id::new("canon-probe")));
    fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).map_err(fail)
}

/// Path of the workspace `key` without symbolic links; `None` when there is none.
pub(super) fn find(root: &Path, key: &str) -> Result<Option<PathBuf>, WorkspaceError> {
    let root = match root.canonicalize() {
        Ok(root) => root,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(WorkspaceError::Root { path: root.to_owned(), source }),
    };
    let path = root.join(key);
    let read = |source| WorkspaceError::Io { what: "read", path: path.clone(), source };
    let kind = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(read(source)),
    };
    if kind.is_symlink() {
        return Err(WorkspaceError::NotADirectory { path, found: "a symbolic link" });
    }
    if !kind.is_dir() {
        return Err(WorkspaceError::NotADirectory { path, found: "a file" });
    }
    let real = path.canonicalize().map_err(read)?;
    match is_directly_below(&real, &root) && real == path {
        true => Ok(Some(real)),
        false => Err(WorkspaceError::OutsideRoot { path: real, root }),
    }
}

/// Removes the workspace at `path`, which is checked again.
pub(super) fn remove(root: &Path, path: &Path) -> Result<(), WorkspaceError> {
    let outside = || WorkspaceError::OutsideRoot { path: path.to_owned(), root: root.to_owned() };
    let key = path.file_name().and_then(|name| name.to_str()).ok_or_else(outside)?;
    let Some(path) = find(root, key)?.filter(|found| found == path) else {
        return match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => finish(root, path),
            _ => Err(outside()),
        };
    };
    let removed = match fs::remove_dir_all(&path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // Package caches make their directories read-only.
            make_writable(&path);
            fs::remove_dir_all(&path)
        }
        other => other,
    };
    match removed {
        Ok(()) => finish(root, &path),
        Err(source) => Err(WorkspaceError::Io { what: "remove", path, source }),
    }
}

fn is_directly_below(path: &Path, root: &Path) -> bool {
    path.parent() == Some(root)
}

/// Gives the owner every right on the directories below `path`; symbolic links are not followed.
fn make_writable(path: &Path) {
    let mut pending = vec![path.to_owned()];
    while let Some(dir) = pending.pop() {
        let _ = fs::set_permissions(&dir, Permissions::from_mode(0o700));
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        let children =
            entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        pending.extend(children.map(|entry| entry.path()));
    }
}
