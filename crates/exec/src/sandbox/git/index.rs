//! Which places an index names as repositories of their own: entries of the mode of a "gitlink".
//!
//! Commands may write the index, so it is read as git would read it in any of its ways, and what
//! could only be meant to be read differently is an error. A place too many does no harm.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::state::read_at_most;

const LIMIT: u64 = 512 * 1024 * 1024;
const HEADER: usize = 12;
/// Times, device, inode, mode, owner and size, before the name of the object.
const STAT: usize = 40;
const MODE: usize = 24;
const GITLINK: u32 = 0o160_000;
const KIND: u32 = 0o170_000;
/// Objects are named by SHA-1 or by SHA-256; a reading with the wrong one finds nonsense.
const HASHES: [usize; 2] = [20, 32];
/// Indexes that others build on. Git uses one, and keeps the older ones for two weeks.
const SHARED: usize = 4096;
/// At the end: where the extensions begin.
const END: &[u8] = b"EOIE";
/// The extension that says where several threads begin to read.
const TABLE: &[u8] = b"IEOT";

/// The index of a git directory, and those that it may be built on.
pub(super) fn files(git: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = vec![git.join("index")];
    for entry in fs::read_dir(git)? {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(b"sharedindex.") {
            files.push(entry.path());
        }
        if files.len() > SHARED {
            return Err(io::Error::other("there are too many shared indexes"));
        }
    }
    Ok(files)
}

/// Places that an index file names, relative to the working tree.
///
/// # Errors
/// It cannot be read, or is nothing that git wrote.
pub(super) fn gitlinks(file: &Path) -> io::Result<Vec<PathBuf>> {
    match read_at_most(file, LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => parse(&read?.ok_or_else(|| io::Error::other("it is too large to be looked at"))?),
    }
}

fn parse(index: &[u8]) -> io::Result<Vec<PathBuf>> {
    let header = (index.get(..4), number(index, 4), number(index, 8));
    // Git refuses any other.
    let (Some(b"DIRC"), Some(version @ 2..=4), Some(count)) = header else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for hash in HASHES {
        let reader = Reader { index, version, hash };
        reader.entries(HEADER, count, &mut found);
        for (start, count) in reader.blocks() {
            reader.entries(start, count, &mut found);
        }
    }
    found.retain(|place| is_below(place));
    found.sort();
    found.dedup();
    Ok(found)
}

/// Git accepts no other name.
fn is_below(place: &Path) -> bool {
    let mut parts = place.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

struct Reader<'a> {
    index: &'a [u8],
    version: u32,
    hash: usize,
}

impl Reader<'_> {
    /// Where threads would begin, and how many entries each would read; no more of them together
    /// than there is room for.
    fn blocks(&self) -> Vec<(usize, u32)> {
        let (mut blocks, mut room) = (Vec::new(), self.index.len() / STAT);
        let Some((table, end)) = self.table() else { return blocks };
        for at in (table..end).step_by(8) {
            let (Some(start), Some(count)) = (number(self.index, at), number(self.index, at + 4))
            else {
                break;
            };
            let count = count.min(u32::try_from(room).unwrap_or(u32::MAX));
            room -= count as usize;
            blocks.push((start as usize, count));
        }
        blocks
    }

    /// Begin and end of the table, if there is one that git would find.
    fn table(&self) -> Option<(usize, usize)> {
        let end = self.index.len().checked_sub(self.hash + 12 + self.hash)?;
        if self.index.get(end..end + END.len()) != Some(END) {
            return None;
        }
        let mut at = number(self.index, end + 8)? as usize;
        loop {
            let name = self.index.get(at..at.checked_add(4)?)?;
            let size = number(self.index, at + 4)? as usize;
            let begin = at + 8;
            at = begin.checked_add(size)?;
            if name == TABLE {
                // After a version.
                return Some((begin + 4, at.min(self.index.len())));
            }
        }
    }

    /// As many as there are; nonsense ends them.
    fn entries(&self, start: usize, count: u32, found: &mut Vec<PathBuf>) {
        let (mut at, mut name) = (start, Vec::new());
        for _ in 0..count {
            let Some((mode, next)) = self.entry(at, &mut name) else { return };
            if mode & KIND == GITLINK {
                found.push(PathBuf::from(OsStr::from_bytes(&name)));
            }
            at = next;
        }
    }

    /// One entry: its mode, and where the next begins. `name` holds the previous one's name.
    fn entry(&self, start: usize, name: &mut Vec<u8>) -> Option<(u32, usize)> {
        let mode = number(self.index, start.checked_add(MODE)?)?;
        let flags_at = start + STAT + self.hash;
        let flags = self.index.get(flags_at..flags_at + 2)?;
        let flags = u16::from_be_bytes([flags[0], flags[1]]);
        let is_long = self.version >= 3 && flags & 0x4000 != 0;
        let mut at = flags_at + if is_long { 4 } else { 2 };
        let mut kept = 0;
        if self.version == 4 {
            let dropped = self.varint(&mut at)?;
            kept = name.len().checked_sub(dropped)?;
        }
        let rest = self.index.get(at..)?;
        let length = match usize::from(flags & 0xFFF) {
            0xFFF => kept + rest.iter().position(|byte| *byte == 0)?,
            length => length,
        };
        let own = length.checked_sub(kept)?;
        name.truncate(kept);
        name.extend_from_slice(rest.get(..own)?);
        let end = at + own;
        let next = if self.version == 4 { end + 1 } else { start + ((end - start + 8) & !7) };
        Some((mode, next))
    }

    /// A number as git writes it in packs and here: seven bits each, one added for each that follows.
    fn varint(&self, at: &mut usize) -> Option<usize> {
        let mut value = 0_usize;
        loop {
            let byte = *self.index.get(*at)?;
            *at += 1;
            value = value.checked_mul(128)?.checked_add(usize::from(byte & 0x7F))?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
            value = value.checked_add(1)?;
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// Git's own indexes, in all forms that it writes.
    #[test]
    fn what_git_writes_is_read() {
        let commit = "1".repeat(40);
        for format in ["sha1", "sha256"] {
            let commit = if format == "sha1" { commit.clone() } else { "1".repeat(64) };
            for version in ["2", "3", "4"] {
                for split in ["true", "false"] {
                    let dir = tempfile::tempdir().unwrap();
                    let git = |arguments: &[&str]| {
                        let done = Command::new("git")
                            .arg("-C")
                            .arg(dir.path())
                            .args(["-c", "index.threads=2", "-c"])
                            .arg(format!("core.splitIndex={split}"))
                            .args(arguments)
                            .output()
                            .unwrap();
                        assert!(done.status.success(), "{done:?}");
                    };
                    git(&["init", "-q", &format!("--object-format={format}")]);
                    for name in ["a", "dir/b", "dir/c", "z"] {
                        let path = dir.path().join(name);
                        fs::create_dir_all(path.parent().unwrap()).unwrap();
                        fs::write(path, name).unwrap();
                    }
                    git(&["add", "."]);
                    git(&["update-index", "--index-version", version]);
                    let deep = format!("dir/{}", "long/".repeat(900));
                    for place in ["dir/bb", "m", &format!("{deep}x")] {
                        git(&[
                            "update-index",
                            "--add",
                            "--cacheinfo",
                            &format!("160000,{commit},{place}"),
                        ]);
                    }
                    git(&["add", "-N", "z"]);
                    let mut found = Vec::new();
                    for file in files(&dir.path().join(".git")).unwrap() {
                        found.extend(gitlinks(&file).unwrap());
                    }
                    found.sort();
                    found.dedup();
                    // A reading with the other hash may find more that is not there.
                    for place in ["dir/bb", &format!("{deep}x"), "m"] {
                        let place = PathBuf::from(place);
                        assert!(found.contains(&place), "{format} {version} {split} {place:?}");
                    }
                    assert!(!found.contains(&PathBuf::from("dir/b")));
                }
            }
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_none() {
        for (name, fine) in [("a/b", true), ("../a", false), ("/a", false), ("", false)] {
            assert_eq!(is_below(Path::new(name)), fine, "{name}");
        }
    }

    /// Entries that only threads would come by.
    #[test]
    fn entries_that_a_table_leads_to_are_read() {
        let mut index = [b"DIRC".as_slice(), &2_u32.to_be_bytes(), &0_u32.to_be_bytes()].concat();
        let start = index.len() as u32 + 16;
        index.extend([0; 16]);
        let mut entry = vec![0; STAT + 20];
        entry[MODE..MODE + 4].copy_from_slice(&GITLINK.to_be_bytes());
        index.extend(entry);
        index.extend([0, 3]);
        index.extend(b"sub\0\0\0\0\0\0\0");
        let extensions = index.len() as u32;
        index.extend([b"XXXX".as_slice(), &2_u32.to_be_bytes(), b"ab", TABLE].concat());
        index.extend([12, 1, start, 1].map(u32::to_be_bytes).concat());
        index.extend([END, &24_u32.to_be_bytes(), &extensions.to_be_bytes(), &[0; 40]].concat());
        assert_eq!(parse(&index).unwrap(), [PathBuf::from("sub")]);
    }

    proptest! {
        #[test]
        fn nonsense_is_read_to_some_end(
            version in 2u32..5,
            count: u32,
            rest in prop::collection::vec(any::<u8>(), 0..400),
            table in prop::collection::vec(any::<u32>(), 0..8),
        ) {
            let mut index = b"DIRC".to_vec();
            index.extend(version.to_be_bytes());
            index.extend(count.to_be_bytes());
            index.extend(rest);
            let extensions = index.len() as u32;
            index.extend(TABLE);
            for number in table {
                index.extend(number.to_be_bytes());
            }
            index.extend([END, &24_u32.to_be_bytes(), &extensions.to_be_bytes(), &[0; 40]].concat());
            for place in parse(&index).unwrap() {
                prop_assert!(is_below(&place));
            }
        }
    }
}
