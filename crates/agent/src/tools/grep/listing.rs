//! What a model reads of a search.

use canon_exec::environment::{GrepLine, GrepMode, GrepResult};

/// Characters at which the environment cuts a line.
const LINE_LIMIT: usize = 2000;

/// How lines are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Lines before and after a match.
    pub(super) before: usize,
    pub(super) after: usize,
    pub(super) numbers: bool,
}

pub(super) fn render(result: &GrepResult, mode: GrepMode, shape: Shape) -> String {
    if result.lines.is_empty() && result.files.is_empty() {
        return "No matches found.".to_owned();
    }
    let (mut text, what, shown) = match mode {
        GrepMode::Content => {
            let matches = result.lines.iter().filter(|line| line.is_match).count();
            (lines(&result.lines, shape), "matches", matches)
        }
        GrepMode::Files => {
            let paths = result.files.iter().map(|(path, _)| format!("{}\n", path.display()));
            (paths.collect(), "files", result.files.len())
        }
        GrepMode::Count => (counts(result), "files", result.files.len()),
    };
    if result.truncated {
        text.push_str(&format!(
            "[Only the first {shown} {what} are shown. Narrow the search, or raise the limit.]\n"
        ));
    }
    text
}

fn counts(result: &GrepResult) -> String {
    let mut text = String::new();
    for (path, count) in &result.files {
        text.push_str(&format!("{}:{count}\n", path.display()));
    }
    let all: u64 = result.files.iter().map(|(_, count)| count).sum();
    text.push_str(&format!("[{all} matching lines in {} files]\n", result.files.len()));
    text
}

/// As `rg` shows them: `:` after what matched, `-` after what is near, `--` between groups.
fn lines(lines: &[GrepLine], shape: Shape) -> String {
    let mut text = String::new();
    let mut last: Option<&GrepLine> = None;
    for (at, line) in lines.iter().enumerate() {
        if !line.is_match && !is_near(lines, at, shape) {
            continue;
        }
        let follows = last.is_none_or(|last| last.path == line.path && last.line + 1 >= line.line);
        if !follows && shape.before + shape.after > 0 {
            text.push_str("--\n");
        }
        let sign = if line.is_match { ':' } else { '-' };
        let number = if shape.numbers { format!("{}{sign}", line.line) } else { String::new() };
        let cut = if line.text.chars().count() >= LINE_LIMIT { " [line cut]" } else { "" };
        text.push_str(&format!("{}{sign}{number}{}{cut}\n", line.path.display(), line.text));
        last = Some(line);
    }
    text
}

/// The environment shows as many lines before a match as after it; the model may want fewer.
fn is_near(lines: &[GrepLine], at: usize, shape: Shape) -> bool {
    let here = &lines[at];
    let near = |other: &GrepLine, most: usize| {
        other.is_match && other.path == here.path && other.line.abs_diff(here.line) <= most as u64
    };
    let (before, after) = lines.split_at(at);
    before.iter().rev().take(shape.after).any(|line| near(line, shape.after))
        || after.iter().skip(1).take(shape.before).any(|line| near(line, shape.before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str, number: u64, is_match: bool) -> GrepLine {
        GrepLine { path: path.into(), line: number, text: format!("l{number}"), is_match }
    }

    #[test]
    fn context_is_as_wide_as_was_asked_for() {
        let all: Vec<GrepLine> = (1..=5)
            .map(|n| line("a", n, n == 3))
            .chain([line("b", 3, false), line("b", 4, true)])
            .collect();
        let result = GrepResult { lines: all, ..GrepResult::default() };
        let show = |before, after, numbers| {
            render(&result, GrepMode::Content, Shape { before, after, numbers })
        };
        assert_eq!(show(0, 0, true), "a:3:l3\nb:4:l4\n");
        assert_eq!(show(1, 0, true), "a-2-l2\na:3:l3\n--\nb-3-l3\nb:4:l4\n");
        assert_eq!(show(0, 2, false), "a:l3\na-l4\na-l5\n--\nb:l4\n");
    }
}
