//! Rust without its comments and texts, so that rules see code only.

/// The source with every character of comments, strings and character literals turned into a space; line ends stay.
pub(crate) fn code(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => comment_end(bytes, at),
            b'"' => string_end(bytes, at + 1),
            b'r' | b'b' | b'c' if !is_word(bytes, at) => raw_end(bytes, at).unwrap_or(at),
            b'\'' => char_end(source, at).unwrap_or(at),
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).unwrap()
}

/// Whether the byte before continues into this one as a word.
fn is_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// After the closing quote of a string with escapes.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`; `None` for words that only start like one.
fn raw_end(bytes: &[u8], start: usize) -> Option<usize> {
    let prefix = if bytes[start] == b'r' { 1 } else { 2 };
    if prefix == 2 && bytes.get(start + 1) != Some(&b'r') {
        return None;
    }
    let hashes = bytes[start + prefix..].iter().take_while(|byte| **byte == b'#').count();
    let open = start + prefix + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = &bytes[open + 1..];
    let length = body.windows(close.len()).position(|window| window == close);
    Some(length.map_or(bytes.len(), |length| open + 1 + length + close.len()))
}

/// `'x'` and `'\n'`; `None` for a lifetime.
fn char_end(source: &str, at: usize) -> Option<usize> {
    let mut rest = source[at + 1..].char_indices();
    let (_, first) = rest.next()?;
    if first == '\\' {
        rest.next()?;
        return source[at + 1..]
            .char_indices()
            .skip(2)
            .find(|(_, c)| *c == '\'')
            .map(|(length, _)| at + length + 2);
    }
    rest.next().filter(|(_, c)| *c == '\'').map(|(length, _)| at + length + 2)
}

/// Whether `word` stands in `line` with no letter, digit or underscore at either end.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part) && word.starts_with(part);
        let after =
            line[at + word.len()..].chars().next().is_some_and(part) && word.ends_with(part);
        !before && !after
    })
}

#[test]
fn comments_and_texts_vanish_and_code_stays() {
    let source = r###"let a = "unsafe \" unsafe"; // unsafe
/* unsafe /* unsafe */ unsafe */ let b = r#"unsafe " unsafe"#; let c = b"unsafe";
let d = '"'; let e: &'static str = "x"; let f = '\''; let g = b'"'; unsafe { h() } let r = br"unsafe"; let i = '\u{22}';
"###;
    let code = code(source);
    assert_eq!(code.matches("unsafe").count(), 1, "{code}");
    assert_eq!(code.lines().count(), source.lines().count());
    assert!(
        code.contains("let i =")
            && code.contains("&'static str")
            && code.contains("unsafe { h() }"),
        "{code}"
    );
}

#[test]
fn words_end_where_words_end() {
    assert!(has_word("unsafe {", "unsafe") && has_word("(tokio::spawn(x))", "tokio::spawn"));
    assert!(
        !has_word("deny(unsafe_code)", "unsafe")
            && !has_word("tokio::spawn_blocking", "tokio::spawn")
    );
    assert!(has_word("#[ignore]", "#[ignore"));
}
