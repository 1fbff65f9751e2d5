//! Places in a source text.

use std::sync::Arc;

/// Bytes `start..end` of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// `start..end`; offsets beyond 4 GiB are held at the end of the range.
    pub fn new(start: usize, end: usize) -> Self {
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: narrow(start), end: narrow(end) }
    }

    /// From the beginning of `self` to the end of `other`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.start) }
    }
}

/// Where the bytes of a text that was unescaped stand in its source, so that an error inside an
/// attribute's value (a condition, a stylesheet) points into the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpanMap {
    /// (offset in the text, offset in the source), one where the distance between them changes.
    steps: Arc<[(u32, u32)]>,
}

impl SpanMap {
    /// From pairs of (offset in the text, offset in the source), in ascending order.
    pub fn new(steps: &[(u32, u32)]) -> Self {
        Self { steps: steps.into() }
    }

    /// The place in the source of a place in the text; none for a text without a source.
    pub fn span(&self, inner: Span) -> Option<Span> {
        let start = self.offset(inner.start)?;
        // The end is found from the last byte, so that an escape after it is not taken in.
        let end = match inner.end.checked_sub(1) {
            Some(last) if inner.end > inner.start => self.offset(last)?.saturating_add(1),
            _ => start,
        };
        Some(Span { start, end })
    }

    /// The pairs that it was made of.
    pub fn steps(&self) -> &[(u32, u32)] {
        &self.steps
    }

    fn offset(&self, at: u32) -> Option<u32> {
        let after = self.steps.partition_point(|(text, _)| *text <= at);
        let (text, source) = self.steps.get(after.checked_sub(1)?)?;
        Some(source.saturating_add(at - text))
    }
}

/// Line and column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

/// Finds lines and columns of a source.
#[derive(Debug)]
pub struct Lines<'a> {
    source: &'a str,
    /// Offset of the first byte of each line.
    starts: Vec<usize>,
    /// Characters before each block of bytes, so that a line of a megabyte costs no more than a
    /// short one.
    blocks: Vec<usize>,
}

/// Bytes of a block.
const BLOCK: usize = 1024;

impl<'a> Lines<'a> {
    /// Reads the source once.
    pub fn new(source: &'a str) -> Self {
        let mut starts = vec![0];
        starts.extend(source.match_indices('\n').map(|(at, _)| at + 1));
        let mut blocks = vec![0];
        let mut before = 0;
        for block in source.as_bytes().chunks(BLOCK) {
            before += characters(block);
            blocks.push(before);
        }
        Self { source, starts, blocks }
    }

    /// Where a byte stands; one beyond the source counts as its end.
    pub fn locate(&self, offset: u32) -> Location {
        let offset = (offset as usize).min(self.source.len());
        let index = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(index).copied().unwrap_or(0);
        let column = self.characters_before(offset) - self.characters_before(start) + 1;
        Location { line: index + 1, column }
    }

    fn characters_before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let rest = self.source.as_bytes().get(block * BLOCK..offset).unwrap_or_default();
        self.blocks.get(block).copied().unwrap_or(0) + characters(rest)
    }

    /// The text of a line, from 1, without its end.
    pub fn text(&self, line: usize) -> &'a str {
        let Some(start) = line.checked_sub(1).and_then(|index| self.starts.get(index)) else {
            return "";
        };
        let end = self.starts.get(line).map_or(self.source.len(), |next| next - 1);
        self.source.get(*start..end).unwrap_or_default().trim_end_matches('\r')
    }

    /// How many lines there are; at least one.
    pub fn count(&self) -> usize {
        self.starts.len()
    }
}

/// Characters that begin in these bytes; the bytes may begin or end within one.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_line_and_a_column_in_characters() {
        let lines = Lines::new("ä b\r\nc\n");
        assert_eq!(lines.locate(0), Location { line: 1, column: 1 });
        assert_eq!(lines.locate(3), Location { line: 1, column: 3 });
        assert_eq!(lines.locate(6), Location { line: 2, column: 1 });
        assert_eq!(lines.locate(999), Location { line: 3, column: 1 });
        assert_eq!((lines.text(1), lines.text(2), lines.text(3)), ("ä b", "c", ""));
        assert_eq!((lines.text(0), lines.text(9), lines.count()), ("", "", 3));
    }

    #[test]
    fn columns_of_a_long_line_count_characters_too() {
        let source = format!("x\n{}", "äb".repeat(5_000));
        let lines = Lines::new(&source);
        for (at, c) in [(0, 'ä'), (1, 'b'), (3_333, 'b'), (9_998, 'ä'), (9_999, 'b')] {
            let offset = source.char_indices().nth(at + 2).unwrap();
            assert_eq!(offset.1, c);
            let place = lines.locate(u32::try_from(offset.0).unwrap());
            assert_eq!(place, Location { line: 2, column: at + 1 });
        }
    }

    #[test]
    fn a_place_in_an_unescaped_text_is_found_in_the_source() {
        // `"a\"b c"` at offset 10: the text is `a"b c`.
        let map = SpanMap::new(&[(0, 11), (1, 12), (2, 14)]);
        assert_eq!(map.span(Span { start: 0, end: 1 }), Some(Span { start: 11, end: 12 }));
        assert_eq!(map.span(Span { start: 2, end: 3 }), Some(Span { start: 14, end: 15 }));
        assert_eq!(map.span(Span { start: 4, end: 5 }), Some(Span { start: 16, end: 17 }));
        assert_eq!(SpanMap::default().span(Span { start: 0, end: 1 }), None);
    }
}
