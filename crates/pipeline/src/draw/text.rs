//! Labels: their lines, and how wide these are about.
//!
//! The fonts of whoever looks at the picture are unknown; the widths are those of Helvetica and of
//! the fonts made to its measure (Arial, Liberation Sans).

/// Advance widths of the characters from space to `~`, in thousandths of the font size.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];
/// Characters of a line before it is broken.
const LINE: usize = 44;
/// Lines of a label.
const LINES: usize = 12;

/// To which side a line of a label is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Middle,
    Right,
}

/// A line of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) align: Align,
    /// Written smaller, in italics: conditions.
    pub(super) small: bool,
}

/// A label, ready to be set.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Block {
    pub(super) lines: Vec<Line>,
    pub(super) size: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The size of small lines, compared with others.
pub(super) const SMALL: f64 = 0.9;
/// The height of a line, in font sizes.
pub(super) const LEADING: f64 = 1.25;

impl Block {
    /// The lines of a label. `names` are what `\N`, `\G`, `\T`, `\H` stand for.
    pub(super) fn new(label: &str, size: f64, names: &[(char, &str)]) -> Self {
        let mut block = Self { size, ..Self::default() };
        block.extend(split(label, names), false);
        block
    }

    /// Adds lines below, small.
    pub(super) fn add_small(&mut self, text: &str) {
        self.extend(split(text, &[]), true);
    }

    fn extend(&mut self, lines: Vec<(String, Align)>, small: bool) {
        for (text, align) in lines {
            for text in broken(&text) {
                if self.lines.len() == LINES {
                    if let Some(last) = self.lines.last_mut().filter(|last| last.text != "…") {
                        "…".clone_into(&mut last.text);
                    }
                    break;
                }
                self.lines.push(Line { text, align, small });
            }
        }
        let widths = self.lines.iter().map(|line| width(&line.text, self.size_of(line)));
        self.width = widths.fold(0.0, f64::max);
        self.height = self.lines.iter().map(|line| self.size_of(line) * LEADING).sum();
    }

    pub(super) fn size_of(&self, line: &Line) -> f64 {
        if line.small { self.size * SMALL } else { self.size }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Cuts lines that are longer.
    pub(super) fn cut(&mut self, width_at_most: f64) {
        for at in 0..self.lines.len() {
            let size = self.size_of(&self.lines[at]);
            let line = &mut self.lines[at];
            if width(&line.text, size) <= width_at_most {
                continue;
            }
            while !line.text.is_empty() && width(&line.text, size) + size > width_at_most {
                line.text.pop();
            }
            line.text.push('…');
        }
        self.width = self.width.min(width_at_most);
    }
}

/// About how wide a text is.
#[allow(clippy::cast_precision_loss)] // at most thousandths of a short text
pub(super) fn width(text: &str, size: f64) -> f64 {
    let thousandths: usize = text.chars().map(advance).sum();
    thousandths as f64 * size / 1000.0
}

fn advance(c: char) -> usize {
    let code = u32::from(c);
    match code {
        0x20..=0x7e => usize::from(WIDTHS[(code - 0x20) as usize]),
        // Combining marks, joiners and selectors of variants take no room.
        0..0x20 | 0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x11ff | 0x2e80..=0xd7ff | 0xf900..=0xfaff | 0xff00..=0xff60 | 0x1f000.. => 1000,
        0x2190..=0x2bff => 900,
        _ => 620,
    }
}

/// Lines end at `\n`, and at `\l` and `\r`, which also say where the line before them is set.
fn split(label: &str, names: &[(char, &str)]) -> Vec<(String, Align)> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut chars = label.trim_matches('\n').chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.peek().copied() } else { None };
        let align = match (c, escaped) {
            ('\n', _) | (_, Some('n')) => Align::Middle,
            (_, Some('l')) => Align::Left,
            (_, Some('r')) => Align::Right,
            ('\r', _) => continue,
            ('\t', _) => {
                line.push(' ');
                continue;
            }
            (_, Some(name)) => {
                match names.iter().find(|(known, _)| *known == name) {
                    Some((_, value)) => {
                        line.push_str(value);
                        chars.next();
                    }
                    None => line.push('\\'),
                }
                continue;
            }
            _ => {
                line.push(c);
                continue;
            }
        };
        if escaped.is_some() {
            chars.next();
        }
        lines.push((std::mem::take(&mut line), align));
    }
    if !line.is_empty() {
        // The last line is set as those before it, which end in \l or \r.
        let align = lines.last().map_or(Align::Middle, |(_, align)| *align);
        lines.push((line, align));
    }
    lines
}

/// Long lines, broken between words; longer words anywhere.
fn broken(line: &str) -> Vec<String> {
    if line.chars().count() <= LINE {
        return vec![line.trim_end().to_owned()];
    }
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in line.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() && lines.len() <= LINES {
            let room = LINE.saturating_sub(length + usize::from(length > 0));
            if word.len() > room && (length > 0 && (word.len() <= LINE || room < 8)) {
                lines.push(String::new());
                length = 0;
                continue;
            }
            let Some(last) = lines.last_mut() else { break };
            if length > 0 {
                last.push(' ');
                length += 1;
            }
            let taken = word.len().min(room);
            last.extend(word.drain(..taken));
            length += taken;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(label: &str) -> Vec<(String, Align)> {
        split(label, &[('N', "node"), ('G', "graph")])
    }

    #[test]
    fn lines_end_at_newlines_and_at_the_escapes_of_graphviz() {
        let line = |text: &str, align| (text.to_owned(), align);
        assert_eq!(lines("a\nb"), [line("a", Align::Middle), line("b", Align::Middle)]);
        assert_eq!(
            lines("a\\lb\\rc\\n"),
            [line("a", Align::Left), line("b", Align::Right), line("c", Align::Middle),]
        );
        assert_eq!(lines("\\N of \\G, C:\\dir"), [line("node of graph, C:\\dir", Align::Middle)]);
        assert_eq!(lines(""), []);
        assert_eq!(lines("a\\"), [line("a\\", Align::Middle)]);
    }

    #[test]
    fn long_lines_are_broken_and_long_labels_cut() {
        let block = Block::new(&"word ".repeat(40), 10.0, &[]);
        assert!(block.lines.len() > 3);
        assert!(block.lines.iter().all(|line| line.text.chars().count() <= LINE));
        let block = Block::new(&"x".repeat(100_000), 10.0, &[]);
        assert_eq!(block.lines.len(), LINES);
        assert_eq!(block.lines[LINES - 1].text, "…");
        assert!(block.width < 400.0 && block.height < 200.0);
    }

    #[test]
    fn wide_letters_are_wider() {
        assert!(width("WWW", 10.0) > width("iii", 10.0) * 3.0);
        assert!(width("日本", 10.0) >= 20.0);
        assert!((width("e\u{301}", 10.0) - width("e", 10.0)).abs() < 0.01);
    }
}
