//! Changing the text of an issue file by as little as possible. Pure: text in, text out.

use serde_json::Value;

use super::record::{COMMENTS_HEADING, comments_start};
use crate::workflow::front_matter;

/// `text` with `state` in its front matter, and `updated_at` where that key is there.
///
/// # Errors
/// A message when the line cannot be changed without touching anything else; nothing is guessed.
pub(super) fn set_state(text: &str, state: &str, now: &str) -> Result<String, String> {
    let before = fields(text)?;
    let mut edited = replace_value(text, "state", state).ok_or(
        "the front matter has no plain `state: …` line to change; write it on one line of its own",
    )?;
    if before.contains_key("updated_at") {
        edited = replace_value(&edited, "updated_at", now).unwrap_or(edited);
    }
    let mut after = fields(&edited)?;
    let mut expected = before;
    expected.insert("state".to_owned(), Value::from(state));
    if let (Some(updated), true) = (after.remove("updated_at"), expected.contains_key("updated_at"))
    {
        expected.insert("updated_at".to_owned(), updated.clone());
        after.insert("updated_at".to_owned(), updated);
    }
    match after == expected {
        true => Ok(edited),
        false => Err("changing the `state: …` line would change other keys too; write it on one line of its own".to_owned()),
    }
}

fn fields(text: &str) -> Result<serde_json::Map<String, Value>, String> {
    let parts = front_matter::split(text).map_err(|error| error.to_string())?;
    match front_matter::parse(parts.yaml.unwrap_or_default()).map_err(|error| error.to_string())? {
        Value::Object(fields) => Ok(fields),
        _ => Err("the file has no front matter".to_owned()),
    }
}

/// Replaces the value on the top-level line `key: …` of the front matter; keeps spacing, comment
/// and line end.
fn replace_value(text: &str, key: &str, value: &str) -> Option<String> {
    let yaml = front_matter::split(text).ok()?.yaml?;
    // Both slices are of `text`, so this is where the front matter begins in it.
    let offset = text.find('\n')? + 1;
    let mut start = offset;
    for line in yaml.split_inclusive('\n') {
        if let Some((from, to)) = value_span(line, key) {
            let mut out = String::with_capacity(text.len() + value.len());
            out.push_str(text.get(..start + from)?);
            if from == line.trim_end().len()
                && line.get(..from).is_some_and(|head| head.ends_with(':'))
            {
                out.push(' ');
            }
            out.push_str(&scalar(value));
            out.push_str(text.get(start + to..)?);
            return Some(out);
        }
        start += line.len();
    }
    None
}

/// Where the value stands in `line`, when `line` is `key: value` at the top level.
fn value_span(line: &str, key: &str) -> Option<(usize, usize)> {
    let name_end = [key.to_owned(), format!("\"{key}\""), format!("'{key}'")]
        .iter()
        .find(|name| line.starts_with(name.as_str()))
        .map(String::len)?;
    let rest = line.get(name_end..)?;
    let after_name = rest.trim_start_matches([' ', '\t']);
    let after_colon = after_name.strip_prefix(':')?;
    if !after_colon.is_empty() && !after_colon.starts_with(char::is_whitespace) {
        return None;
    }
    let value = after_colon.trim_start_matches([' ', '\t']);
    let from = line.len() - value.len();
    let length = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted_length(value, quote)?,
        _ => value.find(" #").unwrap_or(value.len()),
    };
    let found = value.get(..length)?.trim_end();
    Some((from, from + found.len()))
}

/// Length of the quoted scalar at the start of `value`, quotes included.
fn quoted_length(value: &str, quote: char) -> Option<usize> {
    let mut chars = value.char_indices().skip(1).peekable();
    while let Some((index, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => {
                chars.next();
            }
            c if c == quote
                && quote == '\''
                && chars.peek().is_some_and(|(_, next)| *next == '\'') =>
            {
                chars.next();
            }
            c if c == quote => return Some(index + 1),
            _ => {}
        }
    }
    None
}

/// `value` as YAML on one line: plain where that is safe, quoted otherwise.
fn scalar(value: &str) -> String {
    let plain = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && !value.ends_with(' ')
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/'))
        && !matches!(
            value.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    match plain {
        true => value.to_owned(),
        // JSON text is YAML text.
        false => Value::from(value).to_string(),
    }
}

/// `text` with `comment` at the end of its `## Comments` section, which is made where it is missing.
///
/// Every line of the comment is quoted, so that none can pass for a heading, a fence or front matter.
pub(super) fn add_comment(text: &str, comment: &str, now: &str) -> String {
    let newline = if text.lines().count() > 0 && text.contains("\r\n") { "\r\n" } else { "\n" };
    let body = front_matter::split(text).map(|parts| parts.body).unwrap_or(text);
    let mut out = text.trim_end().to_owned();
    out.push_str(newline);
    if comments_start(body).is_none() {
        out.push_str(&format!("{newline}{COMMENTS_HEADING}{newline}"));
    }
    out.push_str(&format!("{newline}### {now}{newline}{newline}"));
    for line in comment.trim().lines() {
        let line = line.trim_end();
        out.push_str(if line.is_empty() { ">" } else { "> " });
        out.push_str(line);
        out.push_str(newline);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::record;
    use super::*;

    const NOW: &str = "2026-03-01T10:00:00.000Z";

    #[test]
    fn only_the_state_changes() {
        let text = "---\r\n# who\r\ntitle: \"A: b\"\r\nstate:   Todo   # set by hand\r\nx-team: [a, b]\r\n---\r\nBody\r\nstate: Todo\r\n";
        let edited = set_state(text, "In Progress", NOW).unwrap();
        assert_eq!(edited, text.replacen("Todo   #", "In Progress   #", 1));
    }

    #[test]
    fn quoted_and_empty_values_are_replaced_whole() {
        for (line, expected) in [
            ("state: \"To # do\" # c", "state: Done # c"),
            ("state: 'it''s'", "state: Done"),
            ("\"state\": Todo", "\"state\": Done"),
            ("state:", "state: Done"),
            ("state : Todo", "state : Done"),
        ] {
            let text = format!("---\ntitle: t\n{line}\nz: 1\n---\nb");
            let edited = set_state(&text, "Done", NOW);
            assert_eq!(
                edited.as_deref(),
                Ok(format!("---\ntitle: t\n{expected}\nz: 1\n---\nb").as_str()),
                "{line}"
            );
        }
    }

    #[test]
    fn what_cannot_be_edited_in_place_is_refused() {
        for yaml in [
            "{title: t, state: Todo}\n",
            "title: t\nstate: >\n  Todo\n",
            "title: t\nstate: &s Todo\nother: *s\n",
            "title: t\n",
        ] {
            assert!(set_state(&format!("---\n{yaml}---\nb"), "Done", NOW).is_err(), "{yaml}");
        }
    }

    #[test]
    fn updated_at_moves_only_where_it_is_there() {
        let text = "---\ntitle: t\nstate: Todo\nupdated_at: 2020-01-01\n---\n";
        assert_eq!(
            set_state(text, "Done", NOW).unwrap(),
            "---\ntitle: t\nstate: Done\nupdated_at: \"2026-03-01T10:00:00.000Z\"\n---\n"
        );
    }

    #[test]
    fn a_state_that_yaml_would_misread_is_quoted() {
        for state in ["yes", "Off", "null", "1", "a: b", "# x", "- x", "Zu prüfen", "trailing "] {
            let edited = set_state("---\ntitle: t\nstate: Todo\n---\n", state, NOW).unwrap();
            let fields = fields(&edited).unwrap();
            assert_eq!(fields["state"], state, "{edited}");
        }
    }

    #[test]
    fn comments_are_appended_under_one_heading() {
        let text = "---\ntitle: t\nstate: Todo\n---\nBody\n";
        let once = add_comment(text, "first\n\nsecond line", NOW);
        assert_eq!(
            once,
            format!("{text}\n## Comments\n\n### {NOW}\n\n> first\n>\n> second line\n")
        );
        let twice = add_comment(&once, "again", NOW);
        assert_eq!(twice, format!("{once}\n### {NOW}\n\n> again\n"));
    }

    proptest! {
        #[test]
        fn any_comment_leaves_fields_and_description_alone(comment in "[ -~\n#`>-]{0,80}", times in 1usize..3) {
            let text = "---\ntitle: t\nstate: Todo\n---\nBody\n\n## Notes\n\nmore\n";
            let name = std::path::Path::new("A-1.md");
            let mut edited = text.to_owned();
            for _ in 0..times {
                edited = add_comment(&edited, &format!("## Comments\n---\n{comment}"), NOW);
            }
            let before = record::parse(name, text.as_bytes()).unwrap();
            let after = record::parse(name, edited.as_bytes()).unwrap();
            prop_assert_eq!(before, after);
        }
    }
}
