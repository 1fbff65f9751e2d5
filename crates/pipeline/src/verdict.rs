//! Verdicts of stages: the status file, and JSON at the end of an agent's words (Attractor
//! Appendix C, rulings 6 and 7).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::handler::Stage;
use crate::outcome::{FailureClass, Outcome, Status};

/// Name of the status file in a stage's directory.
pub const FILE: &str = "status.json";

/// A verdict is small; a larger file is something else.
const MAX_BYTES: u64 = 1 << 20;

/// A verdict as it is written by agents and tools.
#[derive(Deserialize)]
struct Written {
    #[serde(alias = "status")]
    outcome: String,
    #[serde(default, alias = "preferred_next_label", deserialize_with = "or_default")]
    preferred_label: String,
    #[serde(default, deserialize_with = "or_default")]
    suggested_next_ids: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    context_updates: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "or_default")]
    notes: String,
    #[serde(default, deserialize_with = "or_default")]
    failure_reason: String,
}

/// `null` counts as not said.
fn or_default<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// Reads a verdict of Appendix C's form; `outcome` and `status` are the same key.
///
/// # Errors
/// What is wrong with it, for whoever wrote it.
pub fn parse(text: &str) -> Result<Outcome, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    of_value(value)
}

fn of_value(mut value: Value) -> Result<Outcome, String> {
    // Both keys may stand there: `outcome` is the newer one.
    if let Some(object) = value.as_object_mut().filter(|object| object.contains_key("outcome")) {
        object.remove("status");
    }
    let written: Written = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let status = match written.outcome.to_ascii_lowercase().as_str() {
        "success" => Status::Success,
        "partial_success" => Status::PartialSuccess,
        "retry" => Status::Retry,
        "fail" | "failure" | "failed" => Status::Fail,
        "skipped" => Status::Skipped,
        other => {
            return Err(format!(
                "outcome `{other}` is none of success, partial_success, retry, fail, skipped"
            ));
        }
    };
    let failed = matches!(status, Status::Fail | Status::Retry);
    let reason = match written.failure_reason {
        reason if reason.is_empty() && failed => written.notes.clone(),
        reason => reason,
    };
    let (updates, kept_out): (BTreeMap<_, _>, BTreeMap<_, _>) =
        written.context_updates.into_iter().partition(|(key, _)| !is_reserved(key));
    let mut notes = written.notes;
    if !kept_out.is_empty() {
        let keys: Vec<String> = kept_out.into_keys().collect();
        let told = format!("not taken over, as only the engine sets them: {}", keys.join(", "));
        notes = if notes.is_empty() { told } else { format!("{notes} ({told})") };
    }
    Ok(Outcome {
        preferred_label: written.preferred_label,
        suggested_next_ids: written.suggested_next_ids,
        context_updates: updates,
        notes,
        failure_reason: reason,
        failure_class: failed.then_some(FailureClass::Permanent),
        ..Outcome::of(status)
    })
}

/// Keys that the engine decides by (§5.1): a stage's words do not change whose commit is taken over,
/// or what was counted.
fn is_reserved(key: &str) -> bool {
    matches!(key, "outcome" | "preferred_label" | "current_node")
        || ["graph.", "internal.", "parallel."].iter().any(|start| key.starts_with(start))
}

/// The verdict in the last JSON object of a text, if the text ends with one: bare, or in a code
/// fence. An object without a verdict's key is none.
pub fn trailing(text: &str) -> Option<Outcome> {
    let object = trailing_object(text)?;
    let named = object.contains_key("outcome") || object.contains_key("status");
    named.then(|| of_value(Value::Object(object)).ok()).flatten()
}

/// [`trailing`] where nobody asked for a verdict, and an object with a `status` may be the result
/// itself: only one with `outcome` counts.
pub fn trailing_unasked(text: &str) -> Option<Outcome> {
    let object = trailing_object(text)?;
    object.contains_key("outcome").then(|| of_value(Value::Object(object)).ok()).flatten()
}

/// The last JSON object of a text, if the text ends with one: bare, or in a code fence.
pub(crate) fn trailing_object(text: &str) -> Option<Map<String, Value>> {
    let text = text.trim_end();
    let text = text.strip_suffix("```").map_or(text, str::trim_end);
    if !text.ends_with('}') {
        return None;
    }
    // Only where the outermost brace stands does the rest parse as a whole. A verdict has few.
    let from = text.floor_char_boundary(text.len().saturating_sub(64 * 1024));
    let tail = &text[from..];
    tail.rmatch_indices('{')
        .take(1024)
        .find_map(|(at, _)| serde_json::from_str::<Map<String, Value>>(&tail[at..]).ok())
}

/// What counts for a stage: a status file that was written while it ran wins over what its handler
/// says (ruling 7); `auto_status` stands in where neither is a verdict.
pub(crate) fn settle(stage: &Stage, handled: Outcome) -> Outcome {
    let outcome = match read(&stage.dir) {
        Ok(None) => handled,
        Ok(Some(written)) => Outcome { usage: handled.usage, ..merge(written, handled) },
        Err(why) => {
            let reason = format!("{FILE} that the stage wrote cannot be used: {why}");
            let usage = handled.usage;
            Outcome { usage, ..Outcome::retry(reason, FailureClass::NoVerdict) }
        }
    };
    let undecided =
        outcome.failure_class == Some(FailureClass::NoVerdict) && outcome.status == Status::Retry;
    if undecided && stage.node().auto_status() {
        let notes = "auto-status: handler completed without writing status";
        return Outcome {
            context_updates: outcome.context_updates,
            usage: outcome.usage,
            ..Outcome::success(notes)
        };
    }
    outcome
}

/// The written verdict, with what only the handler knows.
fn merge(written: Outcome, handled: Outcome) -> Outcome {
    let mut updates = handled.context_updates;
    updates.extend(written.context_updates);
    Outcome { context_updates: updates, approval: handled.approval, ..written }
}

/// The status file of a directory, if there is one.
pub(crate) fn read(dir: &Path) -> Result<Option<Outcome>, String> {
    let path = dir.join(FILE);
    let length = match fs::symlink_metadata(&path) {
        Ok(metadata) if !metadata.is_file() => return Err("it is no plain file".to_owned()),
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if length > MAX_BYTES {
        return Err(format!("it is larger than {MAX_BYTES} bytes"));
    }
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    parse(&text).map(Some)
}

/// Writes the status file of a stage (§5.6, Appendix C).
pub(crate) fn write(dir: &Path, outcome: &Outcome) -> io::Result<()> {
    let mut status = json!({
        "outcome": outcome.status,
        "preferred_label": outcome.preferred_label,
        "suggested_next_ids": outcome.suggested_next_ids,
        "context_updates": outcome.context_updates,
        "notes": outcome.notes,
    });
    if !outcome.failure_reason.is_empty() {
        status["failure_reason"] = json!(outcome.failure_reason);
    }
    let mut text = serde_json::to_vec_pretty(&status)?;
    text.push(b'\n');
    fs::write(dir.join(FILE), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_engine_sets_is_not_taken_over_and_told() {
        let outcome = parse(
            r#"{"outcome": "success", "notes": "done", "context_updates": {"mine": 1,
                "parallel.results": [{"id": "x"}], "internal.retry_count.a": 9, "current_node": "z"}}"#,
        )
        .unwrap();
        assert_eq!(outcome.context_updates.keys().collect::<Vec<_>>(), ["mine"]);
        assert!(outcome.notes.starts_with("done (not taken over"), "{}", outcome.notes);
        assert!(outcome.notes.contains("parallel.results"), "{}", outcome.notes);
    }

    #[test]
    fn a_verdict_ends_a_text_bare_or_in_a_fence() {
        let verdict = r#"{"outcome": "fail", "context_updates": {"a": {"b": 1}}, "notes": "no"}"#;
        for text in [
            verdict.to_owned(),
            format!("Some {{words}} first.\n{verdict}"),
            format!("```json\n{verdict}\n```\n"),
        ] {
            let outcome = trailing(&text).unwrap();
            assert_eq!((outcome.status, outcome.failure_reason.as_str()), (Status::Fail, "no"));
        }
        for text in ["", "}", "{}", "fine", &format!("{verdict} and more"), "{\"a\": 1}"] {
            assert_eq!(trailing(text), None, "{text}");
        }
        let many = format!("{}{verdict}", "{".repeat(200_000));
        assert!(trailing(&many).is_some());
    }
}
