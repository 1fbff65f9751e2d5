//! Size limits on what a model sees of a tool's output (loop spec §5.1–§5.3). Characters are
//! Unicode scalar values; none is ever split.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which part of an over-long output survives (loop spec §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruncationMode {
    /// The beginning and the end.
    HeadTail,
    /// The end.
    Tail,
}

/// The limits of one tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Defaults {
    chars: usize,
    lines: Option<usize>,
    mode: TruncationMode,
}

/// What a tool without a row of its own gets: the row of `shell`, without its line limit.
const OTHER_TOOLS: Defaults =
    Defaults { chars: 30_000, lines: None, mode: TruncationMode::HeadTail };

/// The tables of loop spec §5.2 and §5.3, and rows for the tools that it leaves out.
fn defaults(tool: &str) -> Defaults {
    use TruncationMode::{HeadTail, Tail};
    let (chars, lines, mode) = match tool {
        "read_file" => (50_000, None, HeadTail),
        // Its own budget comes first; this leaves room for the names.
        "read_many_files" => (100_000, None, HeadTail),
        // Pages come in pieces of 40,000.
        "web_fetch" => (50_000, None, HeadTail),
        "list_dir" => (20_000, None, HeadTail),
        "shell" => (30_000, Some(256), HeadTail),
        "grep" => (20_000, Some(200), Tail),
        "glob" => (20_000, Some(500), Tail),
        "edit_file" | "apply_patch" => (10_000, None, Tail),
        "write_file" => (1_000, None, Tail),
        "spawn_agent" | "wait" => (20_000, None, HeadTail),
        _ => return OTHER_TOOLS,
    };
    Defaults { chars, lines, mode }
}

/// Overrides of the default limits, by tool name (loop spec §2.2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputLimits {
    /// Characters, by tool name.
    pub chars: BTreeMap<String, usize>,
    /// Lines, by tool name; `None` lifts a default limit.
    pub lines: BTreeMap<String, Option<usize>>,
}

impl OutputLimits {
    /// What the model sees of `output`: characters are cut first, lines second (loop spec §5.3).
    pub fn apply(&self, tool: &str, output: &str) -> String {
        let defaults = defaults(tool);
        let chars = self.chars.get(tool).copied().unwrap_or(defaults.chars);
        let lines = self.lines.get(tool).copied().unwrap_or(defaults.lines);
        let cut = truncate_output(output, chars, defaults.mode);
        let Some(lines) = lines else { return cut };
        let short = truncate_lines(&cut, lines);
        // Both cuts take from the middle, so the second may take the first one's note with it.
        if cut != output && !short.contains(WARNING) {
            return in_both_ways(output, chars, &short, lines);
        }
        short
    }
}

const WARNING: &str = "[WARNING: Tool output was truncated.";

/// `short`, with a note that counts what both cuts took of `output` together.
fn in_both_ways(output: &str, max_chars: usize, short: &str, max_lines: usize) -> String {
    let removed = output.chars().count().saturating_sub(max_chars);
    let omitted = output.split('\n').count().saturating_sub(max_lines);
    let head = short.split('\n').take(max_lines / 2).collect::<Vec<_>>().join("\n");
    // Behind the head stands the note of the second cut.
    let tail = short.split('\n').skip(max_lines / 2 + 1).collect::<Vec<_>>().join("\n");
    format!("{head}\n{}\n[... {omitted} lines omitted ...]\n{tail}", removed_from_middle(removed))
}

fn removed_from_middle(characters: usize) -> String {
    format!(
        "{WARNING} {characters} characters were removed from the middle. The full output is \
         available in the event stream. If you need to see specific parts, re-run the tool with \
         more targeted parameters.]"
    )
}

/// Cuts `output` to `max_chars` characters plus a visible marker (loop spec §5.1).
pub fn truncate_output(output: &str, max_chars: usize, mode: TruncationMode) -> String {
    // A string has at most as many characters as bytes: the common case needs no count.
    if output.len() <= max_chars {
        return output.to_owned();
    }
    let length = output.chars().count();
    if length <= max_chars {
        return output.to_owned();
    }
    let removed = length - max_chars;
    match mode {
        TruncationMode::HeadTail => {
            let head = max_chars / 2;
            format!(
                "{}\n\n{}\n\n{}",
                first_chars(output, head),
                removed_from_middle(removed),
                last_chars(output, max_chars - head),
            )
        }
        TruncationMode::Tail => format!(
            "{WARNING} First {removed} characters were removed. The full output is available in the \
             event stream.]\n\n{}",
            last_chars(output, max_chars),
        ),
    }
}

/// Cuts `output` to `max_lines` lines plus a visible marker (loop spec §5.3).
pub fn truncate_lines(output: &str, max_lines: usize) -> String {
    let lines: Vec<&str> = output.split('\n').collect();
    if lines.len() <= max_lines {
        return output.to_owned();
    }
    let head = max_lines / 2;
    let tail = max_lines - head;
    let omitted = lines.len() - max_lines;
    format!(
        "{}\n[... {omitted} lines omitted ...]\n{}",
        lines[..head].join("\n"),
        lines[lines.len() - tail..].join("\n"),
    )
}

/// The first `count` characters of `text`.
pub(crate) fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

/// The beginning of `text`, at most `count` bytes, no character split.
pub(crate) fn first_bytes(text: &str, count: usize) -> &str {
    &text[..text.floor_char_boundary(count)]
}

fn last_chars(text: &str, count: usize) -> &str {
    if count == 0 {
        return "";
    }
    text.char_indices().nth_back(count - 1).map_or(text, |(start, _)| &text[start..])
}

#[cfg(test)]
mod tests;
