//! Numbers in words for people.

use std::time::Duration;

/// `0.3 s`, `12.3 s`, `2 min 5 s`, `1 h 2 min`.
pub(in crate::cli) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", (time.as_millis() / 100) as f64 / 10.0),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1,234,567`.
pub(in crate::cli) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 reply`, `2 replies`.
pub(in crate::cli) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// `text` on one line of at most `most` characters; what is left out is a mark.
pub(in crate::cli) fn cut(text: &str, most: usize) -> String {
    let mut lines = text.trim().lines();
    let line = lines.next().unwrap_or_default().trim_end();
    let more = lines.next().is_some();
    if line.chars().count() + usize::from(more) <= most {
        return if more { format!("{line}…") } else { line.to_owned() };
    }
    let kept: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let ms = Duration::from_millis;
        assert_eq!(duration(ms(340)), "0.3 s");
        assert_eq!(duration(ms(59_999)), "59.9 s");
        assert_eq!(duration(ms(125_000)), "2 min 5 s");
        assert_eq!(duration(ms(3_725_000)), "1 h 2 min");
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(123_456), "123,456");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(plural(1, "reply", "replies"), "1 reply");
    }

    #[test]
    fn a_cut_text_is_one_line_and_says_that_there_is_more() {
        assert_eq!(cut("ab\ncd", 9), "ab…");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüx", 3), "äö…");
        assert_eq!(cut("", 0), "");
    }
}
