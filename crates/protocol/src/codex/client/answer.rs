//! Answers of the host to requests of the agent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::{InputKind, RequestKey};

/// An answer of the host or an operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answer {
    /// Result of a tool call; `text` is what the model reads.
    Tool {
        /// False tells the model that the tool failed.
        success: bool,
        /// JSON or prose.
        text: String,
    },
    /// Yes, to an approval, a permission or an elicitation without a form.
    Accept {
        /// And the same for the rest of the session.
        for_session: bool,
    },
    /// No; the agent goes on without it.
    Decline,
    /// No, and stop the turn.
    Cancel,
    /// Answers to questions, by the question's id.
    UserInput {
        /// Each question's answers.
        answers: BTreeMap<String, Vec<String>>,
    },
    /// Content of an elicitation's form.
    Form {
        /// An object that fits the requested schema.
        content: Value,
    },
    /// One line from a person, read as the request needs it: `yes`, `no`, `always` or `stop`
    /// for an approval, the answer itself for questions and one-field forms.
    Text {
        /// The line.
        text: String,
    },
    /// The result as it shall go on the wire.
    Raw {
        /// The `result` member.
        result: Value,
    },
}

/// Why an answer was not sent. The request still waits, unless it is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No such request waits: wrong key, answered before, timed out, or its turn is over.
    #[error("no request {0} of the agent waits for an answer")]
    Unknown(RequestKey),
    /// A tool call can only be answered by [`Answer::Tool`] or [`Answer::Raw`], and nothing
    /// else by [`Answer::Tool`].
    #[error("request {0} needs another kind of answer")]
    WrongKind(RequestKey),
    /// The text could not be read as an answer to this kind of request.
    #[error("request {key} ({kind:?}) cannot be answered by this: {expected}")]
    Unreadable {
        /// The request.
        key: RequestKey,
        /// Its kind.
        kind: InputKind,
        /// What would do.
        expected: String,
    },
}
