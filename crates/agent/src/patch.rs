//! Patches in the v4a format (loop spec Appendix A): text → [`Patch`] → [`Plan`], all pure.
//!
//! A patch is several operations on files in one envelope. [`Patch::parse`] reads it, [`Patch::plan`]
//! tries it on the files as they are and says every step that has to be made, or why none may be.

mod envelope;
mod matching;
mod nearest;
mod parse;
mod plan;
mod text;
mod update;

use std::path::{Path, PathBuf};

pub use parse::ParseError;
pub use plan::{Change, ChangeKind, Found, Plan, Problem, Step};

/// What a model wants done, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// At least one.
    pub operations: Vec<Operation>,
}

/// One operation on one file. Paths are as the model wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A new file.
    Add {
        /// Where.
        path: String,
        /// Lines without their ends.
        lines: Vec<String>,
    },
    /// A file goes away.
    Delete {
        /// Which.
        path: String,
    },
    /// A file changes, or moves, or both.
    Update {
        /// Which.
        path: String,
        /// Where it goes.
        move_to: Option<String>,
        /// Top to bottom; empty only for a pure rename.
        hunks: Vec<Hunk>,
    },
}

/// One place of a file that changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hunk {
    /// Lines that are found one after the other, before the hunk's own are looked for (`@@ LINE`).
    pub anchors: Vec<String>,
    /// Lines of the file, and what becomes of them.
    pub lines: Vec<Line>,
    /// The lines are the file's last ones (`*** End of File`).
    pub at_end: bool,
    /// So many lines at the end were wholly empty in the patch, without the space of a context
    /// line. They may be empty lines of the file, or stand in the patch for nothing.
    pub blank_tail: usize,
}

/// One line of a hunk, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Context.
    Keep(String),
    /// Goes.
    Remove(String),
    /// Comes.
    Insert(String),
}

impl Patch {
    /// Reads a patch, forgiving what models add around it: white space, a code fence, a here
    /// document.
    ///
    /// # Errors
    /// [`ParseError`], with the line of the patch.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::parse(text)
    }

    /// The files that it touches, absolute. Paths that are refused are left out.
    pub fn paths(&self, root: &Path) -> Vec<PathBuf> {
        let named = self.operations.iter().flat_map(Operation::paths);
        let mut paths: Vec<PathBuf> =
            named.filter_map(|path| plan::locate(root, path).ok()).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Tries the patch on the files that `read` shows, below the directory `root`. Operations come
    /// one after the other: a later one sees what an earlier one did.
    ///
    /// # Errors
    /// What is wrong, one problem for each operation that cannot be done.
    pub fn plan(&self, root: &Path, read: &dyn Fn(&Path) -> Found) -> Result<Plan, Vec<Problem>> {
        plan::plan(self, root, read)
    }
}

impl Operation {
    /// The path that it starts from.
    pub fn path(&self) -> &str {
        match self {
            Self::Add { path, .. } | Self::Delete { path } | Self::Update { path, .. } => path,
        }
    }

    fn paths(&self) -> impl Iterator<Item = &str> {
        let target = match self {
            Self::Update { move_to, .. } => move_to.as_deref(),
            _ => None,
        };
        std::iter::once(self.path()).chain(target)
    }

    /// Lines that come, and lines that go, as far as the patch tells.
    pub fn counts(&self) -> (usize, usize) {
        match self {
            Self::Add { lines, .. } => (lines.len(), 0),
            Self::Delete { .. } => (0, 0),
            Self::Update { hunks, .. } => {
                let lines = || hunks.iter().flat_map(|hunk| &hunk.lines);
                let come = lines().filter(|line| matches!(line, Line::Insert(_))).count();
                let go = lines().filter(|line| matches!(line, Line::Remove(_))).count();
                (come, go)
            }
        }
    }
}

impl Hunk {
    /// The lines that the file must have.
    fn old(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.lines.iter().filter_map(|line| match line {
            Line::Keep(text) | Line::Remove(text) => Some(text.as_str()),
            Line::Insert(_) => None,
        })
    }
}

/// As in a patch, with a line end.
impl std::fmt::Display for Hunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.anchors.is_empty() {
            writeln!(f, "@@")?;
        }
        for anchor in &self.anchors {
            writeln!(f, "@@ {anchor}")?;
        }
        for line in &self.lines {
            match line {
                Line::Keep(text) => writeln!(f, " {text}")?,
                Line::Remove(text) => writeln!(f, "-{text}")?,
                Line::Insert(text) => writeln!(f, "+{text}")?,
            }
        }
        if self.at_end { writeln!(f, "*** End of File") } else { Ok(()) }
    }
}
