//! Counts of tokens as a service with a prompt cache would report them.
//!
//! A token is four bytes. Unlike the real caches this one has no smallest prompt and never forgets.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::part::{Part, Tokens};
use super::protocol::Wire;

/// Blocks before a mark in which Anthropic looks for a prefix that it knows.
const LOOK_BACK: usize = 20;

/// What a request makes the model read, in the order in which it is cached.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    pub(super) model: String,
    /// Definitions of tools, instructions, and the conversation, piece by piece.
    pub(super) units: Vec<String>,
    /// The numbers of units up to which the caller wants the prompt cached; `None` caches every prefix.
    pub(super) marks: Option<Vec<usize>>,
}

/// The prompt cache of all wires.
#[derive(Debug, Default)]
pub(super) struct Meter(HashSet<u64>);

impl Meter {
    /// Counts a request and its reply, and remembers the prompt.
    pub(super) fn count(&mut self, wire: Wire, prompt: &Prompt, parts: &[Part]) -> Tokens {
        let mut hasher = DefaultHasher::new();
        (wire, &prompt.model).hash(&mut hasher);
        // The key of each prefix, by its length in units less one.
        let mut keys = Vec::new();
        for unit in &prompt.units {
            unit.hash(&mut hasher);
            keys.push(hasher.finish());
        }
        let known = |length: &usize| *length > 0 && self.0.contains(&keys[length - 1]);
        let (read, last_mark) = match &prompt.marks {
            None => ((0..=keys.len()).rev().find(known), None),
            Some(marks) => {
                let near =
                    |mark: &usize| (mark.saturating_sub(LOOK_BACK)..=*mark).rev().find(known);
                (marks.iter().filter_map(near).max(), marks.iter().copied().max())
            }
        };
        let read = read.unwrap_or(0);
        match &prompt.marks {
            None => self.0.extend(&keys),
            Some(marks) => {
                self.0.extend(marks.iter().filter_map(|mark| keys.get(mark.checked_sub(1)?)))
            }
        }
        let tokens = |units: &[String]| units.iter().map(|unit| length(unit)).sum::<u64>();
        let written = last_mark.filter(|mark| *mark > read);
        let reasoning = parts.iter().map(thought).sum();
        Tokens {
            input: tokens(&prompt.units),
            cached: tokens(&prompt.units[..read]),
            cache_written: written.map_or(0, |mark| tokens(&prompt.units[read..mark])),
            output: parts.iter().map(said).sum::<u64>() + reasoning,
            reasoning,
        }
    }
}

fn length(text: &str) -> u64 {
    text.len().div_ceil(4) as u64
}

fn thought(part: &Part) -> u64 {
    match part {
        Part::Reasoning { sections, .. } => sections.iter().map(|text| length(text)).sum(),
        Part::Redacted { data } => length(data),
        _ => 0,
    }
}

fn said(part: &Part) -> u64 {
    match part {
        Part::Text { text } => length(text),
        Part::ToolCall { name, arguments, .. } => length(name) + length(arguments),
        Part::Image { data, .. } => length(data),
        Part::Raw { value } => length(&value.to_string()),
        Part::Reasoning { .. } | Part::Redacted { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(units: &[&str], marks: Option<&[usize]>) -> Prompt {
        Prompt {
            model: "m".to_owned(),
            units: units.iter().map(|unit| (*unit).to_owned()).collect(),
            marks: marks.map(<[usize]>::to_vec),
        }
    }

    #[test]
    fn the_longest_prefix_seen_before_is_cached() {
        let mut meter = Meter::default();
        let parts = [
            Part::Text { text: "twelve bytes".to_owned() },
            Part::Redacted { data: "four".to_owned() },
        ];
        let first = meter.count(Wire::Chat, &prompt(&["aaaa", "bbbbbbbb"], None), &parts);
        let counts = Tokens { input: 3, cached: 0, cache_written: 0, output: 4, reasoning: 1 };
        assert_eq!(first, counts);
        let longer = prompt(&["aaaa", "bbbbbbbb", "c"], None);
        assert_eq!(meter.count(Wire::Chat, &longer, &[]).cached, 3);
        assert_eq!(meter.count(Wire::Chat, &prompt(&["aaaa", "x"], None), &[]).cached, 1);
        assert_eq!(meter.count(Wire::Responses, &longer, &[]).cached, 0, "each wire has its own");
    }

    #[test]
    fn marks_say_what_is_written_and_where_it_is_looked_for() {
        let mut meter = Meter::default();
        let mut count = |units: &[&str], marks: &[usize]| {
            let tokens = meter.count(Wire::Messages, &prompt(units, Some(marks)), &[]);
            (tokens.cached, tokens.cache_written)
        };
        assert_eq!(count(&["a", "b", "c"], &[2]), (0, 2));
        assert_eq!(count(&["a", "b", "c"], &[]), (0, 0), "no mark, no cache");
        assert_eq!(count(&["a", "b", "c", "d"], &[4]), (2, 2), "found before the mark");
        assert_eq!(
            count(&["a", "b", "c", "d"], &[3]),
            (2, 1),
            "what stands after it does not count"
        );
        let long: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        assert_eq!(count(&long, &[5]), (0, 5));
        assert_eq!(count(&long, &[26]), (0, 26), "too far back");
        assert_eq!(count(&long, &[5, 30]), (26, 4));
    }
}
