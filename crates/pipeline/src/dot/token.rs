//! Words of the language.

use super::ast::Text;
use crate::span::Span;

/// A token and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) span: Span,
    /// Whether it is the first on its line; reading goes on at such a place after an error.
    pub(super) first: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Kind<'a> {
    /// Letters, digits, dots, hyphens, colons: an id, a key, a keyword, a number or a bare value.
    Word(&'a str),
    /// A text in quotes.
    Quoted(Text),
    /// `<...>`, whole.
    Html,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Equals,
    Comma,
    Semicolon,
    Colon,
    Plus,
    Arrow,
    /// `--`.
    Line,
    /// Characters that begin nothing.
    Unknown(&'a str),
    /// Something that is opened and not closed before the end of the file.
    Unclosed(Unclosed),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclosed {
    String,
    Comment,
    Html,
}

impl Token<'_> {
    /// What it is, for a message.
    pub(super) fn found(&self) -> String {
        match &self.kind {
            Kind::Word(word) => format!("`{}`", short(word)),
            Kind::Quoted(text) => format!("the string \"{}\"", short(&text.text)),
            Kind::Html => "an HTML label".to_owned(),
            Kind::OpenBrace => "`{`".to_owned(),
            Kind::CloseBrace => "`}`".to_owned(),
            Kind::OpenBracket => "`[`".to_owned(),
            Kind::CloseBracket => "`]`".to_owned(),
            Kind::Equals => "`=`".to_owned(),
            Kind::Comma => "`,`".to_owned(),
            Kind::Semicolon => "`;`".to_owned(),
            Kind::Colon => "`:`".to_owned(),
            Kind::Plus => "`+`".to_owned(),
            Kind::Arrow => "`->`".to_owned(),
            Kind::Line => "`--`".to_owned(),
            Kind::Unknown(text) => format!("`{}`", short(text)),
            Kind::Unclosed(Unclosed::String) => "a string that is not closed".to_owned(),
            Kind::Unclosed(Unclosed::Comment) => "a comment that is not closed".to_owned(),
            Kind::Unclosed(Unclosed::Html) => "an HTML label that is not closed".to_owned(),
            Kind::End => "the end of the file".to_owned(),
        }
    }
}

/// The beginning of a text, on one line, for a message.
pub(super) fn short(text: &str) -> String {
    let line: String =
        text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(40).is_some() { format!("{line}…") } else { line }
}
