//! A thread that is held: what is appended is on the disk when the call returns.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use canon_agent::{Journal, JournalError, Turn};
use canon_runtime::clock::now_ms;
use serde::Serialize;
use serde_json::Value;

use super::line::{Change, Header};
use super::redact::redacted;
use super::{Meta, Store, Stored, ThreadError, scan};

/// How long a lock may outlive its holder: a child that the holder was just starting has a copy of
/// the descriptor until its own program begins.
const LEFT_OVER: Duration = Duration::from_millis(300);
const STEP: Duration = Duration::from_millis(10);

/// A thread that this process holds, and no other. Its functions block until the disk has it,
/// which takes about a millisecond.
#[derive(Debug)]
pub struct Thread {
    store: Store,
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    meta: Meta,
    /// `None` until there is something to keep.
    file: Option<File>,
    /// Bytes of it that are complete lines.
    length: u64,
    broken: bool,
}

impl Thread {
    pub(super) fn new(store: Store, meta: Meta) -> Self {
        let path = store.dir.join(format!("{}{}", meta.id, super::list::SUFFIX));
        let state = State { meta, file: None, length: 0, broken: false };
        Self { store, path, state: Mutex::new(state) }
    }

    pub(super) fn open(store: Store, id: &str) -> Result<(Self, Stored), ThreadError> {
        let path = store.path(id)?;
        let file = lock(id, &path)?;
        let (mut stored, length) = scan::whole(&file, &path)?;
        let io = |source| ThreadError::io(&path, source);
        let torn = file.metadata().map_err(io)?.len().saturating_sub(length);
        if torn > 0 {
            file.set_len(length).and_then(|()| file.sync_data()).map_err(io)?;
            stored.notices.push(format!(
                "{}: the last line was cut short ({torn} bytes) and is left out: the program was \
                 killed while it wrote",
                path.display()
            ));
        }
        let meta = stored.meta.clone();
        let state = State { meta, file: Some(file), length, broken: false };
        Ok((Self { store, path, state: Mutex::new(state) }, stored))
    }

    /// What is known of it.
    pub fn meta(&self) -> Meta {
        self.state().meta.clone()
    }

    /// Its id.
    pub fn id(&self) -> String {
        self.state().meta.id.clone()
    }

    /// Whether there is anything on the disk.
    pub fn is_kept(&self) -> bool {
        self.state().file.is_some()
    }

    /// Keeps one more turn of the conversation.
    ///
    /// # Errors
    /// When it cannot be written; the file is then as it was before.
    pub fn record(&self, turn: &Turn) -> Result<(), ThreadError> {
        let mut state = self.state();
        self.append(&mut state, turn)?;
        if let (Turn::User { content, .. }, "") = (turn, state.meta.preview.as_str()) {
            state.meta.preview = scan::preview(content);
        }
        state.meta.turns += 1;
        Ok(())
    }

    /// Keeps something beside the conversation, for the host.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn mark(&self, label: &str, data: Value) -> Result<(), ThreadError> {
        let mark = Change::Mark { label: label.to_owned(), data };
        self.append(&mut self.state(), &mark)
    }

    /// Gives it a name, or takes it away.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn rename(&self, name: Option<String>) -> Result<(), ThreadError> {
        self.change(Change::Name { name })
    }

    /// Another model answers from here on.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn set_model(&self, provider: &str, model: &str) -> Result<(), ThreadError> {
        self.change(Change::Model { provider: provider.to_owned(), model: model.to_owned() })
    }

    /// Puts it away, or takes it out again.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn archive(&self, archived: bool) -> Result<(), ThreadError> {
        self.change(Change::Archived { archived })
    }

    /// Gives up what came after the first `keep` turns. It stays in the file, but is no longer read.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn cut(&self, keep: usize) -> Result<(), ThreadError> {
        let mut state = self.state();
        self.append(&mut state, &Change::Cut { keep })?;
        state.meta.turns = state.meta.turns.min(keep);
        Ok(())
    }

    fn change(&self, change: Change) -> Result<(), ThreadError> {
        let mut state = self.state();
        // Before it is on the disk, the first line will say it.
        if state.file.is_some() || matches!(change, Change::Archived { .. }) {
            self.append(&mut state, &change)?;
        }
        scan::apply(&mut state.meta, change);
        Ok(())
    }

    /// Held over a write, never over anything that waits for a person or a network.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, state: &mut State, line: &impl Serialize) -> Result<(), ThreadError> {
        let io = |source| ThreadError::io(&self.path, source);
        if state.broken {
            return Err(ThreadError::Broken { path: self.path.clone() });
        }
        let text = self.line(line).map_err(io)?;
        let written = match &state.file {
            Some(file) => write(file, state.length, &text, &mut state.broken),
            None => self.begin(&state.meta, &text).map(|(file, length)| {
                state.file = Some(file);
                length
            }),
        };
        state.length = written.map_err(io)?;
        state.meta.updated_at = now_ms();
        Ok(())
    }

    fn line(&self, line: &impl Serialize) -> io::Result<String> {
        let value = redacted(&self.store.redactor, serde_json::to_value(line)?);
        Ok(format!("{value}\n"))
    }

    /// Makes the file, with its first line and the one after it.
    fn begin(&self, meta: &Meta, text: &str) -> io::Result<(File, u64)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.store.dir)?;
        let file = options().create_new(true).open(&self.path)?;
        let begun = file.try_lock().map_err(io::Error::from).and_then(|()| {
            let both = self.line(&Header::of(meta))? + text;
            let length = write(&file, 0, &both, &mut false)?;
            // The name of the file as well as what is in it.
            File::open(&*self.store.dir)?.sync_all()?;
            Ok(length)
        });
        match begun {
            Ok(length) => Ok((file, length)),
            Err(error) => {
                let _ = std::fs::remove_file(&self.path);
                Err(error)
            }
        }
    }
}

/// How files of threads are opened: appended to, and for their owner alone.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600);
    options
}

/// Appends `text` to a file of `length` bytes; what fails is taken back. Gives the new length.
fn write(mut file: &File, length: u64, text: &str, broken: &mut bool) -> io::Result<u64> {
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
    if let Err(error) = written {
        *broken = file.set_len(length).is_err();
        return Err(error);
    }
    Ok(length + text.len() as u64)
}

/// The file of a thread, locked for this process.
pub(super) fn lock(id: &str, path: &Path) -> Result<File, ThreadError> {
    let file = options().open(path).map_err(|source| ThreadError::at(id, path, source))?;
    let deadline = Instant::now() + LEFT_OVER;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(STEP),
            Err(TryLockError::WouldBlock) => return Err(ThreadError::InUse { id: id.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(ThreadError::io(path, source)),
        }
    }
    // Whoever held it may have deleted it.
    match file.metadata() {
        Ok(found) if found.nlink() == 0 => Err(ThreadError::Unknown { id: id.to_owned() }),
        Ok(_) => Ok(file),
        Err(source) => Err(ThreadError::io(path, source)),
    }
}

/// A session keeps its turns in the thread that it is given as its journal.
impl Journal for Thread {
    fn record(&self, turn: &Turn) -> Result<(), JournalError> {
        Thread::record(self, turn).map_err(|error| JournalError::new(error.to_string()))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Closing alone would leave the lock to copies of the descriptor in children that are
        // being started.
        if let Some(Err(error)) = state.file.as_ref().map(File::unlock) {
            tracing::warn!(path = %self.path.display(), %error, "cannot unlock a thread");
        }
    }
}
