//! A finding with the line that it is about.

use std::fmt::Write as _;
use std::path::Path;

use canon_pipeline::{Diagnostic, Lines};

/// Characters of a line that are shown.
const WIDTH: usize = 100;

/// The finding, its place and line, and what to do.
pub(super) fn render(path: &Path, found: &Diagnostic, lines: &Lines<'_>) -> String {
    let mut out = found.to_string();
    if let Some(span) = found.span {
        let (from, to) = (lines.locate(span.start), lines.locate(span.end));
        let _ = write!(out, "\n  --> {}:{}:{}", path.display(), from.line, from.column);
        let text: Vec<char> = lines.text(from.line).chars().map(visible).collect();
        // Of a finding over several lines the rest of the first one is marked.
        let end = if to.line == from.line { to.column } else { text.len() + 1 };
        let (shown, first) = window(&text, from.column - 1);
        let gutter = from.line.to_string();
        let blank = " ".repeat(gutter.len());
        let start = (from.column - 1).saturating_sub(first);
        let length = end
            .saturating_sub(from.column)
            .clamp(1, (shown.chars().count() + 1).saturating_sub(start).max(1));
        let _ = write!(
            out,
            "\n {blank} |\n {gutter} | {shown}\n {blank} | {}{}",
            " ".repeat(start),
            "^".repeat(length)
        );
    }
    if let Some(fix) = &found.fix {
        let _ = write!(out, "\n  fix: {fix}");
    }
    out
}

/// The part of a line around a place, and where it begins.
fn window(text: &[char], at: usize) -> (String, usize) {
    let first = if text.len() <= WIDTH || at < WIDTH / 2 { 0 } else { at - WIDTH / 2 };
    (text.iter().skip(first).take(WIDTH).collect(), first)
}

/// A character that takes one column.
fn visible(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

#[cfg(test)]
mod tests {
    use canon_pipeline::Span;

    use super::*;

    fn rendered(source: &str, start: usize, end: usize) -> String {
        let found =
            Diagnostic::warning("rule", "it is so").at(Span::new(start, end)).fix("do this");
        render(Path::new("a.dot"), &found, &Lines::new(source))
    }

    #[test]
    fn a_finding_is_shown_with_its_line_and_its_fix() {
        // The place is after a character of two bytes, and the tab counts as one column.
        let expected = "warning[rule]: it is so\n  --> a.dot:2:4\n   |\n 2 |  ä bc\n   |    ^^\n  fix: do this";
        assert_eq!(rendered("x\n\tä bc\n", 6, 8), expected);
    }

    #[test]
    fn of_several_lines_the_first_is_marked_to_its_end() {
        assert!(rendered("ab cd\nef", 3, 8).contains("| ab cd\n   |    ^^\n"));
    }

    #[test]
    fn the_end_of_a_file_and_a_long_line_can_be_shown() {
        assert!(rendered("ab", 2, 2).contains("| ab\n   |   ^\n"));
        let long = format!("{}here{}", "x".repeat(500), "y".repeat(500));
        let shown = rendered(&long, 500, 504);
        assert!(shown.contains("xhere"), "{shown}");
        let marks = shown.lines().find(|line| line.contains("^^^^")).unwrap();
        let line = shown.lines().find(|line| line.contains("here")).unwrap();
        assert_eq!(marks.find('^'), line.find("here"));
        assert!(line.chars().count() < 120);
    }
}
