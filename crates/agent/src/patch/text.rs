//! A text as lines, each with the end that it has, so that all that does not change stays as it is.

use std::borrow::Cow;

/// The lines of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a> {
    byte_order_mark: bool,
    pub(super) lines: Vec<TextLine<'a>>,
}

/// A line and its end: `\n`, `\r\n`, or nothing for a last line without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextLine<'a> {
    pub(super) text: &'a str,
    pub(super) end: &'a str,
}

/// A line of the new content; an empty end stands for the usual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewLine<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) end: &'a str,
}

impl<'a> NewLine<'a> {
    pub(super) fn kept(line: &TextLine<'a>) -> Self {
        Self { text: Cow::Borrowed(line.text), end: line.end }
    }
}

const MARK: char = '\u{feff}';

impl<'a> Text<'a> {
    pub(super) fn new(content: &'a str) -> Self {
        let marked = content.strip_prefix(MARK);
        let lines = marked
            .unwrap_or(content)
            .split_inclusive('\n')
            .map(|line| {
                let text = line.strip_suffix('\n').unwrap_or(line);
                // A lone `\r` at the end of the file is no line end.
                let text = if text.len() < line.len() {
                    text.strip_suffix('\r').unwrap_or(text)
                } else {
                    text
                };
                TextLine { text, end: &line[text.len()..] }
            })
            .collect();
        Self { byte_order_mark: marked.is_some(), lines }
    }

    /// Whether the last line has an end; an empty file counts as one that will.
    fn ends_with_line_end(&self) -> bool {
        self.lines.last().is_none_or(|line| !line.end.is_empty())
    }

    /// The line end of most lines.
    fn usual_end(&self) -> &'static str {
        let windows = self.lines.iter().filter(|line| line.end == "\r\n").count();
        let unix = self.lines.iter().filter(|line| line.end == "\n").count();
        if windows > unix { "\r\n" } else { "\n" }
    }

    /// The content with other lines: those without an end get the usual one, and the last line has
    /// one exactly if it had before.
    pub(super) fn with(&self, lines: &[NewLine<'_>]) -> String {
        let usual = self.usual_end();
        let mut content = String::new();
        if self.byte_order_mark {
            content.push(MARK);
        }
        for (at, line) in lines.iter().enumerate() {
            content.push_str(&line.text);
            if at + 1 < lines.len() || self.ends_with_line_end() {
                content.push_str(if line.end.is_empty() { usual } else { line.end });
            }
        }
        content
    }
}
