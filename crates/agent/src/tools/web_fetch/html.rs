//! A readable text of an HTML page: headings, paragraphs, lists, links and code as Markdown; no
//! scripts, styles, forms or pictures. It never fails and reads each byte once.

mod entities;
mod tokens;
mod writer;

use tokens::{Token, Tokens};
use writer::Writer;

/// Elements whose content is not for reading.
const SILENT: [&str; 11] = [
    "script", "style", "noscript", "template", "svg", "head", "iframe", "object", "select", "math",
    "canvas",
];
/// Elements that stand in a block of their own.
const BLOCKS: [&str; 25] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "html",
    "main",
    "nav",
    "p",
    "section",
    "summary",
    "table",
    "caption",
    "center",
];

/// The page's title, if it has one, and its text.
pub(super) fn to_markdown(html: &str) -> (Option<String>, String) {
    let mut page =
        Page { writer: Writer::default(), silent: Vec::new(), title: None, links: Vec::new() };
    for token in Tokens::new(html) {
        match token {
            Token::Text(text) => page.text(text),
            Token::Open { name, attributes } => page.open(&name, attributes),
            Token::Close { name } => page.close(&name),
        }
    }
    let title = page.title.map(|title| title.split_whitespace().collect::<Vec<_>>().join(" "));
    (title.filter(|title| !title.is_empty()), page.writer.finish())
}

struct Page {
    writer: Writer,
    /// Open elements whose content is left out, innermost last.
    silent: Vec<String>,
    title: Option<String>,
    /// Where open links lead, as far as that is worth a word.
    links: Vec<Option<String>>,
}

impl Page {
    fn text(&mut self, text: &str) {
        match self.silent.last().map(String::as_str) {
            None => self.writer.text(&entities::decode(text)),
            Some("title") => {
                let title = self.title.get_or_insert_with(String::new);
                if title.len() < 1000 {
                    title.push_str(&entities::decode(text));
                }
            }
            Some(_) => {}
        }
    }

    fn open(&mut self, name: &str, attributes: &str) {
        let is_title = name == "title"
            && self.title.is_none()
            && !self.silent.iter().any(|open| open == "svg");
        if is_title || SILENT.contains(&name) {
            // A page's text may not vanish behind a `head` that is never closed.
            return self.silent.push(name.to_owned());
        }
        if name == "body" {
            self.silent.clear();
        }
        if !self.silent.is_empty() {
            return;
        }
        match name {
            "br" => self.writer.line_break(),
            "hr" => self.writer.rule(),
            "pre" => self.writer.begin_pre(),
            "li" => self.writer.item(),
            "ol" | "ul" => self.writer.begin_list(name == "ol"),
            "tr" => self.writer.line_break(),
            "td" | "th" => self.writer.cell(),
            "code" | "kbd" | "samp" | "tt" => self.writer.mark("`"),
            "a" => {
                let target = tokens::attribute(attributes, "href").and_then(link_target);
                if target.is_some() {
                    self.writer.begin_link();
                }
                self.links.push(target);
            }
            _ if heading(name).is_some() => self.writer.heading(heading(name).unwrap_or(1)),
            _ if BLOCKS.contains(&name) => self.writer.block(),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        if let Some(at) = self.silent.iter().rposition(|open| open == name) {
            return self.silent.truncate(at);
        }
        if !self.silent.is_empty() {
            return;
        }
        match name {
            "pre" => self.writer.end_pre(),
            "ol" | "ul" => self.writer.end_list(),
            "code" | "kbd" | "samp" | "tt" => self.writer.mark("`"),
            "a" => {
                if let Some(Some(target)) = self.links.pop() {
                    self.writer.end_link(&target);
                }
            }
            "li" => self.writer.end_prefixed(),
            _ if heading(name).is_some() => {
                self.writer.end_prefixed();
                self.writer.block();
            }
            _ if BLOCKS.contains(&name) => self.writer.block(),
            _ => {}
        }
    }
}

/// Where a link leads, unless that is this page, a program, or data.
fn link_target(href: &str) -> Option<String> {
    let target = entities::decode(href.trim());
    let scheme = target.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let worth = !target.is_empty()
        && !target.starts_with('#')
        && target.len() <= 500
        && !matches!(scheme.as_deref(), Some("javascript" | "data" | "blob"))
        && !target.contains(|c: char| c.is_whitespace() || c.is_control() || c == '(' || c == ')');
    worth.then_some(target)
}

fn heading(name: &str) -> Option<usize> {
    match name.as_bytes() {
        [b'h', level @ b'1'..=b'6'] => Some(usize::from(level - b'0')),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
