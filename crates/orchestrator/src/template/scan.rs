//! A light reading of a template's tags: their lines, the names that they make, and bare conditions.

use std::collections::BTreeSet;

/// What a template's tags tell before the engine sees them.
#[derive(Debug)]
pub(super) struct Scan {
    /// Tags and outputs outside `raw` and `comment`, in order.
    pub(super) tags: Vec<Tag>,
    /// The source, line for line, with bare conditions on local variables made explicit.
    pub(super) strict_source: String,
    /// Names that `increment` and `decrement` keep below the globals.
    pub(super) counters: BTreeSet<String>,
    /// Whether there is a loop, in which the engine looks for `forloop` by itself.
    pub(super) has_loop: bool,
}

/// One `{% … %}` or `{{ … }}`.
#[derive(Debug)]
pub(super) struct Tag {
    /// First word of a `{% … %}`; empty for `{{ … }}`.
    pub(super) name: String,
    /// What stands between the braces.
    text: String,
    /// Line in the source, from 0.
    pub(super) line: usize,
}

/// Roots whose bare conditions the globals check themselves.
const GLOBALS: [&str; 2] = ["issue", "attempt"];

impl Scan {
    pub(super) fn of(source: &str) -> Self {
        let mut scan = Self {
            tags: Vec::new(),
            strict_source: String::new(),
            counters: BTreeSet::new(),
            has_loop: false,
        };
        let mut rest = source;
        let mut line = 0;
        let mut verbatim: Option<String> = None;
        while let Some(start) = rest.find("{%").into_iter().chain(rest.find("{{")).min() {
            let (before, from_tag) = rest.split_at(start);
            let close = if from_tag.starts_with("{%") { "%}" } else { "}}" };
            let length = match verbatim {
                // Quotes mean nothing in text that is not read.
                Some(_) => from_tag.find(close).map(|index| index + close.len()),
                None => tag_length(from_tag, close),
            };
            let Some(length) = length else { break };
            let (tag, after) = from_tag.split_at(length);
            scan.strict_source.push_str(before);
            line += before.matches('\n').count();
            let inner = tag.get(2..length.saturating_sub(2)).unwrap_or_default();
            let inner = inner.trim_start_matches('-').trim_end_matches('-').trim();
            let name = match close {
                "%}" => inner.split_whitespace().next().unwrap_or_default(),
                _ => "",
            };
            match &verbatim {
                Some(end) if end != name => scan.strict_source.push_str(tag),
                Some(_) => {
                    verbatim = None;
                    scan.strict_source.push_str(tag);
                }
                None => {
                    if matches!(name, "raw" | "comment") {
                        verbatim = Some(format!("end{name}"));
                    }
                    scan.note(name, inner, line);
                    scan.strict_source.push_str(&explicit(tag, name, inner));
                }
            }
            line += tag.matches('\n').count();
            rest = after;
        }
        scan.strict_source.push_str(rest);
        scan
    }

    fn note(&mut self, name: &str, inner: &str, line: usize) {
        match name {
            "increment" | "decrement" => {
                self.counters.extend(inner.split_whitespace().nth(1).map(str::to_owned));
            }
            "for" | "tablerow" => self.has_loop = true,
            _ => {}
        }
        self.tags.push(Tag { name: name.to_owned(), text: inner.to_owned(), line });
    }

    /// Line (from 0) of the first tag that says `needle`; list positions in it are not compared.
    pub(super) fn line_of(&self, needle: &str) -> Option<usize> {
        let exact = self.tags.iter().find(|tag| tag.text.contains(needle));
        let last = needle.rsplit(['.', ']']).next().filter(|last| !last.is_empty());
        let by_last = || last.and_then(|last| self.tags.iter().find(|tag| tag.text.contains(last)));
        exact.or_else(by_last).map(|tag| tag.line)
    }
}

/// Length of the tag at the start of `text`, quotes respected; `None` when it is not closed.
fn tag_length(text: &str, close: &str) -> Option<usize> {
    let mut quote = None;
    let mut quoted_end = None;
    for (index, c) in text.char_indices().skip(2) {
        match quote {
            Some(open) if c == open => quote = None,
            // An apostrophe in the text of a comment tag is no quote: remember the first end.
            Some(_) if quoted_end.is_none() && closes(text, index, close) => {
                quoted_end = Some(index + close.len());
            }
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if closes(text, index, close) => {
                return Some(index + close.len());
            }
            None => {}
        }
    }
    quoted_end
}

fn closes(text: &str, index: usize, close: &str) -> bool {
    text.get(index..).is_some_and(|rest| rest.starts_with(close))
}

/// `tag` with every bare condition on a local variable as a comparison of the same outcome.
fn explicit(tag: &str, name: &str, inner: &str) -> String {
    if !matches!(name, "if" | "elsif" | "unless") {
        return tag.to_owned();
    }
    let condition = inner.get(name.len()..).unwrap_or_default();
    let words = words(condition);
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    let mut changed = false;
    for clause in words.split_inclusive(|word| matches!(*word, "and" | "or")) {
        let (operands, joint) = match clause.split_last() {
            Some((joint @ (&"and" | &"or"), operands)) => (operands, Some(*joint)),
            _ => (clause, None),
        };
        match operands {
            [bare] if is_local(bare) => {
                changed = true;
                // `and` binds before `or`, so the pair needs no brackets, which Liquid has not.
                out.push(format!("{bare} != nil and {bare} != false"));
            }
            operands => out.extend(operands.iter().map(|word| (*word).to_owned())),
        }
        out.extend(joint.map(str::to_owned));
    }
    if !changed {
        return tag.to_owned();
    }
    let open = if tag.starts_with("{%-") { "{%-" } else { "{%" };
    let close = if tag.ends_with("-%}") { "-%}" } else { "%}" };
    // As many line breaks as before, so that later lines keep their numbers.
    let breaks = "\n".repeat(tag.matches('\n').count());
    format!("{open} {name} {}{breaks} {close}", out.join(" "))
}

/// Words of a condition; a quoted text is one word.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    for (index, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                start.get_or_insert(index);
            }
            None if c.is_whitespace() => {
                if let Some(from) = start.take() {
                    words.extend(text.get(from..index));
                }
            }
            None => {
                start.get_or_insert(index);
            }
        }
    }
    words.extend(start.and_then(|from| text.get(from..)));
    words
}

/// Whether `word` names a variable whose root is not one of the globals.
fn is_local(word: &str) -> bool {
    let root = word.split(['.', '[']).next().unwrap_or_default();
    let is_name = root.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && root.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    is_name
        && !GLOBALS.contains(&root)
        && !matches!(root, "true" | "false" | "nil" | "null" | "empty" | "blank")
}
