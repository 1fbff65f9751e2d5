//! What stood where git looks for programs to run: looked at, and put back, after each command.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

use super::nested::Nested;
use super::state::{State, is_real_directory};
use super::{Layout, newcomer};
use crate::host::open::open_exact;
use crate::host::remove::{identity, make_usable, remove_tree};

/// A place that could not be put right. Nothing may run in the environment any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotRestored {
    pub(crate) path: PathBuf,
    pub(crate) why: String,
}

/// Puts back what a backend cannot protect, and defuses repositories that commands make.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    holders: Vec<Holder>,
    /// roots that had no repository
    newcomers: Vec<PathBuf>,
    nested: Nested,
    failed: Mutex<Option<NotRestored>>,
}

/// A directory that holds guarded places.
#[derive(Debug)]
struct Holder {
    path: PathBuf,
    /// the directory itself, wherever a command may move it
    itself: OwnedFd,
    places: Vec<(PathBuf, State)>,
}

impl Guard {
    /// `everything`: also what a mount protects, not only what must stay absent.
    ///
    /// # Errors
    /// A place cannot be read, or holds too much to be remembered.
    pub(in crate::sandbox) fn new(
        layouts: &[Layout],
        everything: bool,
    ) -> Result<Self, NotRestored> {
        let mut guard = Self { nested: Nested::of(layouts)?, ..Self::default() };
        for layout in layouts {
            guard.newcomers.extend(layout.newcomer.clone());
            let Some(path) = layout.holder.clone() else { continue };
            let failed = |path: &Path| {
                let path = path.to_owned();
                move |error: io::Error| NotRestored { path, why: error.to_string() }
            };
            let itself =
                open_exact(&path, OFlags::PATH | OFlags::DIRECTORY).map_err(failed(&path))?;
            let mut places = Vec::new();
            for place in layout.protected.iter().chain(&layout.absent) {
                let mounted = layout.protected.contains(place);
                if everything || !mounted {
                    places.push((place.clone(), State::of(place).map_err(failed(place))?));
                }
            }
            guard.holders.push(Holder { path, itself, places });
        }
        Ok(guard)
    }

    /// Puts back what a command changed. Returns the places.
    ///
    /// # Errors
    /// Something could not be put right, now or earlier.
    pub(crate) fn restore(&self) -> Result<Vec<PathBuf>, NotRestored> {
        self.check()?;
        let mut changed = Vec::new();
        let done = self.restore_all(&mut changed);
        for path in &changed {
            tracing::warn!(path = %path.display(), outcome = "restored", "a command changed what git runs");
        }
        if let Err(failed) = &done {
            tracing::error!(path = %failed.path.display(), why = failed.why, outcome = "not restored", "a command changed what git runs");
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed.clone());
        }
        done.map(|()| changed)
    }

    /// # Errors
    /// An earlier restoration failed.
    pub(crate) fn check(&self) -> Result<(), NotRestored> {
        match &*self.failed.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failed) => Err(failed.clone()),
            None => Ok(()),
        }
    }

    fn restore_all(&self, changed: &mut Vec<PathBuf>) -> Result<(), NotRestored> {
        for holder in &self.holders {
            holder.restore(changed)?;
        }
        for root in &self.newcomers {
            newcomer::defuse(&root.join(".git"), changed)?;
        }
        self.nested.restore(changed)
    }
}

impl Holder {
    fn restore(&self, changed: &mut Vec<PathBuf>) -> Result<(), NotRestored> {
        let failed = |error: io::Error| not_restored(&self.path, &error);
        if !self.is_in_place() {
            changed.push(self.path.clone());
            if !self.bring_back().map_err(failed)? {
                // It is gone for good; what stands there now is the command's own.
                return newcomer::defuse(&self.path, changed);
            }
        }
        // If it matters, putting back fails.
        let _not_ours = make_usable(&self.itself);
        for (path, state) in &self.places {
            if self.clear_the_way(path).map_err(|error| not_restored(path, &error))?
                && !state.holds(path)
            {
                state.put_back(path).map_err(|error| not_restored(path, &error))?;
                if !state.holds(path) {
                    return Err(NotRestored {
                        path: path.clone(),
                        why: "it changes while it is put back".into(),
                    });
                }
                changed.push(path.clone());
            }
        }
        Ok(())
    }

    fn is_in_place(&self) -> bool {
        let there = open_exact(&self.path, OFlags::PATH);
        there.and_then(|there| Ok(identity(&there)? == identity(&self.itself)?)).unwrap_or(false)
    }

    /// Moves the directory back to its path, and what stands there out of the way. Whether it
    /// could still be found.
    fn bring_back(&self) -> io::Result<bool> {
        let aside = self.path.with_file_name(canon_runtime::id::new(".canon-aside"));
        match fs::rename(&self.path, &aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Asked only now: it may have been inside what was in its place.
        let now = fs::read_link(format!("/proc/self/fd/{}", self.itself.as_raw_fd()))?;
        let found = fs::rename(&now, &self.path).is_ok() && self.is_in_place();
        if !found {
            remove_tree(&self.path)?;
        }
        remove_tree(&aside)?;
        Ok(found)
    }

    /// Directories between the holder and a place: no links, and such as can be looked into.
    /// `false` if one is missing, and the place with it.
    fn clear_the_way(&self, place: &Path) -> io::Result<bool> {
        let Ok(below) = place.strip_prefix(&self.path) else { return Ok(true) };
        let mut here = self.path.clone();
        for name in below.parent().unwrap_or(Path::new("")) {
            here.push(name);
            if !is_real_directory(&here) {
                remove_tree(&here)?;
                return Ok(false);
            }
            let _not_ours = make_usable(&open_exact(&here, OFlags::PATH)?);
        }
        Ok(true)
    }
}

pub(super) fn not_restored(path: &Path, error: &io::Error) -> NotRestored {
    NotRestored { path: path.to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `/proc`, where nothing can be replaced.
    #[test]
    fn what_cannot_be_put_back_is_an_error_then_and_ever_after() {
        let own = PathBuf::from(format!("/proc/{}", std::process::id()));
        let layout = Layout {
            protected: vec![own.join("comm")],
            holder: Some(own.clone()),
            ..Layout::default()
        };
        let guard = Guard::new(&[layout], true).unwrap();
        assert_eq!(guard.check(), Ok(()));
        let failed = guard.restore().unwrap_err();
        assert_eq!(failed.path, own.join("comm"));
        assert_eq!(guard.check(), Err(failed.clone()));
        assert_eq!(guard.restore(), Err(failed));
    }
}
