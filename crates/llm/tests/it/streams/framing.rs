//! The same answer framed in every legal way, and with things in between that change nothing.

use canon_llm::StreamEvent;
use serde_json::Value;

use super::{Decoded, SUBJECTS, Subject, decode, decode_one, each, is_broken, recordings, unknown};

/// The recording with every line ended by `end`.
fn with_line_ends(text: &str, end: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', end)
}

#[test]
fn llm_7_7_line_ends_a_byte_order_mark_and_missing_terminators_change_nothing() {
    each(|subject, recording| {
        let text = std::str::from_utf8(&recording.bytes).unwrap();
        let whole = decode_one(subject, &recording.bytes);
        for end in ["\n", "\r\n", "\r"] {
            let text = with_line_ends(text, end);
            let forms = [
                text.clone(),
                format!("\u{feff}{text}"),
                format!("{end}{end}{text}"),
                // Without the last blank line, and without the end of the last line.
                text[..text.len() - end.len()].to_owned(),
                text[..text.len() - 2 * end.len()].to_owned(),
            ];
            for (number, form) in forms.iter().enumerate() {
                let name = &recording.name;
                let bytes = form.as_bytes();
                assert_eq!(decode_one(subject, bytes), whole, "{name}, {end:?}, form {number}");
                let parts = decode(subject, bytes.chunks(1));
                assert_eq!(parts, whole, "{name}, {end:?}, form {number}, byte by byte");
            }
        }
    });
}

#[test]
fn comments_and_other_fields_between_any_two_lines_change_nothing() {
    each(|subject, recording| {
        let text = std::str::from_utf8(&recording.bytes).unwrap();
        let whole = decode_one(subject, &recording.bytes);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for at in 0..=lines.len() {
            for between in [": keep-alive\n", ":\n", "retry: 3000\n", "id: 7\n", "other: x\n"] {
                let text = [&lines[..at].concat(), between, &lines[at..].concat()].concat();
                let is = decode_one(subject, text.as_bytes());
                assert_eq!(is, whole, "{}: {between:?} before line {}", recording.name, at + 1);
            }
        }
    });
}

#[test]
fn data_over_several_lines_is_one_message() {
    each(|subject, recording| {
        let text = std::str::from_utf8(&recording.bytes).unwrap();
        let spread: String = text.lines().map(spread).collect();
        assert!(spread.lines().count() > text.lines().count());
        let is = decode_one(subject, spread.as_bytes());
        assert_eq!(is, decode_one(subject, &recording.bytes), "{}", recording.name);
    });
}

/// A line of data as many: JSON may be broken wherever it has white space.
fn spread(line: &str) -> String {
    match line.strip_prefix("data: ").map(serde_json::from_str::<Value>) {
        Some(Ok(value)) => {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            pretty.lines().map(|line| format!("data: {line}\n")).collect()
        }
        _ => format!("{line}\n"),
    }
}

#[test]
fn ruling_llm_an_unknown_event_anywhere_surfaces_as_it_came_and_changes_nothing_else() {
    let (text, value) = unknown();
    each(|subject, recording| {
        let whole = without_raw(decode_one(subject, &recording.bytes));
        let messages = recording.messages();
        let mut surfaced = 0;
        for at in 0..messages.len() {
            let with = messages[..at].concat() + &text + &messages[at..].concat();
            let mut is = decode_one(subject, with.as_bytes());
            let raw = is.raw().len();
            is.events.retain(
                |event| !matches!(event, StreamEvent::ProviderEvent { raw } if *raw == value),
            );
            surfaced += raw - is.raw().len();
            // An answer that fails at once has not begun otherwise.
            if whole.events.is_empty() {
                is.events.clear();
            }
            assert_eq!(without_raw(is), whole, "{} before message {}", recording.name, at + 1);
        }
        // One that comes after the last word of the answer comes too late.
        let late = messages.len() - surfaced;
        assert!(late <= 1 && surfaced > 0, "{}: {late} of them were lost", recording.name);
    });
}

/// The provider's own object may well hold the field that is not known.
fn without_raw(mut decoded: Decoded) -> Decoded {
    if let Some(StreamEvent::Finish { response, .. }) = decoded.events.last_mut() {
        response.raw = None;
    }
    decoded
}

#[test]
fn what_comes_after_the_end_is_not_looked_at() {
    each(|subject, recording| {
        let whole = decode_one(subject, &recording.bytes);
        // A format without a last message of its own ends with the connection.
        let mut decoder = (subject.decoder)();
        let outcome = decoder.push(&recording.bytes, &mut Vec::new());
        if outcome.is_ok() && !decoder.is_over() {
            return;
        }
        for more in
            [&recording.bytes[..], b"data: <html>\n\n", b"\xff\x00{{{", unknown().0.as_bytes()]
        {
            let is = decode(subject, [&recording.bytes[..], more]);
            assert_eq!(is, whole, "{}", recording.name);
            let is = decode_one(subject, &[&recording.bytes[..], more].concat());
            assert_eq!(is, whole, "{}", recording.name);
        }
    });
}

const MIB: usize = 1024 * 1024;

fn each_with_text(check: impl Fn(&Subject, &str, &[&str])) {
    for subject in SUBJECTS {
        let all = recordings(subject.name);
        // Every format has an answer that says this in one delta.
        let recording =
            all.iter().find(|one| String::from_utf8_lossy(&one.bytes).contains("Grüße")).unwrap();
        let text = std::str::from_utf8(&recording.bytes).unwrap();
        check(subject, text, &recording.messages());
    }
}

#[test]
fn llm_7_7_events_of_ten_megabytes_are_events_like_others() {
    let big = "Grüße ".repeat(10 * MIB / "Grüße ".len());
    each_with_text(|subject, text, _| {
        let sane = decode_one(subject, text.as_bytes());
        let grown = text.replace("Grüße", &big);
        let is = decode(subject, grown.as_bytes().chunks(16 * 1024));
        assert_eq!(is.events.len(), sane.events.len());
        assert_eq!(is.error, None);
        assert!(is.lines() == sane.lines().replace("Grüße", &big), "{} differs", subject.name);
    });
}

#[test]
fn a_line_over_the_limit_ends_the_answer_and_takes_nothing_back() {
    let long = vec![b'x'; canon_llm::sse::DEFAULT_MAX_LINE + 1];
    each_with_text(|subject, text, messages| {
        let whole = decode_one(subject, text.as_bytes());
        let before = messages[..messages.len() / 2].concat();
        let after = messages[messages.len() / 2..].concat();
        let parts = [before.as_bytes(), &long, b"\n\n", after.as_bytes()];
        let is = decode(subject, parts);
        assert!(is_broken(&is), "{is:?}");
        assert!(is.events.len() > 2 && whole.events.starts_with(&is.events));
        // Its end never comes.
        assert!(is_broken(&decode(subject, [before.as_bytes(), &long])));
    });
}
