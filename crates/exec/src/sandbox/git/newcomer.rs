//! A repository that commands made where there was none: kept, but without what runs programs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::config;
use super::guard::{NotRestored, not_restored};
use super::state::{State, is_real_directory, read_at_most};
use crate::host::files::replace_exact;
use crate::host::open::open_exact;
use crate::host::remove::{make_usable, remove_tree};

/// A configuration that commands write is small.
const CONFIG_LIMIT: u64 = 256 * 1024;

/// Makes a `.git` that was not there before harmless: a directory keeps its objects and the
/// harmless part of its configuration; anything that leads elsewhere is removed.
pub(super) fn defuse(git: &Path, changed: &mut Vec<PathBuf>) -> Result<(), NotRestored> {
    let failed = |error: io::Error| not_restored(git, &error);
    match git.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            remove_tree(git).map_err(failed)?;
            changed.push(git.to_owned());
            return Ok(());
        }
    }
    make_usable(&open_exact(git, OFlags::PATH).map_err(failed)?).map_err(failed)?;
    for name in ["commondir", "gitdir", "config.worktree"] {
        let path = git.join(name);
        if !State::Absent.holds(&path) {
            remove_tree(&path).map_err(|error| not_restored(&path, &error))?;
            changed.push(path);
        }
    }
    for (name, defuse) in
        [("config", defuse_config as fn(&Path) -> io::Result<bool>), ("hooks", defuse_hooks)]
    {
        let path = git.join(name);
        if defuse(&path).map_err(|error| not_restored(&path, &error))? {
            changed.push(path);
        }
    }
    Ok(())
}

/// Keeps what [`defuse`] would take out of a repository that may be somebody's work, beside where
/// it was: git reads neither.
pub(super) fn put_aside(git: &Path, changed: &mut Vec<PathBuf>) -> Result<(), NotRestored> {
    let failed = |error: io::Error| not_restored(git, &error);
    make_usable(&open_exact(git, OFlags::PATH).map_err(failed)?).map_err(failed)?;
    for (name, put_aside) in
        [("config", put_config_aside as fn(&Path) -> io::Result<bool>), ("hooks", put_hooks_aside)]
    {
        let path = git.join(name);
        if put_aside(&path).map_err(|error| not_restored(&path, &error))? {
            changed.push(path);
        }
    }
    Ok(())
}

fn put_config_aside(path: &Path) -> io::Result<bool> {
    if !path.symlink_metadata().is_ok_and(|file| file.is_file()) {
        return Ok(false);
    }
    let (harmless, dropped) =
        read_config(path)?.as_deref().map_or((String::new(), true), config::harmless);
    if dropped {
        move_aside(path)?;
        replace_exact(path, harmless.as_bytes(), 0o644)?;
    }
    Ok(dropped)
}

fn put_hooks_aside(path: &Path) -> io::Result<bool> {
    if !is_real_directory(path) {
        return Ok(false);
    }
    make_usable(&open_exact(path, OFlags::PATH)?)?;
    let mut hooks = fs::read_dir(path)?;
    let found = hooks.any(|entry| entry.is_ok_and(|entry| is_hook(&entry)));
    if found {
        move_aside(path)?;
    }
    Ok(found)
}

fn move_aside(path: &Path) -> io::Result<()> {
    let mut aside = path.to_owned().into_os_string();
    aside.push(".set-aside");
    remove_tree(Path::new(&aside))?;
    fs::rename(path, &aside)
}

fn is_hook(entry: &fs::DirEntry) -> bool {
    !entry.file_name().to_string_lossy().ends_with(".sample")
}

/// Whether something was taken out.
fn defuse_config(path: &Path) -> io::Result<bool> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(false) };
    let content = if metadata.is_file() { read_config(path)? } else { None };
    let (harmless, dropped) = content.as_deref().map_or((String::new(), true), config::harmless);
    if content.as_deref() != Some(harmless.as_str()) {
        if !metadata.is_file() {
            remove_tree(path)?;
        }
        replace_exact(path, harmless.as_bytes(), 0o644)?;
    }
    Ok(dropped)
}

/// `None` if it is too large, unreadable, or no text.
fn read_config(path: &Path) -> io::Result<Option<String>> {
    match read_at_most(path, CONFIG_LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        read => Ok(read?.and_then(|bytes| String::from_utf8(bytes).ok())),
    }
}

/// Samples are not run; everything else goes.
fn defuse_hooks(path: &Path) -> io::Result<bool> {
    if path.symlink_metadata().is_err() {
        return Ok(false);
    }
    if !is_real_directory(path) {
        remove_tree(path)?;
        return Ok(true);
    }
    make_usable(&open_exact(path, OFlags::PATH)?)?;
    let mut removed = false;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if is_hook(&entry) {
            remove_tree(&entry.path())?;
            removed = true;
        }
    }
    Ok(removed)
}
