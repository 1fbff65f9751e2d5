//! Text → [`Patch`].

use super::envelope::{END, unwrap};
use super::{Hunk, Line, Operation, Patch};

const ADD: &str = "*** Add File:";
const DELETE: &str = "*** Delete File:";
const UPDATE: &str = "*** Update File:";
const MOVE: &str = "*** Move to:";
const END_OF_FILE: &str = "*** End of File";

/// Why a text is no patch. The message is for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the patch: {what}")]
pub struct ParseError {
    /// Line of the text, from 1.
    pub line: usize,
    /// What is wrong, and what is wanted.
    pub what: String,
}

impl ParseError {
    pub(super) fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

pub(super) fn parse(text: &str) -> Result<Patch, ParseError> {
    let (first, lines) = unwrap(text)?;
    let mut reader = Reader { lines: &lines, at: 0, first };
    let mut operations = Vec::new();
    while let Some(line) = reader.peek() {
        if line.trim().is_empty() {
            reader.at += 1;
        } else {
            operations.push(operation(&mut reader)?);
        }
    }
    if operations.is_empty() {
        return Err(reader.error("the patch has no operation"));
    }
    Ok(Patch { operations })
}

struct Reader<'a> {
    lines: &'a [&'a str],
    at: usize,
    /// The number of the first of the lines.
    first: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.at).copied()
    }

    /// At the line that comes next.
    fn error(&self, what: impl Into<String>) -> ParseError {
        ParseError::new(self.first + self.at, what)
    }

    /// The path behind `marker`, if that is what comes next.
    fn header(&mut self, marker: &str) -> Result<Option<String>, ParseError> {
        let Some(path) = self.peek().and_then(|line| line.trim().strip_prefix(marker)) else {
            return Ok(None);
        };
        let path = path.trim();
        if path.is_empty() {
            return Err(self.error(format!("`{marker}` has no path")));
        }
        self.at += 1;
        Ok(Some(path.to_owned()))
    }
}

fn operation(reader: &mut Reader<'_>) -> Result<Operation, ParseError> {
    if let Some(path) = reader.header(ADD)? {
        return Ok(Operation::Add { path, lines: added(reader)? });
    }
    if let Some(path) = reader.header(DELETE)? {
        return Ok(Operation::Delete { path });
    }
    if let Some(path) = reader.header(UPDATE)? {
        let move_to = reader.header(MOVE)?;
        let hunks = hunks(reader)?;
        if hunks.is_empty() && move_to.is_none() {
            return Err(reader.error(format!("the update of {path} has no hunk")));
        }
        return Ok(Operation::Update { path, move_to, hunks });
    }
    let line = reader.peek().unwrap_or_default();
    Err(reader.error(format!(
        "`{line}` starts no operation; wanted is `{ADD} PATH`, `{DELETE} PATH` or `{UPDATE} PATH`"
    )))
}

/// The content of a new file. Empty lines between lines with a `+` are lines of the file.
fn added(reader: &mut Reader<'_>) -> Result<Vec<String>, ParseError> {
    let mut lines: Vec<String> = Vec::new();
    let mut blank = 0;
    while let Some(line) = reader.peek() {
        if let Some(text) = line.strip_prefix('+') {
            lines.extend(std::iter::repeat_n(String::new(), std::mem::take(&mut blank)));
            lines.push(text.to_owned());
        } else if line.is_empty() {
            blank += 1;
        } else if line.trim_start().starts_with("*** ") {
            break;
        } else if line.trim().is_empty() {
            blank += 1;
        } else {
            return Err(
                reader.error(format!("`{line}`: every line of a new file has to start with `+`"))
            );
        }
        reader.at += 1;
    }
    Ok(lines)
}

fn hunks(reader: &mut Reader<'_>) -> Result<Vec<Hunk>, ParseError> {
    let mut hunks = Vec::new();
    while let Some(line) = reader.peek() {
        if is_marker(line) {
            break;
        }
        // A header that is indented is none while a hunk is read, but may be one between hunks.
        if line.trim_start().starts_with("*** ") && !hunks.is_empty() {
            break;
        }
        if line.trim().is_empty() && (hunks.is_empty() || ended(&hunks)) {
            reader.at += 1;
            continue;
        }
        hunks.push(hunk(reader)?);
    }
    Ok(hunks)
}

fn ended(hunks: &[Hunk]) -> bool {
    hunks.last().is_some_and(|hunk| hunk.at_end)
}

fn is_marker(line: &str) -> bool {
    line.starts_with("*** ") && line.trim_end() != END_OF_FILE
}

fn hunk(reader: &mut Reader<'_>) -> Result<Hunk, ParseError> {
    let mut hunk = Hunk::default();
    while let Some(text) = reader.peek().and_then(|line| line.strip_prefix("@@")) {
        if !text.is_empty() && !text.starts_with(' ') {
            return Err(
                reader.error("`@@` is followed by a space and a line of the file, or by nothing")
            );
        }
        let anchor = text.strip_prefix(' ').unwrap_or(text);
        if !anchor.trim().is_empty() && !is_line_numbers(anchor) {
            hunk.anchors.push(anchor.to_owned());
        }
        reader.at += 1;
    }
    while let Some(line) = reader.peek() {
        if line.trim_end() == END_OF_FILE && line.starts_with('*') {
            hunk.at_end = true;
            reader.at += 1;
            break;
        }
        if line.starts_with("@@") || is_marker(line) {
            break;
        }
        hunk.blank_tail = if line.is_empty() { hunk.blank_tail + 1 } else { 0 };
        let line = match line.split_at_checked(1) {
            None if line.is_empty() => Line::Keep(String::new()),
            Some((" ", text)) => Line::Keep(text.to_owned()),
            Some(("-", text)) => Line::Remove(text.to_owned()),
            Some(("+", text)) => Line::Insert(text.to_owned()),
            _ => {
                return Err(reader.error(format!(
                    "`{line}`: every line of a hunk has to start with a space (stays), `-` (goes) \
                     or `+` (comes); a patch ends with `{END}`"
                )));
            }
        };
        hunk.lines.push(line);
        reader.at += 1;
    }
    if hunk.lines.len() == hunk.blank_tail {
        return Err(reader.error("the hunk before this line has no lines"));
    }
    Ok(hunk)
}

/// `-1,2 +3,4 @@ …`, as `diff` writes it. The numbers of models cannot be relied on, and what may
/// follow them is often cut off: such a header says no more than `@@`.
fn is_line_numbers(text: &str) -> bool {
    let range = |word: Option<&str>, sign: char| {
        word.and_then(|word| word.strip_prefix(sign)).is_some_and(|numbers| {
            !numbers.is_empty() && numbers.chars().all(|c| c.is_ascii_digit() || c == ',')
        })
    };
    let mut words = text.split(' ');
    range(words.next(), '-') && range(words.next(), '+') && words.next() == Some("@@")
}
