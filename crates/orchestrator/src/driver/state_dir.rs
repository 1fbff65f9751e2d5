//! Where a workflow's state lies: its ledger, its sessions and the daemon's epoch.

use std::io;
use std::path::{Path, PathBuf};

use canon_digest::sha256;
use canon_runtime::clock;

/// The state of one workflow, under the state directory of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir(PathBuf);

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("state directory {}: {what}: {source}; make it writable or set CANON_HOME", path.display())]
pub struct StateDirError {
    path: PathBuf,
    what: &'static str,
    source: io::Error,
}

impl StateDir {
    /// The state of the workflow file at `workflow` (absolute) under `home`: two workflow files
    /// never share one.
    pub fn of(home: &Path, workflow: &Path) -> Self {
        let digest = sha256(workflow.as_os_str().as_encoded_bytes()).to_string();
        let parent = workflow.parent().and_then(Path::file_name);
        let name = parent.map_or_else(|| "workflow".into(), std::ffi::OsStr::to_string_lossy);
        let name: String =
            name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        Self(home.join("workflows").join(format!("{name}-{}", &digest[..16])))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The ledger's file.
    pub fn ledger(&self) -> PathBuf {
        self.0.join("ledger.db")
    }

    /// The directory of the sessions' directories.
    pub fn sessions(&self) -> PathBuf {
        self.0.join("sessions")
    }

    /// Where a running daemon tells how it is reached.
    pub fn address(&self) -> PathBuf {
        self.0.join("address.json")
    }

    pub(super) fn create(&self) -> Result<(), StateDirError> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.sessions())
            .map_err(|source| self.error("cannot be made", source))
    }

    /// A number greater than any before; to be called under the ledger's lock.
    pub(super) fn next_epoch(&self) -> Result<u64, StateDirError> {
        let path = self.0.join("epoch");
        let last: u64 = match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(self.error("its epoch cannot be read", source)),
        };
        // The clock keeps it growing even if the file is damaged.
        let next = last.saturating_add(1).max(clock::now_ms());
        let temporary = self.0.join("epoch.tmp");
        std::fs::write(&temporary, next.to_string())
            .and_then(|()| std::fs::rename(&temporary, &path))
            .map_err(|source| self.error("its epoch cannot be written", source))?;
        Ok(next)
    }

    fn error(&self, what: &'static str, source: io::Error) -> StateDirError {
        StateDirError { path: self.0.clone(), what, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_grow_and_two_workflows_never_share_a_directory() {
        let home = tempfile::tempdir().unwrap();
        let one = StateDir::of(home.path(), Path::new("/a/WORKFLOW.md"));
        let two = StateDir::of(home.path(), Path::new("/b/WORKFLOW.md"));
        assert_ne!(one, two);
        one.create().unwrap();
        let first = one.next_epoch().unwrap();
        assert!(one.next_epoch().unwrap() > first);
        std::fs::write(one.path().join("epoch"), "damaged").unwrap();
        assert!(one.next_epoch().unwrap() >= first);
    }
}
