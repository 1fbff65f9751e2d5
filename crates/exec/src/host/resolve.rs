//! Following a path as a command in the sandbox would: links, `..`, parts that do not exist yet.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::zones::{Access, Zones};
use crate::environment::FileError;

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// What a caller is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// read it, links followed
    Read,
    /// write it, links followed
    Write,
    /// replace or remove the name itself, a link included
    WriteName,
}

/// A path without links in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// as commands see it
    pub(crate) view: PathBuf,
    /// as this process sees it
    pub(crate) host: PathBuf,
    /// something is there
    pub(crate) exists: bool,
}

enum Step {
    Up,
    Down(OsString),
}

/// Follows `path` and checks that the policy allows what is wanted there.
pub(crate) fn resolve(
    zones: &Zones,
    cwd: &Path,
    path: &Path,
    wanted: Wanted,
) -> Result<Resolved, FileError> {
    let resolved = follow(zones, cwd, path, wanted != Wanted::WriteName)?;
    let zone = zones.deciding(&resolved.view);
    let allowed = match wanted {
        Wanted::Read => zone.access >= Access::Read,
        Wanted::Write | Wanted::WriteName => zone.access == Access::Write,
    };
    if allowed {
        Ok(resolved)
    } else {
        Err(FileError::OutsidePolicy { path: path.to_owned(), why: zone.why.to_owned() })
    }
}

fn follow(
    zones: &Zones,
    cwd: &Path,
    path: &Path,
    follow_last: bool,
) -> Result<Resolved, FileError> {
    let error = |source: io::Error| FileError::from_io(path, source);
    let mut steps = VecDeque::new();
    prepend(&mut steps, &cwd.join(path));
    let mut view = PathBuf::from("/");
    let (mut links, mut exists) = (0, true);
    while let Some(step) = steps.pop_front() {
        let Step::Down(name) = step else {
            // What does not exist has no parent to go to; the kernel says the same.
            if !exists {
                return Err(FileError::NotFound { path: path.to_owned() });
            }
            view.pop();
            continue;
        };
        view.push(name);
        if !exists || (steps.is_empty() && !follow_last) {
            exists = exists && zones.to_host(&view).symlink_metadata().is_ok();
            continue;
        }
        match std::fs::read_link(zones.to_host(&view)) {
            Ok(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(error(rustix::io::Errno::LOOP.into()));
                }
                view.pop();
                if target.is_absolute() {
                    view = PathBuf::from("/");
                }
                prepend(&mut steps, &target);
            }
            // EINVAL: it is there and no link.
            Err(source) if source.kind() == io::ErrorKind::InvalidInput => {}
            Err(source) if source.kind() == io::ErrorKind::NotFound => exists = false,
            Err(source) => return Err(error(source)),
        }
    }
    let host = zones.to_host(&view);
    Ok(Resolved { view, host, exists })
}

fn prepend(steps: &mut VecDeque<Step>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => steps.push_front(Step::Down(name.to_owned())),
            Component::ParentDir => steps.push_front(Step::Up),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
