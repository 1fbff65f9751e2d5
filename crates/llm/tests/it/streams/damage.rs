//! Streams that break off, that lie, and that are no streams at all.

use canon_llm::{StreamEvent, Usage};
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Decoded, SUBJECTS, Subject, decode, decode_one, each, recordings, same_ids};

/// The events without the counts of their last one, and the counts.
fn without_counts(decoded: &Decoded) -> (Vec<StreamEvent>, Usage) {
    let mut events = decoded.events.clone();
    let mut counts = Usage::default();
    if let Some(StreamEvent::Finish { usage, response, .. }) = events.last_mut() {
        counts = std::mem::take(usage);
        (response.usage, response.raw) = (Usage::default(), None);
    }
    (events, counts)
}

/// What was said before the cut stays said, and nothing is said that the whole answer would not have said.
fn is_a_part(subject: &Subject, part: &[u8], whole: &Decoded, at: &str) {
    let is = decode_one(subject, part);
    if is.error.is_none() {
        // Chat Completions may end without its last chunk, the counts; nothing else may be missing.
        let counted = is.events == whole.events || without_counts(&is).1 == Usage::default();
        assert!(counted, "{at}: counts that are not true");
        let (is, whole) = (without_counts(&is).0, without_counts(whole).0);
        assert_eq!(is, whole, "{at}: a finish that is not true");
        return;
    }
    assert!(whole.events.starts_with(&is.events), "{at}: {is:?}");
    // The connection broke without an end: the same events, and nothing is over.
    let mut decoder = (subject.decoder)();
    let mut events = Vec::new();
    let outcome = decoder.push(part, &mut events);
    same_ids(&mut events);
    assert!(whole.events.starts_with(&events), "{at}");
    assert_eq!(decoder.is_over(), outcome.is_err(), "{at}");
}

#[test]
fn llm_7_7_a_disconnect_at_any_byte_is_an_error_and_takes_nothing_back() {
    each(|subject, recording| {
        let whole = decode_one(subject, &recording.bytes);
        for at in 0..recording.bytes.len() {
            let name = format!("{} cut at {at}", recording.name);
            is_a_part(subject, &recording.bytes[..at], &whole, &name);
        }
    });
}

#[test]
fn an_empty_body_is_an_error() {
    for subject in SUBJECTS {
        for body in ["", "\n", "\u{feff}", ": nothing\n\n", "event: x\n\n", "data"] {
            let is = decode_one(subject, body.as_bytes());
            assert!(is.error.is_some(), "{} {body:?}", subject.name);
        }
    }
}

/// One thing that goes wrong with a body.
#[derive(Debug, Clone)]
enum Fault {
    Flip(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize),
    Swap(Index, Index),
    Drop(Index),
}

impl Fault {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, bits) => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Self::Remove(at, count) => {
                let at = at.index(bytes.len());
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Self::Insert(at, what) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, what.iter().copied());
            }
            Self::Repeat(at, count) => {
                let at = at.index(bytes.len());
                let again = bytes[at..(at + count).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
            Self::Swap(a, b) => lines(bytes, |lines| {
                let (a, b) = (a.index(lines.len()), b.index(lines.len()));
                lines.swap(a, b);
            }),
            Self::Drop(at) => lines(bytes, |lines| {
                lines.remove(at.index(lines.len()));
            }),
        }
    }
}

fn lines(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Vec<&[u8]>)) {
    let mut all: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    change(&mut all);
    *bytes = all.concat();
}

fn fault() -> impl Strategy<Value = Fault> {
    let index = any::<Index>;
    let spice = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..6),
        prop_oneof![
            Just("\n"),
            Just("\n\n"),
            Just("\""),
            Just("}"),
            Just("{"),
            Just("[["),
            Just("null"),
            Just("-1"),
            Just("1e999"),
            Just("18446744073709551616"),
            Just("\\ud800"),
            Just("\u{feff}"),
            Just("data: [DONE]\n\n"),
            Just("data: {}\n\n"),
            Just("data: null\n\n"),
            Just("data: []\n\n"),
            Just("data: 7\n\n"),
            Just("event: error\n"),
            Just("event: ping\ndata: {\"type\":\"ping\"}\n\n"),
        ]
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        (index(), 1_u8..).prop_map(|(at, bits)| Fault::Flip(at, bits)),
        (index(), 1_usize..200).prop_map(|(at, count)| Fault::Remove(at, count)),
        (index(), spice).prop_map(|(at, what)| Fault::Insert(at, what)),
        (index(), 1_usize..400).prop_map(|(at, count)| Fault::Repeat(at, count)),
        (index(), index()).prop_map(|(a, b)| Fault::Swap(a, b)),
        index().prop_map(Fault::Drop),
    ]
}

fn chunks<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    at.push(bytes.len());
    let mut from = 0;
    at.into_iter().map(|to| &bytes[std::mem::replace(&mut from, to)..to]).collect()
}

proptest! {
    #[test]
    fn llm_7_7_any_chunking_of_a_recorded_stream_gives_the_same_events(
        subject in 0..SUBJECTS.len(),
        which in any::<Index>(),
        cuts in proptest::collection::vec(any::<Index>(), 0..30),
    ) {
        let subject = &SUBJECTS[subject];
        let all = recordings(subject.name);
        let bytes = &all[which.index(all.len())].bytes;
        prop_assert_eq!(decode(subject, chunks(bytes, &cuts)), decode_one(subject, bytes));
    }

    #[test]
    fn damaged_streams_end_once_and_the_same_way_in_any_chunking(
        subject in 0..SUBJECTS.len(),
        which in any::<Index>(),
        faults in proptest::collection::vec(fault(), 1..6),
        cuts in proptest::collection::vec(any::<Index>(), 0..10),
    ) {
        let subject = &SUBJECTS[subject];
        let all = recordings(subject.name);
        let mut bytes = all[which.index(all.len())].bytes.clone();
        for fault in &faults {
            fault.apply(&mut bytes);
        }
        prop_assert_eq!(decode(subject, chunks(&bytes, &cuts)), decode_one(subject, &bytes));
    }

    #[test]
    fn garbage_from_the_first_byte_is_an_error(
        subject in 0..SUBJECTS.len(),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        frame in any::<bool>(),
    ) {
        let bytes = if frame { [b"data: ", &bytes[..], b"\n\n"].concat() } else { bytes };
        prop_assert!(decode_one(&SUBJECTS[subject], &bytes).error.is_some());
    }
}
