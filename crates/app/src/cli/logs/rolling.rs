//! A log file of limited size, and the one before it.

use std::fs::File;
use std::io::{Result, Write};
use std::path::{Path, PathBuf};

/// Appends to a file. Before it would exceed its limit it is moved aside, over the last one that
/// was.
pub(super) struct Rolling {
    path: PathBuf,
    aside: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

impl Rolling {
    /// Opens `path`, which may have grown in an earlier run.
    pub(super) fn open(path: PathBuf, aside: PathBuf, limit: u64) -> Result<Self> {
        let file = append(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, aside, file, size, limit })
    }

    /// Where this fails, the log goes on in the file that is open; the next try comes after as
    /// many bytes again.
    fn roll(&mut self) {
        self.size = 0;
        let _ = std::fs::rename(&self.path, &self.aside);
        if let Ok(file) = append(&self.path) {
            self.file = file;
        }
    }
}

fn append(path: &Path) -> Result<File> {
    File::options().create(true).append(true).open(path)
}

impl Write for Rolling {
    fn write(&mut self, line: &[u8]) -> Result<usize> {
        if self.size > 0 && self.size.saturating_add(line.len() as u64) > self.limit {
            self.roll();
        }
        let count = self.file.write(line)?;
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_would_grow_beyond_its_limit_is_moved_aside_and_one_old_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("log"), dir.path().join("log.1"));
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        std::fs::write(&path, "earlier\n").unwrap();
        let mut log = Rolling::open(path.clone(), aside.clone(), 12).unwrap();
        log.write_all(b"1st\n").unwrap();
        assert_eq!(read(&path), "earlier\n1st\n");
        log.write_all(b"2nd\n").unwrap();
        assert_eq!((read(&path), read(&aside)), ("2nd\n".to_owned(), "earlier\n1st\n".to_owned()));
        log.write_all(b"longer than all\n").unwrap();
        log.write_all(b"4th\n").unwrap();
        assert_eq!((read(&path), read(&aside)), ("4th\n".into(), "longer than all\n".into()));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_cannot_be_moved_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("log"), dir.path().join("log.1"));
        std::fs::create_dir_all(aside.join("in the way")).unwrap();
        let mut log = Rolling::open(path.clone(), aside, 4).unwrap();
        log.write_all(b"1st\n").unwrap();
        log.write_all(b"2nd\n").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "1st\n2nd\n");
    }
}
