//! The directory that an environment makes for itself: the private temporary files of its
//! commands, and a blank to show in place of hidden files.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::host::remove::remove_tree;

/// Removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    base: PathBuf,
}

impl Scratch {
    /// Makes it below the system's temporary directory, for this user only.
    pub(crate) fn new() -> io::Result<Self> {
        let parent = std::env::temp_dir().canonicalize()?;
        let scratch = Self { base: parent.join(canon_runtime::id::new("canon-sandbox")) };
        let mut private = DirBuilder::new();
        private.mode(0o700);
        private.create(&scratch.base)?;
        private.create(scratch.tmp())?;
        OpenOptions::new().write(true).create_new(true).mode(0o000).open(scratch.blank())?;
        Ok(scratch)
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
        remove_tree(&self.base)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _left_behind = self.remove();
    }
}
