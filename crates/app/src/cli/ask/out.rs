//! Standard output for an answer: verbatim to whoever reads a pipe, without power over a terminal.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use crate::cli::print::{acts_on_terminal, harmless};

/// Where the answer goes. Everything is flushed at once.
pub(super) struct Out {
    to: RefCell<Box<dyn Write>>,
    is_terminal: bool,
    /// Whether something was written that no newline ends.
    open: Cell<bool>,
}

impl Out {
    pub(super) fn standard() -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        Self::new(Box::new(stdout), is_terminal)
    }

    fn new(to: Box<dyn Write>, is_terminal: bool) -> Self {
        Self { to: RefCell::new(to), is_terminal, open: Cell::new(false) }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// A piece of a text.
    pub(super) fn text(&self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.open.set(!text.ends_with('\n'));
        if self.is_terminal {
            return self.write(&harmless(text));
        }
        self.write(text)
    }

    /// JSON on one line.
    pub(super) fn json(&self, value: &impl Serialize) -> io::Result<()> {
        let line = serde_json::to_string(value)?;
        self.json_text(&line)
    }

    /// JSON as people read it.
    pub(super) fn pretty(&self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        self.json_text(&text)
    }

    fn json_text(&self, text: &str) -> io::Result<()> {
        let mut line = if self.is_terminal { escaped(text) } else { text.to_owned() };
        line.push('\n');
        self.write(&line)
    }

    /// Ends a line that is open; an output that is closed is no matter at the end.
    pub(super) fn end_line(&self) {
        if self.open.replace(false) {
            let _ = self.write("\n");
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut to = self.to.borrow_mut();
        to.write_all(text.as_bytes())?;
        to.flush()
    }
}

/// JSON text with escapes for what a terminal acts on; such characters stand in strings only.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if acts_on_terminal(c) && c != '\n' {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use serde_json::{Value, json};

    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{9b}31m\u{202e}b\r\tc\n";

    #[derive(Clone, Default)]
    struct Kept(Rc<RefCell<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(is_terminal: bool, write: impl Fn(&Out)) -> String {
        let kept = Kept::default();
        write(&Out::new(Box::new(kept.clone()), is_terminal));
        let bytes = kept.0.borrow().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_is_verbatim_to_a_pipe_and_harmless_on_a_terminal() {
        assert_eq!(written(false, |out| out.text(HOSTILE).unwrap()), HOSTILE);
        assert_eq!(written(true, |out| out.text(HOSTILE).unwrap()), "a [2J 31m b \tc\n");
    }

    #[test]
    fn json_keeps_its_meaning_on_a_terminal() {
        let value = json!({ "text": HOSTILE });
        let line = written(true, |out| out.json(&value).unwrap());
        assert!(!line.trim_end().contains(acts_on_terminal), "{line:?}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
        let lines = written(true, |out| out.pretty(&value).unwrap());
        assert!(lines.lines().count() == 3 && !lines.contains('\u{9b}'), "{lines:?}");
        assert_eq!(serde_json::from_str::<Value>(&lines).unwrap(), value);
    }

    #[test]
    fn a_text_ends_with_one_newline() {
        let ended = |pieces: &[&str]| {
            written(false, |out| {
                pieces.iter().for_each(|piece| out.text(piece).unwrap());
                out.end_line();
                out.end_line();
            })
        };
        assert_eq!(ended(&["a", "b"]), "ab\n");
        assert_eq!(ended(&["a\n", ""]), "a\n");
        assert_eq!(ended(&[""]), "");
    }
}
