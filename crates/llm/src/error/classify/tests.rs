use std::time::{Duration, SystemTime};

use serde_json::json;

use super::*;

fn http(status: u16, body: &str) -> LlmError {
    from_http("openai", status, None, body.as_bytes())
}

#[test]
fn llm_8_8_every_status_of_the_table_has_its_kind_and_retryability() {
    let table = [
        (400, ErrorKind::InvalidRequest, false),
        (401, ErrorKind::Authentication, false),
        (403, ErrorKind::AccessDenied, false),
        (404, ErrorKind::NotFound, false),
        (408, ErrorKind::RequestTimeout, false),
        (413, ErrorKind::ContextLength, false),
        (422, ErrorKind::InvalidRequest, false),
        (429, ErrorKind::RateLimit, true),
        (500, ErrorKind::Server, true),
        (504, ErrorKind::Server, true),
        (529, ErrorKind::Server, true),
        (418, ErrorKind::Provider, true),
    ];
    for (status, kind, retryable) in table {
        let error = http(status, r#"{"error":{"message":"hm"}}"#);
        assert_eq!((error.kind(), error.retryable()), (kind, retryable), "{status}");
    }
}

#[test]
fn the_code_says_more_than_the_status() {
    let quota = http(
        429,
        r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
    );
    assert_eq!(quota.kind(), ErrorKind::QuotaExceeded);
    assert!(!quota.retryable());
    assert_eq!(quota.error_code(), Some("insufficient_quota"));
    let long = http(400, r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#);
    assert_eq!(long.kind(), ErrorKind::ContextLength);
}

#[test]
fn an_ambiguous_status_is_sorted_by_its_message() {
    let cases = [
        ("The model `x` does not exist", ErrorKind::NotFound),
        ("resource not found", ErrorKind::NotFound),
        ("Unauthorized", ErrorKind::Authentication),
        ("invalid key", ErrorKind::Authentication),
        ("maximum context length is 8192", ErrorKind::ContextLength),
        ("too many tokens", ErrorKind::ContextLength),
        ("rejected by the content filter", ErrorKind::ContentFilter),
        ("blocked for safety.", ErrorKind::ContentFilter),
        ("Your credit balance is too low to access the API.", ErrorKind::QuotaExceeded),
        ("Unknown parameter: safety_identifier", ErrorKind::InvalidRequest),
    ];
    for (message, kind) in cases {
        let body = json!({"error": {"message": message}}).to_string();
        assert_eq!(http(400, &body).kind(), kind, "{message}");
    }
}

#[test]
fn the_message_quotes_the_provider_whatever_the_body_is() {
    assert_eq!(
        http(
            401,
            r#"{"error":{"message":"Incorrect API key provided: sk-x","code":"invalid_api_key"}}"#
        )
        .to_string(),
        "openai: authentication failed (HTTP 401): Incorrect API key provided: sk-x"
    );
    assert_eq!(http(502, "<html>bad gateway</html>").message(), "<html>bad gateway</html>");
    assert_eq!(http(500, "").message(), "no message beside `Internal Server Error`");
    assert_eq!(http(500, r#"{"error":"plain"}"#).message(), "plain");
    assert_eq!(http(404, r#"{"detail":"Not Found"}"#).message(), "Not Found");
    let long = "é".repeat(2_000);
    assert!(http(500, &long).message().len() < 520);
}

#[test]
fn ruling_llm_retry_after_is_read_as_seconds_or_as_a_date() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    assert_eq!(parse_retry_after("7", now), Some(Duration::from_secs(7)));
    assert_eq!(parse_retry_after(" 0.5 ", now), Some(Duration::from_millis(500)));
    assert_eq!(
        parse_retry_after("Sun, 06 Nov 1994 08:50:07 GMT", now),
        Some(Duration::from_secs(30))
    );
    assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
    assert_eq!(parse_retry_after("-3", now), None);
    assert_eq!(parse_retry_after("soon", now), None);
}

#[test]
fn a_failure_inside_a_stream_is_sorted_by_code_and_may_name_its_wait() {
    let error = from_code_and_message(
        "openai",
        Some("rate_limit_exceeded"),
        "Rate limit reached for gpt-5.2. Please try again in 11.054s. Visit …",
        ErrorKind::Server,
        json!({}),
    );
    assert_eq!(error.kind(), ErrorKind::RateLimit);
    assert_eq!(error.retry_after(), Some(Duration::from_secs_f64(11.054)));
    for (said, seconds) in [
        ("350ms", Some(0.35)),
        ("1m26.4s.", Some(86.4)),
        ("1h2m", Some(3_720.0)),
        ("20 seconds", Some(20.0)),
        ("2 minutes and", Some(120.0)),
        ("6m0s", Some(360.0)),
        ("a while", None),
        ("5", None),
        ("5 months", None),
        ("0s", None),
    ] {
        let wait = wait_in_message(&format!("Please try again in {said}"));
        assert_eq!(wait, seconds.map(Duration::from_secs_f64), "{said}");
    }
    let unknown =
        from_code_and_message("openai", Some("new_thing"), "?", ErrorKind::Stream, json!({}));
    assert_eq!(unknown.kind(), ErrorKind::Stream);
}

#[test]
fn an_error_survives_json() {
    let error = from_http(
        "openai",
        429,
        Some(Duration::from_millis(1500)),
        br#"{"error":{"message":"slow","code":"rate_limit_exceeded"}}"#,
    );
    let text = serde_json::to_string(&error).unwrap();
    assert!(text.contains(r#""kind":"rate_limit""#), "{text}");
    assert!(text.contains(r#""retry_after":1.5"#), "{text}");
    assert_eq!(serde_json::from_str::<LlmError>(&text).unwrap(), error);
}

#[test]
fn llm_8_8_anthropic_says_what_it_means_in_the_type() {
    let cases = [
        (400, "invalid_request_error", "messages: field required", ErrorKind::InvalidRequest),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 210000 tokens > 200000 maximum",
            ErrorKind::ContextLength,
        ),
        (401, "authentication_error", "invalid x-api-key", ErrorKind::Authentication),
        (402, "billing_error", "no credit", ErrorKind::QuotaExceeded),
        (403, "permission_error", "not for you", ErrorKind::AccessDenied),
        (404, "not_found_error", "model: x", ErrorKind::NotFound),
        (413, "request_too_large", "too large", ErrorKind::ContextLength),
        (429, "rate_limit_error", "slow down", ErrorKind::RateLimit),
        (500, "api_error", "oops", ErrorKind::Server),
        (529, "overloaded_error", "Overloaded", ErrorKind::Server),
    ];
    for (status, code, message, kind) in cases {
        let body = json!({"type": "error", "error": {"type": code, "message": message}});
        let error = http(status, &body.to_string());
        assert_eq!((error.kind(), error.message()), (kind, message), "{code}");
        assert_eq!(error.error_code(), Some(code));
    }
}

#[test]
fn llm_8_8_google_speaks_in_grpc_names_and_says_the_wait_in_its_details() {
    let cases = [
        (404, "NOT_FOUND", "models/x is not found", ErrorKind::NotFound),
        (400, "INVALID_ARGUMENT", "bad field", ErrorKind::InvalidRequest),
        (400, "INVALID_ARGUMENT", "API key not valid.", ErrorKind::Authentication),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (2000000) exceeds the maximum",
            ErrorKind::ContextLength,
        ),
        (401, "UNAUTHENTICATED", "no", ErrorKind::Authentication),
        (403, "PERMISSION_DENIED", "no", ErrorKind::AccessDenied),
        (429, "RESOURCE_EXHAUSTED", "no", ErrorKind::RateLimit),
        (503, "UNAVAILABLE", "no", ErrorKind::Server),
        (504, "DEADLINE_EXCEEDED", "no", ErrorKind::RequestTimeout),
        (500, "INTERNAL", "no", ErrorKind::Server),
    ];
    for (status, name, message, kind) in cases {
        let body = json!({"error": {"code": status, "message": message, "status": name}});
        let error = http(status, &body.to_string());
        assert_eq!((error.kind(), error.error_code()), (kind, Some(name)), "{name}");
        assert_eq!(http(status, &json!([body]).to_string()).kind(), kind, "in a list: {name}");
    }
    let body = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "quota",
        "details": [{"@type": "x"}, {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17.5s"}]}});
    assert_eq!(http(429, &body.to_string()).retry_after(), Some(Duration::from_millis(17_500)));
}
