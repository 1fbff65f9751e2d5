//! Text → clauses.

use super::{Clause, Key, Test};
use crate::span::Span;

/// What is wrong with a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Where in the condition.
    pub span: Span,
    /// What to write instead.
    pub fix: String,
}

type Result<T> = std::result::Result<T, SyntaxError>;

fn error<T>(span: Span, message: impl Into<String>, fix: impl Into<String>) -> Result<T> {
    Err(SyntaxError { message: message.into(), span, fix: fix.into() })
}

/// Clauses between `&&`; empty ones are passed over, as §10.5 does.
pub(super) fn parse(text: &str) -> Result<Vec<Clause>> {
    let mut clauses = Vec::new();
    let mut start = 0;
    for end in splits(text)? {
        let inner = text.get(start..end).unwrap_or_default();
        let from = start + inner.len() - inner.trim_start().len();
        let inner = inner.trim();
        if !inner.is_empty() {
            clauses.push(clause(inner, from)?);
        }
        start = end + 2;
    }
    Ok(clauses)
}

/// Where each `&&` outside of quotes stands, and the end of the text.
fn splits(text: &str) -> Result<Vec<usize>> {
    let bytes = text.as_bytes();
    let (mut splits, mut quote, mut at) = (Vec::new(), None, 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, quote) {
            (b'\\', Some(_)) => at += 1,
            (b'"', Some(_)) => quote = None,
            (b'"', None) => quote = Some(at),
            (b'&', None) if bytes.get(at + 1) == Some(&b'&') => {
                splits.push(at);
                at += 1;
            }
            (b'&', None) => {
                return error(Span::new(at, at + 1), "a single `&`", "write `&&`");
            }
            (b'|', None) => {
                let end = at + 1 + usize::from(bytes.get(at + 1) == Some(&b'|'));
                return error(
                    Span::new(at, end),
                    "conditions have no OR",
                    "write an edge for each alternative",
                );
            }
            _ => {}
        }
        at += 1;
    }
    if let Some(start) = quote {
        return error(
            Span::new(start, start + 1),
            "the string is not closed",
            "put a `\"` at its end",
        );
    }
    splits.push(text.len());
    Ok(splits)
}

/// `key`, `key=literal` or `key!=literal`; `base` is where it begins in the condition.
fn clause(text: &str, base: usize) -> Result<Clause> {
    let span = Span::new(base, base + text.len());
    let key_end = text.find(|c: char| !is_key(c)).unwrap_or(text.len());
    let (key, rest) = text.split_at(key_end);
    let rest_at = base + text.len() - rest.trim_start().len();
    let rest = rest.trim_start();
    if key.is_empty() {
        return no_key(rest, rest_at);
    }
    let key = parse_key(key, base)?;
    let (test, literal): (fn(String) -> Test, &str) = if let Some(literal) = rest.strip_prefix("!=")
    {
        (Test::Differs, literal)
    } else if let Some(literal) = rest.strip_prefix('=') {
        (Test::Equals, literal)
    } else if rest.is_empty() {
        return Ok(Clause { key, test: Test::Truthy, span });
    } else {
        return no_operator(rest, rest_at);
    };
    if literal.starts_with('=') {
        let at = Span::new(rest_at, base + text.len() - literal.len() + 1);
        return error(at, "`==` is no operator", "write `=`");
    }
    let literal_at = base + text.len() - literal.trim_start().len();
    let literal = parse_literal(literal.trim(), literal_at)?;
    Ok(Clause { key, test: test(literal), span })
}

fn is_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-'
}

fn no_key<T>(rest: &str, at: usize) -> Result<T> {
    let end = at + rest.chars().next().map_or(0, char::len_utf8);
    let fix = match rest.as_bytes().first() {
        Some(b'!') => "write `key!=value`, or `key=false`",
        Some(b'(' | b')') => "conditions have no parentheses; write an edge for each alternative",
        Some(b'$') => "write the key without `$`",
        _ => "begin with `outcome`, `preferred_label` or `context.NAME`",
    };
    error(Span::new(at, end), "a clause begins with a key", fix)
}

fn no_operator<T>(rest: &str, at: usize) -> Result<T> {
    let word = rest.split(|c: char| c.is_whitespace() || c == '"').next().unwrap_or_default();
    let end = at + word.len().max(1).min(rest.len());
    let fix = match word {
        "and" | "AND" => "write `&&`",
        "or" | "OR" => "write an edge for each alternative",
        "is" | "equals" | "eq" => "write `=`",
        "not" | "ne" | "<>" => "write `!=`",
        _ => "the operators are `=` and `!=`",
    };
    error(Span::new(at, end), format!("`{word}` is no operator"), fix)
}

fn parse_key(key: &str, at: usize) -> Result<Key> {
    let span = Span::new(at, at + key.len());
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if !key.split('.').all(part) {
        return error(
            span,
            format!("`{key}` is no key"),
            "keys are made of letters, digits and `_`, with `.` between their parts",
        );
    }
    Ok(match key {
        "outcome" => Key::Outcome,
        "preferred_label" => Key::PreferredLabel,
        _ if key.starts_with("context.") => Key::Context(key.to_owned()),
        _ => Key::Bare(key.to_owned()),
    })
}

/// `"text"`, a number, or `[A-Za-z_][A-Za-z0-9_.:-]*`.
fn parse_literal(text: &str, at: usize) -> Result<String> {
    let span = Span::new(at, at + text.len());
    if let Some(quoted) = text.strip_prefix('"') {
        return parse_string(quoted, at);
    }
    if text.is_empty() {
        return error(span, "a value is missing", "write a value; the empty text is `\"\"`");
    }
    let wrong =
        text.char_indices().find(|(_, c)| !(c.is_ascii_alphanumeric() || "_.:-".contains(*c)));
    let Some((offset, c)) = wrong else {
        return Ok(text.to_owned());
    };
    let place = Span::new(at + offset, at + offset + c.len_utf8());
    if c == '=' || c == '!' {
        return error(place, "two comparisons without `&&` between them", "put `&&` between them");
    }
    error(span, format!("the value `{text}` needs quotes"), format!("write \\\"{text}\\\""))
}

/// What follows an opening quote.
fn parse_string(quoted: &str, at: usize) -> Result<String> {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((offset, c)) = chars.next() {
        match c {
            '"' => {
                let rest = quoted.get(offset + 1..).unwrap_or_default();
                if rest.is_empty() {
                    return Ok(text);
                }
                let start = at + offset + 2;
                let place = Span::new(start, start + rest.len());
                return error(
                    place,
                    format!("`{}` after the value", rest.trim()),
                    "write `&&` between clauses",
                );
            }
            '\\' => match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                Some((_, other)) => {
                    text.push('\\');
                    text.push(other);
                }
                None => {}
            },
            c => text.push(c),
        }
    }
    error(Span::new(at, at + 1), "the string is not closed", "put a `\"` at its end")
}
