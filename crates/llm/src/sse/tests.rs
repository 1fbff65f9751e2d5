use proptest::prelude::*;

use super::*;

/// An event that outlives its decoder.
#[derive(Debug, Clone, PartialEq)]
enum Owned {
    Message { event: String, data: String, id: Option<String> },
    OverlongLine { start: String, length: u64 },
    Retry(Duration),
}

impl From<SseEvent<'_>> for Owned {
    fn from(event: SseEvent<'_>) -> Self {
        match event {
            SseEvent::Message { event, data, id } => message(event, data, id),
            SseEvent::OverlongLine { start, length } => {
                Self::OverlongLine { start: start.to_owned(), length }
            }
            SseEvent::Retry(wait) => Self::Retry(wait),
        }
    }
}

fn decode(decoder: SseDecoder, chunks: &[&[u8]]) -> Vec<Owned> {
    let mut decoder = decoder;
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.push(chunk, |event| events.push(Owned::from(event)));
    }
    decoder.finish(|event| events.push(Owned::from(event)));
    events
}

fn all(text: &str) -> Vec<Owned> {
    decode(SseDecoder::default(), &[text.as_bytes()])
}

fn message(event: &str, data: &str, id: Option<&str>) -> Owned {
    Owned::Message { event: event.to_owned(), data: data.to_owned(), id: id.map(str::to_owned) }
}

#[test]
fn every_line_end_and_a_byte_order_mark_are_understood() {
    for end in ["\n", "\r\n", "\r"] {
        let text = format!(
            "\u{feff}event: a{end}data: 1{end}data:2{end}{end}: comment{end}data{end}{end}"
        );
        assert_eq!(all(&text), [message("a", "1\n2", None), message("", "", None)], "{end:?}");
    }
}

#[test]
fn id_stays_and_retry_is_an_event_and_fields_without_data_dispatch_nothing() {
    assert_eq!(
        all(
            "id: 7\ndata: x\n\nevent: lost\n\ndata: y\n\nretry: 1500\nretry: soon\nid: a\0b\nother: z\ndata: z\n\n"
        ),
        [
            message("", "x", Some("7")),
            message("", "y", Some("7")),
            Owned::Retry(Duration::from_millis(1500)),
            message("", "z", Some("7")),
        ]
    );
}

#[test]
fn only_one_space_is_taken_off_a_value() {
    assert_eq!(all("data:  two\n\n"), [message("", " two", None)]);
}

#[test]
fn a_missing_last_blank_line_loses_nothing() {
    assert_eq!(all("data: a\n\ndata: b"), [message("", "a", None), message("", "b", None)]);
}

#[test]
fn an_over_long_line_is_an_event_and_not_the_end() {
    let text = format!("data: {}\ndata: rest\n\ndata: next\n\n", "x".repeat(1000));
    let events = decode(SseDecoder::with_max_line(100), &[text.as_bytes()]);
    assert_eq!(
        events,
        [
            Owned::OverlongLine { start: format!("data: {}", "x".repeat(250)), length: 1006 },
            message("", "next", None),
        ]
    );
}

#[test]
fn bytes_that_are_no_text_do_not_stop_the_stream() {
    let events = decode(SseDecoder::default(), &[b"data: \xff\xfe\n\ndata: ok\n\n"]);
    assert_eq!(events, [message("", "\u{fffd}\u{fffd}", None), message("", "ok", None)]);
}

fn stream_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"data: ".to_vec()),
        Just(b"event: e".to_vec()),
        Just(b"id: 1".to_vec()),
        Just(b"retry: 10".to_vec()),
        Just(b": c".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r".to_vec()),
        Just("é😀".as_bytes().to_vec()),
        Just(b"\xEF\xBB\xBF".to_vec()),
        Just(vec![b'x'; 40]),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_events(
        text in stream_text(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        max_line in prop_oneof![Just(0_usize), Just(16), Just(64), Just(DEFAULT_MAX_LINE)],
    ) {
        let whole = decode(SseDecoder::with_max_line(max_line), &[&text]);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        at.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for to in at {
            chunks.push(&text[from..to]);
            from = to;
        }
        chunks.push(&text[from..]);
        prop_assert_eq!(&decode(SseDecoder::with_max_line(max_line), &chunks), &whole);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        prop_assert_eq!(&decode(SseDecoder::with_max_line(max_line), &bytes), &whole);
    }
}
