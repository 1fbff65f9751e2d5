//! The recorded streams and what they mean.

use std::fs;
use std::path::{Path, PathBuf};

use canon_llm::StreamEvent;

use super::{Decoded, decode, decode_one, each};

/// One recorded answer.
pub(crate) struct Recording {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Where its events stand.
    expected: PathBuf,
}

impl Recording {
    /// The stream as its events' texts, each with its blank line.
    pub(super) fn messages(&self) -> Vec<&str> {
        let text = std::str::from_utf8(&self.bytes).unwrap();
        let end = if text.contains("\r\n") { "\r\n\r\n" } else { "\n\n" };
        text.split_inclusive(end).collect()
    }
}

/// All recorded streams of a format, by name.
pub(crate) fn recordings(provider: &str) -> Vec<Recording> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/streams").join(provider);
    let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<Recording> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "sse"))
        .map(|path| Recording {
            name: format!("{provider}/{}", path.file_stem().unwrap().to_str().unwrap()),
            bytes: fs::read(&path).unwrap(),
            expected: path.with_extension("jsonl"),
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

#[test]
fn llm_8_2_a_stream_gives_correctly_typed_events_for_every_provider() {
    let bless = std::env::var_os("CANON_BLESS").is_some();
    each(|subject, recording| {
        let events = decode_one(subject, &recording.bytes).lines();
        if bless {
            fs::write(&recording.expected, &events).unwrap();
        }
        let expected = fs::read_to_string(&recording.expected).unwrap_or_default();
        for (number, (is, should)) in events.lines().zip(expected.lines()).enumerate() {
            assert_eq!(is, should, "{} item {}", recording.name, number + 1);
        }
        assert_eq!(events.lines().count(), expected.lines().count(), "{}", recording.name);
    });
}

#[test]
fn any_size_of_chunks_gives_the_same_events() {
    each(|subject, recording| {
        let whole = decode_one(subject, &recording.bytes);
        for size in [1, 2, 3, 5, 7, 16, 64, 1000, 4096] {
            let parts = decode(subject, recording.bytes.chunks(size));
            assert_eq!(parts, whole, "{} in chunks of {size}", recording.name);
        }
    });
}

#[test]
fn llm_8_4_segments_start_and_end_and_their_deltas_join_to_the_whole_text() {
    each(|subject, recording| {
        let Decoded { events, error } = decode_one(subject, &recording.bytes);
        let mut open = Vec::new();
        let mut reasons = false;
        let mut said = String::new();
        for event in &events {
            match event {
                StreamEvent::TextStart { text_id } => open.push((text_id.clone(), String::new())),
                StreamEvent::TextDelta { text_id, delta } => {
                    said.push_str(delta);
                    let segment = open.iter_mut().find(|(id, _)| id == text_id);
                    segment.expect("a delta of a segment that did not start").1.push_str(delta);
                }
                StreamEvent::TextEnd { text_id, text } => {
                    let at = open.iter().position(|(id, _)| id == text_id);
                    let (_, deltas) = open.swap_remove(at.expect("an end without a start"));
                    assert_eq!(deltas, *text, "{}", recording.name);
                }
                StreamEvent::ReasoningStart => {
                    assert!(!std::mem::replace(&mut reasons, true), "{}", recording.name);
                }
                StreamEvent::ReasoningDelta { .. } => assert!(reasons, "{}", recording.name),
                StreamEvent::ReasoningEnd => assert!(std::mem::take(&mut reasons)),
                StreamEvent::Finish { response, usage, finish_reason } => {
                    assert_eq!((&open[..], reasons), (&[][..], false), "{}", recording.name);
                    assert_eq!(response.text(), said, "{}", recording.name);
                    assert_eq!(response.usage, *usage);
                    assert_eq!(response.finish_reason, *finish_reason);
                    assert_eq!(response.provider, subject.name);
                }
                _ => {}
            }
        }
        assert_eq!(error.is_some(), recording.name.contains("/error_"), "{error:?}");
    });
}
