//! Git's own files in a writable root: commits must work, and nothing that an agent writes may
//! make git run a program later, outside the sandbox.
//!
//! `.git` is writable, but its `hooks` and `config` (which can name programs to run) are not. Of a
//! worktree, whose repository lies elsewhere, what a commit writes is writable: the worktree's own
//! directory, `objects`, `refs`, `logs`. The `.git` file of a worktree is believed only if the
//! repository points back at it, because an earlier command may have forged it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::plan::zone;
use crate::host::files::replace_exact;
use crate::host::zones::{Access, Zone};

const PROGRAMS: &str =
    "git runs programs named there; set identity with `git -c` or GIT_AUTHOR_NAME";
const METADATA: &str = "git metadata";
/// Files that tell git where its configuration is.
const POINTERS: [&str; 4] = ["config", "config.worktree", "commondir", "gitdir"];

/// What git needs in a writable root, and what it must not give away.
pub(super) fn zones(root: &Path) -> Vec<Zone> {
    let dot_git = root.join(".git");
    match dot_git.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => repository(&dot_git),
        Ok(metadata) if metadata.is_file() => worktree(&dot_git).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn repository(git: &Path) -> Vec<Zone> {
    // An absent directory could be made by a command; an empty one can be protected.
    let _exists_or_is_not_ours = fs::create_dir(git.join("hooks"));
    let mut zones = vec![zone(git, Access::Write, METADATA)];
    zones.extend(protected(git));
    zones
}

fn protected(git: &Path) -> impl Iterator<Item = Zone> {
    let places = POINTERS.into_iter().chain(["hooks"]).map(|name| git.join(name));
    let real =
        |path: &PathBuf| path.symlink_metadata().is_ok_and(|metadata| !metadata.is_symlink());
    places.filter(real).map(|path| zone(path, Access::Read, PROGRAMS))
}

fn worktree(dot_git: &Path) -> Option<Vec<Zone>> {
    let own = linked_git_directory(dot_git)?;
    let common = own.parent()?.parent()?;
    let mut zones =
        vec![zone(dot_git, Access::Read, METADATA), zone(&own, Access::Write, METADATA)];
    zones.extend(protected(&own));
    for name in ["objects", "refs", "logs"] {
        let path = common.join(name);
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            zones.push(zone(path, Access::Write, METADATA));
        }
    }
    Some(zones)
}

/// `REPOSITORY/worktrees/NAME`, if it and the `.git` file name each other.
fn linked_git_directory(dot_git: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(dot_git).ok()?;
    let named = Path::new(text.strip_prefix("gitdir:")?.trim());
    let own = dot_git.parent()?.join(named).canonicalize().ok()?;
    let worktrees = own.parent()?;
    let common =
        own.join(fs::read_to_string(own.join("commondir")).ok()?.trim()).canonicalize().ok()?;
    let back = own.join(fs::read_to_string(own.join("gitdir")).ok()?.trim()).canonicalize().ok()?;
    let agrees = worktrees.file_name()? == "worktrees"
        && worktrees.parent()? == common
        && back == dot_git.canonicalize().ok()?
        && common.join("HEAD").is_file();
    agrees.then_some(own)
}

/// What stood at the protected places, for a backend that cannot protect them: looked at, and put
/// back, after each command.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    places: BTreeMap<PathBuf, State>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Absent,
    File { content: Vec<u8>, mode: u32 },
    Directory(BTreeMap<PathBuf, State>),
    Other,
}

impl Guard {
    /// `everything`: also what a mount would protect, not only what must stay absent.
    pub(super) fn new<'a>(roots: impl Iterator<Item = &'a Path>, everything: bool) -> Self {
        let mut places = BTreeMap::new();
        for git in roots.map(|root| root.join(".git")).filter(|git| is_real_directory(git)) {
            for name in POINTERS.into_iter().chain(["hooks"]) {
                let path = git.join(name);
                let state = State::of(&path);
                if everything || state == State::Absent {
                    places.insert(path, state);
                }
            }
        }
        Self { places }
    }

    /// Puts back what a command changed. Returns the places.
    pub(crate) fn restore(&self) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        for (path, state) in &self.places {
            if path.parent().is_some_and(is_real_directory) && State::of(path) != *state {
                tracing::warn!(path = %path.display(), outcome = "restored", "a command changed what git runs");
                state.put_back(path);
                changed.push(path.clone());
            }
        }
        changed
    }
}

impl State {
    fn of(path: &Path) -> Self {
        let Ok(metadata) = path.symlink_metadata() else { return Self::Absent };
        if metadata.is_file() {
            let content = fs::read(path).unwrap_or_default();
            return Self::File { content, mode: metadata.permissions().mode() & 0o7777 };
        }
        if !metadata.is_dir() {
            return Self::Other;
        }
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        Self::Directory(entries.map(|entry| (entry.path(), Self::of(&entry.path()))).collect())
    }

    fn put_back(&self, path: &Path) {
        let now = Self::of(path);
        if now == *self {
            return;
        }
        match (self, &now) {
            (Self::Directory(_), Self::Directory(_))
            | (Self::File { .. }, Self::File { .. })
            | (_, Self::Absent) => {}
            _ => remove(path),
        }
        match self {
            Self::Absent | Self::Other => {}
            Self::File { content, mode } => {
                let _reported_by_the_next_look = replace_exact(path, content, *mode);
            }
            Self::Directory(entries) => {
                let _exists = fs::create_dir(path);
                if let Self::Directory(found) = &now {
                    found
                        .keys()
                        .filter(|name| !entries.contains_key(*name))
                        .for_each(|name| remove(name));
                }
                entries.iter().for_each(|(name, state)| state.put_back(name));
            }
        }
    }
}

fn is_real_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

fn remove(path: &Path) {
    let _gone =
        if is_real_directory(path) { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}
