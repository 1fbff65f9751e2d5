//! What stood at a place, to be compared and put back. Only what stood there is ever descended
//! into or read in full, so that nothing a command makes decides about depth or memory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::host::files::replace_exact;
use crate::host::open::open_exact;
use crate::host::remove::{make_usable, remove_tree};

const DEPTH: usize = 8;
const ENTRIES: usize = 4096;
const BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    Absent,
    File { content: Vec<u8>, mode: u32 },
    Directory { entries: BTreeMap<OsString, State>, mode: u32 },
    Link(PathBuf),
}

/// What may still be remembered.
struct Budget {
    entries: usize,
    bytes: u64,
}

impl State {
    /// Remembers what is there now.
    ///
    /// # Errors
    /// It cannot be read, is neither file, directory nor link, or is too much to remember.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Self::within(path, DEPTH, &mut Budget { entries: ENTRIES, bytes: BYTES })
    }

    fn within(path: &Path, depth: usize, budget: &mut Budget) -> io::Result<Self> {
        let too_much = || io::Error::other("it holds more than can be remembered and put back");
        let metadata = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Absent),
            looked => looked?,
        };
        let mode = metadata.permissions().mode() & 0o7777;
        budget.entries = budget.entries.checked_sub(1).ok_or_else(too_much)?;
        if metadata.is_symlink() {
            return Ok(Self::Link(fs::read_link(path)?));
        }
        if metadata.is_file() {
            let content = read_at_most(path, budget.bytes)?.ok_or_else(too_much)?;
            budget.bytes = budget.bytes.saturating_sub(content.len() as u64);
            return Ok(Self::File { content, mode });
        }
        if !metadata.is_dir() {
            return Err(io::Error::other("it is neither a file nor a directory"));
        }
        let depth = depth.checked_sub(1).ok_or_else(too_much)?;
        let mut entries = BTreeMap::new();
        for entry in fs::read_dir(path)? {
            let name = entry?.file_name();
            let state = Self::within(&path.join(&name), depth, budget)?;
            entries.insert(name, state);
        }
        Ok(Self::Directory { entries, mode })
    }

    /// Whether it is there as it was.
    pub(super) fn holds(&self, path: &Path) -> bool {
        self.compare(path).unwrap_or(false)
    }

    fn compare(&self, path: &Path) -> io::Result<bool> {
        let metadata = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(*self == Self::Absent);
            }
            looked => looked?,
        };
        let now = metadata.permissions().mode() & 0o7777;
        match self {
            Self::Absent => Ok(false),
            Self::Link(target) => Ok(metadata.is_symlink() && fs::read_link(path)? == *target),
            Self::File { content, mode } => {
                let size = content.len() as u64;
                Ok(metadata.is_file()
                    && now == *mode
                    && metadata.len() == size
                    && read_at_most(path, size)?.is_some_and(|found| found == *content))
            }
            Self::Directory { entries, mode } => {
                if !metadata.is_dir() || now != *mode {
                    return Ok(false);
                }
                let mut found = 0_usize;
                for entry in fs::read_dir(path)? {
                    if !entries.contains_key(&entry?.file_name()) {
                        return Ok(false);
                    }
                    found += 1;
                }
                let all = |(name, state): (&OsString, &Self)| state.holds(&path.join(name));
                Ok(found == entries.len() && entries.iter().all(all))
            }
        }
    }

    /// Makes it as it was. The directory that it lies in must be there, and writable.
    pub(super) fn put_back(&self, path: &Path) -> io::Result<()> {
        if self.holds(path) {
            return Ok(());
        }
        match self {
            Self::Absent => remove_tree(path),
            Self::Link(target) => {
                remove_tree(path)?;
                symlink(target, path)
            }
            Self::File { content, mode } => {
                if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
                    remove_tree(path)?;
                }
                replace_exact(path, content, *mode)
            }
            Self::Directory { entries, mode } => {
                if !is_real_directory(path) {
                    remove_tree(path)?;
                    fs::create_dir(path)?;
                }
                make_usable(&open_exact(path, OFlags::PATH)?)?;
                for entry in fs::read_dir(path)? {
                    let name = entry?.file_name();
                    if !entries.contains_key(&name) {
                        remove_tree(&path.join(name))?;
                    }
                }
                entries.iter().try_for_each(|(name, state)| state.put_back(&path.join(name)))?;
                fs::set_permissions(path, Permissions::from_mode(*mode))
            }
        }
    }
}

/// A regular file's content, or `None` if there is more. Follows no link and waits for no pipe.
pub(super) fn read_at_most(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = File::from(open_exact(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > limit {
        return Ok(None);
    }
    let mut content = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    Ok((content.len() as u64 <= limit).then_some(content))
}

pub(super) fn is_real_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}
