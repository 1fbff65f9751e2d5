//! What is left aside when a model's idea of a line is compared with the line.

/// The white space by which a file's lines are indented more, or less, than the wanted ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shift<'a> {
    Add(&'a str),
    Remove(&'a str),
}

impl Shift<'_> {
    /// `new`, shifted likewise, so that it fits where it goes.
    pub(crate) fn apply(&self, new: &str) -> String {
        new.split_inclusive('\n')
            .map(|line| match self {
                _ if line.trim().is_empty() => line.to_owned(),
                Self::Add(indent) => format!("{indent}{line}"),
                Self::Remove(indent) => line.strip_prefix(indent).unwrap_or(line).to_owned(),
            })
            .collect()
    }

    /// Whether it changes nothing.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::Add("") | Self::Remove(""))
    }
}

/// The one shift that explains all pairs of (file's line, wanted line), if there is one.
pub(crate) fn indent_shift<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Option<Shift<'a>> {
    let mut pairs = pairs
        .into_iter()
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(a, b)| (indent(a), indent(b)));
    let (of_file, of_wanted) = pairs.next()?;
    if let Some(more) = of_file.strip_suffix(of_wanted) {
        return pairs.all(|(a, b)| a.strip_suffix(b) == Some(more)).then_some(Shift::Add(more));
    }
    let less = of_wanted.strip_suffix(of_file)?;
    pairs.all(|(a, b)| b.strip_suffix(a) == Some(less)).then_some(Shift::Remove(less))
}

fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

/// Typographic punctuation as its plain form.
pub(crate) fn plain(c: char) -> char {
    match c {
        '‘' | '’' | '‚' | '‛' => '\'',
        '“' | '”' | '„' | '‟' => '"',
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' => '-',
        '\u{a0}' | '\u{2002}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        other => other,
    }
}
