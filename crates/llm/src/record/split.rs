//! Secrets that a stream delivers in pieces: none of the pieces looks like one, so none would be redacted.

use std::collections::BTreeMap;

use canon_runtime::secret::Redactor;
use serde_json::Value;

/// The events of a stream in JSON. Where the deltas of one segment hold a secret together, the first of them
/// has all of their text, redacted, and the others are gone.
pub(super) fn rejoined(mut events: Vec<Value>, redactor: &Redactor) -> Vec<Value> {
    let mut gone = vec![false; events.len()];
    for deltas in segments(&events).into_values() {
        let pieces = deltas.iter().filter_map(|(at, field)| events[*at][field].as_str());
        let joined: String = pieces.clone().collect();
        let whole = redactor.redact(&joined);
        if whole == joined
            || whole == pieces.map(|piece| redactor.redact(piece)).collect::<String>()
        {
            continue;
        }
        let whole = Value::String(whole.into_owned());
        for (at, _) in &deltas {
            gone[*at] = true;
        }
        if let Some((first, field)) = deltas.first() {
            events[*first][*field] = whole;
            gone[*first] = false;
        }
    }
    let mut gone = gone.into_iter();
    events.retain(|_| !gone.next().unwrap_or(false));
    events
}

/// A segment: its kind, and its id or number.
type Segment = (&'static str, String);

/// The deltas of each segment: which event, and the field with the text.
fn segments(events: &[Value]) -> BTreeMap<Segment, Vec<(usize, &'static str)>> {
    let mut segments: BTreeMap<Segment, Vec<(usize, &'static str)>> = BTreeMap::new();
    let mut reasoning = 0_usize;
    for (at, event) in events.iter().enumerate() {
        let id = |pointer: &str| {
            let id = event.pointer(pointer).and_then(Value::as_str);
            id.unwrap_or_default().to_owned()
        };
        let (segment, field) = match event.get("type").and_then(Value::as_str) {
            Some("text_delta") => (("text", id("/text_id")), "delta"),
            Some("tool_call_delta") => (("call", id("/tool_call/id")), "delta"),
            Some("reasoning_delta") => (("reasoning", reasoning.to_string()), "reasoning_delta"),
            Some("reasoning_start") => {
                reasoning += 1;
                continue;
            }
            _ => continue,
        };
        segments.entry(segment).or_default().push((at, field));
    }
    segments
}

#[cfg(test)]
mod tests {
    use canon_runtime::secret::Secret;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_in_pieces_is_taken_out_and_all_else_stays() {
        let text =
            |id: &str, delta: &str| json!({"type": "text_delta", "text_id": id, "delta": delta});
        let call = |delta: &str| json!({"type": "tool_call_delta", "tool_call": {"id": "c", "name": "t"}, "delta": delta});
        let reasoning = |delta: &str| json!({"type": "reasoning_delta", "reasoning_delta": delta});
        let start = || json!({"type": "reasoning_start"});
        let events = vec![
            start(),
            reasoning("hun"),
            start(),
            reasoning("ter2-hunter2 "),
            reasoning("hunter2-"),
            reasoning("hunter2"),
            text("a", "it is hun"),
            text("b", "one "),
            text("a", "ter2-hun"),
            call("{\"a\": \"hunter2"),
            call("-hunter2\"}"),
            text("a", "ter2."),
            text("b", "hunter2-hunter2"),
        ];
        let redactor = Redactor::new([Secret::new("hunter2-hunter2")]);
        assert_eq!(
            rejoined(events, &redactor),
            [
                start(),
                reasoning("hun"),
                start(),
                reasoning("ter2-hunter2 [redacted]"),
                text("a", "it is [redacted]."),
                text("b", "one "),
                call("{\"a\": \"[redacted]\"}"),
                text("b", "hunter2-hunter2"),
            ]
        );
    }
}
