//! Opening paths that were found to have no links in them, so that a link put there meanwhile is
//! an error and not a way out.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Opens an absolute path without following any link.
pub(crate) fn open_exact(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // Not there before Linux 5.6; some container filters say EPERM instead.
        Err(Errno::NOSYS | Errno::PERM) => open_by_walking(path, flags),
        opened => Ok(opened?),
    }
}

fn open_by_walking(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let Some(name) = path.file_name() else {
        return Ok(rustix::fs::open("/", flags, Mode::empty())?);
    };
    let parent = walk(path.parent().unwrap_or(Path::new("/")), false)?;
    Ok(rustix::fs::openat(&parent, name, flags, Mode::empty())?)
}

/// The directory that a path lies in, and the path's name in it. With `create`, directories that
/// are missing are made.
pub(crate) fn open_parent(path: &Path, create: bool) -> io::Result<(OwnedFd, &OsStr)> {
    let name = path.file_name().ok_or(Errno::ISDIR)?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    match open_exact(parent, directory_flags()) {
        Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
            Ok((walk(parent, true)?, name))
        }
        opened => Ok((opened?, name)),
    }
}

fn walk(path: &Path, create: bool) -> io::Result<OwnedFd> {
    let mut here = rustix::fs::open("/", directory_flags(), Mode::empty())?;
    for component in path.components() {
        let Component::Normal(name) = component else { continue };
        let flags = directory_flags() | OFlags::NOFOLLOW;
        here = match rustix::fs::openat(&here, name, flags, Mode::empty()) {
            Err(Errno::NOENT) if create => {
                match rustix::fs::mkdirat(&here, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                rustix::fs::openat(&here, name, flags, Mode::empty())?
            }
            opened => opened?,
        };
    }
    Ok(here)
}

fn directory_flags() -> OFlags {
    OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC
}
