//! Directories whose owners were killed.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::thread;

use rustix::fs::{OFlags, fstat};

use super::{LOCK, PREFIX, remove_with_lock_last, try_lock};
use crate::host::open::open_exact;

/// Once per process, on a thread of its own: there may be much to remove, and nobody waits for it.
pub(super) fn remove_once(parent: &Path) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let parent = parent.to_owned();
        let sweep = thread::Builder::new().name("canon-sweep".into());
        let _left_to_a_later_process = sweep.spawn(move || remove(&parent));
    });
}

/// Removes those that nobody owns any more. What cannot be removed stays.
pub(super) fn remove(parent: &Path) {
    for base in candidates(parent).unwrap_or_default() {
        match remove_if_abandoned(&base) {
            Ok(true) => {
                tracing::info!(path = %base.display(), outcome = "removed", "temporary files of a process that was killed")
            }
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(path = %base.display(), %error, outcome = "left", "temporary files of a process that was killed");
            }
        }
    }
}

fn candidates(parent: &Path) -> io::Result<Vec<PathBuf>> {
    let prefix = format!("{PREFIX}_");
    let named = |entry: &fs::DirEntry| entry.file_name().as_bytes().starts_with(prefix.as_bytes());
    Ok(fs::read_dir(parent)?.flatten().filter(named).map(|entry| entry.path()).collect())
}

fn remove_if_abandoned(base: &Path) -> io::Result<bool> {
    let directory = open_exact(base, OFlags::PATH | OFlags::DIRECTORY)?;
    if fstat(&directory)?.st_uid != rustix::process::geteuid().as_raw() {
        return Ok(false);
    }
    let lock = match open_exact(&base.join(LOCK), OFlags::RDWR | OFlags::NONBLOCK) {
        // Its owner ended, or has not come to it, between making the one and the other. With
        // anything in it, it is not of our making.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return fs::remove_dir(base).map(|()| true);
        }
        lock => File::from(lock?),
    };
    if !try_lock(&lock)? {
        return Ok(false);
    }
    remove_with_lock_last(base)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::super::Scratch;
    use super::*;

    /// What a killed process leaves: everything but the lock.
    fn killed(scratch: Scratch) -> PathBuf {
        let base = scratch.base().to_owned();
        let kept = base.with_file_name("kept");
        fs::rename(&base, &kept).unwrap();
        drop(scratch);
        fs::rename(&kept, &base).unwrap();
        base
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_owned_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let parent = parent.path().canonicalize().unwrap();
        let living = Scratch::below(&parent).unwrap();
        fs::write(living.tmp().join("file"), "mine").unwrap();
        let dead = killed(Scratch::below(&parent).unwrap());
        let closed = dead.join("tmp/closed");
        fs::create_dir(&closed).unwrap();
        fs::write(closed.join("file"), "x").unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        let begun = parent.join(format!("{PREFIX}_begun"));
        fs::create_dir(&begun).unwrap();

        remove(&parent);
        assert!(!dead.exists() && !begun.exists());
        assert_eq!(fs::read(living.tmp().join("file")).unwrap(), b"mine");
        let base = living.base().to_owned();
        drop(living);
        assert!(!base.exists());
    }

    #[test]
    fn what_is_not_ours_stays() {
        let parent = tempfile::tempdir().unwrap();
        let parent = parent.path().canonicalize().unwrap();
        let elsewhere = killed(Scratch::below(&parent).unwrap());
        let elsewhere = {
            let to = parent.join("elsewhere");
            fs::rename(elsewhere, &to).unwrap();
            to
        };
        symlink(&elsewhere, parent.join(format!("{PREFIX}_link"))).unwrap();
        let strange = parent.join(format!("{PREFIX}_strange"));
        fs::create_dir_all(strange.join("something")).unwrap();
        let locked_by_a_link = parent.join(format!("{PREFIX}_linked"));
        fs::create_dir(&locked_by_a_link).unwrap();
        symlink(elsewhere.join(LOCK), locked_by_a_link.join(LOCK)).unwrap();
        fs::write(parent.join(format!("{PREFIX}_file")), "x").unwrap();

        remove(&parent);
        assert!(elsewhere.join("tmp").is_dir() && strange.is_dir());
        assert_eq!(fs::read_dir(&parent).unwrap().count(), 5);
    }

    #[test]
    fn many_that_begin_and_end_do_not_disturb_each_other() {
        let parent = tempfile::tempdir().unwrap();
        let parent = parent.path().canonicalize().unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let scratch = Scratch::below(&parent).unwrap();
                        remove(&parent);
                        fs::write(scratch.tmp().join("file"), "mine").unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(&parent).unwrap().count(), 0);
    }
}
