//! Attribute blocks and values.

use std::mem;

use super::{Fault, Parser, bare, is_identifier};
use crate::dot::ast::{Attribute, Text};
use crate::dot::notes::Note;
use crate::dot::token::{Kind, short};
use crate::span::{Span, SpanMap};

impl Parser<'_> {
    /// `[...]`, none or several of them.
    pub(super) fn attribute_blocks(&mut self) -> Result<Vec<Attribute>, Fault> {
        let mut attributes = Vec::new();
        let mut blocks = 0usize;
        while matches!(self.token.kind, Kind::OpenBracket) {
            blocks += 1;
            if blocks > 1 {
                self.note(Note::SecondBlock, self.token.span);
            }
            self.attribute_block(&mut attributes)?;
        }
        Ok(attributes)
    }

    fn attribute_block(&mut self, into: &mut Vec<Attribute>) -> Result<(), Fault> {
        let open = self.token.span;
        self.advance();
        if matches!(self.token.kind, Kind::CloseBracket) {
            self.note(Note::EmptyBlock, open.to(self.token.span));
        }
        // Whether an attribute was read since the last separator.
        let mut pending = false;
        loop {
            match self.token.kind {
                Kind::CloseBracket => {
                    self.advance();
                    return Ok(());
                }
                Kind::Comma | Kind::Semicolon => {
                    let semicolon = matches!(self.token.kind, Kind::Semicolon);
                    let at = self.token.span;
                    self.advance();
                    if semicolon && pending {
                        self.note(Note::MissingComma, at);
                    } else if !pending || matches!(self.token.kind, Kind::CloseBracket) {
                        self.note(Note::TrailingComma, at);
                    }
                    pending = false;
                }
                Kind::Word(_) | Kind::Quoted(_) => {
                    if pending {
                        self.note(Note::MissingComma, self.token.span);
                    }
                    match self.attribute() {
                        Ok(attribute) => into.push(attribute),
                        Err(Fault::Statement) if self.skip_attribute() => {}
                        Err(fault) => return Err(fault),
                    }
                    pending = true;
                }
                _ => {
                    return Err(self.unexpected(
                        "`,`, `]` or another attribute",
                        "close the attributes with `]`, and put quotes around values that are not plain words",
                    ));
                }
            }
        }
    }

    fn attribute(&mut self) -> Result<Attribute, Fault> {
        let key = match mem::replace(&mut self.token.kind, Kind::End) {
            Kind::Word(word) => bare(word, self.token.span),
            Kind::Quoted(text) => text,
            other => {
                self.token.kind = other;
                return Err(self.unexpected("the key of an attribute", "write `key=value`"));
            }
        };
        self.advance();
        if !matches!(self.token.kind, Kind::Equals) {
            let expected = format!("`=` after the key `{}`", short(&key.text));
            let fix = match self.token.kind {
                Kind::Arrow | Kind::Line | Kind::OpenBracket => {
                    "close the attributes above with `]`"
                }
                _ => "write `key=value`, and put quotes around values of several words",
            };
            return Err(self.unexpected(&expected, fix));
        }
        self.assigned(key)
    }

    /// `= value` after a key.
    pub(super) fn assigned(&mut self, key: Text) -> Result<Attribute, Fault> {
        let well_formed = key.text.split('.').all(is_identifier);
        if key.quoted && well_formed {
            self.note(Note::QuotedKey, key.span);
        } else if !key.quoted && !well_formed {
            let message = format!("`{}` is no key", short(&key.text));
            self.error(
                key.span,
                message,
                "keys are made of letters, digits and `_`, with `.` between their parts",
            )?;
        }
        self.advance_to_value();
        let value = self.value()?;
        Ok(Attribute { key, value })
    }

    fn value(&mut self) -> Result<Text, Fault> {
        match mem::replace(&mut self.token.kind, Kind::End) {
            Kind::Word(word) => {
                let value = bare(word, self.token.span);
                self.advance();
                if matches!(self.token.kind, Kind::Unknown(_))
                    && self.token.span.start == value.span.end
                {
                    let span = value.span.to(self.token.span);
                    return Err(self.needs_quotes(span));
                }
                if !is_bare_value(word) {
                    self.note(Note::BareValue, value.span);
                }
                Ok(value)
            }
            Kind::Quoted(text) => {
                self.advance();
                self.concatenated(text)
            }
            Kind::Html => {
                let at = self.token.span;
                self.error(at, "HTML labels are not supported", "write the text in quotes")?;
                self.advance();
                Ok(Text { span: at, quoted: true, ..Text::default() })
            }
            Kind::Unknown(text) => {
                self.token.kind = Kind::Unknown(text);
                Err(self.needs_quotes(self.token.span))
            }
            other => {
                self.token.kind = other;
                Err(self.unexpected("a value after `=`", "write the value in quotes"))
            }
        }
    }

    fn needs_quotes(&mut self, at: Span) -> Fault {
        match self.error(at, "this value needs quotes", "write it as \"…\"") {
            Ok(()) => Fault::Statement,
            Err(stop) => stop.into(),
        }
    }

    /// `"a" + "b"`, as in Graphviz.
    fn concatenated(&mut self, first: Text) -> Result<Text, Fault> {
        if !matches!(self.token.kind, Kind::Plus) {
            return Ok(first);
        }
        let mut text = first.text.to_string();
        let mut steps = first.map.steps().to_vec();
        let mut span = first.span;
        while matches!(self.token.kind, Kind::Plus) {
            self.note(Note::Concatenated, self.token.span);
            self.advance();
            match mem::replace(&mut self.token.kind, Kind::End) {
                Kind::Quoted(more) => {
                    let moved = Span::new(text.len(), 0).start;
                    steps.extend(
                        more.map
                            .steps()
                            .iter()
                            .map(|(at, source)| (at.saturating_add(moved), *source)),
                    );
                    text.push_str(&more.text);
                    span = span.to(more.span);
                    self.advance();
                }
                other => {
                    self.token.kind = other;
                    return Err(self.unexpected("a string after `+`", "write one string"));
                }
            }
        }
        Ok(Text { text: text.into(), quoted: true, span, map: SpanMap::new(&steps) })
    }

    /// After a faulty attribute: goes on to the next one or to the end of the block. False when
    /// the block seems not to be closed.
    fn skip_attribute(&mut self) -> bool {
        loop {
            match self.token.kind {
                Kind::Comma | Kind::Semicolon | Kind::CloseBracket => return true,
                Kind::Word(_) | Kind::Quoted(_) if self.token.first => return true,
                Kind::OpenBrace
                | Kind::CloseBrace
                | Kind::OpenBracket
                | Kind::Arrow
                | Kind::Line
                | Kind::Unclosed(_)
                | Kind::End => return false,
                _ => {
                    self.advance();
                }
            }
        }
    }
}

/// A value that the specification's grammar has without quotes: a word, a number, a duration.
fn is_bare_value(word: &str) -> bool {
    let bare = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "_.:-".contains(c));
    bare || !matches!(crate::graph::Scalar::of_bare(word), crate::graph::Scalar::String)
}
