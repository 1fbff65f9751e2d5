//! Character references.

/// What pages use; others stay as they are written.
const NAMED: [(&str, char); 46] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("copy", '©'),
    ("reg", '®'),
    ("trade", '™'),
    ("hellip", '…'),
    ("mdash", '—'),
    ("ndash", '–'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("bull", '•'),
    ("middot", '·'),
    ("times", '×'),
    ("divide", '÷'),
    ("plusmn", '±'),
    ("deg", '°'),
    ("para", '¶'),
    ("sect", '§'),
    ("larr", '←'),
    ("rarr", '→'),
    ("uarr", '↑'),
    ("darr", '↓'),
    ("le", '≤'),
    ("ge", '≥'),
    ("ne", '≠'),
    ("infin", '∞'),
    ("micro", 'µ'),
    ("euro", '€'),
    ("pound", '£'),
    ("yen", '¥'),
    ("cent", '¢'),
    ("szlig", 'ß'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("shy", '\u{ad}'),
];
/// Bytes of the longest reference that is looked at.
const LONGEST: usize = 12;

/// `text` with its references resolved.
pub(super) fn decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match reference(rest) {
            Some((c, length)) => {
                decoded.push(c);
                rest = &rest[length..];
            }
            None => decoded.push('&'),
        }
    }
    decoded.push_str(rest);
    decoded
}

/// The character of a reference, and the bytes after its `&`.
fn reference(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(LONGEST).position(|byte| byte == b';')?;
    let name = &text[..end];
    let c = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| !c.is_control() || *c == '\n').unwrap_or('\u{fffd}')
        }
        None => NAMED.iter().find(|(known, _)| *known == name).map(|(_, c)| *c)?,
    };
    Some((c, end + 1))
}

#[cfg(test)]
mod tests {
    #[test]
    fn references_are_resolved_once_and_others_kept() {
        let cases = [
            ("a &amp; b", "a & b"),
            ("&amp;lt;", "&lt;"),
            ("&#65;&#x42;&#x1F600;", "AB😀"),
            ("&#0;&#xD800;&#27;", "\u{fffd}\u{fffd}\u{fffd}"),
            ("&unknown; & &; &#; &#x; AT&T", "&unknown; & &; &#; &#x; AT&T"),
            ("&é;&", "&é;&"),
        ];
        for (text, expected) in cases {
            assert_eq!(super::decode(text), expected);
        }
    }
}
