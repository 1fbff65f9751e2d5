//! What response headers say about waiting and limits.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderMap;

use crate::error::parse_retry_after;
use crate::types::RateLimitInfo;

/// `retry-after-ms`, else `Retry-After` as seconds or as a date.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let precise = text(headers, "retry-after-ms")
        .and_then(|value| value.trim().parse::<f64>().ok())
        .and_then(|milliseconds| Duration::try_from_secs_f64(milliseconds / 1000.0).ok());
    precise.or_else(|| parse_retry_after(text(headers, "retry-after")?, now))
}

/// What the headers say about limits (unified-llm §3.12): `x-ratelimit-*` as OpenAI and many others have
/// them, or `anthropic-ratelimit-*`. `None` when there are none.
pub fn rate_limit(headers: &HeaderMap, now: SystemTime) -> Option<RateLimitInfo> {
    let stated = |info: &RateLimitInfo| *info != RateLimitInfo::default();
    let info = Some(common(headers, now)).filter(stated);
    info.or_else(|| Some(anthropic(headers)).filter(stated))
}

fn common(headers: &HeaderMap, now: SystemTime) -> RateLimitInfo {
    let reset = |name| parse_span(text(headers, name)?);
    let last_reset = [reset("x-ratelimit-reset-requests"), reset("x-ratelimit-reset-tokens")]
        .into_iter()
        .flatten()
        .max();
    RateLimitInfo {
        requests_remaining: number(headers, "x-ratelimit-remaining-requests"),
        requests_limit: number(headers, "x-ratelimit-limit-requests"),
        tokens_remaining: number(headers, "x-ratelimit-remaining-tokens"),
        tokens_limit: number(headers, "x-ratelimit-limit-tokens"),
        reset_at: last_reset.and_then(|wait| instant(now.checked_add(wait)?)),
    }
}

/// Resets are instants. `tokens` stands for the tightest of the limits on input, output and both; an account
/// that is told of input alone has that.
fn anthropic(headers: &HeaderMap) -> RateLimitInfo {
    let header = |what: &str, field: &str| format!("anthropic-ratelimit-{what}-{field}");
    let value = |what, field| number(headers, &header(what, field));
    let tokens = |field| value("tokens", field).or_else(|| value("input-tokens", field));
    let resets = ["requests", "tokens", "input-tokens", "output-tokens"].into_iter();
    let reset =
        |what| canon_runtime::clock::parse_rfc3339(text(headers, &header(what, "reset"))?.trim());
    RateLimitInfo {
        requests_remaining: value("requests", "remaining"),
        requests_limit: value("requests", "limit"),
        tokens_remaining: tokens("remaining"),
        tokens_limit: tokens("limit"),
        reset_at: resets.filter_map(reset).max().map(canon_runtime::clock::rfc3339),
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn instant(at: SystemTime) -> Option<String> {
    let since_epoch = at.duration_since(UNIX_EPOCH).ok()?;
    let milliseconds = u64::try_from(since_epoch.as_millis()).ok()?;
    Some(canon_runtime::clock::rfc3339(milliseconds))
}

/// `1h2m3s`, `6m0s`, `1.5s`, `20ms`; a bare number is seconds.
fn parse_span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..number_end].parse().ok()?;
        rest = &rest[number_end..];
        let unit_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit_end] {
                "d" => 86_400.0,
                "h" => 3_600.0,
                "m" => 60.0,
                "s" | "" => 1.0,
                "ms" => 0.001,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn spans_are_read_as_the_provider_writes_them() {
        for (text, milliseconds) in
            [("6m0s", 360_000), ("1s", 1_000), ("20ms", 20), ("1h0m1.5s", 3_601_500), ("2", 2_000)]
        {
            assert_eq!(parse_span(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "soon", "s", "1.2.3s", "4x", "é"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }

    #[test]
    fn limits_are_taken_from_the_headers_and_none_means_none() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let info = rate_limit(
            &headers(&[
                ("x-ratelimit-limit-requests", "500"),
                ("x-ratelimit-remaining-requests", "499"),
                ("x-ratelimit-reset-requests", "120ms"),
                ("x-ratelimit-limit-tokens", "30000"),
                ("x-ratelimit-remaining-tokens", "x"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ]),
            now,
        )
        .unwrap();
        assert_eq!(info.requests_limit, Some(500));
        assert_eq!(info.requests_remaining, Some(499));
        assert_eq!(info.tokens_limit, Some(30_000));
        assert_eq!(info.tokens_remaining, None);
        assert_eq!(info.reset_at.as_deref(), Some("1970-01-01T00:22:40.000Z"));
        assert_eq!(rate_limit(&HeaderMap::new(), now), None);
    }

    #[test]
    fn anthropics_limits_are_read_and_the_last_reset_counts() {
        let all = [
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-01-27T12:00:00Z"),
            ("anthropic-ratelimit-tokens-limit", "40000"),
            ("anthropic-ratelimit-tokens-remaining", "39000"),
            ("anthropic-ratelimit-tokens-reset", "2026-01-27T12:00:05Z"),
            ("anthropic-ratelimit-input-tokens-limit", "30000"),
            ("anthropic-ratelimit-output-tokens-reset", "2026-01-27T14:00:07+02:00"),
        ];
        let info = rate_limit(&headers(&all), UNIX_EPOCH).unwrap();
        assert_eq!((info.requests_limit, info.requests_remaining), (Some(50), Some(49)));
        assert_eq!((info.tokens_limit, info.tokens_remaining), (Some(40_000), Some(39_000)));
        assert_eq!(info.reset_at.as_deref(), Some("2026-01-27T12:00:07.000Z"));
        let input = rate_limit(&headers(&all[6..7]), UNIX_EPOCH).unwrap();
        assert_eq!((input.tokens_limit, input.reset_at), (Some(30_000), None));
        let odd = [("anthropic-ratelimit-requests-reset", "soon")];
        assert_eq!(rate_limit(&headers(&odd), UNIX_EPOCH), None);
    }

    #[test]
    fn milliseconds_are_preferred_to_seconds() {
        let both = headers(&[("retry-after", "2"), ("retry-after-ms", "1500")]);
        assert_eq!(retry_after(&both, UNIX_EPOCH), Some(Duration::from_millis(1500)));
        assert_eq!(retry_after(&HeaderMap::new(), UNIX_EPOCH), None);
    }
}
