//! Git tree digests of directories, in git's SHA-256 object format.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::{Digest, Sha256Writer};

/// Why a directory has no digest.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Something could not be read.
    #[error("cannot read {} for its digest", path.display())]
    Io {
        /// What could not be read.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file was written to or replaced meanwhile.
    #[error("{} changed while its digest was taken: try again when nothing writes to it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// The digest of git's tree object for the directory `dir`, in SHA-256 form: what
/// `git init --object-format=sha256 && git add -A --force && git write-tree` prints there when nothing converts line
/// ends or filters content. Bytes are taken as they are, whatever `.gitattributes` and `.gitignore` say.
///
/// As in git, the tree consists of regular files (with the owner's executable bit), symbolic links (not followed) and
/// the directories that lead to them. Empty directories, sockets, pipes and devices are no part of it, and neither is
/// anything named `.git`.
///
/// # Errors
/// A file or directory cannot be read or changes meanwhile.
pub fn tree_digest(dir: &Path) -> Result<Digest, TreeError> {
    Ok(tree(dir)?.unwrap_or_else(|| object("tree", b"")))
}

/// The digest of git's blob object with this content, in SHA-256 form.
pub fn blob_digest(content: &[u8]) -> Digest {
    object("blob", content)
}

fn object(kind: &str, content: &[u8]) -> Digest {
    let mut hash = header(kind, content.len() as u64);
    hash.update(content);
    hash.finish()
}

fn header(kind: &str, length: u64) -> Sha256Writer {
    let mut hash = Sha256Writer::new();
    hash.update(format!("{kind} {length}\0"));
    hash
}

/// An entry of a tree, with the mode as git writes it.
struct Entry {
    name: OsString,
    mode: &'static str,
    digest: Digest,
}

impl Entry {
    const DIRECTORY: &'static str = "40000";

    /// Git compares names as if those of directories ended in a slash.
    fn sort_key(&self) -> impl Iterator<Item = u8> + '_ {
        let slash = (self.mode == Self::DIRECTORY).then_some(b'/');
        self.name.as_bytes().iter().copied().chain(slash)
    }
}

/// `None` for a directory with nothing in it that git would keep.
fn tree(dir: &Path) -> Result<Option<Digest>, TreeError> {
    let io = |source| at(dir, source);
    let mut entries = Vec::new();
    for found in fs::read_dir(dir).map_err(io)? {
        let found = found.map_err(io)?;
        if found.file_name() != ".git"
            && let Some((mode, digest)) = child(&found.path())?
        {
            let name = found.file_name();
            entries.push(Entry { name, mode, digest });
        }
    }
    entries.sort_by(|a, b| a.sort_key().cmp(b.sort_key()));
    let mut content = Vec::new();
    for Entry { name, mode, digest } in &entries {
        content.extend_from_slice(mode.as_bytes());
        content.push(b' ');
        content.extend_from_slice(name.as_bytes());
        content.push(0);
        content.extend_from_slice(digest.as_bytes());
    }
    Ok((!entries.is_empty()).then(|| object("tree", &content)))
}

fn child(path: &Path) -> Result<Option<(&'static str, Digest)>, TreeError> {
    let metadata = fs::symlink_metadata(path).map_err(|source| at(path, source))?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        Ok(tree(path)?.map(|digest| (Entry::DIRECTORY, digest)))
    } else if kind.is_symlink() {
        let target = fs::read_link(path).map_err(|source| at(path, source))?;
        Ok(Some(("120000", blob_digest(target.as_os_str().as_bytes()))))
    } else if kind.is_file() {
        let mode = if metadata.mode() & 0o100 == 0 { "100644" } else { "100755" };
        Ok(Some((mode, file(path, &metadata)?)))
    } else {
        Ok(None)
    }
}

/// The length comes before the content, so a file that grows or is swapped under the reader has to be noticed.
fn file(path: &Path, expected: &Metadata) -> Result<Digest, TreeError> {
    let io = |source| at(path, source);
    let changed = || TreeError::Changed { path: path.to_owned() };
    let mut file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if (metadata.dev(), metadata.ino()) != (expected.dev(), expected.ino()) {
        return Err(changed());
    }
    let mut hash = header("blob", expected.len());
    let mut buffer = vec![0; 64 << 10];
    let mut length = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hash.update(&buffer[..read]);
                length += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io(error)),
        }
        if length > expected.len() {
            break;
        }
    }
    if length == expected.len() { Ok(hash.finish()) } else { Err(changed()) }
}

fn at(path: &Path, source: io::Error) -> TreeError {
    TreeError::Io { path: path.to_owned(), source }
}
