//! What a reply is made of, in no provider's words.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A piece of what the model says. As JSON: an object with a `type`, in snake case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// Prose.
    Text {
        /// What it says.
        text: String,
    },
    /// Reasoning with its readable form.
    Reasoning {
        /// The readable form, one string a section; wires without sections join them by a blank line.
        #[serde(default)]
        sections: Vec<String>,
        /// The opaque form that must come back; empty for none. Gemini puts it on the first call that
        /// follows, or else on the next part, and its clients want base64.
        #[serde(default)]
        signature: String,
    },
    /// Reasoning without a readable form.
    Redacted {
        /// The opaque form.
        data: String,
    },
    /// A call of a tool.
    ToolCall {
        /// The call's id; left out on the Gemini wire when empty.
        #[serde(default)]
        id: String,
        /// The tool's name.
        name: String,
        /// As the model wrote them, well-formed or not.
        arguments: String,
    },
    /// An image that the model made.
    Image {
        /// Such as `image/png`.
        media_type: String,
        /// In base64.
        data: String,
    },
    /// An item, block or part in the words of the wire that it is sent on.
    Raw {
        /// It, whole; the Responses wire adds an `id` when there is none.
        value: Value,
    },
}

/// Counts of tokens, as Canon counts them: `input` includes what was cached, `output` the reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// Everything that was read.
    pub input: u64,
    /// Of it, what came from the cache.
    pub cached: u64,
    /// Of it, what was written to the cache.
    pub cache_written: u64,
    /// Everything that was generated.
    pub output: u64,
    /// Of it, what was reasoning.
    pub reasoning: u64,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { input: 100, cached: 40, cache_written: 0, output: 20, reasoning: 8 }
    }
}

/// What a reply says about usage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// Written in each wire's own fields and arithmetic.
    Tokens(Tokens),
    /// The wire's own object, as it is.
    Raw(Value),
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        Self::Tokens(tokens)
    }
}

impl From<Value> for Usage {
    fn from(raw: Value) -> Self {
        Self::Raw(raw)
    }
}

/// Sizes of the pieces in which a stream is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chunks {
    /// All of this many bytes.
    Of(usize),
    /// These sizes in bytes; the rest is one piece.
    Sizes(Vec<usize>),
}

/// An HTTP error, or a failure after the status was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The HTTP status; 0 for the one that goes with `code`.
    #[serde(default)]
    pub status: u16,
    /// The wire's word for the error, in place of the one that goes with `status`.
    #[serde(default)]
    pub code: Option<String>,
    /// What a person reads.
    pub message: String,
}
