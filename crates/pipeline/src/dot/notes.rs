//! What is accepted although the specification's grammar does not have it (ruling 22): one
//! finding a kind, however often it occurs.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Severity};
use crate::span::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Note {
    MissingComma,
    TrailingComma,
    QuotedId,
    UnusualId,
    QuotedKey,
    NoName,
    Port,
    Group,
    Concatenated,
    SecondBlock,
    EmptyBlock,
    BareValue,
    HashLine,
    Escape,
    KeywordCase,
}

impl Note {
    /// Severity, what it is, and what to write instead.
    fn text(self) -> (Severity, &'static str, &'static str) {
        use Severity::{Info, Warning};
        match self {
            Self::MissingComma => {
                (Warning, "no comma between two attributes", "put a `,` between them")
            }
            Self::TrailingComma => {
                (Info, "a comma with no attribute beside it", "remove the comma")
            }
            Self::QuotedId => (Info, "an id in quotes", "remove the quotes"),
            Self::UnusualId => (
                Warning,
                "an id that is not of the form [A-Za-z_][A-Za-z0-9_]*",
                "use letters, digits and `_`, and put the name for people into `label`",
            ),
            Self::QuotedKey => (Info, "a key in quotes", "remove the quotes"),
            Self::NoName => (Info, "the digraph has no name", "write `digraph NAME {`"),
            Self::Port => (Warning, "ports mean nothing here and are ignored", "remove the port"),
            Self::Group => (
                Info,
                "a group in braces stands for an edge to each of its nodes",
                "write one edge statement a node, or `subgraph NAME { … }`",
            ),
            Self::Concatenated => {
                (Warning, "strings put together with `+`", "write them as one string")
            }
            Self::SecondBlock => {
                (Info, "several attribute blocks in one statement", "write one block")
            }
            Self::EmptyBlock => (Info, "an empty attribute block", "remove `[]`"),
            Self::BareValue => {
                (Warning, "a value of this form needs quotes in DOT", "put it in quotes")
            }
            Self::HashLine => {
                (Warning, "a line that begins with `#` is skipped", "begin comments with `//`")
            }
            Self::Escape => (
                Info,
                "this is no escape: the backslash stays in the text",
                "write `\\\\` for a backslash",
            ),
            Self::KeywordCase => {
                (Warning, "keywords are written in small letters", "write it in small letters")
            }
        }
    }
}

/// Notes of a source: the first place of each kind, and how many there are.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<Note, (Span, usize)>);

impl Notes {
    pub(super) fn add(&mut self, note: Note, at: Span) {
        self.0.entry(note).or_insert((at, 0)).1 += 1;
    }

    /// One diagnostic a kind.
    pub(super) fn diagnostics(&self) -> impl Iterator<Item = Diagnostic> + '_ {
        self.0.iter().map(|(note, (span, count))| {
            let (severity, what, fix) = note.text();
            let message = match count - 1 {
                0 => what.to_owned(),
                1 => format!("{what} (and 1 more place)"),
                more => format!("{what} (and {more} more places)"),
            };
            Diagnostic::new("grammar", severity, message).at(*span).fix(fix)
        })
    }
}
