//! Repositories in a repository. Git at the root asks those that its index names what has changed
//! in them (`git status` does), and thereby runs what their configuration says. So they are looked
//! at after each command: what was there before is put back, and of what is new everything that
//! runs programs is put aside.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

use super::guard::{NotRestored, not_restored};
use super::index;
use super::newcomer;
use super::state::{State, is_real_directory, read_at_most};
use super::{DEPTH, DIRECTORIES, Layout, POINTER_LIMIT};
use crate::host::open::open_exact;
use crate::host::remove::remove_tree;

/// What of a git directory runs programs or leads to what does.
const PLACES: [&str; 5] = ["config", "config.worktree", "hooks", "commondir", "gitdir"];

/// What is remembered of the repositories in a repository.
#[derive(Debug, Default)]
pub(super) struct Nested {
    tops: Vec<Top>,
    /// looked after elsewhere
    protected: Vec<PathBuf>,
    /// those that were there, by their `.git`
    known: BTreeMap<PathBuf, Known>,
    /// what each index named when it was last read
    read: Mutex<HashMap<PathBuf, (Stamp, Vec<PathBuf>)>>,
}

/// A working tree that is a writable root, and its git directory.
#[derive(Debug)]
struct Top {
    tree: PathBuf,
    git: PathBuf,
}

#[derive(Debug)]
struct Known {
    /// of a `.git` that is no directory itself
    pointer: Option<State>,
    git: Option<PathBuf>,
    places: Vec<(PathBuf, State)>,
}

/// A file that is the same one and has not been written has the same; commands cannot choose it.
type Stamp = (u64, u64, u64, i64, i64);

impl Nested {
    /// Remembers what is there.
    ///
    /// # Errors
    /// Something cannot be read, or is too much.
    pub(super) fn of(layouts: &[Layout]) -> Result<Self, NotRestored> {
        let mut nested = Self::default();
        for layout in layouts {
            nested.protected.extend(layout.protected.iter().cloned());
            if let Some((tree, git)) = layout.working_tree.clone() {
                nested.tops.push(Top { tree, git });
            }
        }
        let mut known = BTreeMap::new();
        nested.visit(|top, dot| {
            if dot.symlink_metadata().is_err() {
                return Ok(None);
            }
            let found = nested.remember(top, dot).map_err(|error| not_restored(dot, &error))?;
            let git = found.git.clone();
            known.insert(dot.to_owned(), found);
            Ok(git)
        })?;
        nested.known = known;
        Ok(nested)
    }

    /// Puts right what commands did.
    ///
    /// # Errors
    /// It could not be done.
    pub(super) fn restore(&self, changed: &mut Vec<PathBuf>) -> Result<(), NotRestored> {
        self.visit(|top, dot| {
            let Ok(now) = dot.symlink_metadata() else { return Ok(None) };
            match self.known.get(dot).filter(|known| known.pointer.is_none() == now.is_dir()) {
                Some(known) => put_back(dot, known, changed),
                None => self.make_harmless(top, dot, changed),
            }
        })
    }

    /// Calls `each` for the `.git` of every place that an index names, with the top that it is
    /// below; what it returns is the git directory whose own index is read in turn.
    fn visit(
        &self,
        mut each: impl FnMut(&Top, &Path) -> Result<Option<PathBuf>, NotRestored>,
    ) -> Result<(), NotRestored> {
        let mut seen = 0_usize;
        for top in &self.tops {
            let mut level = vec![(top.tree.clone(), top.git.clone())];
            for depth in 0.. {
                let mut next = Vec::new();
                for (tree, git) in level {
                    for place in self.named(&git)? {
                        let place = tree.join(place);
                        // Beyond a link git does not look.
                        if open_exact(&place, OFlags::PATH | OFlags::DIRECTORY).is_err() {
                            continue;
                        }
                        seen += 1;
                        if seen > DIRECTORIES || depth > DEPTH {
                            let why = "there are more repositories in the repository than can be looked after";
                            return Err(not_restored(&place, &io::Error::other(why)));
                        }
                        if let Some(git) = each(top, &place.join(".git"))? {
                            next.push((place, git));
                        }
                    }
                }
                if next.is_empty() {
                    break;
                }
                level = next;
            }
        }
        Ok(())
    }

    /// What the index of a git directory names.
    fn named(&self, git: &Path) -> Result<Vec<PathBuf>, NotRestored> {
        if !is_real_directory(git) {
            return Ok(Vec::new());
        }
        let mut places = Vec::new();
        for file in index::files(git).map_err(|error| not_restored(git, &error))? {
            let Ok(metadata) = file.symlink_metadata() else { continue };
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            let stamp = stamp(&metadata);
            match read.get(&file) {
                Some((known, named)) if *known == stamp => places.extend(named.iter().cloned()),
                _ => {
                    let named =
                        index::gitlinks(&file).map_err(|error| not_restored(&file, &error))?;
                    places.extend(named.iter().cloned());
                    read.insert(file, (stamp, named));
                }
            }
        }
        Ok(places)
    }

    fn remember(&self, top: &Top, dot: &Path) -> io::Result<Known> {
        let git = git_directory(dot);
        let pointer = if is_real_directory(dot) { None } else { Some(State::of(dot)?) };
        let mut places = Vec::new();
        if let Some(git) = git.as_ref().filter(|git| top.holds(git) && !self.is_protected(git)) {
            for place in PLACES.map(|name| git.join(name)) {
                let state = State::of(&place)?;
                places.push((place, state));
            }
        }
        Ok(Known { pointer, git, places })
    }

    /// Of a repository that was not there, or was not named.
    fn make_harmless(
        &self,
        top: &Top,
        dot: &Path,
        changed: &mut Vec<PathBuf>,
    ) -> Result<Option<PathBuf>, NotRestored> {
        match git_directory(dot).filter(|git| top.holds(git)) {
            Some(git) if self.is_protected(&git) => Ok(Some(git)),
            Some(git) => {
                newcomer::put_aside(&git, changed)?;
                newcomer::defuse(&git, changed)?;
                Ok(Some(git))
            }
            // What it names may be anything by the time that git asks.
            None => {
                remove_tree(dot).map_err(|error| not_restored(dot, &error))?;
                changed.push(dot.to_owned());
                Ok(None)
            }
        }
    }

    fn is_protected(&self, git: &Path) -> bool {
        self.protected.contains(&git.join("config"))
    }
}

impl Top {
    fn holds(&self, git: &Path) -> bool {
        git.starts_with(&self.tree) || git.starts_with(&self.git)
    }
}

/// As it was, where it still is.
fn put_back(
    dot: &Path,
    known: &Known,
    changed: &mut Vec<PathBuf>,
) -> Result<Option<PathBuf>, NotRestored> {
    if let Some(pointer) = &known.pointer {
        restore(dot, pointer, changed)?;
    }
    let Some(git) = &known.git else { return Ok(None) };
    match git_directory(dot) {
        None => return Ok(None),
        Some(found) if found == *git => {}
        // A link in the way leads elsewhere.
        Some(_) => {
            remove_tree(dot).map_err(|error| not_restored(dot, &error))?;
            changed.push(dot.to_owned());
            return Ok(None);
        }
    }
    for (place, state) in &known.places {
        restore(place, state, changed)?;
    }
    Ok(Some(git.clone()))
}

fn restore(place: &Path, state: &State, changed: &mut Vec<PathBuf>) -> Result<(), NotRestored> {
    if state.holds(place) {
        return Ok(());
    }
    state.put_back(place).map_err(|error| not_restored(place, &error))?;
    if !state.holds(place) {
        return Err(not_restored(place, &io::Error::other("it changes while it is put back")));
    }
    changed.push(place.to_owned());
    Ok(())
}

/// The git directory that a `.git` is or names, without links in its path.
fn git_directory(dot: &Path) -> Option<PathBuf> {
    let metadata = dot.symlink_metadata().ok()?;
    if metadata.is_dir() {
        return Some(dot.to_owned());
    }
    let named = if metadata.is_file() {
        let text = read_at_most(dot, POINTER_LIMIT).ok()??;
        let mut name = text.strip_prefix(b"gitdir: ")?;
        while let [rest @ .., b'\n' | b'\r'] = name {
            name = rest;
        }
        dot.parent()?.join(OsStr::from_bytes(name))
    } else {
        dot.to_owned()
    };
    named.canonicalize().ok().filter(|git| git.is_dir())
}

fn stamp(file: &Metadata) -> Stamp {
    (file.dev(), file.ino(), file.size(), file.ctime(), file.ctime_nsec())
}
