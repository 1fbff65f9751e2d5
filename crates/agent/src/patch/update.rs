//! One file's content and its hunks → the new content.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::matching::{Fuzz, Lines};
use super::nearest::{describe, quoted};
use super::text::{NewLine, Text};
use super::{Hunk, Line};
use crate::fuzzy::{Shift, indent_shift};

/// The new content, and what the model should know of how it came about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Updated {
    pub(super) content: String,
    pub(super) notes: Vec<String>,
}

/// Makes all changes, or says which hunk does not fit, where it would nearly, and what to do.
pub(super) fn update(content: &str, hunks: &[Hunk]) -> Result<Updated, String> {
    let text = Text::new(content);
    let lines = Lines::new(&text.lines);
    let mut notes = Vec::new();
    let mut places = Vec::new();
    let mut from = 0;
    for (at, hunk) in hunks.iter().enumerate() {
        let found = find(&lines, hunk, from).map_err(|why| refusal(at + 1, hunk, &why))?;
        notes.extend(
            found
                .note(&lines)
                .map(|note| format!("hunk {} (line {}) {note}", at + 1, found.start + 1)),
        );
        from = found.next;
        places.push(found);
    }
    // Lines for the end may be asked for before others; all else is in order.
    places.sort_by_key(|found| found.start);
    Ok(Updated { content: text.with(&rebuilt(&lines, &places)), notes })
}

/// Where a hunk goes.
struct Found<'a> {
    hunk: &'a Hunk,
    start: usize,
    /// Lines of the hunk that count; the rest stood in the patch for nothing.
    used: usize,
    /// Lines of the file that it takes up.
    length: usize,
    fuzz: Fuzz,
    /// Where else its lines are, if they are anywhere else further down.
    again: Option<usize>,
    /// From where the next hunk is looked for.
    next: usize,
}

fn find<'a>(lines: &Lines<'_>, hunk: &'a Hunk, from: usize) -> Result<Found<'a>, String> {
    let anchor = find_anchors(lines, hunk, from)?;
    let old: Vec<&str> = hunk.old().collect();
    let certain = old.len() - hunk.blank_tail.min(old.len());
    let all = hunk.lines.len();
    if certain == 0 {
        let start = match anchor {
            Some(anchor) if !hunk.at_end => anchor + 1,
            _ => lines.count(),
        };
        let next = if anchor.is_some() { start } else { from };
        let used = all - hunk.blank_tail;
        let fuzz = Fuzz::Exact;
        return Ok(Found { hunk, start, used, length: 0, fuzz, again: None, next });
    }
    // The line that an anchor names may be the first of the hunk's own.
    let first = anchor.unwrap_or(from);
    for fuzz in Fuzz::ALL {
        for length in [old.len(), certain] {
            let wanted = &old[..length];
            let start = if hunk.at_end {
                lines.find_at_end(wanted, first, fuzz)
            } else {
                lines.find(wanted, first, fuzz)
            };
            let Some(start) = start else { continue };
            let is_free = anchor.is_none() && !hunk.at_end;
            let again = if is_free { lines.find(wanted, start + 1, fuzz) } else { None };
            if let (Fuzz::Loose, Some(again)) = (fuzz, again) {
                return Err(format!(
                    "its lines are in the file only with other indentation or typography, and then \
                     more than once (lines {} and {}); copy them exactly, or say with `@@` what \
                     stands above",
                    start + 1,
                    again + 1
                ));
            }
            let used = all - (old.len() - length);
            return Ok(Found { hunk, start, used, length, fuzz, again, next: start + length });
        }
    }
    Err(why_not(lines, hunk, &old[..certain], first))
}

/// The line that the last anchor names. Each is looked for below the one before.
fn find_anchors(lines: &Lines<'_>, hunk: &Hunk, from: usize) -> Result<Option<usize>, String> {
    let mut found = None;
    for anchor in &hunk.anchors {
        let from = found.map_or(from, |at| at + 1);
        let wanted = [anchor.as_str()];
        let at = Fuzz::ALL.iter().find_map(|fuzz| lines.find(&wanted, from, *fuzz));
        if at.is_none() {
            let whole = Fuzz::ALL.iter().find_map(|fuzz| lines.find(&wanted, 0, *fuzz));
            let instead = match whole {
                Some(at) => {
                    format!("it is line {}, above what was found before; {IN_ORDER}", at + 1)
                }
                None => "after `@@` stands a whole line of the file, or nothing".to_owned(),
            };
            return Err(format!("no line {} from line {} on: {instead}", quoted(anchor), from + 1));
        }
        found = at;
    }
    Ok(found)
}

const IN_ORDER: &str = "hunks go from the top of a file to its bottom";

fn why_not(lines: &Lines<'_>, hunk: &Hunk, old: &[&str], first: usize) -> String {
    if hunk.at_end
        && let Some(at) = lines.find(old, first, Fuzz::Loose)
    {
        return format!(
            "its lines are at line {}, but not at the end of the file, which \
             `*** End of File` asks for",
            at + 1
        );
    }
    if let Some(at) = lines.find(old, 0, Fuzz::Loose) {
        return format!(
            "its lines are at line {}, but not from line {} on, where they were looked for; {IN_ORDER}",
            at + 1,
            first + 1
        );
    }
    describe(lines, old)
}

fn refusal(number: usize, hunk: &Hunk, why: &str) -> String {
    let mut head: String =
        hunk.to_string().lines().take(4).map(|line| format!("    {line}\n")).collect();
    if hunk.to_string().lines().count() > 4 {
        head.push_str("    …\n");
    }
    format!("hunk {number} does not fit:\n{head}  {why}")
}

impl Found<'_> {
    fn note(&self, lines: &Lines<'_>) -> Option<String> {
        let how = match self.fuzz {
            Fuzz::Exact => None,
            Fuzz::TrailingSpace => Some("matched ignoring white space at line ends"),
            Fuzz::Loose => Some(match self.shift(lines) {
                Some(shift) if shift.is_none() => "matched ignoring typography",
                Some(_) => "matched ignoring indentation; new lines were indented like the file's",
                None => {
                    "matched ignoring indentation; new lines are as the patch has them, check them"
                }
            }),
        };
        let again = self.again.map(|at| {
            format!("has lines that are also at line {}; the first place was taken", at + 1)
        });
        match (how, again) {
            (None, again) => again,
            (Some(how), None) => Some(how.to_owned()),
            (Some(how), Some(again)) => Some(format!("{how}, and {again}")),
        }
    }

    /// By how much all lines of the file are indented differently, where that is one amount.
    fn shift<'a>(&'a self, lines: &'a Lines<'_>) -> Option<Shift<'a>> {
        let of_file = (self.start..self.start + self.length).map(|at| lines.line(at).text);
        indent_shift(of_file.zip(self.hunk.old()))
    }
}

/// The file's lines with the changes in them.
fn rebuilt<'a>(lines: &'a Lines<'_>, places: &'a [Found<'_>]) -> Vec<NewLine<'a>> {
    let mut new = Vec::with_capacity(lines.count());
    let mut done = 0;
    for found in places {
        new.extend((done..found.start).map(|at| NewLine::kept(lines.line(at))));
        replace(lines, found, &mut new);
        done = found.start + found.length;
    }
    new.extend((done..lines.count()).map(|at| NewLine::kept(lines.line(at))));
    new
}

/// What stays is the file's own line, whatever the patch says of its white space. What comes ends
/// as the line that it replaces, else as the line above.
fn replace<'a>(lines: &'a Lines<'_>, found: &'a Found<'_>, new: &mut Vec<NewLine<'a>>) {
    let shift = if found.fuzz == Fuzz::Loose { found.shift(lines) } else { None };
    let mut at = found.start;
    let mut end = at.checked_sub(1).map_or("", |above| lines.line(above).end);
    let mut replaced: VecDeque<&str> = VecDeque::new();
    for line in &found.hunk.lines[..found.used] {
        match line {
            Line::Keep(_) => {
                new.push(NewLine::kept(lines.line(at)));
                end = lines.line(at).end;
                replaced.clear();
                at += 1;
            }
            Line::Remove(_) => {
                end = lines.line(at).end;
                replaced.push_back(end);
                at += 1;
            }
            Line::Insert(text) => {
                let text = match &shift {
                    Some(shift) => Cow::Owned(shift.apply(text)),
                    None => Cow::Borrowed(text.as_str()),
                };
                new.push(NewLine { text, end: replaced.pop_front().unwrap_or(end) });
            }
        }
    }
}
