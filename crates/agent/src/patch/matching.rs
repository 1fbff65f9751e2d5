//! Where in a file some lines are, in time linear in the file for each search.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use super::text::TextLine;
use crate::fuzzy::plain;

/// What had to be left aside to find a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fuzz {
    /// Nothing.
    Exact,
    /// White space at line ends.
    TrailingSpace,
    /// Indentation and typography.
    Loose,
}

impl Fuzz {
    pub(super) const ALL: [Self; 3] = [Self::Exact, Self::TrailingSpace, Self::Loose];

    /// What counts of a line.
    fn view(self, line: &str) -> Cow<'_, str> {
        match self {
            Self::Exact => Cow::Borrowed(line),
            Self::TrailingSpace => Cow::Borrowed(line.trim_end()),
            Self::Loose if line.is_ascii() => Cow::Borrowed(line.trim()),
            Self::Loose => Cow::Owned(line.trim().chars().map(plain).collect()),
        }
    }
}

/// The lines of a file, made ready to be searched.
pub(super) struct Lines<'a> {
    lines: &'a [TextLine<'a>],
    views: [OnceCell<View<'a>>; 3],
}

/// Lines as numbers: equal lines have equal ones.
struct View<'a> {
    numbers: HashMap<Cow<'a, str>, u32>,
    lines: Vec<u32>,
}

/// No line of the file.
pub(super) const UNKNOWN: u32 = u32::MAX;

impl<'a> Lines<'a> {
    pub(super) fn new(lines: &'a [TextLine<'a>]) -> Self {
        Self { lines, views: Default::default() }
    }

    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn line(&self, at: usize) -> &'a TextLine<'a> {
        &self.lines[at]
    }

    fn view(&self, fuzz: Fuzz) -> &View<'a> {
        self.views[fuzz as usize].get_or_init(|| {
            let mut numbers = HashMap::new();
            let lines = self
                .lines
                .iter()
                .map(|line| {
                    let next = u32::try_from(numbers.len()).unwrap_or(UNKNOWN - 1);
                    *numbers.entry(fuzz.view(line.text)).or_insert(next)
                })
                .collect();
            View { numbers, lines }
        })
    }

    /// The file's lines as numbers.
    pub(super) fn numbers(&self, fuzz: Fuzz) -> &[u32] {
        &self.view(fuzz).lines
    }

    /// `wanted` as numbers of the file's lines, [`UNKNOWN`] for what the file has not.
    pub(super) fn numbers_of(&self, wanted: &[&str], fuzz: Fuzz) -> Vec<u32> {
        let numbers = &self.view(fuzz).numbers;
        wanted
            .iter()
            .map(|line| numbers.get(&fuzz.view(line)).copied().unwrap_or(UNKNOWN))
            .collect()
    }

    /// The first place from `from` on where the lines are.
    pub(super) fn find(&self, wanted: &[&str], from: usize, fuzz: Fuzz) -> Option<usize> {
        let wanted = self.numbers_of(wanted, fuzz);
        if wanted.contains(&UNKNOWN) {
            return None;
        }
        find(self.numbers(fuzz), &wanted, from)
    }

    /// Whether the lines are the file's last ones, and if so, where they begin.
    pub(super) fn find_at_end(&self, wanted: &[&str], from: usize, fuzz: Fuzz) -> Option<usize> {
        let at = self.count().checked_sub(wanted.len()).filter(|at| *at >= from)?;
        (self.numbers(fuzz)[at..] == self.numbers_of(wanted, fuzz)).then_some(at)
    }
}

/// Knuth, Morris and Pratt's search.
fn find(text: &[u32], wanted: &[u32], from: usize) -> Option<usize> {
    if wanted.is_empty() {
        return (from <= text.len()).then_some(from);
    }
    // For each beginning of `wanted`, how much of it its own end repeats.
    let mut repeats = vec![0; wanted.len()];
    let mut length = 0;
    for at in 1..wanted.len() {
        while length > 0 && wanted[at] != wanted[length] {
            length = repeats[length - 1];
        }
        length += usize::from(wanted[at] == wanted[length]);
        repeats[at] = length;
    }
    let mut length = 0;
    for (at, number) in text.iter().enumerate().skip(from) {
        while length > 0 && *number != wanted[length] {
            length = repeats[length - 1];
        }
        length += usize::from(*number == wanted[length]);
        if length == wanted.len() {
            return Some(at + 1 - length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_search_finds_what_a_naive_one_finds(
            text in prop::collection::vec(0u32..3, 0..40),
            wanted in prop::collection::vec(0u32..3, 1..6),
            from in 0usize..45,
        ) {
            let naive = (from..text.len()).find(|at| text[*at..].starts_with(&wanted));
            prop_assert_eq!(find(&text, &wanted, from), naive);
        }
    }
}
