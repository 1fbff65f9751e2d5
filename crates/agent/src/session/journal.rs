//! A host's store of a conversation.

use super::turn::Turn;

/// Takes every turn of a session as it enters the history, before anything that follows from it is
/// begun: a reply before its tools run, results before the model is asked again.
///
/// What is in a journal makes the [`history`](crate::SessionOptions::history) of a later session;
/// a history that was cut off anywhere is healed there. Turns of a resumed history are not recorded
/// again, and an output that was shortened later stays as it was recorded.
pub trait Journal: Send + Sync {
    /// Keeps one turn; it is safe when this returns. Called in the session's own task, which waits
    /// for it: no longer than a write to a disk takes.
    ///
    /// # Errors
    /// When the turn could not be kept. The session then begins nothing more and fails with the
    /// code `journal`, since nobody could tell afterwards what it had done.
    fn record(&self, turn: &Turn) -> Result<(), JournalError>;
}

/// Why a turn could not be kept, in words that say where and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct JournalError {
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl JournalError {
    /// An error in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// The same with what caused it.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }
}
