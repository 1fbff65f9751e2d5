//! Writing XML: what is written is always well formed, whatever texts it is given.

use std::fmt::Write as _;

/// A document that is written.
#[derive(Debug, Default)]
pub(super) struct Xml {
    out: String,
    open: Vec<&'static str>,
}

/// The name and the value of an attribute.
pub(super) type Attribute<'a> = (&'static str, &'a str);

impl Xml {
    /// Begins an element.
    pub(super) fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.begin(name, attributes);
        self.out.push_str(">\n");
        self.open.push(name);
    }

    /// Ends the element that was begun last.
    pub(super) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.indent();
            let _ = writeln!(self.out, "</{name}>");
        }
    }

    /// An element without content.
    pub(super) fn empty(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.begin(name, attributes);
        self.out.push_str("/>\n");
    }

    /// An element that holds a text.
    pub(super) fn text(&mut self, name: &'static str, attributes: &[Attribute<'_>], text: &str) {
        self.begin(name, attributes);
        self.out.push('>');
        escape(&mut self.out, text, false);
        let _ = writeln!(self.out, "</{name}>");
    }

    fn begin(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.indent();
        let _ = write!(self.out, "<{name}");
        for (key, value) in attributes.iter().filter(|(key, _)| !key.is_empty()) {
            let _ = write!(self.out, " {key}=\"");
            escape(&mut self.out, value, true);
            self.out.push('"');
        }
    }

    fn indent(&mut self) {
        for _ in &self.open {
            self.out.push(' ');
        }
    }

    /// The document, all elements ended.
    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }
}

fn escape(out: &mut String, text: &str, attribute: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            '\n' | '\t' => out.push(c),
            // XML has no way at all to write these.
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

/// A number, to a tenth.
pub(super) fn number(value: f64) -> String {
    let tenth = (value * 10.0).round() / 10.0;
    // Adding 0 makes of -0 a 0.
    format!("{}", tenth + 0.0)
}

/// An id of a document: what ids cannot have is written as `:HEX:`.
pub(super) fn id(prefix: &str, text: &str) -> String {
    let mut id = prefix.to_owned();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') {
            id.push(c);
        } else {
            let _ = write!(id, ":{:x}:", u32::from(c));
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_become_markup() {
        let mut xml = Xml::default();
        xml.open("g", &[("id", "a\" onload=\"x'\n&<>")]);
        xml.text("title", &[], "</title><script>&lt;\u{1}\u{ffff}");
        assert_eq!(
            xml.finish(),
            "<g id=\"a&quot; onload=&quot;x&#39;&#10;&amp;&lt;&gt;\">\n \
             <title>&lt;/title&gt;&lt;script&gt;&amp;lt;\u{fffd}\u{fffd}</title>\n</g>\n"
        );
    }

    #[test]
    fn numbers_are_short_and_ids_are_ids() {
        assert_eq!(number(-0.04), "0");
        assert_eq!(number(12.349), "12.3");
        assert_eq!(id("node-", "a b:ü"), "node-a:20:b:3a::fc:");
    }
}
