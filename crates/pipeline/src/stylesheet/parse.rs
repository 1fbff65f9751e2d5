//! Text → rules.

use super::{Declaration, Property, Selector, StyleRule};
use crate::span::Span;

/// What is wrong with a stylesheet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Where in the stylesheet.
    pub span: Span,
    /// What to write instead.
    pub fix: String,
}

type Result<T> = std::result::Result<T, SyntaxError>;

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

pub(super) fn parse(text: &str) -> Result<Vec<StyleRule>> {
    let mut reader = Reader { text, at: 0 };
    let mut rules = Vec::new();
    while reader.peek()?.is_some() {
        rules.push(reader.rule()?);
    }
    Ok(rules)
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character after white space and `/* comments */`.
    fn peek(&mut self) -> Result<Option<char>> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            let Some(comment) = trimmed.strip_prefix("/*") else {
                return Ok(trimmed.chars().next());
            };
            match comment.find("*/") {
                Some(end) => self.at += end + 4,
                None => return self.error(2, "the comment is not closed", "put `*/` at its end"),
            }
        }
    }

    fn error<T>(&self, length: usize, message: impl Into<String>, fix: &str) -> Result<T> {
        let end = (self.at + length).min(self.text.len());
        let span = Span::new(self.at, end);
        Err(SyntaxError { message: message.into(), span, fix: fix.to_owned() })
    }

    /// Reports that something else must stand here.
    fn expected<T>(&mut self, what: &str, fix: &str) -> Result<T> {
        let found = self.peek()?;
        match found {
            Some(c) => self.error(c.len_utf8(), format!("expected {what}, found `{c}`"), fix),
            None => self.error(0, format!("expected {what}, found the end of the stylesheet"), fix),
        }
    }

    fn take(&mut self, wanted: char) -> Result<bool> {
        let found = self.peek()? == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        Ok(found)
    }

    /// The characters here that belong to a word.
    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn rule(&mut self) -> Result<StyleRule> {
        let start = self.at;
        let selector = self.selector()?;
        let span = Span::new(start, self.at);
        if !self.take('{')? {
            let fix = match self.peek()? {
                Some(',') => "write a rule for each selector",
                _ => "write `selector { property: value; }`",
            };
            return self.expected("`{` after the selector", fix);
        }
        let mut declarations = Vec::new();
        loop {
            if self.take('}')? {
                return Ok(StyleRule { selector, span, declarations });
            }
            if self.take(';')? {
                continue;
            }
            declarations.push(self.declaration()?);
            if !matches!(self.peek()?, Some(';' | '}')) {
                return self.expected("`;` or `}` after a value", "put a `;` between declarations");
            }
        }
    }

    fn selector(&mut self) -> Result<Selector> {
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let (make, what): (fn(String) -> Selector, _) = match self.peek()? {
            Some('*') => {
                self.at += 1;
                return Ok(Selector::All);
            }
            Some('.') => (Selector::Class, "a class after `.`"),
            Some('#') => (Selector::Id, "a node's id after `#`"),
            Some(c) if c.is_ascii_alphabetic() => {
                return Ok(Selector::Shape(self.word(name).to_owned()));
            }
            _ => {
                return self
                    .expected("a selector", "selectors are `*`, a shape, `.class` and `#id`");
            }
        };
        self.at += 1;
        let word = self.word(name);
        if word.is_empty() {
            return self.expected(what, "put the name directly after it");
        }
        Ok(make(word.to_owned()))
    }

    fn declaration(&mut self) -> Result<Declaration> {
        self.peek()?;
        let start = self.at;
        let name = self.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if name.is_empty() {
            return self.expected("a property or `}`", "write `property: value;`");
        }
        let Some(property) = Property::parse(name) else {
            self.at = start;
            return self.error(
                name.len(),
                format!("`{name}` is no property"),
                "the properties are `llm_model`, `llm_provider` and `reasoning_effort`",
            );
        };
        if !self.take(':')? {
            return self.expected(&format!("`:` after `{name}`"), "write `property: value;`");
        }
        let value = self.value()?;
        let span = Span::new(start, self.at);
        Ok(Declaration { property, name: name.to_owned(), value: value.into(), span })
    }

    /// A text in quotes of either kind, or a word, which may hold `/` (ruling 21).
    fn value(&mut self) -> Result<String> {
        let Some(first) = self.peek()? else {
            return self.expected("a value", "write `property: value;`");
        };
        if first == '"' || first == '\'' {
            return self.string(first);
        }
        let word = self.word(|c| c.is_ascii_alphanumeric() || "_.:/@+-".contains(c));
        if word.is_empty() {
            return self.expected("a value", "put quotes around values that are not plain words");
        }
        Ok(word.to_owned())
    }

    fn string(&mut self, quote: char) -> Result<String> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at += offset + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, escaped)) if escaped == quote || escaped == '\\' => text.push(escaped),
                    Some((_, other)) => {
                        text.push('\\');
                        text.push(other);
                    }
                    None => {}
                },
                c => text.push(c),
            }
        }
        self.error(1, "the string is not closed", "put the same quote at its end")
    }
}
