//! Every stream translator against what networks and servers do to streams. The recorded streams are under
//! `tests/streams`, each beside the events that it means; with `CANON_BLESS=1` those are written anew, to be read
//! before they are committed.

mod damage;
mod framing;
mod recorded;

use canon_llm::{ContentPart, ErrorKind, LlmError, StreamEvent};
use serde_json::Value;

use crate::subjects::{SUBJECTS, Subject};

pub(crate) use recorded::{Recording, recordings};

/// The events of one answer and how it ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decoded {
    pub(crate) events: Vec<StreamEvent>,
    pub(crate) error: Option<LlmError>,
}

impl Decoded {
    /// One item a line, as `canon ask --stream --json` prints them.
    fn lines(&self) -> String {
        let error = self.error.clone().map(|error| StreamEvent::Error { error });
        let items = self.events.iter().cloned().chain(error);
        items.map(|event| serde_json::to_string(&event).unwrap() + "\n").collect()
    }

    /// The provider's events that have no unified form.
    fn raw(&self) -> Vec<&Value> {
        let raw = self.events.iter().filter_map(|event| match event {
            StreamEvent::ProviderEvent { raw } => Some(raw),
            _ => None,
        });
        raw.collect()
    }
}

/// Decodes a whole body, and checks what holds for each, sane or not: it says once that it begins, before all
/// else; it ends with one `Finish` or one error, and then for good.
pub(crate) fn decode<'a>(subject: &Subject, chunks: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = (subject.decoder)();
    let mut events = Vec::new();
    let mut error = None;
    for chunk in chunks {
        error = error.or(decoder.push(chunk, &mut events).err());
    }
    let over = decoder.is_over();
    let before = events.len();
    let outcome = decoder.end(&mut events);
    assert!(!over || (outcome.is_ok() && events.len() == before), "a stream ended twice");
    error = error.or(outcome.err());
    assert!(decoder.is_over());
    let ended = events.len();
    decoder.push(b"data: {\"type\":\"late\"}\n\n", &mut events).unwrap();
    decoder.end(&mut events).unwrap();
    assert_eq!(events.len(), ended, "something came after the end");

    let count = |wanted: fn(&StreamEvent) -> bool| events.iter().filter(|e| wanted(e)).count();
    let finished = count(|event| matches!(event, StreamEvent::Finish { .. }));
    assert_eq!(finished + usize::from(error.is_some()), 1, "{events:?} {error:?}");
    if finished == 1 {
        assert!(matches!(events.last(), Some(StreamEvent::Finish { .. })), "{events:?}");
    }
    let started = count(|event| matches!(event, StreamEvent::StreamStart { .. }));
    assert!(started <= 1, "{events:?}");
    if let Some(first) = events.first() {
        assert!(matches!(first, StreamEvent::StreamStart { .. }), "{events:?}");
    }
    assert_eq!(count(|event| matches!(event, StreamEvent::Error { .. })), 0);
    if let Some(error) = &error {
        assert_eq!(error.provider(), Some(subject.name), "{error}");
        assert!(!error.message().is_empty());
    }
    same_ids(&mut events);
    Decoded { events, error }
}

/// Ids that are made here, for providers that have none, differ each time: the first becomes `call_0`.
fn same_ids(events: &mut [StreamEvent]) {
    let mut made: Vec<String> = Vec::new();
    let mut settle = |id: &mut String| {
        let digits = id.strip_prefix("call_").unwrap_or("");
        if digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let known = made.iter().position(|known| known == id);
            let number = known.unwrap_or(made.len());
            if known.is_none() {
                made.push(id.clone());
            }
            *id = format!("call_{number}");
        }
    };
    for event in events {
        match event {
            StreamEvent::ToolCallStart { tool_call }
            | StreamEvent::ToolCallDelta { tool_call, .. } => settle(&mut tool_call.id),
            StreamEvent::ToolCallEnd { tool_call } => settle(&mut tool_call.id),
            StreamEvent::Finish { response, .. } => {
                for part in &mut response.message.content {
                    if let ContentPart::ToolCall { tool_call, .. } = part {
                        settle(&mut tool_call.id);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Decodes bytes that came in one piece.
pub(crate) fn decode_one(subject: &Subject, bytes: &[u8]) -> Decoded {
    decode(subject, [bytes])
}

/// Runs `check` for every recorded stream of every format.
fn each(check: impl Fn(&Subject, &Recording)) {
    for subject in SUBJECTS {
        let all = recordings(subject.name);
        assert!(!all.is_empty(), "there is no recorded stream of {}", subject.name);
        for recording in &all {
            check(subject, recording);
        }
    }
}

/// An event that no format knows, as each would carry it.
fn unknown() -> (String, Value) {
    let value = serde_json::json!({ "type": "canon.hologram", "payload": ["~", 1, null] });
    (format!("event: canon.hologram\ndata: {value}\n\n"), value)
}

fn is_broken(decoded: &Decoded) -> bool {
    decoded.error.as_ref().is_some_and(|error| error.kind() == ErrorKind::Stream)
}
