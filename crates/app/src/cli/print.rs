//! The one printer: data to standard output, everything for people to standard error.

use std::fmt::Display;
use std::io::Write as _;

/// A line of data. A reader that went away ends nothing but the printing.
pub(crate) fn data(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line for people.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// An error for people.
pub(crate) fn error(error: &crate::error::Error) {
    note(error);
}

/// Whether people see colours: a terminal, and `NO_COLOR` not set.
pub(crate) fn colours() -> bool {
    use std::io::IsTerminal as _;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// The first line of `text`, cut to `most` characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let mut out: String = line.chars().take(most).collect();
    if out.len() < line.len() {
        out.push('…');
    }
    out
}
