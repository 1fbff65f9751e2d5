//! Front matter: where it begins and ends, and its YAML as a JSON value.

use serde_json::Value;

/// A place in a file and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct YamlError {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in the line, from 1.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl YamlError {
    fn at(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { line, column, message: message.into() }
    }
}

/// A file split at its front matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts<'a> {
    /// Lines between the two `---`, without them; `None` where the file does not begin with `---`.
    pub yaml: Option<&'a str>,
    /// Everything after the closing `---`.
    pub body: &'a str,
    /// Line of the file on which the body begins, from 1.
    pub body_line: usize,
}

/// `bytes` as text, without a byte order mark.
///
/// # Errors
/// The place of the first byte that is not UTF-8.
pub fn decode(bytes: &[u8]) -> Result<&str, YamlError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        YamlError::at(line, column, "the file is not UTF-8; save it as UTF-8")
    })
}

/// Splits `text` at its front matter (Symphony §5.2).
///
/// # Errors
/// When the opening `---` has no closing one.
pub fn split(text: &str) -> Result<Parts<'_>, YamlError> {
    let Some((first, rest)) = text.split_once('\n') else {
        return match is_fence(text) {
            true => Err(unclosed()),
            false => Ok(Parts { yaml: None, body: text, body_line: 1 }),
        };
    };
    if !is_fence(first) {
        return Ok(Parts { yaml: None, body: text, body_line: 1 });
    }
    let mut start = 0;
    for (index, line) in rest.split_inclusive('\n').enumerate() {
        if is_fence(line) {
            let (yaml, after) = rest.split_at(start);
            let body = after.get(line.len()..).unwrap_or_default();
            return Ok(Parts { yaml: Some(yaml), body, body_line: index + 3 });
        }
        start += line.len();
    }
    Err(unclosed())
}

fn is_fence(line: &str) -> bool {
    line.trim_end() == "---"
}

fn unclosed() -> YamlError {
    YamlError::at(
        1,
        1,
        "the front matter that `---` opens here is never closed; end it with a line `---`",
    )
}

/// Reads `yaml`, whose first line is line 2 of its file, with YAML 1.2 booleans and without
/// repeated keys.
///
/// # Errors
/// The place, in lines of the file, and what the parser found.
pub fn parse(yaml: &str) -> Result<Value, YamlError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
    };
    if yaml.trim().is_empty() {
        return Ok(Value::Null);
    }
    // The opening fence is the parser's line 1, so that its places are the file's.
    let document = format!("\n{yaml}");
    serde_saphyr::from_str_with_options::<Value>(&document, options).map_err(|error| {
        let error = error.without_snippet();
        let (line, column) = error
            .location()
            .map_or((1, 1), |place| (place.line().max(1) as usize, place.column().max(1) as usize));
        let message = error.to_string();
        YamlError::at(
            line,
            column,
            format!("the front matter is not valid YAML: {}", first_line(&message)),
        )
    })
}

fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("unknown error").trim()
}

/// What `value` is, in words for a message.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Line of the file on which the last key of the dotted `key_path` stands, for block-style YAML;
/// `None` when it cannot be told.
pub fn line_of(yaml: &str, key_path: &str) -> Option<usize> {
    let mut wanted = key_path.split('.');
    let mut key = wanted.next()?;
    let mut inside = 0;
    for (index, line) in yaml.lines().enumerate() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if indent < inside {
            return None;
        }
        let Some((name, _)) = content.split_once(':') else { continue };
        if name.trim().trim_matches(['"', '\'']) == key && (inside > 0 || indent == 0) {
            match wanted.next() {
                None => return Some(index + 2),
                Some(next) => {
                    key = next;
                    inside = indent + 1;
                }
            }
        }
    }
    None
}
