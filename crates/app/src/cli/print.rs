//! The one printer: data to standard output, everything for people to standard error.
//!
//! A command that ends by itself writes as its reader reads. A daemon must not: after
//! [`in_background`] nothing here waits for a reader, except at the end, and then not for long.

pub(in crate::cli) mod sink;

use std::fmt::Display;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use sink::Sink;

/// How long the end waits for a reader that does not read.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that wait for a reader: some thousand lines.
const WAITING: usize = 256 * 1024;
/// Bytes of one write, so that a slow reader shows.
const CHUNK: usize = 4096;

/// The streams of a program that must not wait; two, so that one that is stuck leaves the other.
struct Background {
    data: Sink,
    notes: Sink,
}

static BACKGROUND: OnceLock<Background> = OnceLock::new();

/// Why data did not reach standard output.
static LOST: OnceLock<std::io::Error> = OnceLock::new();

/// Why data was lost, if any was: a full disk, not a reader that went away.
pub(crate) fn lost() -> Option<&'static std::io::Error> {
    LOST.get()
}

/// From now on, printing waits for nobody: threads write, and what finds no room is dropped.
pub(crate) fn in_background() -> std::io::Result<()> {
    if BACKGROUND.get().is_some() {
        return Ok(());
    }
    let notice = |dropped| format!("… {dropped} lines are left out: nobody read them");
    // Files, not the standard handles: those flush what they hold when the process ends.
    let data = Stream::of(std::io::stdout())?;
    let notes = Stream::of(std::io::stderr())?;
    let data = Sink::start("standard output", data, WAITING, notice)?;
    let notes = Sink::start("standard error", notes, WAITING, notice)?;
    let _ = BACKGROUND.set(Background { data, notes });
    std::panic::set_hook(Box::new(panicked));
    Ok(())
}

/// Says what the standard hook says, but waits for a reader only as long as the end does.
fn panicked(info: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let trace = std::backtrace::Backtrace::capture();
    note(format_args!("thread '{}' {info}", thread.name().unwrap_or("unnamed")));
    if trace.status() == std::backtrace::BacktraceStatus::Captured {
        note(trace);
    }
    flush();
}

/// Waits until everything is read, but not long for a reader that does not read.
pub(crate) fn flush() {
    if let Some(background) = BACKGROUND.get() {
        background.notes.flush(PATIENCE);
        background.data.flush(PATIENCE);
    }
}

/// A line of data. A reader that went away ends nothing but the printing.
pub(crate) fn data(line: impl Display) {
    match BACKGROUND.get() {
        None => {
            if let Err(error) = writeln!(std::io::stdout().lock(), "{line}")
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                let _ = LOST.set(error);
            }
        }
        Some(background) => {
            // On a terminal it stands below what was said before.
            background.notes.flush(PATIENCE);
            background.data.push_last(line.to_string());
        }
    }
}

/// A text as data: verbatim to a pipe or a file, [`harmless`] on a terminal.
pub(crate) fn text(text: &str) {
    use std::io::IsTerminal as _;
    if std::io::stdout().is_terminal() { data(harmless(text)) } else { data(text) }
}

/// Lines for people; a terminal acts on nothing in them.
pub(crate) fn note(lines: impl Display) {
    let lines = lines.to_string();
    painted(lines.lines().map(plain).collect::<Vec<_>>().join("\n"));
}

/// The same with colours, from text that is plain without them.
pub(crate) fn painted(line: String) {
    match BACKGROUND.get() {
        None => {
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
        Some(background) => background.notes.push(line),
    }
}

/// An error for people: the last that is said.
pub(crate) fn error(error: &crate::error::Error) {
    let text = error.to_string();
    match BACKGROUND.get() {
        None => note(text),
        Some(background) => {
            let lines = text.lines().map(plain).collect::<Vec<_>>().join("\n");
            background.notes.push_last(lines);
            flush();
        }
    }
}

/// Whether people see colours: a terminal, and `NO_COLOR` not set.
pub(crate) fn colours() -> bool {
    use std::io::IsTerminal as _;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Characters of a line for people: as wide as their terminal, else enough for a log.
pub(crate) fn width() -> usize {
    const LOG: usize = 200;
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => LOG,
    }
}

/// Whether a terminal acts on it: control characters, ends of lines, and marks that turn the
/// direction of writing.
pub(crate) fn acts_on_terminal(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// `text` without anything that a terminal would act on.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if acts_on_terminal(c) { ' ' } else { c }).collect()
}

/// Lines of text that a terminal shows as they are and acts on nothing in them.
pub(crate) fn harmless(text: &str) -> String {
    let keep = |c| c == '\n' || c == '\t' || !acts_on_terminal(c);
    text.chars().map(|c| if keep(c) { c } else { ' ' }).collect()
}

/// The first line of `text`, plain, cut to `most` characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let mut chars = line.chars();
    let mut out: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        out.push('…');
    }
    plain(&out)
}

/// A standard stream, written in pieces.
struct Stream(File);

impl Stream {
    fn of(stream: impl AsFd) -> std::io::Result<Self> {
        Ok(Self(stream.as_fd().try_clone_to_owned()?.into()))
    }
}

impl std::io::Write for Stream {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let piece = buf.get(..CHUNK).unwrap_or(buf);
        loop {
            match self.0.write(piece) {
                // Whoever shares the stream may have made it one that does not block.
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    let _ = poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None)?;
                }
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_has_no_power_over_a_terminal() {
        let hostile = "a\u{1b}[2J\u{1b}]0;t\u{7}b\r\u{8}\u{9b}31m\u{202e}c\u{7f}\u{2028}d é…";
        let text = plain(hostile);
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert_eq!(text, "a [2J ]0;t b   31m c  d é…");
    }

    #[test]
    fn a_line_is_the_first_and_no_longer_than_wanted() {
        assert_eq!(one_line("  ab\u{1b}c\nd", 9), "ab c");
        assert_eq!(one_line("äöü", 3), "äöü");
        assert_eq!(one_line("äöüx", 3), "äöü…");
        assert_eq!(one_line("", 3), "");
    }
}
