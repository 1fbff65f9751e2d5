use super::*;
use proptest::prelude::*;

#[test]
fn short_output_passes_unchanged() {
    assert_eq!(truncate_output("abc", 3, TruncationMode::HeadTail), "abc");
    assert_eq!(truncate_output("äöü", 3, TruncationMode::Tail), "äöü");
    assert_eq!(truncate_lines("a\nb", 2), "a\nb");
}

#[test]
fn head_and_tail_survive_around_the_marker() {
    let cut = truncate_output("aaaabbbbcccc", 8, TruncationMode::HeadTail);
    assert_eq!(
        cut,
        "aaaa\n\n[WARNING: Tool output was truncated. 4 characters were removed from the middle. \
         The full output is available in the event stream. If you need to see specific parts, \
         re-run the tool with more targeted parameters.]\n\ncccc"
    );
}

#[test]
fn the_tail_survives_after_the_marker() {
    assert_eq!(
        truncate_output("aaaabbbb", 4, TruncationMode::Tail),
        "[WARNING: Tool output was truncated. First 4 characters were removed. The full output is \
         available in the event stream.]\n\nbbbb"
    );
}

#[test]
fn characters_are_scalars_not_bytes() {
    let cut = truncate_output(&"é".repeat(10), 5, TruncationMode::HeadTail);
    assert!(cut.starts_with("éé\n\n[WARNING: Tool output was truncated. 5 characters"));
    assert!(cut.ends_with("]\n\néé\u{e9}"));
}

#[test]
fn loop_9_5_lines_are_cut_second() {
    let output: String = (0..1000).map(|n| format!("{n}\n")).collect();
    let cut = OutputLimits::default().apply("shell", &output);
    // 1000 lines and the empty one after the last line break.
    assert!(cut.contains("\n[... 745 lines omitted ...]\n"));
    assert!(cut.starts_with("0\n1\n"));
    assert!(cut.ends_with("998\n999\n"));
}

#[test]
fn loop_9_5_characters_are_cut_first() {
    // Two lines of 10 MB: a limit on lines alone would let them through.
    let line = "x".repeat(10_000_000);
    let cut = OutputLimits::default().apply("shell", &format!("{line}\n{line}"));
    assert!(cut.contains("[WARNING: Tool output was truncated. 19970001 characters were removed"));
    assert!(cut.len() < 31_000);
}

#[test]
fn loop_9_5_default_limits_match_the_table() {
    let table = [
        ("read_file", 50_000),
        ("shell", 30_000),
        ("grep", 20_000),
        ("glob", 20_000),
        ("edit_file", 10_000),
        ("apply_patch", 10_000),
        ("write_file", 1_000),
        ("spawn_agent", 20_000),
    ];
    for (tool, limit) in table {
        let limits = OutputLimits::default();
        assert_eq!(limits.apply(tool, &"x".repeat(limit)).len(), limit, "{tool}");
        assert!(limits.apply(tool, &"x".repeat(limit + 1)).contains("1 characters"), "{tool}");
    }
}

#[test]
fn loop_9_5_limits_are_overridable() {
    let limits = OutputLimits {
        chars: [("shell".to_owned(), 4)].into(),
        lines: [("grep".to_owned(), Some(2)), ("glob".to_owned(), None)].into(),
    };
    assert!(limits.apply("shell", "123456").starts_with("12\n\n[WARNING"));
    assert_eq!(limits.apply("grep", "a\nb\nc\nd"), "a\n[... 2 lines omitted ...]\nd");
    let many = "a\n".repeat(600);
    assert_eq!(limits.apply("glob", &many), many);
}

proptest! {
    #[test]
    fn exactly_the_limit_is_kept(text in ".{0,200}", limit in 0usize..100) {
        let length = text.chars().count();
        for mode in [TruncationMode::HeadTail, TruncationMode::Tail] {
            let cut = truncate_output(&text, limit, mode);
            if length <= limit {
                prop_assert_eq!(&cut, &text);
            } else {
                let removed = format!("{} characters", length - limit);
                prop_assert!(cut.contains(&removed));
                let tail = if mode == TruncationMode::Tail { limit } else { limit - limit / 2 };
                let tail: String = text.chars().skip(length - tail).collect();
                prop_assert!(cut.ends_with(&tail));
            }
        }
    }
}

#[test]
fn ruling_truncation_both_notes_count_what_is_missing_of_the_whole_output() {
    // Long lines, of which the cut by characters takes some, and that by lines more.
    let output: String = (0..1_000).map(|n| format!("{n:0100}\n")).collect();
    let cut = OutputLimits::default().apply("shell", &output);
    assert!(cut.contains("[WARNING: Tool output was truncated. 71000 characters"), "{cut}");
    // 1,001 lines, the last one empty, of which 256 are left.
    assert!(cut.contains("\n[... 745 lines omitted ...]\n"), "{cut}");
    // A note that is a part of the output is none.
    let quoted = "x\n".repeat(200) + WARNING + &"\nx".repeat(200);
    assert!(!OutputLimits::default().apply("shell", &quoted).contains("characters were removed"));
    let short = OutputLimits::default().apply("shell", &"x\n".repeat(300));
    assert!(
        !short.contains("[WARNING") && short.contains("\n[... 45 lines omitted ...]\n"),
        "{short}"
    );
}

#[test]
fn loop_9_5_the_note_of_the_first_cut_outlives_the_second() {
    let output: String = (0..10_000).map(|n| format!("line-{n:05}\n")).collect();
    let cut = OutputLimits::default().apply("shell", &output);
    assert!(cut.contains("[WARNING: Tool output was truncated. 80000 characters were removed"));
    // 10,001 lines, the last one empty, of which 256 are left.
    assert!(cut.contains("\n[... 9745 lines omitted ...]\n"), "{cut}");
    assert!(cut.starts_with("line-00000\n") && cut.ends_with("line-09999\n"));
    assert!(cut.contains("line-00127\n[WARNING") && cut.contains("...]\nline-09873\n"), "{cut}");
}
