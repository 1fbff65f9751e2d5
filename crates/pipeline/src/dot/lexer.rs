//! Text → tokens, one at a time.

use super::ast::Text;
use super::notes::{Note, Notes};
use super::token::{Kind, Token, Unclosed};
use crate::span::{Span, SpanMap};

/// Reads tokens from a source.
pub(super) struct Lexer<'a> {
    source: &'a str,
    at: usize,
    /// Whether nothing but white space and comments was read on this line so far.
    first: bool,
    /// What is accepted beyond the specification.
    pub(super) notes: Notes,
}

/// Letters of ids: Graphviz takes every character beyond ASCII for one.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && !c.is_whitespace() && !c.is_control())
}

fn is_word(c: char) -> bool {
    is_letter(c) || c.is_ascii_digit() || c == '.'
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        let at = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { source, at, first: true, notes: Notes::default() }
    }

    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Token<'a> {
        self.token(false)
    }

    /// The next token where a value is expected, which may hold hyphens and colons unquoted.
    pub(super) fn next_value(&mut self) -> Token<'a> {
        self.token(true)
    }

    fn token(&mut self, value: bool) -> Token<'a> {
        if let Some(span) = self.skip_blanks() {
            return Token { kind: Kind::Unclosed(Unclosed::Comment), span, first: true };
        }
        let first = std::mem::take(&mut self.first);
        let start = self.at;
        let kind = self.kind(value);
        Token { kind, span: Span::new(start, self.at), first }
    }

    fn kind(&mut self, value: bool) -> Kind<'a> {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else {
            return Kind::End;
        };
        let second = rest.as_bytes().get(1).copied();
        let simple = match c {
            '{' => Some(Kind::OpenBrace),
            '}' => Some(Kind::CloseBrace),
            '[' => Some(Kind::OpenBracket),
            ']' => Some(Kind::CloseBracket),
            '=' => Some(Kind::Equals),
            ',' => Some(Kind::Comma),
            ';' => Some(Kind::Semicolon),
            ':' => Some(Kind::Colon),
            '+' => Some(Kind::Plus),
            _ => None,
        };
        if let Some(kind) = simple {
            self.at += 1;
            return kind;
        }
        match (c, second) {
            ('"', _) => self.quoted(),
            ('<', _) => self.html(),
            ('-', Some(b'>')) => self.two(Kind::Arrow),
            ('-', Some(b'-')) => self.two(Kind::Line),
            ('-', Some(next)) if next.is_ascii_digit() || next == b'.' => self.word(value),
            _ if is_word(c) => self.word(value),
            _ => self.unknown(),
        }
    }

    fn two(&mut self, kind: Kind<'a>) -> Kind<'a> {
        self.at += 2;
        kind
    }

    /// An id, a key or a value. Hyphens within are taken in where no arrow begins, so that
    /// `my-node` is one wrong id and not three wrong tokens.
    fn word(&mut self, value: bool) -> Kind<'a> {
        let rest = self.rest();
        let mut end = 0;
        let mut chars = rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            let inner = match c {
                '-' if at == 0 => true,
                '-' => next.is_some_and(is_word) || (value && !matches!(next, Some('>' | '-'))),
                ':' => value,
                _ => is_word(c),
            };
            if !inner {
                break;
            }
            end = at + c.len_utf8();
        }
        self.at += end;
        Kind::Word(rest.get(..end).unwrap_or_default())
    }

    fn unknown(&mut self) -> Kind<'a> {
        let rest = self.rest();
        let stops = |c: char| c.is_whitespace() || c.is_control() || "\"[]{}=,;<".contains(c);
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let more = rest.get(first..).unwrap_or_default();
        let end = first + more.find(stops).unwrap_or(more.len());
        self.at += end;
        Kind::Unknown(rest.get(..end).unwrap_or_default())
    }

    /// Skips white space and comments; the place of a comment that is not closed.
    fn skip_blanks(&mut self) -> Option<Span> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            if blank > 0 {
                self.first |= rest.as_bytes().iter().take(blank).any(|byte| *byte == b'\n');
                self.at += blank;
            } else if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with('#') && self.first {
                let end = rest.find('\n').unwrap_or(rest.len());
                self.notes.add(Note::HashLine, Span::new(self.at, self.at + end));
                self.at += end;
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let Some(end) = comment.find("*/") else {
                    let start = self.at;
                    self.at = self.source.len();
                    return Some(Span::new(start, start + 2));
                };
                self.first |= comment.as_bytes().iter().take(end).any(|byte| *byte == b'\n');
                self.at += end + 4;
            } else {
                return None;
            }
        }
    }

    /// A string: `\"`, `\n`, `\t`, `\\`, and a backslash at the end of a line, which joins it to
    /// the next as in Graphviz. Other escapes stay as they are.
    fn quoted(&mut self) -> Kind<'a> {
        let rest = self.rest();
        let start = self.at;
        let mut text = String::new();
        let mut steps = Steps::new(start + 1);
        let mut chars = rest.char_indices().skip(1).peekable();
        let mut closed = None;
        while let Some((at, c)) = chars.next() {
            if c == '"' {
                closed = Some(at);
                break;
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let Some((_, escaped)) = chars.next() else { break };
            let place = start + at;
            let mut after = place + 1 + escaped.len_utf8();
            match escaped {
                '"' | '\\' | 'n' | 't' => {
                    steps.push(text.len(), place);
                    text.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        other => other,
                    });
                    steps.push(text.len(), after);
                }
                '\n' => steps.push(text.len(), after),
                '\r' if chars.next_if(|(_, next)| *next == '\n').is_some() => {
                    after += 1;
                    steps.push(text.len(), after);
                }
                _ => {
                    // Graphviz gives these a meaning when it draws a label.
                    if !"lrNGETHL".contains(escaped) {
                        self.notes.add(Note::Escape, Span::new(place, after));
                    }
                    text.push('\\');
                    text.push(escaped);
                }
            }
        }
        let Some(closed) = closed else {
            self.at = self.source.len();
            return Kind::Unclosed(Unclosed::String);
        };
        self.at += closed + 1;
        let span = Span::new(start, self.at);
        let map = SpanMap::new(&steps.0);
        Kind::Quoted(Text { text: text.into(), quoted: true, span, map })
    }

    /// Skips an HTML label with the brackets within.
    fn html(&mut self) -> Kind<'a> {
        let mut depth = 0usize;
        for (at, byte) in self.rest().bytes().enumerate() {
            match byte {
                b'<' => depth += 1,
                b'>' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.at += at + 1;
                return Kind::Html;
            }
        }
        self.at = self.source.len();
        Kind::Unclosed(Unclosed::Html)
    }
}

/// Where the distance between a text and its source changes.
struct Steps(Vec<(u32, u32)>);

impl Steps {
    fn new(source: usize) -> Self {
        let mut steps = Self(Vec::new());
        steps.push(0, source);
        steps
    }

    fn push(&mut self, text: usize, source: usize) {
        let Span { start, end } = Span::new(text, source);
        match self.0.last_mut() {
            Some(last) if last.0 == start => last.1 = end,
            _ => self.0.push((start, end)),
        }
    }
}
