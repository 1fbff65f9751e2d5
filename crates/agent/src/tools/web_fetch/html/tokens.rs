//! Tags and the text between them.

/// Elements whose content is no markup.
const RAW: [&str; 7] = ["script", "style", "title", "textarea", "iframe", "noembed", "xmp"];

/// One piece of a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// With its character references.
    Text(&'a str),
    /// A tag that opens an element; the name is lower case.
    Open { name: String, attributes: &'a str },
    /// A tag that closes one.
    Close { name: String },
}

/// The pieces of a page, in order. What a broken tag at the end would have been is left out.
pub(super) struct Tokens<'a> {
    rest: &'a str,
    /// The element whose raw content comes next.
    raw: Option<String>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(html: &'a str) -> Self {
        Self { rest: html, raw: None }
    }

    /// What stands before the end tag of a raw element.
    fn raw_text(&mut self, name: &str) -> &'a str {
        let end = find_end_tag(self.rest, name).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        text
    }

    /// The token of the tag at the beginning of `rest`, or nothing for a comment and the like.
    fn tag(&mut self) -> Option<Token<'a>> {
        let inside = &self.rest[1..];
        if let Some(comment) = inside.strip_prefix("!--") {
            self.rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            return None;
        }
        if inside.starts_with(['!', '?']) {
            self.rest = inside.find('>').map_or("", |end| &inside[end + 1..]);
            return None;
        }
        let closes = inside.starts_with('/');
        let inside = inside.strip_prefix('/').unwrap_or(inside);
        let Some(end) = tag_end(inside) else {
            self.rest = "";
            return None;
        };
        self.rest = &inside[end + 1..];
        let tag = &inside[..end];
        let split = tag.find(|c: char| c.is_ascii_whitespace() || c == '/').unwrap_or(tag.len());
        let name = tag[..split].to_ascii_lowercase();
        if closes {
            return Some(Token::Close { name });
        }
        if RAW.contains(&name.as_str()) {
            self.raw = Some(name.clone());
        }
        Some(Token::Open { name, attributes: &tag[split..] })
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if let Some(name) = self.raw.take() {
                let text = self.raw_text(&name);
                if !text.is_empty() {
                    return Some(Token::Text(text));
                }
            }
            if self.rest.is_empty() {
                return None;
            }
            if starts_tag(self.rest) {
                match self.tag() {
                    Some(token) => return Some(token),
                    None => continue,
                }
            }
            let (text, rest) = self.rest.split_at(next_tag(self.rest));
            self.rest = rest;
            return Some(Token::Text(text));
        }
    }
}

/// Whether `<` begins a tag here, and is no less-than sign.
fn starts_tag(text: &str) -> bool {
    match text.as_bytes() {
        [b'<', b'/', next, ..] => next.is_ascii_alphabetic(),
        [b'<', next, ..] => next.is_ascii_alphabetic() || matches!(next, b'!' | b'?'),
        _ => false,
    }
}

/// Where the next tag begins after the first byte of `text`, or its end.
fn next_tag(text: &str) -> usize {
    let mut signs = text.match_indices('<').map(|(at, _)| at).filter(|at| *at > 0);
    signs.find(|at| starts_tag(&text[*at..])).unwrap_or(text.len())
}

/// Where the `>` of a tag stands; one in a quoted value does not count.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    let mut before = b' ';
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            // A quote that begins no value is a character like others.
            (None, b'"' | b'\'') if before == b'=' => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
    }
    None
}

/// Where `</name` stands, in any case of letters.
fn find_end_tag(text: &str, name: &str) -> Option<usize> {
    text.match_indices("</").map(|(at, _)| at).find(|at| {
        let after = &text.as_bytes()[at + 2..];
        after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
            && !after.get(name.len()).is_some_and(u8::is_ascii_alphanumeric)
    })
}

/// The value of an attribute; the first of that name counts.
pub(super) fn attribute<'a>(attributes: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            return None;
        }
        let ends_name = |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '/');
        // The first character belongs to the name, whatever it is.
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| ends_name(*c))
            .map_or(rest.len(), |(at, _)| at);
        let name = &rest[..end];
        let after = rest[end..].trim_ascii_start();
        let Some(value) = after.strip_prefix('=') else {
            rest = after;
            continue;
        };
        let (value, after) = value_of(value.trim_ascii_start());
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

/// A value, quoted or not, and what stands after it.
fn value_of(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote) {
            return inside.split_once(quote).unwrap_or((inside, ""));
        }
    }
    text.split_at(text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(html: &str) -> Vec<String> {
        Tokens::new(html)
            .map(|token| match token {
                Token::Text(text) => text.to_owned(),
                Token::Open { name, .. } => format!("<{name}>"),
                Token::Close { name } => format!("</{name}>"),
            })
            .collect()
    }

    #[test]
    fn tags_comments_and_raw_content_are_told_apart() {
        let html =
            "<!DOCTYPE html>a<!-- <b> -->c<SCRIPT>if (a<b) '</p>'</Script >d 1 < 2 <x y='>'>e<br/>";
        assert_eq!(
            names(html),
            ["a", "c", "<script>", "if (a<b) '</p>'", "</script>", "d 1 < 2 ", "<x>", "e", "<br>"]
        );
        assert_eq!(names("text <unclosed a=\"b"), ["text "]);
        assert_eq!(names("<p it's>x</p>"), ["<p>", "x", "</p>"]);
    }

    #[test]
    fn attributes_are_found_in_every_notation() {
        let attributes = " id=x HREF = \"/a b\" disabled href=no title='t'";
        assert_eq!(attribute(attributes, "href"), Some("/a b"));
        assert_eq!(attribute(attributes, "title"), Some("t"));
        assert_eq!(attribute(" href=/x/y", "href"), Some("/x/y"));
        assert_eq!(attribute(attributes, "disabled"), None);
        assert_eq!(attribute(" href='open", "href"), Some("open"));
        assert_eq!(attribute(" é=1 = = /", "href"), None);
    }
}
