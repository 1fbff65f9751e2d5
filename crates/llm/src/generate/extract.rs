//! Finding the JSON in an answer. Models that are only told to answer in JSON put it in a fenced block, or say
//! a sentence before and after it.

use canon_runtime::schema::Schema;
use serde_json::Value;

use super::partial_json::PartialJson;

/// How often the length of a text may be read in vain before the search ends: it must stay linear for any
/// text. Places at which no JSON begins, such as the braces of code, mostly show it within a few bytes.
const MAX_PASSES: usize = 8;

/// The value in `text` that fits `schema`, or what is wrong with what is there.
///
/// The text as a whole, or what is inside the fence around it, counts first. Only when that is no JSON are
/// objects and lists looked for inside it; of several that fit the last one counts, because a model that
/// corrects itself does so further down.
///
/// # Errors
/// What is wrong, in words: why it is no JSON, or where it does not fit.
pub fn extract(text: &str, schema: &Schema) -> Result<Value, Vec<String>> {
    let inner = unfenced(text.trim());
    let problem = match serde_json::from_str::<Value>(inner) {
        Ok(value) => return schema.check(&value).map(|()| value),
        Err(problem) => format!("not JSON: {problem}"),
    };
    let mut fits = None;
    let mut longest: Option<(usize, Vec<String>)> = None;
    for (length, value) in embedded(text) {
        match schema.check(&value) {
            Ok(()) => fits = Some(value),
            Err(violations) if longest.as_ref().is_none_or(|(known, _)| *known < length) => {
                longest = Some((length, violations));
            }
            Err(_) => {}
        }
    }
    fits.ok_or_else(|| longest.map_or_else(|| vec![problem], |(_, violations)| violations))
}

/// What is inside a fence that surrounds all of `text`, else `text`.
fn unfenced(text: &str) -> &str {
    let inside = || {
        let (_info, rest) = text.strip_prefix("```")?.split_once('\n')?;
        rest.trim_end().strip_suffix("```")
    };
    inside().unwrap_or(text)
}

/// All objects and lists in `text` that are not part of another one, each with its length in bytes.
fn embedded(text: &str) -> impl Iterator<Item = (usize, Value)> {
    let mut at = 0;
    let mut vain = 0;
    std::iter::from_fn(move || {
        while vain <= MAX_PASSES * text.len() {
            at += text[at..].find(['{', '['])?;
            let mut parser = PartialJson::new();
            let length = parser.push_value(&text[at..]);
            if parser.is_complete() {
                at += length;
                return parser.into_value().map(|value| (length, value));
            }
            at += 1;
            vain += length;
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person() -> Schema {
        let schema = json!({
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
        });
        Schema::compile(&schema).unwrap()
    }

    #[test]
    fn json_is_found_bare_fenced_and_in_prose() {
        for text in [
            r#"{"name": "Al"}"#,
            "\n  {\"name\": \"Al\"} ",
            "```json\n{\"name\": \"Al\"}\n```",
            "```\n{\"name\": \"Al\"}\n```\n",
            "Sure [1], here {it} is:\n```json\n{\"name\": \"Al\"}\n```\nAnything else?",
            r#"First {"name": "Bo"}, or rather {"name": "Al"}. See {"x": 1}."#,
        ] {
            assert_eq!(extract(text, &person()), Ok(json!({"name": "Al"})), "{text}");
        }
        let string = Schema::compile(&json!({"type": "string"})).unwrap();
        assert_eq!(extract("\"a ``` b\"", &string), Ok(json!("a ``` b")));
    }

    #[test]
    fn what_does_not_fit_says_why() {
        let violations = |text| extract(text, &person()).unwrap_err().join("; ");
        assert!(violations("no").starts_with("not JSON: "));
        assert!(violations("").starts_with("not JSON: "));
        assert!(violations(r#"{"name": 3}"#).starts_with("/name: "));
        assert!(violations(r#"{"outer": {"name": "Al"}}"#).contains("name"), "no digging");
        assert!(violations(r#"see [1]: {"name": 3} and so on"#).starts_with("/name: "));
        assert!(violations("```json\n{\"name\": \"A").starts_with("not JSON: "));
    }

    #[test]
    fn a_text_full_of_false_starts_ends_the_search() {
        let text = "[\"".repeat(200_000);
        assert!(extract(&text, &person()).is_err());
        assert!(extract(&"[".repeat(20_000), &person()).is_err());
    }

    #[test]
    fn code_before_the_object_does_not_hide_it() {
        let code = "fn f() { if a[i] { b[j] = {} } }\n".repeat(1_000);
        let text = format!("Like this:\n```rust\n{code}```\nSo:\n{{\"name\": \"Al\"}}\n");
        assert_eq!(extract(&text, &person()), Ok(json!({"name": "Al"})));
    }
}
