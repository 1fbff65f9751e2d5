//! The directory that an environment makes for itself: the private temporary files of its
//! commands, and a blank to show in place of hidden files.
//!
//! A process that is killed cannot tidy up. So each directory holds a file that its owner keeps
//! locked, and a later process removes those whose lock nobody holds: a lock ends with its holder,
//! whatever number or age it had.

mod abandoned;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};

use crate::host::open::open_exact;
use crate::host::remove::{make_usable, remove_tree};

/// Names begin with it, and with nothing else that lies there.
const PREFIX: &str = "canon-scratch";
const LOCK: &str = "lock";
/// A directory that has just been made may be taken for an abandoned one; another is made then.
const ATTEMPTS: usize = 8;

/// Removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    base: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes it below the system's temporary directory, for this user only. The first one of a
    /// process also has those removed, in the background, whose owners are gone.
    pub(crate) fn new() -> io::Result<Self> {
        let parent = std::env::temp_dir().canonicalize()?;
        abandoned::remove_once(&parent);
        Self::below(&parent)
    }

    fn below(parent: &Path) -> io::Result<Self> {
        let mut private = DirBuilder::new();
        private.mode(0o700);
        for _ in 0..ATTEMPTS {
            let base = parent.join(canon_runtime::id::new(PREFIX));
            private.create(&base)?;
            let Some(lock) = own(&base)? else { continue };
            let scratch = Self { base, _lock: lock };
            private.create(scratch.tmp())?;
            OpenOptions::new().write(true).create_new(true).mode(0o000).open(scratch.blank())?;
            return Ok(scratch);
        }
        Err(io::Error::other(format!("directories in {} disappear", parent.display())))
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    pub(super) fn tmp(&self) -> PathBuf {
        self.base.join("tmp")
    }

    pub(super) fn blank(&self) -> PathBuf {
        self.base.join("blank")
    }

    /// Removes everything now, instead of when dropped.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove_with_lock_last(&self.base)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _left_to_a_later_process = self.remove();
    }
}

/// The lock of a directory that has just been made; `None` if another process removes it.
fn own(base: &Path) -> io::Result<Option<File>> {
    let made = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(base.join(LOCK));
    let lock = match made {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        made => made?,
    };
    Ok((try_lock(&lock)? && lock.metadata()?.nlink() > 0).then_some(lock))
}

/// Whether nobody else holds it.
fn try_lock(lock: &File) -> io::Result<bool> {
    match rustix::fs::flock(lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whoever is killed in the middle leaves a directory that still says whose it was.
fn remove_with_lock_last(base: &Path) -> io::Result<()> {
    let directory = match open_exact(base, OFlags::PATH | OFlags::DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    make_usable(&directory)?;
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        if entry.file_name() != LOCK {
            remove_tree(&entry.path())?;
        }
    }
    remove_tree(base)
}
