//! What to tell a model whose lines are not in the file.

use std::collections::{BTreeMap, HashMap};

use super::matching::{Fuzz, Lines, UNKNOWN};
use crate::truncate::first_chars;

/// A line that occurs more often says nothing about a place.
const TOO_COMMON: usize = 100;
const SHOWN_CHARS: usize = 120;

/// The place that has most of `wanted`, and the first line in which it differs.
pub(super) fn describe(lines: &Lines<'_>, wanted: &[&str]) -> String {
    let Some((start, agree)) = best_place(lines, wanted) else {
        return "none of these lines is in the file".to_owned();
    };
    let place = match usize::try_from(start) {
        Ok(start) => format!("line {}", start + 1),
        Err(_) => "the first line".to_owned(),
    };
    let wanted_numbers = lines.numbers_of(wanted, Fuzz::Loose);
    let difference = wanted.iter().enumerate().find_map(|(offset, line)| {
        let at = usize::try_from(start + isize::try_from(offset).ok()?).ok()?;
        let found = lines.numbers(Fuzz::Loose).get(at);
        (found != Some(&wanted_numbers[offset])).then_some((at, *line))
    });
    let differs = match difference {
        Some((at, line)) if at < lines.count() => format!(
            "line {} of the file is {} where the patch has {}",
            at + 1,
            quoted(lines.line(at).text),
            quoted(line)
        ),
        Some((at, line)) => {
            format!("the file ends after line {at}, where the patch has {}", quoted(line))
        }
        None => "the patch has more lines before it than the file".to_owned(),
    };
    format!("nearest is {place}, where {agree} of {} lines agree: {differs}", wanted.len())
}

/// Each line of `wanted` that the file has votes for the places where the whole would then begin.
fn best_place(lines: &Lines<'_>, wanted: &[&str]) -> Option<(isize, usize)> {
    let wanted = lines.numbers_of(wanted, Fuzz::Loose);
    let mut places: HashMap<u32, Vec<usize>> =
        wanted.iter().filter(|number| **number != UNKNOWN).map(|n| (*n, Vec::new())).collect();
    for (at, number) in lines.numbers(Fuzz::Loose).iter().enumerate() {
        if let Some(places) = places.get_mut(number)
            && places.len() <= TOO_COMMON
        {
            places.push(at);
        }
    }
    let mut votes: BTreeMap<isize, usize> = BTreeMap::new();
    for (offset, number) in wanted.iter().enumerate() {
        for at in
            places.get(number).filter(|places| places.len() <= TOO_COMMON).into_iter().flatten()
        {
            let start = isize::try_from(*at).ok()? - isize::try_from(offset).ok()?;
            *votes.entry(start).or_default() += 1;
        }
    }
    // The first of equals: `max_by_key` gives the last.
    votes.into_iter().rev().max_by_key(|(_, count)| *count)
}

/// A line as a model can tell tabs from spaces.
pub(super) fn quoted(line: &str) -> String {
    let shown = first_chars(line, SHOWN_CHARS);
    format!("{shown:?}{}", if shown.len() < line.len() { "…" } else { "" })
}
