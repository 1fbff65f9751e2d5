//! Tokens → document, by recursive descent over subgraphs and loops over all else.

mod attributes;
mod statements;

use super::Read;
use super::ast::{Document, Text};
use super::lexer::Lexer;
use super::notes::Note;
use super::token::{Kind, Token, Unclosed};
use crate::diagnostic::Diagnostic;
use crate::limits::{MAX_ERRORS, MAX_SOURCE};
use crate::span::{Span, SpanMap};

/// Reading cannot go on.
struct Stop;

/// A statement could not be read, which was reported; the next one can.
enum Fault {
    Statement,
    Stop,
}

impl From<Stop> for Fault {
    fn from(_: Stop) -> Self {
        Self::Stop
    }
}

pub(super) fn parse(source: &str) -> Read {
    if source.len() > MAX_SOURCE {
        let limit = MAX_SOURCE / 1024 / 1024;
        let message = format!("the file has {} bytes; {limit} MiB are read at most", source.len());
        return Read {
            document: Document::default(),
            diagnostics: vec![Diagnostic::error("syntax", message)],
        };
    }
    let mut parser = Parser::new(source);
    let document = parser.document();
    let mut diagnostics = parser.errors;
    diagnostics.extend(parser.lexer.notes.diagnostics());
    diagnostics.sort_by_key(|found| found.span);
    Read { document, diagnostics }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    /// The end of the token before.
    before: Span,
    errors: Vec<Diagnostic>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str) -> Self {
        let mut lexer = Lexer::new(source);
        let token = lexer.next();
        Self { lexer, token, before: Span::default(), errors: Vec::new(), depth: 0 }
    }

    /// Takes the token and reads the next one.
    fn advance(&mut self) -> Token<'a> {
        let next = self.lexer.next();
        self.before = self.token.span;
        std::mem::replace(&mut self.token, next)
    }

    /// Takes the token, which stands before a value.
    fn advance_to_value(&mut self) {
        let next = self.lexer.next_value();
        self.before = self.token.span;
        self.token = next;
    }

    fn note(&mut self, note: Note, at: Span) {
        self.lexer.notes.add(note, at);
    }

    /// Whether the token is this keyword, in any case, as in Graphviz.
    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(&self.token.kind, Kind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let Kind::Word(word) = &self.token.kind else { return false };
        if !word.eq_ignore_ascii_case(keyword) {
            return false;
        }
        if *word != keyword {
            self.note(Note::KeywordCase, self.token.span);
        }
        self.advance();
        true
    }

    /// Reports an error, unless there are too many.
    fn report(&mut self, error: Diagnostic) -> Result<(), Stop> {
        if self.errors.len() >= MAX_ERRORS {
            let message = format!("more than {MAX_ERRORS} errors: the rest was not read");
            self.errors.push(Diagnostic::error("syntax", message).at(error.span));
            return Err(Stop);
        }
        self.errors.push(error);
        Ok(())
    }

    /// Reports that the token is not what must stand here.
    fn unexpected(&mut self, expected: &str, fix: &str) -> Fault {
        let unclosed = match &self.token.kind {
            Kind::Unclosed(what) => Some(*what),
            _ => None,
        };
        let error = match unclosed {
            Some(what) => self.unclosed(what),
            None => {
                let message = format!("expected {expected}, found {}", self.token.found());
                Diagnostic::error("syntax", message).at(self.token.span).fix(fix)
            }
        };
        match self.report(error) {
            Ok(()) if unclosed.is_none() => Fault::Statement,
            _ => Fault::Stop,
        }
    }

    fn unclosed(&self, what: Unclosed) -> Diagnostic {
        let start = self.token.span.start as usize;
        let at = Span::new(start, start + 1);
        let (message, fix) = match what {
            Unclosed::String => (
                "a string begins here that is not closed",
                "put a `\"` at its end, or before the string above it; within a string write `\\\"`",
            ),
            Unclosed::Comment => {
                ("a comment begins here that is not closed", "put `*/` at its end")
            }
            Unclosed::Html => (
                "`<` begins an HTML label, which is not supported, and not closed either",
                "write the text in quotes",
            ),
        };
        Diagnostic::error("syntax", message).at(at).fix(fix)
    }

    /// An error at a place, after which reading goes on.
    fn error(&mut self, at: Span, message: impl Into<String>, fix: &str) -> Result<(), Stop> {
        self.report(Diagnostic::error("syntax", message).at(at).fix(fix))
    }
}

/// The text of a word.
fn bare(word: &str, span: Span) -> Text {
    let map = SpanMap::new(&[(0, span.start)]);
    Text { text: word.into(), quoted: false, span, map }
}

/// `[A-Za-z_][A-Za-z0-9_]*`.
fn is_identifier(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
