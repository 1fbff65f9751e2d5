//! Finding the text that an edit means, and replacing it.

use std::ops::Range;

use crate::fuzzy::{indent_shift, plain};

/// An edit that can be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// The file's new content.
    pub(super) text: String,
    pub(super) replacements: usize,
    pub(super) step: Step,
}

/// How the old text was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Exact,
    TrailingSpace,
    IndentAndPunctuation,
}

impl Step {
    /// What the model is told of it.
    pub(super) fn remark(self) -> &'static str {
        match self {
            Self::Exact => "",
            Self::TrailingSpace => " (matched ignoring white space at line ends)",
            Self::IndentAndPunctuation => " (matched ignoring indentation and typography)",
        }
    }
}

/// Why no edit can be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EditError {
    Empty,
    NotFound,
    /// Where it was found: line numbers from 1.
    NotUnique(Vec<usize>),
    Unchanged,
}

/// A place to change, and what to put there.
struct Place {
    range: Range<usize>,
    replacement: String,
}

/// Finds `old` in a text, and says where and how `new` goes in its place.
type Find = fn(&str, &str, &str) -> Vec<Place>;

/// Replaces `old` by `new` in `text`, once, or everywhere if `all`.
pub(super) fn replace(text: &str, old: &str, new: &str, all: bool) -> Result<Edit, EditError> {
    if old.is_empty() {
        return Err(EditError::Empty);
    }
    if old == new {
        return Err(EditError::Unchanged);
    }
    // A model never sees the `\r` of a file with Windows line ends, and writes none.
    let windows = uses_windows_line_ends(text);
    let steps: [(Step, Find); 3] = [
        (Step::Exact, exact),
        (Step::TrailingSpace, ignoring_trailing_space),
        (Step::IndentAndPunctuation, ignoring_indent_and_punctuation),
    ];
    for (step, find) in steps {
        let mut places = find(text, old, new);
        if places.is_empty() {
            continue;
        }
        if places.len() > 1 && !all {
            let lines = places.iter().map(|place| line_of(text, place.range.start)).collect();
            return Err(EditError::NotUnique(lines));
        }
        if windows {
            for place in &mut places {
                place.replacement = place.replacement.replace("\r\n", "\n").replace('\n', "\r\n");
            }
        }
        return Ok(Edit { replacements: places.len(), text: with_places(text, &places), step });
    }
    Err(EditError::NotFound)
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

fn uses_windows_line_ends(text: &str) -> bool {
    let all = text.matches('\n').count();
    all > 0 && text.matches("\r\n").count() == all
}

fn exact(text: &str, old: &str, new: &str) -> Vec<Place> {
    text.match_indices(old)
        .map(|(start, found)| Place {
            range: start..start + found.len(),
            replacement: new.to_owned(),
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

/// Runs of whole lines of `text` that `matches` takes for the lines of `old`; runs do not overlap.
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
    let mut starts = Vec::with_capacity(lines.len());
    let mut offset = 0;
    for line in &lines {
        starts.push(offset);
        offset += line.len();
    }
    let mut places = Vec::new();
    let mut at = 0;
    while at + wanted.len() <= lines.len() {
        let run = &lines[at..at + wanted.len()];
        let Some(replacement) = matches(run, &wanted) else {
            at += 1;
            continue;
        };
        let last = at + wanted.len() - 1;
        let end_of_last = if whole_lines {
            lines[last].len()
        } else {
            lines[last].trim_end_matches(['\n', '\r']).len()
        };
        places.push(Place { range: starts[at]..starts[last] + end_of_last, replacement });
        at = last + 1;
    }
    places
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
            ("x\r\ny\r\nc\r\n".to_owned(), Step::TrailingSpace)
        );
        assert_eq!(edited("a\r\nb\r\n", "b", "x\ny").0, "a\r\nx\r\ny\r\n");
    }

    #[test]
    fn empty_and_equal_texts_are_refused() {
        assert_eq!(replace("a", "", "b", false), Err(EditError::Empty));
        assert_eq!(replace("a", "a", "a", false), Err(EditError::Unchanged));
        assert_eq!(replace("a\n\n b", "\n \n", "x", false), Err(EditError::NotFound));
    }

    proptest! {
        #[test]
        fn never_panics_and_touches_only_the_match(text in "[ab \t\r\n–é]{0,40}", old in "[ab \t\n-]{1,6}") {
            if let Ok(edit) = replace(&text, &old, "§", true) {
                prop_assert!(edit.replacements > 0);
                if edit.step == Step::Exact {
                    prop_assert_eq!(edit.text, text.replace(&old, "§"));
                }
            }
        }

        #[test]
        fn a_unique_exact_text_is_always_found(before in "[a-z\n]{0,20}", after in "[a-z\n]{0,20}") {
            let edit = replace(&format!("{before}NEEDLE{after}"), "NEEDLE", "x", false).unwrap();
            prop_assert_eq!(edit.text, format!("{before}x{after}"));
        }
    }
}
