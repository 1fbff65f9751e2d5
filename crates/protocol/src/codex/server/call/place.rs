//! Which member of the parameters an error is about.

/// The path, such as `input[0].text`, of what stands at this line and column (from 1) of a JSON
/// text; `None` outside of any member.
pub(super) fn place(json: &str, line: usize, column: usize) -> Option<String> {
    let start: usize = json.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let end = (start + column).min(json.len());
    let mut path: Vec<Step> = Vec::new();
    let mut rest = json.as_bytes().get(..end)?;
    let mut last_string = "";
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' => path.push(Step::Member(String::new())),
            b'[' => path.push(Step::Index(0)),
            // The error is about the whole that just closed when nothing follows it.
            b'}' | b']' if !rest.is_empty() => drop(path.pop()),
            b',' => match path.last_mut() {
                Some(Step::Index(at)) => *at += 1,
                Some(Step::Member(name)) => name.clear(),
                None => {}
            },
            b':' => {
                if let Some(Step::Member(name)) = path.last_mut() {
                    last_string.clone_into(name);
                }
            }
            b'"' => {
                let length = string_length(rest);
                last_string = std::str::from_utf8(&rest[..length]).unwrap_or_default();
                rest = rest.get(length + 1..).unwrap_or_default();
            }
            _ => {}
        }
    }
    let mut text = String::new();
    for step in path {
        match step {
            Step::Member(name) if name.is_empty() => {}
            Step::Member(name) if text.is_empty() => text = name,
            Step::Member(name) => text = format!("{text}.{name}"),
            Step::Index(at) => text = format!("{text}[{at}]"),
        }
    }
    (!text.is_empty()).then_some(text)
}

enum Step {
    Member(String),
    Index(usize),
}

/// Bytes up to the quote that ends a string.
fn string_length(text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn members_and_indices_are_named() {
        let json = r#"{"a": "x,\"y", "b": [{"c": 1}, {"d": {"e": 5}}]}"#;
        let at = |what: &str| place(json, 1, json.find(what).unwrap() + 1);
        assert_eq!(at("5").as_deref(), Some("b[1].d.e"));
        assert_eq!(at("1}").as_deref(), Some("b[0].c"));
        assert_eq!(at("x,").as_deref(), Some("a"));
        assert_eq!(place("3", 1, 1), None);
    }

    #[test]
    fn any_place_in_any_text_is_no_panic() {
        for json in ["", "\"", "{\"\\", "]]}}", "é{\"é\":é", "{\n\"a\"\n:1}"] {
            for line in 0..4 {
                for column in 0..12 {
                    let _ = place(json, line, column);
                }
            }
        }
    }
}
