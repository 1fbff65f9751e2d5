//! Canonical JSON, RFC 8785.

use serde_json::{Number, Value};

/// The integers that an IEEE 754 double holds exactly reach up to this (RFC 8785, §3.2.2.3 and RFC 7493, §2.2).
const EXACT: u64 = (1 << 53) - 1;

/// Why a value has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// A number is an integer that a double cannot hold exactly; its canonical form would be another number.
    #[error(
        "the number {number} at {path:?} is beyond ±(2^53 - 1) and has no canonical form: write it as a string"
    )]
    Number {
        /// JSON pointer of the number, empty for the value itself.
        path: String,
        /// The number as given.
        number: String,
    },
    /// The value nests deeper than [`MAX_DEPTH`].
    #[error(
        "the value nests deeper than {MAX_DEPTH} levels and has no canonical form here: flatten it"
    )]
    Depth,
    /// The serializer refused the value.
    #[error("the value has no canonical form")]
    Serialize(#[source] serde_json::Error),
}

/// The deepest nesting that [`canonical`] takes, so that hostile input cannot exhaust the stack.
pub const MAX_DEPTH: usize = 256;

/// The canonical bytes of `value` (RFC 8785): members sorted by UTF-16 code units, the shortest number forms,
/// no space. Two values that differ in more than form never share them.
///
/// # Errors
/// Refuses what would be altered on the way: integers beyond ±(2^53 - 1), and nesting beyond [`MAX_DEPTH`].
pub fn canonical(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    check(value, &mut Vec::new())?;
    serde_json_canonicalizer::to_vec(value).map_err(CanonicalError::Serialize)
}

/// A step from a value to one of its children, borrowed until a path must be printed.
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

fn check<'a>(value: &'a Value, path: &mut Vec<Step<'a>>) -> Result<(), CanonicalError> {
    if path.len() > MAX_DEPTH {
        return Err(CanonicalError::Depth);
    }
    match value {
        Value::Number(number) if !is_exact(number) => {
            Err(CanonicalError::Number { path: pointer(path), number: number.to_string() })
        }
        Value::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| {
            path.push(Step::Index(index));
            check(item, path)?;
            path.pop();
            Ok(())
        }),
        Value::Object(members) => members.iter().try_for_each(|(key, member)| {
            path.push(Step::Key(key));
            check(member, path)?;
            path.pop();
            Ok(())
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn is_exact(number: &Number) -> bool {
    match (number.as_u64(), number.as_i64()) {
        (Some(unsigned), _) => unsigned <= EXACT,
        (None, Some(signed)) => signed.unsigned_abs() <= EXACT,
        (None, None) => number.as_f64().is_some_and(f64::is_finite),
    }
}

fn pointer(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        text.push('/');
        match step {
            Step::Key(key) => text.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => text.push_str(&index.to_string()),
        }
    }
    text
}
