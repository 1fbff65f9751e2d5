//! The file that tells this machine's commands how a running daemon is reached.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How a daemon is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Of its API, without a final slash.
    pub url: String,
    /// Its process.
    pub pid: u32,
}

impl Address {
    /// Whether there is such a process.
    pub fn is_alive(&self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
    }
}

/// Removes the file when it is dropped, if it still is the one that was written.
#[derive(Debug)]
#[must_use = "the file is removed as soon as the guard is dropped"]
pub struct Guard {
    path: PathBuf,
    address: Address,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if load(&self.path).is_ok_and(|found| found.as_ref() == Some(&self.address)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Tells under `path` that this process is reached at `url`: readable by the user alone, whole or
/// not at all, in place of what an earlier daemon left.
pub fn write(path: &Path, url: &str) -> Result<Guard, Error> {
    let address = Address { url: url.to_owned(), pid: std::process::id() };
    store(path, &address).map_err(|error| {
        Error::environment(format!("{} cannot be written: {error}", path.display()))
            .hint("make the directory writable, or set CANON_HOME to one that is")
    })?;
    Ok(Guard { path: path.to_owned(), address })
}

/// What the file at `path` tells; `None` when there is none.
pub fn read(path: &Path) -> Result<Option<Address>, Error> {
    load(path).map_err(|error| {
        Error::environment(format!("{} cannot be read: {error}", path.display()))
            .hint("start `canon up` again, or name the daemon with --url")
    })
}

fn load(path: &Path) -> io::Result<Option<Address>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn store(path: &Path, address: &Address) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    // A left-over may have other rights.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::File::options().create_new(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(address)?)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_file_is_private_and_goes_with_its_guard() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("address.json");
        assert_eq!(read(&path).unwrap(), None);
        let guard = write(&path, "http://127.0.0.1:4000").unwrap();
        let address = read(&path).unwrap().unwrap();
        assert_eq!(address.url, "http://127.0.0.1:4000");
        assert!(address.is_alive());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(guard);
        assert_eq!(read(&path).unwrap(), None);
    }

    #[test]
    fn a_guard_leaves_the_file_of_a_later_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("address.json");
        let guard = write(&path, "http://127.0.0.1:1").unwrap();
        let later = write(&path, "http://127.0.0.1:2").unwrap();
        drop(guard);
        assert_eq!(read(&path).unwrap().unwrap().url, "http://127.0.0.1:2");
        drop(later);
    }

    #[test]
    fn garbage_is_an_error_that_says_where() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("address.json");
        fs::write(&path, "{").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("address.json"));
        assert!(!Address { url: String::new(), pid: 0 }.is_alive());
        assert!(!Address { url: String::new(), pid: u32::MAX }.is_alive());
    }
}
