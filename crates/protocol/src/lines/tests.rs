use proptest::prelude::*;

use super::*;

fn decode(max: usize, chunks: &[&[u8]]) -> Vec<Line> {
    let mut decoder = LineDecoder::new(max);
    let mut lines = Vec::new();
    for chunk in chunks {
        decoder.push(chunk, &mut lines);
    }
    lines.extend(decoder.finish());
    lines
}

#[test]
fn lines_end_with_lf_or_crlf() {
    let lines = decode(10, &[b"a\r", b"\nb\n\n", b"c"]);
    assert_eq!(lines, [Line::data("a"), Line::data("b"), Line::data(""), Line::data("c")]);
}

#[test]
fn a_carriage_return_inside_a_line_stays() {
    assert_eq!(decode(10, &[b"a\rb\n"]), [Line::data("a\rb")]);
}

#[test]
fn an_over_long_line_is_an_event_and_the_stream_goes_on() {
    let lines = decode(4, &[b"abcd\r\nabcde\nok\n"]);
    let long = Line::TooLong { len: 5, head: Bytes::from_static(b"abcde") };
    assert_eq!(lines, [Line::data("abcd"), long, Line::data("ok")]);
}

#[test]
fn memory_of_an_over_long_line_is_bounded() {
    let mut decoder = LineDecoder::new(1 << 20);
    let mut lines: Vec<Line> = Vec::new();
    for _ in 0..64 {
        decoder.push(&[b'x'; 1 << 18], &mut lines);
    }
    assert!(decoder.partial.len() <= (1 << 20) + 1);
    decoder.push(b"\nnext\n", &mut lines);
    let Line::TooLong { len, head } = &lines[0] else { panic!("{lines:?}") };
    assert_eq!((*len, head.len()), (64 << 18, HEAD_LEN));
    assert_eq!(lines[1], Line::data("next"));
}

#[tokio::test]
async fn the_reader_yields_the_last_line_without_terminator() {
    let mut reader = LineReader::new(&b"one\ntwo"[..]);
    assert_eq!(reader.next().await.unwrap(), Some(Line::data("one")));
    assert_eq!(reader.next().await.unwrap(), Some(Line::data("two")));
    assert_eq!(reader.next().await.unwrap(), None);
    assert_eq!(reader.next().await.unwrap(), None);
}

/// What the decoder must do, said in the simplest way: split, strip, measure.
fn expected(max: usize, input: &[u8]) -> Vec<Line> {
    let mut parts: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    if parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    parts
        .into_iter()
        .map(|part| {
            let line = part.strip_suffix(b"\r").unwrap_or(part);
            if line.len() > max {
                let head = Bytes::copy_from_slice(&line[..line.len().min(HEAD_LEN)]);
                Line::TooLong { len: line.len() as u64, head }
            } else {
                Line::data(line)
            }
        })
        .collect()
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_lines(
        input in prop::collection::vec(prop::sample::select(b"ab\r\n{}".to_vec()), 0..200),
        cuts in prop::collection::vec(0usize..200, 0..20),
        max in 0usize..12,
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for cut in cuts {
            chunks.push(&input[from..cut]);
            from = cut;
        }
        chunks.push(&input[from..]);
        prop_assert_eq!(decode(max, &chunks), expected(max, &input));
    }
}
