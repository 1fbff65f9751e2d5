//! Finding the text that an edit means, and replacing it.

use std::ops::Range;

use crate::fuzzy::{indent_shift, plain};

/// An edit that can be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// The file's new content.
    pub(super) text: String,
    pub(super) replacements: usize,
    /// Where the first one is, counted from 1.
    pub(super) line: usize,
    pub(super) step: Step,
}

/// How the old text was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Exact,
    LineEnds,
    TrailingSpace,
    IndentAndPunctuation,
}

impl Step {
    /// What was left aside, for the model; nothing when the text was there as given, or differed
    /// only in what a model does not see.
    pub(super) fn left_aside(self) -> Option<&'static str> {
        match self {
            Self::Exact | Self::LineEnds => None,
            Self::TrailingSpace => Some("white space at line ends"),
            Self::IndentAndPunctuation => Some("indentation and typography"),
        }
    }
}

/// Why no edit can be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EditError {
    Empty,
    NotFound,
    /// Where it was found: line numbers from 1, places that overlap included.
    NotUnique(Vec<usize>),
    Unchanged,
}

/// A place to change, and what to put there.
#[derive(Debug)]
struct Place {
    range: Range<usize>,
    replacement: String,
}

/// Finds `old` in a text, and says where and how `new` goes in its place: places in order, also
/// those that overlap as far as they show that there is more than one.
type Find = fn(&str, &str, &str) -> Vec<Place>;

/// Replaces `old` by `new` in `text`, once, or everywhere if `all`. New lines get the line ends of
/// those that they come to stand among.
pub(super) fn replace(text: &str, old: &str, new: &str, all: bool) -> Result<Edit, EditError> {
    if old.is_empty() {
        return Err(EditError::Empty);
    }
    if old == new {
        return Err(EditError::Unchanged);
    }
    let steps: [(Step, Find); 4] = [
        (Step::Exact, exact),
        (Step::LineEnds, ignoring_line_ends),
        (Step::TrailingSpace, ignoring_trailing_space),
        (Step::IndentAndPunctuation, ignoring_indent_and_punctuation),
    ];
    for (step, find) in steps {
        let mut places = find(text, old, new);
        let Some(first) = places.first() else { continue };
        let line = line_of(text, first.range.start);
        if places.len() > 1 && !all {
            let lines = places.iter().map(|place| line_of(text, place.range.start)).collect();
            return Err(EditError::NotUnique(lines));
        }
        drop_overlaps(&mut places);
        for place in &mut places {
            if stands_among_windows_lines(text, &place.range) {
                place.replacement = place.replacement.replace("\r\n", "\n").replace('\n', "\r\n");
            }
        }
        let (text, replacements) = (with_places(text, &places), places.len());
        return Ok(Edit { text, replacements, line, step });
    }
    Err(EditError::NotFound)
}

fn drop_overlaps(places: &mut Vec<Place>) {
    let mut end = 0;
    places.retain(|place| {
        let free = place.range.start >= end;
        if free {
            end = place.range.end;
        }
        free
    });
}

fn with_places(text: &str, places: &[Place]) -> String {
    let mut changed = String::with_capacity(text.len());
    let mut done = 0;
    for place in places {
        changed.push_str(&text[done..place.range.start]);
        changed.push_str(&place.replacement);
        done = place.range.end;
    }
    changed.push_str(&text[done..]);
    changed
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Whether all lines that a place touches end with `\r\n`; for the last line of a file without a
/// line end, the line before it counts.
fn stands_among_windows_lines(text: &str, range: &Range<usize>) -> bool {
    let end = text[range.end..].find('\n').map_or(text.len(), |at| range.end + at + 1);
    let touched = &text[range.start..end];
    let ends = touched.matches('\n').count();
    if ends == 0 {
        return text[..range.start].rfind('\n').is_some_and(|at| text[..at].ends_with('\r'));
    }
    touched.matches("\r\n").count() == ends
}

/// Nothing if a place would begin between the two characters of a line end.
fn exact(text: &str, old: &str, new: &str) -> Vec<Place> {
    let found = occurrences(text, old);
    let splits =
        |range: &Range<usize>| old.starts_with('\n') && text[..range.start].ends_with('\r');
    if found.iter().any(splits) {
        return Vec::new();
    }
    found.into_iter().map(|range| Place { range, replacement: new.to_owned() }).collect()
}

/// Where `old` stands in `text`. Those that overlap the first are among them, so that one place is
/// never taken for the only one; of further ones, a run does not overlap itself.
fn occurrences(text: &str, old: &str) -> Vec<Range<usize>> {
    let mut found: Vec<usize> = text.match_indices(old).map(|(at, _)| at).collect();
    if let [only] = found[..] {
        let next = only + text[only..].chars().next().map_or(1, char::len_utf8);
        found.extend(text[next..].find(old).map(|at| next + at));
    }
    found.into_iter().map(|at| at..at + old.len()).collect()
}

/// A model never sees the `\r` of a file with Windows line ends, and writes none.
fn ignoring_line_ends(text: &str, old: &str, new: &str) -> Vec<Place> {
    if !text.contains("\r\n") && !old.contains("\r\n") {
        return Vec::new();
    }
    let (plain_old, plain_new) = (old.replace("\r\n", "\n"), new.replace("\r\n", "\n"));
    let plain_text = text.replace("\r\n", "\n");
    // Where characters were taken out, by place in the plain text: always before a `\n`.
    let removed: Vec<usize> =
        text.match_indices("\r\n").enumerate().map(|(before, (at, _))| at - before).collect();
    let in_text = |at: usize| at + removed.partition_point(|gone| *gone < at);
    occurrences(&plain_text, &plain_old)
        .into_iter()
        .map(|range| Place {
            range: in_text(range.start)..in_text(range.end),
            replacement: plain_new.clone(),
        })
        .collect()
}

fn ignoring_trailing_space(text: &str, old: &str, new: &str) -> Vec<Place> {
    by_lines(text, old, |file, wanted| {
        let same = file.iter().zip(wanted).all(|(a, b)| a.trim_end() == b.trim_end());
        same.then(|| new.to_owned())
    })
}

fn ignoring_indent_and_punctuation(text: &str, old: &str, new: &str) -> Vec<Place> {
    by_lines(text, old, |file, wanted| {
        let same = file
            .iter()
            .zip(wanted)
            .all(|(a, b)| a.trim().chars().map(plain).eq(b.trim().chars().map(plain)));
        if !same {
            return None;
        }
        indent_shift(file.iter().copied().zip(wanted.iter().copied())).map(|shift| shift.apply(new))
    })
}

/// Runs of whole lines of `text` that `matches` takes for the lines of `old`, overlapping ones too.
fn by_lines(
    text: &str,
    old: &str,
    matches: impl Fn(&[&str], &[&str]) -> Option<String>,
) -> Vec<Place> {
    let wanted: Vec<&str> = old.lines().collect();
    // Lines of white space alone would match anywhere.
    if wanted.iter().all(|line| line.trim().is_empty()) {
        return Vec::new();
    }
    let whole_lines = old.ends_with('\n');
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut places = Vec::new();
    let mut start = 0;
    for (at, line) in lines.iter().enumerate() {
        let Some(run) = lines.get(at..at + wanted.len()) else { break };
        if let Some(replacement) = matches(run, &wanted) {
            places.push(place(run, start, whole_lines, replacement));
        }
        start += line.len();
    }
    places
}

/// The place of a run of lines. Without `whole_lines` its last line end stays; a file without one
/// at its end gets none.
fn place(run: &[&str], start: usize, whole_lines: bool, mut replacement: String) -> Place {
    let length: usize = run.iter().map(|line| line.len()).sum();
    let last = run.last().copied().unwrap_or_default();
    let line_end = last.len() - last.trim_end_matches(['\n', '\r']).len();
    if whole_lines && line_end == 0 && replacement.ends_with('\n') {
        replacement.pop();
    }
    let kept = if whole_lines { 0 } else { line_end };
    Place { range: start..start + length - kept, replacement }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edited(text: &str, old: &str, new: &str) -> (String, Step) {
        let edit = replace(text, old, new, false).unwrap();
        assert_eq!(edit.replacements, 1);
        (edit.text, edit.step)
    }

    #[test]
    fn an_exact_text_is_replaced_once() {
        assert_eq!(edited("a b c", "b", "x"), ("a x c".to_owned(), Step::Exact));
    }

    #[test]
    fn a_text_that_is_not_unique_is_refused_with_its_places() {
        assert_eq!(replace("x\ny\nx\n", "x", "z", false), Err(EditError::NotUnique(vec![1, 3])));
        assert_eq!(replace("x\ny\nx\n", "x", "z", true).unwrap().text, "z\ny\nz\n");
    }

    #[test]
    fn white_space_at_line_ends_may_differ() {
        assert_eq!(
            edited("one  \ntwo\t\nthree\n", "one\ntwo", "1\n2"),
            ("1\n2\nthree\n".to_owned(), Step::TrailingSpace)
        );
        assert_eq!(
            edited("one\ntwo\n", "one   \n", "1\n"),
            ("1\ntwo\n".to_owned(), Step::TrailingSpace)
        );
    }

    #[test]
    fn an_even_indent_may_differ_and_the_new_text_gets_it() {
        assert_eq!(
            edited("if a:\n        x()\n        y()\n", "x()\ny()", "x()\nif b:\n    y()"),
            (
                "if a:\n        x()\n        if b:\n            y()\n".to_owned(),
                Step::IndentAndPunctuation
            )
        );
        assert_eq!(
            edited("x()\n  y()\n", "  x()\n    y()", "  z()\n    w()"),
            ("z()\n  w()\n".to_owned(), Step::IndentAndPunctuation)
        );
    }

    #[test]
    fn an_uneven_indent_is_no_match() {
        assert_eq!(replace("a\n  b\n", "a\nb\n", "c\n", false), Err(EditError::NotFound));
    }

    #[test]
    fn typographic_punctuation_may_differ() {
        assert_eq!(
            edited("say “hi” – ok\n", "say \"hi\" - ok", "bye"),
            ("bye\n".to_owned(), Step::IndentAndPunctuation)
        );
    }

    #[test]
    fn windows_line_ends_are_kept() {
        assert_eq!(
            edited("a\r\nb\r\nc\r\n", "a\nb", "x\ny"),
            ("x\r\ny\r\nc\r\n".to_owned(), Step::LineEnds)
        );
        assert_eq!(edited("a\r\nb\r\n", "b", "x\ny").0, "a\r\nx\r\ny\r\n");
        // Text from within a line on.
        assert_eq!(
            edited("one two\r\nthree four\r\n", "two\nthree", "2\n3"),
            ("one 2\r\n3 four\r\n".to_owned(), Step::LineEnds)
        );
        assert_eq!(edited("a\r\nb", "b", "x\ny").0, "a\r\nx\r\ny");
        assert_eq!(edited("a\nb\n", "a\r\nb", "x\r\ny").0, "x\ny\n");
        // In a file with both, the lines that are touched say which.
        let mixed = "a\r\nb\nc\r\n";
        assert_eq!(edited(mixed, "b", "x\ny").0, "a\r\nx\ny\nc\r\n");
        assert_eq!(edited(mixed, "c", "x\ny").0, "a\r\nb\nx\r\ny\r\n");
        assert_eq!(edited(mixed, "a\nb\nc", "x\ny").0, "x\ny\r\n");
    }

    #[test]
    fn places_that_overlap_are_not_one_place() {
        assert_eq!(replace("aaa", "aa", "b", false), Err(EditError::NotUnique(vec![1, 1])));
        assert_eq!(replace("aaa", "aa", "b", true).unwrap().text, "ba");
        let braces = "}\n}\n}\n";
        assert_eq!(replace(braces, "}\n}\n", "x", false), Err(EditError::NotUnique(vec![1, 2])));
        let fuzzy = "} \n} \n} \n";
        assert_eq!(replace(fuzzy, "}\n}\n", "x", false), Err(EditError::NotUnique(vec![1, 2])));
        let overlapping = replace("ééé", "éé", "b", false);
        assert_eq!(overlapping, Err(EditError::NotUnique(vec![1, 1])));
    }

    #[test]
    fn an_earlier_step_that_is_ambiguous_is_not_passed_over() {
        let text = "x = 1\nx = 1\n  x = 1  \n";
        assert_eq!(replace(text, "x = 1\n", "y", false), Err(EditError::NotUnique(vec![1, 2])));
    }

    #[test]
    fn a_missing_line_end_at_the_end_stays_missing() {
        assert_eq!(edited("a\nb  ", "b\n", "x\n").0, "a\nx");
        assert_eq!(edited("a\nb", "b", "x").0, "a\nx");
    }

    #[test]
    fn empty_and_equal_texts_are_refused() {
        assert_eq!(replace("a", "", "b", false), Err(EditError::Empty));
        assert_eq!(replace("a", "a", "a", false), Err(EditError::Unchanged));
        assert_eq!(replace("\t “\t\n", "\n", "\n", false), Err(EditError::Unchanged));
        // Also where it could not be told which of several is meant.
        assert_eq!(replace("a a", "a", "a", false), Err(EditError::Unchanged));
        assert_eq!(replace("a\n\n b", "\n \n", "x", false), Err(EditError::NotFound));
    }

    proptest! {
        #[test]
        fn never_panics_and_touches_only_the_match(text in "[ab \t\r\n–é]{0,40}", old in "[ab \t\n-]{1,6}") {
            if let Ok(edit) = replace(&text, &old, "§", true) {
                prop_assert!(edit.replacements > 0);
                if edit.step == Step::Exact {
                    prop_assert_eq!(edit.text, text.replace(&old, "§"));
                } else {
                    // A line end is not split.
                    prop_assert!(!text.contains(&old) || old.starts_with('\n'));
                }
            }
        }

        #[test]
        fn loop_9_3_an_exact_text_is_replaced_exactly_or_not_at_all(
            text in "[ab \t\n“é-]{1,60}", from in 0usize..60, length in 1usize..12, new in "[xy\n]{0,8}",
        ) {
            let at = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
            let from = from % text.chars().count();
            let (start, end) = (at(from), at(from + length));
            let old = &text[start..end];
            let times = text.char_indices().filter(|(at, _)| text[*at..].starts_with(old)).count();
            match replace(&text, old, &new, false) {
                Ok(edit) => {
                    prop_assert_ne!(old, &new);
                    prop_assert_eq!(times, 1);
                    prop_assert_eq!(edit.step, Step::Exact);
                    prop_assert_eq!(edit.text, [&text[..start], new.as_str(), &text[end..]].concat());
                }
                Err(EditError::NotUnique(lines)) => prop_assert!(times > 1 && lines.len() > 1),
                Err(EditError::Unchanged) => prop_assert_eq!(old, new),
                Err(error) => prop_assert!(false, "{error:?}"),
            }
        }

        #[test]
        fn windows_files_are_edited_as_their_plain_twins(
            text in "[ab \n]{1,60}", old in "[ab \n]{1,6}", new in "[xy\n]{0,8}", all in any::<bool>(),
        ) {
            let windows = |text: &str| text.replace('\n', "\r\n");
            let plain = replace(&text, &old, &new, all).map(|edit| windows(&edit.text));
            let ours = replace(&windows(&text), &old, &new, all).map(|edit| edit.text);
            // A file of one line says nothing about its line ends.
            if text.contains('\n') {
                prop_assert_eq!(ours, plain);
            }
        }
    }
}
