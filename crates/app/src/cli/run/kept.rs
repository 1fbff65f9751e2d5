//! Where runs are kept, and what is kept of how one was begun.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use canon_pipeline::run::{From, RunDirectory};
use serde::{Deserialize, Serialize};

use super::backend::Which;
use crate::cli::confine::Mode;
use crate::error::Error;
use crate::home;

/// The version of [`Kept`] that is written; all earlier ones are read.
const VERSION: u32 = 1;

/// How a run was begun, as far as going on with it needs to know: `invocation.json` of its
/// directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Kept {
    pub(in crate::cli) v: u32,
    /// The pipeline's file, for people.
    pub(in crate::cli) file: PathBuf,
    /// Where files that it names lie.
    pub(in crate::cli) base: PathBuf,
    /// Where stages work without a repository.
    pub(in crate::cli) cwd: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) repo: Option<PathBuf>,
    pub(in crate::cli) backend: Which,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) agent_command: Option<String>,
    pub(in crate::cli) sandbox: Mode,
    #[serde(default)]
    pub(in crate::cli) network: bool,
}

impl Kept {
    /// This version's, with nothing but places.
    pub(in crate::cli) fn new(file: PathBuf, base: PathBuf, cwd: PathBuf) -> Self {
        Self {
            v: VERSION,
            file,
            base,
            cwd,
            repo: None,
            backend: Which::Agent,
            model: None,
            provider: None,
            agent_command: None,
            sandbox: Mode::default(),
            network: false,
        }
    }

    /// Whether the words of models come from a file.
    pub(in crate::cli) fn is_scripted(&self) -> bool {
        let by_name = |model: &String| model.starts_with("scripted/");
        match &self.provider {
            Some(provider) => provider == "scripted",
            None => self.model.as_ref().is_some_and(by_name),
        }
    }

    fn path(directory: &RunDirectory) -> PathBuf {
        directory.root().join("invocation.json")
    }

    /// What a run was begun with.
    pub(in crate::cli) fn read(directory: &RunDirectory) -> Result<Self, Error> {
        let path = Self::path(directory);
        let wrong = |why: String| {
            Error::input(format!("{}: {why}", path.display()))
                .hint("only what `canon run` began can be gone on with")
        };
        let text = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        let kept: Self = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if kept.v > VERSION {
            return Err(wrong(format!("version {}, this program reads {VERSION}", kept.v)));
        }
        Ok(kept)
    }

    /// Keeps it.
    pub(in crate::cli) fn write(&self, directory: &RunDirectory) -> Result<(), Error> {
        let path = Self::path(directory);
        let failed =
            |why: &dyn std::fmt::Display| Error::environment(format!("{}: {why}", path.display()));
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(&error))?;
        std::fs::write(&path, text).map_err(|error| failed(&error))
    }
}

/// Whether a run begins or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Way {
    Begin,
    Resume(From),
}

/// The directory of all runs that were not put elsewhere; not made here.
pub(in crate::cli) fn home() -> Result<PathBuf, Error> {
    Ok(home::state()?.join("runs"))
}

/// The directory of a new run, made; empty.
pub(in crate::cli) fn fresh(wanted: Option<&Path>, id: &str) -> Result<RunDirectory, Error> {
    let path = match wanted {
        Some(path) => std::path::absolute(path)
            .map_err(|error| Error::input(format!("--logs {}: {error}", path.display())))?,
        None => home()?.join(id),
    };
    let shown = path.display();
    let failed = |error: std::io::Error| match wanted {
        Some(_) => Error::input(format!("--logs {shown}: {error}")),
        None => Error::environment(format!("no place to keep the run: {shown}: {error}"))
            .hint("set CANON_HOME to a directory that can be written, or say --logs DIR"),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(failed)?;
    let path = path.canonicalize().map_err(failed)?;
    if std::fs::read_dir(&path).map_err(failed)?.next().is_some() {
        let error = Error::input(format!("--logs {shown}: it is not empty"));
        return Err(match path.join("journal.jsonl").exists() {
            true => error.hint(format!("`canon run --resume {shown}` goes on with the run in it")),
            false => error.hint("name a directory that is empty or not there yet"),
        });
    }
    Ok(RunDirectory::new(path))
}

/// The directory of a run by its path, its id, or the beginning of its id.
pub(in crate::cli) fn find(run: &Path) -> Result<RunDirectory, Error> {
    let is_run = |path: &Path| path.join("journal.jsonl").is_file();
    let found = |path: &Path| {
        let path = path.canonicalize().map_err(|error| unreadable(path, &error))?;
        Ok(RunDirectory::new(path))
    };
    if is_run(run) {
        return found(run);
    }
    let shown = run.display();
    if run.components().count() != 1 || run.is_dir() {
        return Err(Error::input(format!("{shown}: there is no run in it"))
            .hint("`canon runs list` shows the runs there are"));
    }
    let home = home()?;
    let Some(id) = run.to_str() else {
        return Err(Error::input(format!("no run `{shown}`")));
    };
    let mut matching = Vec::new();
    match std::fs::read_dir(&home) {
        Ok(entries) => {
            for entry in entries.flatten() {
                let name = entry.file_name();
                let Some(name) = name.to_str() else { continue };
                if name == id && is_run(&entry.path()) {
                    return found(&entry.path());
                }
                if name.starts_with(id) && is_run(&entry.path()) {
                    matching.push(entry.path());
                }
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(unreadable(&home, &error)),
    }
    match matching.as_slice() {
        [one] => found(one),
        [] => Err(Error::input(format!("no run `{shown}`"))
            .hint("`canon runs list` shows the runs there are")),
        many => Err(Error::input(format!("`{shown}` may be any of {} runs", many.len()))
            .hint("write more of its id")),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::environment(format!("{}: {error}", path.display()))
}
