//! One issue file as a record: front matter, description, comments.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use crate::config::section::{as_integer, as_text};
use crate::issue::{BlockerRef, Issue, normalise_labels};
use crate::workflow::front_matter::{self, YamlError};

/// Heading of the section that the tool appends to; not part of the description.
pub(super) const COMMENTS_HEADING: &str = "## Comments";

/// What a well-formed file says, before other files are taken into account.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// `dispatchable` is `true` and blockers have no state yet.
    pub(super) issue: Issue,
    /// Blockers as written: ids or identifiers.
    pub(super) blockers: Vec<String>,
}

/// Why a file is no record, and which ids it might have had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) line: Option<usize>,
    pub(super) message: String,
    /// `None`: the file does not even tell its id.
    pub(super) id: Option<String>,
}

/// Front matter keys that are read; all others are left alone.
const REQUIRED: [&str; 2] = ["title", "state"];

/// Reads the file `name` with content `bytes`.
pub(super) fn parse(name: &Path, bytes: &[u8]) -> Result<Record, Malformed> {
    let stem = name.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let text = front_matter::decode(bytes).map_err(|error| malformed(error, guess_id(bytes)))?;
    let parts = front_matter::split(text).map_err(|error| malformed(error, guess_id(bytes)))?;
    let Some(yaml) = parts.yaml else {
        let message =
            "the file has no front matter; begin it with `---`, `title:` and `state:` lines, `---`";
        return Err(Malformed { line: Some(1), message: message.to_owned(), id: None });
    };
    let fields =
        match front_matter::parse(yaml).map_err(|error| malformed(error, guess_id(bytes)))? {
            Value::Object(fields) => fields,
            other => {
                let message = format!(
                    "the front matter is {}, expected `key: value` lines",
                    front_matter::kind_of(&other)
                );
                return Err(Malformed { line: Some(2), message, id: None });
            }
        };
    let id = required_text(&fields, "id").map_err(|message| Malformed {
        line: front_matter::line_of(yaml, "id"),
        message,
        id: None,
    })?;
    let id = id.unwrap_or_else(|| stem.to_owned());
    let fail = |key: &str, message: String| Malformed {
        line: front_matter::line_of(yaml, key).or(Some(1)),
        message,
        id: Some(id.clone()),
    };
    let mut required = Vec::with_capacity(REQUIRED.len());
    for key in REQUIRED {
        match required_text(&fields, key) {
            Ok(Some(text)) => required.push(text),
            Ok(None) => {
                return Err(fail(key, format!("`{key}` is missing; add a line `{key}: …`")));
            }
            Err(message) => return Err(fail(key, message)),
        }
    }
    let identifier =
        required_text(&fields, "identifier").map_err(|message| fail("identifier", message))?;
    let [title, state] = <[String; 2]>::try_from(required).unwrap_or_default();
    let description = description(parts.body);
    let issue = Issue {
        native_ref: Some(Map::from_iter([("file".to_owned(), json!(name.to_string_lossy()))])),
        identifier: identifier.unwrap_or_else(|| id.clone()),
        id,
        title,
        description: (!description.is_empty()).then(|| description.to_owned()),
        priority: fields.get("priority").and_then(as_integer),
        state,
        branch_name: optional_text(&fields, "branch"),
        url: optional_text(&fields, "url"),
        assignee_id: optional_text(&fields, "assignee"),
        labels: normalise_labels(texts(&fields, "labels")),
        blocked_by: Vec::new(),
        dispatchable: true,
        created_at: timestamp(&fields, "created_at"),
        updated_at: timestamp(&fields, "updated_at"),
    };
    Ok(Record { issue, blockers: texts(&fields, "blocked_by") })
}

/// The body up to the comments, trimmed.
fn description(body: &str) -> &str {
    body.get(..comments_start(body).unwrap_or(body.len())).unwrap_or(body).trim()
}

/// Where the last line `## Comments` begins. Comments themselves are quoted, so that none of their
/// lines can be taken for it.
pub(super) fn comments_start(body: &str) -> Option<usize> {
    let mut start = 0;
    let mut found = None;
    for line in body.split_inclusive('\n') {
        if line.trim_end() == COMMENTS_HEADING {
            found = Some(start);
        }
        start += line.len();
    }
    found
}

/// Blockers without a known state.
pub(super) fn unresolved(blocker: &str) -> BlockerRef {
    BlockerRef { id: None, identifier: Some(blocker.to_owned()), state: None }
}

fn malformed(error: YamlError, id: Option<String>) -> Malformed {
    Malformed { line: Some(error.line), message: error.message, id }
}

/// Id of a file that does not parse, when a line of it says `id: …` in so many words.
fn guess_id(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text
        .lines()
        .skip(1)
        .take_while(|line| line.trim_end() != "---")
        .find_map(|line| line.strip_prefix("id:"))?;
    let id = line.split(" #").next().unwrap_or(line).trim().trim_matches(['"', '\'']);
    // Anything else may be what is broken.
    let plain = |c: char| c.is_alphanumeric() || "-_./#".contains(c);
    (!id.is_empty() && id.chars().all(plain)).then(|| id.to_owned())
}

/// Text of `key`, trimmed; `None` where it is missing.
fn required_text(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    let Some(value) = fields.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
    match as_text(value).map(|text| text.trim().to_owned()) {
        Some(text) if !text.is_empty() && !text.contains(char::is_control) => Ok(Some(text)),
        Some(text) if text.is_empty() => Err(format!("`{key}` is blank, expected text")),
        Some(_) => Err(format!(
            "`{key}` holds line breaks or control characters, expected one line of text"
        )),
        None => Err(format!("`{key}` is {}, expected text", front_matter::kind_of(value))),
    }
}

fn optional_text(fields: &Map<String, Value>, key: &str) -> Option<String> {
    required_text(fields, key).ok().flatten()
}

/// A list of text, or one text; entries that are neither are dropped (Symphony §11.3).
fn texts(fields: &Map<String, Value>, key: &str) -> Vec<String> {
    let items = match fields.get(key) {
        Some(Value::Array(items)) => items.iter().filter_map(as_text).collect(),
        Some(value) => Vec::from_iter(as_text(value)),
        None => Vec::new(),
    };
    items.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

/// An RFC 3339 instant, or a date for its first moment in UTC; anything else is `None`.
fn timestamp(fields: &Map<String, Value>, key: &str) -> Option<Timestamp> {
    let text = fields.get(key)?.as_str()?.trim();
    text.parse().ok().or_else(|| {
        let date: Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}
