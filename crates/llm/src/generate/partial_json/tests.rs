use proptest::prelude::*;
use serde_json::json;

use super::*;

fn after(text: &str) -> PartialJson {
    let mut parser = PartialJson::new();
    parser.push(text);
    parser
}

fn value(text: &str) -> Option<Value> {
    after(text).value().cloned()
}

#[test]
fn what_is_certain_shows_and_what_is_cut_waits() {
    for (text, wanted) in [
        ("", None),
        ("  ", None),
        ("{", Some(json!({}))),
        (r#"{"na"#, Some(json!({}))),
        (r#"{"name""#, Some(json!({}))),
        (r#"{"name":"#, Some(json!({}))),
        (r#"{"name": ""#, Some(json!({"name": ""}))),
        (r#"{"name": "Al"#, Some(json!({"name": "Al"}))),
        (r#"{"name": "Al\"#, Some(json!({"name": "Al"}))),
        (r#"{"name": "Al\u00"#, Some(json!({"name": "Al"}))),
        (r#"{"name": "Al\u00e9"#, Some(json!({"name": "Alé"}))),
        (r#"{"name": "\ud83d"#, Some(json!({"name": ""}))),
        (r#"{"name": "\ud83d\ude"#, Some(json!({"name": ""}))),
        (r#"{"name": "\ud83d\ude00"#, Some(json!({"name": "😀"}))),
        (r#"{"age": 3"#, Some(json!({}))),
        (r#"{"age": 30,"#, Some(json!({"age": 30}))),
        (r#"{"ok": tru"#, Some(json!({}))),
        (r#"[1, -2.5e3, nul"#, Some(json!([1, -2500.0]))),
        (r#"[[{"a": [nu"#, Some(json!([[{"a": []}]]))),
        (r#"[null]"#, Some(json!([null]))),
        ("12", None),
    ] {
        assert_eq!(value(text), wanted, "{text}");
    }
}

#[test]
fn a_number_at_the_root_is_whole_at_the_end() {
    let mut parser = after("12");
    parser.finish();
    assert!(parser.is_complete());
    assert_eq!(parser.value(), Some(&json!(12)));
    assert_eq!(value("12 "), Some(json!(12)));
}

#[test]
fn what_is_no_json_keeps_the_value_and_says_how_far_it_was_understood() {
    for (text, understood, kept) in [
        (r#"{"a": 1, x"#, 9, Some(json!({"a": 1}))),
        (r#"{"a" 1}"#, 5, Some(json!({}))),
        ("[1,]", 3, Some(json!([1]))),
        ("[1}", 2, Some(json!([1]))),
        (r#"["\ud83dx"#, 8, Some(json!([""]))),
        (r#"["\ude00"#, 7, Some(json!([""]))),
        ("[\"a\nb\"]", 3, Some(json!(["a"]))),
        ("[01]", 1, Some(json!([]))),
        ("{} x", 3, Some(json!({}))),
        ("hello", 0, None),
    ] {
        let mut parser = PartialJson::new();
        assert_eq!(parser.push(text), understood, "{text}");
        assert!(parser.is_broken(), "{text}");
        assert_eq!(parser.value(), kept.as_ref(), "{text}");
        assert_eq!(parser.push("[]"), 0);
    }
}

#[test]
fn depth_is_limited_as_serde_limits_it() {
    for depth in [MAX_DEPTH, MAX_DEPTH + 1] {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        let is_read = serde_json::from_str::<Value>(&text).is_ok();
        assert_eq!(is_read, depth == MAX_DEPTH);
        assert_eq!(after(&text).is_complete(), is_read);
    }
    assert!(after(&"{\"a\":[".repeat(1_000_000)).is_broken());
}

/// Whether `part` may be a state of `whole` while it was being written.
fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::String(part), Value::String(whole)) => whole.starts_with(part.as_str()),
        (Value::Array(part), Value::Array(whole)) => {
            let done = part.len().saturating_sub(1);
            part.len() <= whole.len()
                && part[..done] == whole[..done]
                && part.iter().zip(whole).all(|(part, whole)| is_part(part, whole))
        }
        (Value::Object(part), Value::Object(whole)) => {
            part.len() <= whole.len()
                && part
                    .iter()
                    .zip(whole)
                    .all(|((name, part), (known, whole))| name == known && is_part(part, whole))
        }
        (part, whole) => part == whole,
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no such number", |f| f.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same JSON with every character of every string escaped, surrogate pairs included.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c.is_ascii() {
            true => vec![c.to_string()],
            false => {
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
            }
        })
        .collect()
}

proptest! {
    #[test]
    fn every_prefix_is_part_of_the_whole_and_the_last_is_what_serde_reads(
        wanted in any_json(),
        is_pretty in any::<bool>(),
        is_escaped in any::<bool>(),
    ) {
        let mut text = match is_pretty {
            true => serde_json::to_string_pretty(&wanted).unwrap(),
            false => wanted.to_string(),
        };
        if is_escaped {
            text = escaped(&text);
        }
        let whole: Value = serde_json::from_str(&text).unwrap();
        let mut parser = PartialJson::new();
        let mut growth = 0;
        for (at, c) in text.char_indices() {
            let before = parser.value().cloned();
            prop_assert_eq!(parser.push(&text[at..at + c.len_utf8()]), c.len_utf8());
            if let Some(part) = parser.value() {
                prop_assert!(is_part(part, &whole), "{} of {}", part, whole);
            }
            let has_changed = parser.value() != before.as_ref();
            prop_assert_eq!(has_changed, parser.growth() > growth);
            growth = parser.growth();
        }
        parser.finish();
        prop_assert!(parser.is_complete());
        prop_assert_eq!(parser.value(), Some(&whole));
    }

    #[test]
    fn any_text_in_any_pieces_ends_as_serde_says(
        text in r#"([\[\]{},:" \\au0-9eE.+\-]|true|null|\\ud83d|\\ude00|"a":|😀|\n){0,40}"#,
        piece in 1_usize..5,
    ) {
        let mut parser = PartialJson::new();
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(piece) {
            parser.push(&piece.iter().collect::<String>());
        }
        parser.finish();
        match serde_json::from_str::<Value>(&text) {
            Ok(whole) => {
                prop_assert!(parser.is_complete(), "{}", text);
                prop_assert_eq!(parser.value(), Some(&whole));
            }
            Err(_) => prop_assert!(!parser.is_complete(), "{}", text),
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        after(&text);
    }
}
