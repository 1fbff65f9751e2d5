//! File operations under zones.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use super::open::{open_exact, open_parent};
use super::resolve::{Resolved, Wanted, resolve};
use super::zones::{Access, Zones};
use crate::environment::{DirEntry, FileError, FileKind, FileMetadata, WriteOutcome};

/// Most entries of one listing; what is nearer the top is kept.
pub(crate) const LIST_LIMIT: usize = 10_000;

/// The files that an environment may touch.
#[derive(Debug)]
pub(crate) struct Files {
    /// canonical
    pub(crate) cwd: PathBuf,
    pub(crate) zones: Zones,
}

impl Files {
    pub(crate) fn resolve(&self, path: &Path, wanted: Wanted) -> Result<Resolved, FileError> {
        resolve(&self.zones, &self.cwd, path, wanted)
    }

    pub(crate) fn read(&self, path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
        let found = self.resolve(path, Wanted::Read)?;
        let (file, size) = open_regular(&found.host, path)?;
        let too_large =
            |size| FileError::TooLarge { path: path.to_owned(), size, limit: max_bytes };
        if size > max_bytes {
            return Err(too_large(size));
        }
        let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        // One byte more than allowed, because files of `/sys` and growing files say a wrong size.
        let limit = max_bytes.saturating_add(1);
        file.take(limit)
            .read_to_end(&mut content)
            .map_err(|error| FileError::from_io(path, error))?;
        if content.len() as u64 > max_bytes {
            Err(too_large(content.len() as u64))
        } else {
            Ok(content)
        }
    }

    pub(crate) fn write(&self, path: &Path, content: &[u8]) -> Result<WriteOutcome, FileError> {
        let error = |source: io::Error| FileError::from_io(path, source);
        let found = self.resolve(path, Wanted::Write)?;
        let (parent, name) = open_parent(&found.host, true).map_err(error)?;
        let old = match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(stat),
            Err(rustix::io::Errno::NOENT) => None,
            Err(source) => return Err(error(source.into())),
        };
        if let Some(stat) = &old {
            check_regular(stat, path)?;
        }
        let temporary = format!(".{}.tmp", canon_runtime::id::new("canon"));
        let written = write_new(&parent, &temporary, content, old.as_ref())
            .and_then(|()| Ok(rustix::fs::renameat(&parent, &temporary, &parent, name)?));
        if let Err(source) = written {
            let _may_not_exist = rustix::fs::unlinkat(&parent, &temporary, AtFlags::empty());
            return Err(error(source));
        }
        Ok(WriteOutcome { created: old.is_none(), bytes: content.len() as u64 })
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<(), FileError> {
        let error = |source: io::Error| FileError::from_io(path, source);
        let found = self.resolve(path, Wanted::WriteName)?;
        let (parent, name) = open_parent(&found.host, false).map_err(error)?;
        rustix::fs::unlinkat(&parent, name, AtFlags::empty()).map_err(|source| error(source.into()))
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        let source = self.resolve(from, Wanted::WriteName)?;
        let target = self.resolve(to, Wanted::WriteName)?;
        for (asked, found) in [(from, &source), (to, &target)] {
            self.check_no_zone_at(asked, found)?;
        }
        let (old_parent, old_name) =
            open_parent(&source.host, false).map_err(|error| FileError::from_io(from, error))?;
        let (new_parent, new_name) =
            open_parent(&target.host, true).map_err(|error| FileError::from_io(to, error))?;
        rustix::fs::renameat(&old_parent, old_name, &new_parent, new_name)
            .map_err(|error| FileError::from_io(from, error.into()))
    }

    /// Moving a directory would move the places in it from under their rules.
    fn check_no_zone_at(&self, asked: &Path, found: &Resolved) -> Result<(), FileError> {
        let pinned = self.zones.iter().any(|zone| zone.path.starts_with(&found.view));
        if !pinned {
            return Ok(());
        }
        let why = "it is or holds a place with a rule of its own, and stays where it is".to_owned();
        Err(FileError::OutsidePolicy { path: asked.to_owned(), why })
    }

    pub(crate) fn exists(&self, path: &Path) -> Result<bool, FileError> {
        match self.resolve(path, Wanted::Read) {
            Ok(found) => Ok(found.exists),
            Err(FileError::NotFound { .. } | FileError::NotADirectory { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn metadata(&self, path: &Path) -> Result<FileMetadata, FileError> {
        let error = |source: io::Error| FileError::from_io(path, source);
        let found = self.resolve(path, Wanted::Read)?;
        let fd = open_exact(&found.host, OFlags::PATH).map_err(error)?;
        let stat = rustix::fs::fstat(&fd).map_err(|source| error(source.into()))?;
        Ok(FileMetadata {
            kind: kind_of(FileType::from_raw_mode(stat.st_mode)),
            size: size_of(&stat),
            modified_ms: modified_ms(&stat),
            mode: stat.st_mode & 0o7777,
        })
    }

    pub(crate) fn list(&self, path: &Path, depth: usize) -> Result<Vec<DirEntry>, FileError> {
        let error = |source: io::Error| FileError::from_io(path, source);
        let top = self.resolve(path, Wanted::Read)?;
        let mut entries = Vec::new();
        let mut level = vec![PathBuf::new()];
        for this_level in 0..depth.max(1) {
            let mut next = Vec::new();
            for below in std::mem::take(&mut level) {
                let listed = self.list_one(&top, &below, &mut entries, &mut next);
                // Only the directory that was asked for has to be readable.
                if this_level == 0 {
                    listed.map_err(error)?;
                }
            }
            if next.is_empty() || entries.len() >= LIST_LIMIT {
                break;
            }
            next.sort();
            level = next;
        }
        entries.truncate(LIST_LIMIT);
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn list_one(
        &self,
        top: &Resolved,
        below: &Path,
        entries: &mut Vec<DirEntry>,
        directories: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        let host = self.zones.to_host(&top.view.join(below));
        let directory =
            open_exact(host.components().as_path(), OFlags::RDONLY | OFlags::DIRECTORY)?;
        for entry in rustix::fs::Dir::read_from(&directory)? {
            let entry = entry?;
            let raw = entry.file_name().to_bytes();
            if raw == b"." || raw == b".." || entries.len() >= LIST_LIMIT {
                continue;
            }
            let name =
                below.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(raw));
            if self.zones.deciding(&top.view.join(&name)).access == Access::Hidden {
                continue;
            }
            let Ok(stat) =
                rustix::fs::statat(&directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            else {
                continue;
            };
            let kind = kind_of(FileType::from_raw_mode(stat.st_mode));
            if kind == FileKind::Directory {
                directories.push(name.clone());
            }
            entries.push(DirEntry {
                name,
                kind,
                size: (kind == FileKind::File).then(|| size_of(&stat)),
            });
        }
        Ok(())
    }
}

/// Puts a file with this content and mode at a path, following no link.
pub(crate) fn replace_exact(host: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let (parent, name) = open_parent(host, false)?;
    let temporary = format!(".{}.tmp", canon_runtime::id::new("canon"));
    write_new(&parent, &temporary, content, None)?;
    rustix::fs::chmodat(&parent, &temporary, Mode::from_raw_mode(mode), AtFlags::empty())?;
    rustix::fs::renameat(&parent, &temporary, &parent, name)?;
    Ok(())
}

/// Opens a regular file for reading, with its size. Never waits for a pipe, never touches a device.
pub(super) fn open_regular(host: &Path, asked: &Path) -> Result<(File, u64), FileError> {
    let error = |source: io::Error| FileError::from_io(asked, source);
    let look = open_exact(host, OFlags::PATH).map_err(error)?;
    check_regular(&rustix::fs::fstat(&look).map_err(|source| error(source.into()))?, asked)?;
    let fd = open_exact(host, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).map_err(error)?;
    let stat = rustix::fs::fstat(&fd).map_err(|source| error(source.into()))?;
    check_regular(&stat, asked)?;
    Ok((File::from(fd), size_of(&stat)))
}

fn check_regular(stat: &Stat, path: &Path) -> Result<(), FileError> {
    match kind_of(FileType::from_raw_mode(stat.st_mode)) {
        FileKind::File => Ok(()),
        FileKind::Directory => Err(FileError::IsDirectory { path: path.to_owned() }),
        FileKind::Symlink | FileKind::Other => Err(FileError::NotAFile { path: path.to_owned() }),
    }
}

/// A complete file beside its final place, with the mode and, where permitted, the owner of the old.
fn write_new(parent: &OwnedFd, name: &str, content: &[u8], old: Option<&Stat>) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Never wider than the old file, not even for a moment.
    let mode = old.map_or(0o666, |old| old.st_mode & 0o600);
    let mut file = File::from(rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(mode))?);
    file.write_all(content)?;
    if let Some(old) = old {
        let own = rustix::fs::fstat(&file)?;
        if (own.st_uid, own.st_gid) != (old.st_uid, old.st_gid) {
            let (uid, gid) =
                (rustix::fs::Uid::from_raw(old.st_uid), rustix::fs::Gid::from_raw(old.st_gid));
            let _only_root_may = rustix::fs::fchown(&file, Some(uid), Some(gid));
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(old.st_mode & 0o7777))?;
    }
    Ok(())
}

fn kind_of(kind: FileType) -> FileKind {
    match kind {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    }
}

fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn modified_ms(stat: &Stat) -> u64 {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    // Its type differs between architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions)]
    let nanos = u64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}
