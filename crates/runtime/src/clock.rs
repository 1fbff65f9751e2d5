//! The wall clock, in the one unit that records and machines use: Unix milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in milliseconds since the Unix epoch. Pure state machines get this as an argument.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// `ms` since the Unix epoch as RFC 3339 in UTC, to the millisecond: `2026-02-24T20:15:30.250Z`.
/// A time that no calendar holds is clamped to the last one that it does.
pub fn rfc3339(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    let instant = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    format!("{instant:.3}")
}

/// Reads an RFC 3339 instant into milliseconds since the Unix epoch; `None` where it is none, or
/// lies before the epoch.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let instant: jiff::Timestamp = text.trim().parse().ok()?;
    u64::try_from(instant.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_is_utc_with_milliseconds() {
        assert_eq!(rfc3339(1_771_964_130_250), "2026-02-24T20:15:30.250Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_time_beyond_the_calendar_is_clamped() {
        assert!(rfc3339(u64::MAX).starts_with("9999-12-"));
    }

    #[test]
    fn reading_undoes_writing_and_takes_offsets() {
        assert_eq!(parse_rfc3339("2026-02-24T20:15:30.250Z"), Some(1_771_964_130_250));
        assert_eq!(parse_rfc3339("2026-02-24T21:15:30.250+01:00"), Some(1_771_964_130_250));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
