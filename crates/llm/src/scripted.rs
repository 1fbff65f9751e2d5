//! The scripted provider: it plays a transcript file, so that everything runs without a key or a network.
//! Only the model's words come from the file; the tools that they call are real, and entries demand the
//! results that the tools really gave.
//!
//! A transcript is JSON Lines; blank lines are skipped. Each entry answers one request:
//!
//! ```json
//! {"when": {"first_user": "QS-1", "turn": 1,
//!           "tool_results": [{"name": "shell", "contains": "1 failed", "is_error": false}]},
//!  "reply": {"text": "Found it.", "tool_calls": [{"name": "shell", "arguments": {"command": "make"}}]},
//!  "repeat": false, "delay_ms": 0, "note": "for readers"}
//! ```
//!
//! - `when`: all matchers that are given must hold. `model`, `system` (developer messages included),
//!   `first_user` and `last_user` take a string, which must be contained, or an object of `contains`,
//!   `not_contains`, `regex` (each a string or a list) and `equals`. `turn` is the number of assistant
//!   messages in the request. `tools` lists names that must be offered. `tool_results` must match, in
//!   order and in number, the results after the last assistant message; beside the text matchers an entry
//!   of it takes `name` and `is_error`.
//! - The answer is exactly one of `reply` (`message`, or `text` and `tool_calls`; `finish_reason` and
//!   `usage` have defaults), `stream` (stream events, where `finish` may leave out its `response`; without
//!   `finish` it breaks off) and `error` (`kind` or `status`, `message`, `code`, `retry_after` in seconds,
//!   `retryable`).
//!
//! The first entry in the file that fits and is not used up answers; an entry with `repeat` never is. What
//! is used up is counted in one loaded transcript, so in one process. When none fits, the error says which
//! entry came nearest and what was there instead.

mod entry;
mod matcher;
mod play;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};

use crate::adapter::ProviderAdapter;
use crate::error::{ErrorKind, LlmError};
use crate::types::{EventStream, Request, Response};
use entry::Entry;
use matcher::{Misfit, View};

/// The name that requests route by, and the `provider` of every response.
pub const NAME: &str = "scripted";

/// Why a transcript cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("{}: the transcript cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is no entry.
    #[error("{}:{line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// There is nothing in it.
    #[error("{}: the transcript has no entries", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// A transcript that answers requests: the first entry in the file that fits a request and is not used up.
#[derive(Debug)]
pub struct Scripted {
    path: PathBuf,
    entries: Vec<Entry>,
    used: Mutex<Vec<bool>>,
}

impl Scripted {
    /// Reads and checks a whole transcript.
    ///
    /// # Errors
    /// [`ScriptError`] with file and line.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScriptError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Checks a transcript that was read already; `path` is for messages.
    ///
    /// # Errors
    /// [`ScriptError`] with file and line.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ScriptError> {
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let number = index + 1;
            let entry = Entry::parse(number, line).map_err(|message| ScriptError::Line {
                path: path.to_owned(),
                line: number,
                message,
            })?;
            entries.push(entry);
        }
        if entries.is_empty() {
            return Err(ScriptError::Empty { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), used: Mutex::new(vec![false; entries.len()]), entries })
    }

    /// Lines of entries that answered nothing yet; for tests that want a transcript played to its end.
    pub fn unused_lines(&self) -> Vec<usize> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.entries
            .iter()
            .zip(used.iter())
            .filter(|(_, used)| !**used)
            .map(|(entry, _)| entry.line)
            .collect()
    }

    fn take(&self, view: &View<'_>) -> Result<&Entry, LlmError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nearest = None;
        for (index, entry) in self.entries.iter().enumerate() {
            let Misfit { place, results } = entry.when.misfit(view);
            let is_used_up = used[index] && !entry.repeat;
            if place.is_empty() && results.is_empty() && !is_used_up {
                used[index] = true;
                return Ok(entry);
            }
            // An entry for this very place whose results are wrong explains most; one that had its turn
            // explains less than one that still waits.
            let distance = (place.len(), is_used_up, results.len());
            if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
                let answered = is_used_up.then(|| "it has answered already, once".to_owned());
                let all: Vec<String> = place.into_iter().chain(results).chain(answered).collect();
                let text = format!("{}:{}: {}", self.path.display(), entry.line, all.join("; "));
                nearest = Some((distance, text));
            }
        }
        let nearest = nearest.map(|(_, text)| text).unwrap_or_default();
        Err(LlmError::new(
            ErrorKind::InvalidRequest,
            format!(
                "no entry of the transcript fits request {} of this conversation; nearest is {nearest}",
                view.turn + 1
            ),
        )
        .with_provider(NAME)
        .with_code(Some("no_matching_entry".to_owned())))
    }

    async fn answer(&self, request: &Request) -> Result<play::Played, LlmError> {
        let view = View::new(request);
        let entry = self.take(&view)?;
        if !entry.delay.is_zero() {
            tokio::time::sleep(entry.delay).await;
        }
        play::play(entry, &view)
    }
}

#[async_trait]
impl ProviderAdapter for Scripted {
    fn name(&self) -> &str {
        NAME
    }

    async fn complete(&self, request: &Request) -> Result<Response, LlmError> {
        self.answer(request).await?.response
    }

    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError> {
        let events = self.answer(request).await?.events;
        Ok(stream::iter(events).boxed())
    }
}

#[cfg(test)]
mod tests;
