//! A patch tried on files: every step that has to be made, or why none may be.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::update::update;
use super::{Hunk, Operation, Patch};
use crate::tools::normal;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// A file and its content; `None` for one that is too big to be looked at.
    File(Option<Vec<u8>>),
    /// Something that no patch can be made on, and what the model is told of it.
    Refused(String),
}

/// Steps in order, and what they come to. Whoever makes them makes all or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to do.
    pub steps: Vec<Step>,
    /// What it means, one entry for each operation.
    pub changes: Vec<Change>,
    /// What the model should know of how places were found.
    pub notes: Vec<String>,
}

/// A change of one name. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A file where nothing is.
    Create {
        /// Where.
        path: PathBuf,
        /// Its content.
        content: Vec<u8>,
    },
    /// Other content for a file.
    Replace {
        /// Which.
        path: PathBuf,
        /// What it has.
        old: Vec<u8>,
        /// What it gets.
        new: Vec<u8>,
    },
    /// Another name, where nothing is.
    Rename {
        /// Which.
        from: PathBuf,
        /// Its new name.
        to: PathBuf,
    },
    /// The file goes.
    Remove {
        /// Which.
        path: PathBuf,
    },
}

/// What an operation does, for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub kind: ChangeKind,
    /// As the model wrote it.
    pub path: String,
    /// Lines that come.
    pub added: usize,
    /// Lines that go.
    pub removed: usize,
}

/// The kind of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// A new file.
    Add,
    /// Other content.
    Update,
    /// A file goes.
    Delete,
    /// Another name, as the model wrote it, perhaps with other content.
    Move(String),
}

/// Why an operation cannot be done. The message is for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Problem {
    /// As the model wrote it.
    pub path: String,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Where a path of a patch is: below `root`, whatever `..` it has, though a link may lead out, which
/// is for the environment to judge.
pub(super) fn locate(root: &Path, path: &str) -> Result<PathBuf, Problem> {
    let problem = |what: String| Problem { path: path.to_owned(), what };
    let place = normal(&root.join(path));
    if place == normal(root) {
        return Err(problem("is the working directory, not a file".to_owned()));
    }
    if !place.starts_with(normal(root)) {
        let what = format!("is outside the working directory {}", root.display());
        return Err(problem(what));
    }
    if path.ends_with('/') {
        return Err(problem("names a directory, not a file".to_owned()));
    }
    Ok(place)
}

pub(super) fn plan(
    patch: &Patch,
    root: &Path,
    read: &dyn Fn(&Path) -> Found,
) -> Result<Plan, Vec<Problem>> {
    let mut draft =
        Draft { root, read, now: HashMap::new(), spoilt: HashSet::new(), plan: Plan::default() };
    let mut problems = Vec::new();
    for operation in &patch.operations {
        // What comes after a failure on the same file would only fail for the same reason.
        if operation.paths().any(|path| draft.spoilt.contains(&normal(&root.join(path)))) {
            continue;
        }
        if let Err(problem) = draft.add(operation) {
            draft.spoilt.extend(operation.paths().map(|path| normal(&root.join(path))));
            problems.push(problem);
        }
    }
    if problems.is_empty() { Ok(draft.plan) } else { Err(problems) }
}

struct Draft<'a> {
    root: &'a Path,
    read: &'a dyn Fn(&Path) -> Found,
    /// What is at a path after the steps so far, where they changed it.
    now: HashMap<PathBuf, Found>,
    spoilt: HashSet<PathBuf>,
    plan: Plan,
}

impl Draft<'_> {
    fn found(&self, path: &Path) -> Found {
        self.now.get(path).cloned().unwrap_or_else(|| (self.read)(path))
    }

    fn add(&mut self, operation: &Operation) -> Result<(), Problem> {
        let (added, mut removed) = operation.counts();
        let path = operation.path();
        let place = locate(self.root, path)?;
        let problem = |what: String| Problem { path: path.to_owned(), what };
        let kind = match operation {
            Operation::Add { lines, .. } => {
                let content: String = lines.iter().map(|line| format!("{line}\n")).collect();
                self.create(place, content.into_bytes()).map_err(problem)?;
                ChangeKind::Add
            }
            Operation::Delete { .. } => {
                removed = self.remove(place).map_err(problem)?;
                ChangeKind::Delete
            }
            Operation::Update { move_to, hunks, .. } => {
                let target = move_to.as_deref().map(|to| locate(self.root, to)).transpose()?;
                let target = target.filter(|target| *target != place);
                self.update(place, target.as_deref(), hunks).map_err(problem)?;
                match (move_to, target) {
                    (Some(to), Some(_)) => ChangeKind::Move(to.clone()),
                    _ => ChangeKind::Update,
                }
            }
        };
        self.plan.changes.push(Change { kind, path: path.to_owned(), added, removed });
        Ok(())
    }

    fn create(&mut self, place: PathBuf, content: Vec<u8>) -> Result<(), String> {
        self.check_vacant(&place).map_err(|why| {
            format!(
                "{why}, and `*** Add File` does not replace it; change it with `*** Update File`, \
                 or put a `*** Delete File` of it before, in the same patch"
            )
        })?;
        self.now.insert(place.clone(), Found::File(Some(content.clone())));
        // A file that goes and comes back is one that changes: it keeps its mode.
        let gone = self
            .plan
            .steps
            .iter()
            .position(|step| matches!(step, Step::Remove { path } if *path == place));
        let old = match (gone, (self.read)(&place)) {
            (Some(_), Found::File(Some(old))) if !self.was_moved_to(&place) => Some(old),
            _ => None,
        };
        match (gone, old) {
            (Some(gone), Some(old)) => {
                self.plan.steps.remove(gone);
                self.plan.steps.push(Step::Replace { path: place, old, new: content });
            }
            _ => self.plan.steps.push(Step::Create { path: place, content }),
        }
        Ok(())
    }

    /// Whether what is, or was, there came from elsewhere in this patch, or changed in it.
    fn was_moved_to(&self, place: &Path) -> bool {
        self.plan.steps.iter().any(|step| match step {
            Step::Create { path, .. } | Step::Replace { path, .. } => path == place,
            Step::Rename { from, to } => from == place || to == place,
            Step::Remove { .. } => false,
        })
    }

    /// Also says how many lines go, as far as that is known.
    fn remove(&mut self, place: PathBuf) -> Result<usize, String> {
        let content = match self.found(&place) {
            Found::File(content) => content,
            Found::Absent => return Err(ABSENT.to_owned()),
            Found::Refused(why) => return Err(why),
        };
        let lines = content.and_then(|content| String::from_utf8(content).ok());
        self.now.insert(place.clone(), Found::Absent);
        self.plan.steps.push(Step::Remove { path: place });
        Ok(lines.map_or(0, |text| text.lines().count()))
    }

    fn update(&mut self, place: PathBuf, to: Option<&Path>, hunks: &[Hunk]) -> Result<(), String> {
        let content = match self.found(&place) {
            Found::File(content) => content,
            Found::Absent => return Err(ABSENT.to_owned()),
            Found::Refused(why) => return Err(why),
        };
        if let Some(to) = to {
            self.check_vacant(to)
                .map_err(|why| format!("cannot be moved to {}: {why}", to.display()))?;
        }
        let (old, new) = if hunks.is_empty() {
            if to.is_none() {
                return Err("is moved to where it is, and nothing else changes".to_owned());
            }
            (content.clone(), content)
        } else {
            let old = content.ok_or("is too big to be patched; change it with the shell")?;
            let text = as_text(&old)?;
            let updated = update(text, hunks)?;
            if updated.content == text && to.is_none() {
                return Err("would not be changed: what comes is what goes".to_owned());
            }
            let path = place.strip_prefix(self.root).unwrap_or(&place).display().to_string();
            let notes = updated.notes.iter().map(|note| format!("{path}: {note}"));
            self.plan.notes.extend(notes);
            (Some(old), Some(updated.content.into_bytes()))
        };
        let place = match to {
            Some(to) => {
                self.now.insert(place.clone(), Found::Absent);
                self.plan.steps.push(Step::Rename { from: place, to: to.to_owned() });
                to.to_owned()
            }
            None => place,
        };
        self.now.insert(place.clone(), Found::File(new.clone()));
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            self.plan.steps.push(Step::Replace { path: place, old, new });
        }
        Ok(())
    }

    /// Nothing is there, and no file that this patch makes is where a directory has to be.
    fn check_vacant(&self, place: &Path) -> Result<(), String> {
        match self.found(place) {
            Found::Absent => {}
            Found::File(_) => return Err("a file is there already".to_owned()),
            Found::Refused(why) => return Err(why),
        }
        let above = place
            .ancestors()
            .skip(1)
            .find(|above| matches!(self.now.get(*above), Some(Found::File(_))));
        match above {
            Some(above) => Err(format!("{} is a file", above.display())),
            None => Ok(()),
        }
    }
}

const ABSENT: &str = "there is no such file; look for it with glob, or make it with `*** Add File`";

fn as_text(content: &[u8]) -> Result<&str, String> {
    if content.contains(&0) {
        return Err("is a binary file, which a patch cannot change".to_owned());
    }
    std::str::from_utf8(content).map_err(|error| {
        format!(
            "is not UTF-8 (byte {}), so a patch would damage it; change it with the shell",
            error.valid_up_to()
        )
    })
}
