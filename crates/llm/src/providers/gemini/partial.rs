//! Arguments of a call that come leaf by leaf: a JSON path and a value each (`partialArgs`).

use serde_json::{Map, Value};

/// Deepest path that is followed.
const MAX_DEPTH: usize = 64;

/// Puts one `PartialArg` where its path says. Text for a place that holds text is appended to it.
///
/// # Errors
/// What is wrong with the path or the value: arguments with a hole must not be run.
pub(super) fn apply(arguments: &mut Value, partial: &Value) -> Result<(), String> {
    let path = partial.get("jsonPath").and_then(Value::as_str).ok_or("it has no `jsonPath`")?;
    let steps = steps(path).ok_or_else(|| format!("its path `{path}` is not understood"))?;
    let Some(value) = leaf(partial) else {
        // Only says that more will come.
        return Ok(());
    };
    let mut place = arguments;
    for step in &steps {
        place = enter(place, step).ok_or_else(|| {
            format!("its path `{path}` does not fit the arguments that came before it")
        })?;
    }
    match (place, value) {
        (Value::String(text), Value::String(more)) => text.push_str(more),
        (place, value) => *place = value.clone(),
    }
    Ok(())
}

/// `stringValue`, `numberValue`, `boolValue`, `nullValue`, and whatever else holds a value some day.
fn leaf(partial: &Value) -> Option<&Value> {
    let (name, value) = partial.as_object()?.iter().find(|(name, _)| name.ends_with("Value"))?;
    Some(if name == "nullValue" { &Value::Null } else { value })
}

#[derive(Debug, PartialEq)]
enum Step {
    Name(String),
    Index(usize),
}

fn enter<'a>(place: &'a mut Value, step: &Step) -> Option<&'a mut Value> {
    match step {
        Step::Name(name) => {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            Some(place.as_object_mut()?.entry(name.as_str()).or_insert(Value::Null))
        }
        Step::Index(index) => {
            if place.is_null() {
                *place = Value::Array(Vec::new());
            }
            let list = place.as_array_mut()?;
            if *index == list.len() {
                list.push(Value::Null);
            }
            list.get_mut(*index)
        }
    }
}

/// The part of RFC 9535 that names one place: `$.a.b[0]['c']`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() == MAX_DEPTH {
            return None;
        }
        let step;
        (step, rest) = if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            (
                Step::Name(after.get(..end).filter(|name| !name.is_empty())?.to_owned()),
                &after[end..],
            )
        } else {
            bracket(rest.strip_prefix('[')?)?
        };
        steps.push(step);
    }
    (!steps.is_empty()).then_some(steps)
}

fn bracket(text: &str) -> Option<(Step, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let Some(quote) = quote else {
        let (index, rest) = text.split_once(']')?;
        return Some((Step::Index(index.parse().ok()?), rest));
    };
    let mut name = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?.1),
            _ if c == quote => return Some((Step::Name(name), text[at + 1..].strip_prefix(']')?)),
            _ => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn leaves_build_the_arguments() {
        let mut arguments = json!({});
        for partial in [
            json!({ "jsonPath": "$.path", "stringValue": "/a", "willContinue": true }),
            json!({ "jsonPath": "$.path", "stringValue": "/b" }),
            json!({ "jsonPath": "$.path", "willContinue": false }),
            json!({ "jsonPath": "$.edits[0].line", "numberValue": 3 }),
            json!({ "jsonPath": "$.edits[0]['new \\'x\\'']", "boolValue": true }),
            json!({ "jsonPath": "$[\"edits\"][1]", "nullValue": "NULL_VALUE" }),
            json!({ "jsonPath": "$.extra", "structValue": { "a": 1 } }),
        ] {
            apply(&mut arguments, &partial).unwrap();
        }
        assert_eq!(
            arguments,
            json!({ "path": "/a/b", "edits": [{ "line": 3, "new 'x'": true }, null], "extra": { "a": 1 } })
        );
    }

    #[test]
    fn what_would_leave_a_hole_is_an_error() {
        let deep = format!("${}", ".a".repeat(1000));
        let paths = [
            "",
            "a",
            "$",
            "$.",
            "$..a",
            "$[",
            "$[x]",
            "$['a]",
            "$[1]",
            "$.a.b",
            "$[99999999999]",
            "$.a[0]",
            "$[-1]",
            &deep,
        ];
        for path in paths {
            let mut arguments = json!({ "a": "text" });
            let partial = json!({ "jsonPath": path, "stringValue": "v" });
            assert!(apply(&mut arguments, &partial).is_err(), "{path}");
            assert_eq!(arguments, json!({ "a": "text" }), "{path}");
        }
        assert!(apply(&mut json!({}), &json!({ "stringValue": "v" })).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_path_is_followed_or_refused(path in r#"\$?([.\[\]'"\\a0é]{0,12})"#) {
            let mut arguments = json!({});
            let _ = apply(&mut arguments, &json!({ "jsonPath": path, "stringValue": "v" }));
            proptest::prop_assert!(arguments.is_object());
        }
    }
}
