//! Which conversation the session is: a new one, or one that is gone on with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use canon_agent::{Family, Turn};

use super::habits::Habits;
use super::{Args, warn};
use crate::bridge::agent::{Model, model_name};
use crate::cli::ask::prompt::text_of;
use crate::error::Error;
use crate::threads::{Meta, Origin, Store, Stored, Thread, ThreadError};

/// What the session begins with.
pub(super) struct Conversation {
    /// Where it works, without links.
    pub(super) cwd: PathBuf,
    /// The last layer of the system prompt.
    pub(super) instructions: Option<String>,
    /// What was said before.
    pub(super) history: Vec<Turn>,
    /// What is gone on with.
    pub(super) resumed: Option<Meta>,
    /// What was last kept of its flags, and what is now.
    earlier: Habits,
    habits: Habits,
    /// Held from the first moment, so that nobody else goes on with it meanwhile.
    held: Option<Thread>,
}

impl Conversation {
    pub(super) fn of(args: &Args) -> Result<Self, Error> {
        let instructions = args.instructions.as_deref().map(read).transpose()?;
        let wanted = args.cd.as_deref().map(directory).transpose()?;
        let habits = Habits::of(args);
        let Some(id) = &args.resume else {
            return Ok(Self {
                cwd: wanted.map_or_else(|| directory(Path::new(".")), Ok)?,
                instructions,
                history: Vec::new(),
                resumed: None,
                earlier: Habits::default(),
                habits,
                held: None,
            });
        };
        let store = Store::home()?;
        let id = match id.as_str() {
            "last" => last(&store, wanted.as_deref())?,
            id => id.to_owned(),
        };
        let (held, stored) = open(args, &store, &id)?;
        for notice in &stored.notices {
            warn(args, notice);
        }
        let cwd = wanted.map_or_else(|| directory_of(&stored.meta), Ok)?;
        let earlier = Habits::kept(&stored);
        if let Some(place) = earlier.left(&habits) {
            warn(args, format_args!("the thread worked elsewhere, with {place}"));
        }
        Ok(Self {
            cwd,
            instructions: instructions.or_else(|| stored.meta.instructions.clone()),
            history: stored.turns(),
            resumed: Some(stored.meta),
            habits: habits.or_profile_of(&earlier, args),
            earlier,
            held,
        })
    }

    /// The model by its name: the flags' wish, else the one that answered before.
    pub(super) fn model_name(&self, args: &Args) -> Result<Option<String>, Error> {
        match (&self.resumed, &args.provider, &args.model) {
            (Some(meta), None, None) => Ok(Some(format!("{}/{}", meta.provider, meta.model))),
            (_, provider, model) => model_name(provider.as_deref(), model.as_deref()),
        }
    }

    /// Where the conversation is kept, if it is; for a new one from its first turn on.
    pub(super) fn thread(
        &mut self,
        args: &Args,
        model: &Model,
    ) -> Result<Option<Arc<Thread>>, Error> {
        let thread = match self.held.take() {
            Some(thread) => thread,
            None if args.ephemeral => return Ok(None),
            None => Store::home()?.create(Origin {
                cwd: self.cwd.clone(),
                provider: model.provider().to_owned(),
                model: model.id().to_owned(),
                source: "exec".to_owned(),
                name: None,
                instructions: self.instructions.clone(),
            }),
        };
        Ok(Some(Arc::new(thread)))
    }

    /// Keeps with what it is gone on; when a session could begin with it.
    pub(super) fn keep(&self, thread: &Thread, model: &Model) -> Result<(), Error> {
        let meta = thread.meta();
        if (meta.provider.as_str(), meta.model.as_str()) != (model.provider(), model.id()) {
            thread.set_model(model.provider(), model.id())?;
        }
        if self.habits != self.earlier {
            self.habits.keep(thread)?;
        }
        Ok(())
    }

    /// The family that was named, if one was.
    pub(super) fn family(&self) -> Result<Option<Family>, Error> {
        self.habits.family()
    }
}

/// A thread to go on with; one that is not kept is only read.
fn open(args: &Args, store: &Store, id: &str) -> Result<(Option<Thread>, Stored), Error> {
    let hint = |error: ThreadError| match error {
        ThreadError::Unknown { .. } => {
            Error::from(error).hint("`canon threads list --all` shows the threads there are")
        }
        error => Error::from(error),
    };
    if args.ephemeral {
        return store.read(id).map(|stored| (None, stored)).map_err(hint);
    }
    store.open(id).map(|(thread, stored)| (Some(thread), stored)).map_err(hint)
}

fn last(store: &Store, wanted: Option<&Path>) -> Result<String, Error> {
    let cwd = wanted.map_or_else(|| directory(Path::new(".")), |cwd| Ok(cwd.to_owned()))?;
    match store.last(&cwd)? {
        Some(meta) => Ok(meta.id),
        None => Err(Error::input(format!("--resume last: no thread worked in {}", cwd.display()))
            .hint("`canon threads list --all` shows the threads of every directory")),
    }
}

fn directory(path: &Path) -> Result<PathBuf, Error> {
    path.canonicalize().map_err(|error| {
        Error::input(format!("--cd {}: {error}", path.display()))
            .hint("--cd names the directory to work in")
    })
}

/// Where a thread worked.
fn directory_of(meta: &Meta) -> Result<PathBuf, Error> {
    meta.cwd.canonicalize().map_err(|error| {
        let cwd = meta.cwd.display();
        Error::input(format!("the thread's directory {cwd}: {error}"))
            .hint("--cd names another directory to work in")
    })
}

fn read(path: &Path) -> Result<String, Error> {
    text_of(path).map_err(|why| Error::input(format!("--instructions {}: {why}", path.display())))
}
