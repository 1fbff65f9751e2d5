//! Removing what others made: trees of any depth and any permissions, without recursion, and
//! without following a link.

use std::ffi::{CStr, CString};
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::path::Arg;

use super::open::open_parent;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Removes a file, a link itself, or a directory with all that is in it. What is not there is fine.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let (parent, name) = match open_parent(path, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    if unlink(&parent, name)? {
        return Ok(());
    }
    let mut here = enter(&parent, name)?;
    // Where each directory on the way down lies, because a path could be too long.
    let mut above: Vec<(Identity, CString)> = Vec::new();
    loop {
        if let Some(child) = first_directory(&here)? {
            let next = enter(&here, child.as_c_str())?;
            above.push((identity(&here)?, child));
            here = next;
            continue;
        }
        let Some((expected, child)) = above.pop() else { break };
        let up = rustix::fs::openat(&here, "..", OFlags::RDONLY | DIRECTORY, Mode::empty())?;
        if identity(&up)? != expected {
            return Err(io::Error::other("it was moved while it was being removed"));
        }
        rustix::fs::unlinkat(&up, child.as_c_str(), AtFlags::REMOVEDIR)?;
        here = up;
    }
    Ok(rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?)
}

/// Gives this user the rights to look into and to change a directory, whatever a command took.
pub(crate) fn make_usable(directory: &impl AsFd) -> io::Result<()> {
    let mode = rustix::fs::fstat(directory)?.st_mode & 0o7777;
    if mode & 0o700 == 0o700 {
        return Ok(());
    }
    // By this name a descriptor's own file can be changed even if it may not be opened.
    let name = format!("/proc/self/fd/{}", directory.as_fd().as_raw_fd());
    std::fs::set_permissions(name, Permissions::from_mode(mode | 0o700))
}

/// What makes a directory itself: device and inode.
pub(crate) type Identity = (u64, u64);

pub(crate) fn identity(directory: &impl AsFd) -> io::Result<Identity> {
    let stat = rustix::fs::fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}

fn enter(parent: &OwnedFd, name: impl Arg + Copy) -> io::Result<OwnedFd> {
    let place = rustix::fs::openat(parent, name, OFlags::PATH | DIRECTORY, Mode::empty())?;
    make_usable(&place)?;
    Ok(rustix::fs::openat(&place, ".", OFlags::RDONLY | DIRECTORY, Mode::empty())?)
}

/// Removes what is no directory, until there is nothing else or a directory comes up.
fn first_directory(here: &OwnedFd) -> io::Result<Option<CString>> {
    loop {
        let mut is_empty = true;
        for entry in Dir::read_from(here)? {
            let entry = entry?;
            let name: &CStr = entry.file_name();
            if name.to_bytes() == b"." || name.to_bytes() == b".." {
                continue;
            }
            is_empty = false;
            if !unlink(here, name)? {
                return Ok(Some(name.to_owned()));
            }
        }
        // A list may leave out what moves up while others are removed: looked at again.
        if is_empty {
            return Ok(None);
        }
    }
}

/// `false` for a directory, which stays.
fn unlink(parent: &OwnedFd, name: impl Arg + Copy) -> io::Result<bool> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(error @ (Errno::ISDIR | Errno::PERM)) => {
            let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => Ok(false),
                _ => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_costs_no_stack() {
        let root = tempfile::tempdir().unwrap();
        let top = root.path().canonicalize().unwrap().join("top");
        std::fs::create_dir(&top).unwrap();
        let mut here = rustix::fs::open(&top, OFlags::PATH | DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..4_000 {
            rustix::fs::mkdirat(&here, "d", Mode::from_raw_mode(0o700)).unwrap();
            here = rustix::fs::openat(&here, "d", OFlags::PATH | DIRECTORY, Mode::empty()).unwrap();
        }
        let removed = top.clone();
        let small = std::thread::Builder::new().stack_size(128 * 1024);
        small.spawn(move || remove_tree(&removed)).unwrap().join().unwrap().unwrap();
        assert!(!top.exists());
    }
}
