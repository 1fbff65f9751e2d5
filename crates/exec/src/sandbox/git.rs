//! Git's own files in a writable root: commits must work, and nothing that an agent writes may
//! make git run a program later, outside the sandbox.
//!
//! `.git` is writable, but what names programs or leads to another configuration is not: `config`,
//! `config.worktree`, `commondir`, `hooks`, of the repository itself and of its submodules and
//! worktrees. What is not there could be made by a command, so it is made first, with a content
//! that says nothing: an empty `config.worktree`, a `commondir` that names its own directory.
//!
//! Of a worktree, whose repository lies elsewhere, what a commit writes is writable: the worktree's
//! own directory, `objects`, `refs`, `logs`. The `.git` file of a worktree is believed only if the
//! repository points back at it, because an earlier command may have forged it.

mod config;
mod guard;
mod index;
mod nested;
mod newcomer;
mod state;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::SandboxError;
use super::plan::zone;
use crate::host::zones::{Access, Zone};
pub(crate) use guard::{Guard, NotRestored};
use state::{is_real_directory, read_at_most};

const PROGRAMS: &str =
    "git runs programs named there; set identity with `git -c` or GIT_AUTHOR_NAME";
const METADATA: &str = "git metadata";
/// More submodules and worktrees than these are an error.
const DIRECTORIES: usize = 1024;
const DEPTH: usize = 16;
/// A file that names a directory is one line.
const POINTER_LIMIT: u64 = 16 * 1024;

/// Where git's files of one writable root are.
#[derive(Debug, Default)]
pub(super) struct Layout {
    writable: Vec<PathBuf>,
    /// there, and to stay as they are
    protected: Vec<PathBuf>,
    /// not there, and to stay so
    absent: Vec<PathBuf>,
    /// what all protected and absent places lie in
    holder: Option<PathBuf>,
    /// a repository elsewhere that the root is a worktree of
    pub(super) repository: Option<PathBuf>,
    /// the root, if it has no repository
    newcomer: Option<PathBuf>,
    /// the root and the git directory where its index is, or would be
    working_tree: Option<(PathBuf, PathBuf)>,
}

impl Layout {
    /// Looks at a root, and makes what has to be there to be protected.
    ///
    /// # Errors
    /// Something there cannot be protected, or leads where nothing rightful would.
    pub(super) fn of(root: &Path) -> Result<Self, SandboxError> {
        let dot_git = root.join(".git");
        let mut layout = Self::default();
        match dot_git.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() && exists(&dot_git.join("config")) => {
                layout.holder = Some(dot_git.clone());
                layout.repository(&dot_git)?;
                layout.working_tree = Some((root.to_owned(), dot_git));
            }
            Ok(metadata) if metadata.is_file() => {
                layout.holder = Some(root.to_owned());
                layout.linked(root, dot_git)?;
            }
            Ok(metadata) if metadata.is_symlink() => {
                return Err(bad(
                    &dot_git,
                    "is a symbolic link, which a command could turn elsewhere",
                ));
            }
            _ => {
                layout.newcomer = Some(root.to_owned());
                layout.working_tree = Some((root.to_owned(), dot_git));
            }
        }
        Ok(layout)
    }

    /// What git needs, and what it must not give away.
    pub(super) fn zones(&self) -> impl Iterator<Item = Zone> {
        let writable = self.writable.iter().map(|path| zone(path, Access::Write, METADATA));
        writable.chain(self.protected.iter().map(|path| zone(path, Access::Read, PROGRAMS)))
    }

    fn repository(&mut self, git: &Path) -> Result<(), SandboxError> {
        let own = git.join("commondir");
        if exists(&own) && content(&own).is_none_or(|text| !["", "."].contains(&text.trim())) {
            return Err(bad(
                &own,
                "sends git to another repository; remove it if that is not meant",
            ));
        }
        let back = git.join("gitdir");
        if exists(&back) {
            return Err(bad(&back, "belongs in a worktree's directory; remove it"));
        }
        self.writable.push(git.to_owned());
        self.absent.push(back);
        self.file(own, ".\n")?;
        self.programs(git)?;
        self.worktrees(git)?;
        self.modules(git)
    }

    /// Configuration and hooks of a git directory.
    fn programs(&mut self, git: &Path) -> Result<(), SandboxError> {
        self.existing(git.join("config"))?;
        self.file(git.join("config.worktree"), "")?;
        let hooks = git.join("hooks");
        if !exists(&hooks) {
            made(&hooks, fs::create_dir(&hooks))?;
        }
        self.existing(hooks)
    }

    /// Git believes what the directories of linked worktrees say about where they belong.
    fn worktrees(&mut self, git: &Path) -> Result<(), SandboxError> {
        for own in directories(&git.join("worktrees"))? {
            self.worktree_directory(&own)?;
        }
        Ok(())
    }

    fn worktree_directory(&mut self, own: &Path) -> Result<(), SandboxError> {
        self.existing(own.join("commondir"))?;
        self.existing(own.join("gitdir"))?;
        self.file(own.join("config.worktree"), "")
    }

    /// Repositories of submodules, whose names may have slashes in them.
    fn modules(&mut self, git: &Path) -> Result<(), SandboxError> {
        let top = git.join("modules");
        let mut level = directories(&top)?;
        let mut seen = 0_usize;
        for _ in 0..DEPTH {
            let mut next = Vec::new();
            for directory in level {
                seen += 1;
                if seen > DIRECTORIES {
                    return Err(bad(&top, "holds more directories than can be protected"));
                }
                if !exists(&directory.join("HEAD")) || !exists(&directory.join("config")) {
                    next.extend(directories(&directory)?);
                    continue;
                }
                self.programs(&directory)?;
                self.worktrees(&directory)?;
                // With one of these git would not look for the submodule's files any more.
                let elsewhere = directory.join("commondir");
                if exists(&elsewhere) {
                    return Err(bad(&elsewhere, "sends git to another repository; remove it"));
                }
                self.absent.push(elsewhere);
                next.extend(directories(&directory.join("modules"))?);
            }
            if next.is_empty() {
                return Ok(());
            }
            level = next;
        }
        Err(bad(&top, "is deeper than can be protected"))
    }

    /// A root whose `.git` is a file that names a directory.
    fn linked(&mut self, root: &Path, dot_git: PathBuf) -> Result<(), SandboxError> {
        let named = content(&dot_git)
            .and_then(|text| root.join(text.strip_prefix("gitdir:")?.trim()).canonicalize().ok());
        if named.as_ref().is_some_and(|named| named.starts_with(root)) {
            return Err(bad(&dot_git, "names a repository that commands could write"));
        }
        let own = linked_git_directory(&dot_git);
        self.protected.push(dot_git);
        let Some((own, common)) = own else { return Ok(()) };
        self.worktree_directory(&own)?;
        self.working_tree = Some((root.to_owned(), own.clone()));
        self.writable.push(own);
        let parts = ["objects", "refs", "logs"].map(|name| common.join(name));
        self.writable.extend(parts.into_iter().filter(|path| is_real_directory(path)));
        self.repository = Some(common);
        Ok(())
    }

    /// A file that is made with this content if it is not there.
    fn file(&mut self, path: PathBuf, content: &str) -> Result<(), SandboxError> {
        if !exists(&path) {
            let file = OpenOptions::new().write(true).create_new(true).open(&path);
            made(&path, file.and_then(|mut file| file.write_all(content.as_bytes())))?;
        }
        self.existing(path)
    }

    fn existing(&mut self, path: PathBuf) -> Result<(), SandboxError> {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_file() || metadata.is_dir() => self.protected.push(path),
            Ok(_) => {
                return Err(bad(
                    &path,
                    "is a symbolic link or special, and cannot be protected; put a file or directory there",
                ));
            }
            Err(_) => self.absent.push(path),
        }
        Ok(())
    }
}

/// What this user may not make, a command may not either.
fn made(path: &Path, outcome: io::Result<()>) -> Result<(), SandboxError> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            let own = rustix::process::geteuid().as_raw();
            let owner = path.parent().and_then(|parent| parent.metadata().ok()).map(|at| at.uid());
            let is_ours = own == 0 || owner.is_none_or(|owner| owner == own);
            let is_fixed = error.kind() == io::ErrorKind::ReadOnlyFilesystem;
            if is_ours && !is_fixed {
                Err(bad(path, &format!("cannot be made, to be protected: {error}")))
            } else {
                Ok(())
            }
        }
        Ok(()) => Ok(()),
    }
}

/// Real directories in a real directory.
fn directories(path: &Path) -> Result<Vec<PathBuf>, SandboxError> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(metadata) if metadata.is_symlink() => {
            return Err(bad(path, "is a symbolic link, and what it leads to cannot be protected"));
        }
        _ => return Ok(Vec::new()),
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_symlink() && entry.path().is_dir() {
            return Err(bad(
                &entry.path(),
                "is a symbolic link, and what it leads to cannot be protected",
            ));
        }
        if kind.is_dir() {
            found.push(entry.path());
        }
        if found.len() > DIRECTORIES {
            return Err(bad(path, "holds more directories than can be protected"));
        }
    }
    Ok(found)
}

/// `REPOSITORY/worktrees/NAME` and `REPOSITORY`, if the first and the `.git` file name each other.
fn linked_git_directory(dot_git: &Path) -> Option<(PathBuf, PathBuf)> {
    let text = content(dot_git)?;
    let named = Path::new(text.strip_prefix("gitdir:")?.trim());
    let own = dot_git.parent()?.join(named).canonicalize().ok()?;
    let worktrees = own.parent()?;
    let common = own.join(content(&own.join("commondir"))?.trim()).canonicalize().ok()?;
    let back = own.join(content(&own.join("gitdir"))?.trim()).canonicalize().ok()?;
    let agrees = worktrees.file_name()? == "worktrees"
        && worktrees.parent()? == common
        && back == dot_git.canonicalize().ok()?
        && common.join("HEAD").is_file();
    agrees.then_some((own, common))
}

fn content(path: &Path) -> Option<String> {
    String::from_utf8(read_at_most(path, POINTER_LIMIT).ok()??).ok()
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn bad(path: &Path, why: &str) -> SandboxError {
    SandboxError::BadPath { path: path.to_owned(), why: why.to_owned() }
}
