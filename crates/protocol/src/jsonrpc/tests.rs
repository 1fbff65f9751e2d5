use proptest::prelude::*;

use super::*;

fn parse(line: &str) -> Message {
    Message::parse(&Bytes::copy_from_slice(line.as_bytes()))
}

#[test]
fn the_four_kinds_with_and_without_version() {
    for version in ["", r#""jsonrpc":"2.0","#] {
        let line = format!(r#"{{{version}"id":7,"method":"m","params":{{"a":1}}}}"#);
        let Message::Request { id, method, params } = parse(&line) else { panic!("{line}") };
        assert_eq!((id, method.as_str(), params.text()), (Id::from(7), "m", r#"{"a":1}"#));
        let line = format!(r#"{{{version}"method":"m","emittedAtMs":5}}"#);
        let Message::Notification { params, .. } = parse(&line) else { panic!("{line}") };
        assert_eq!(params.value(), Value::Null);
        let line = format!(r#"{{{version}"id":"x","result":null}}"#);
        let Message::Response { id, result } = parse(&line) else { panic!("{line}") };
        assert_eq!((id, result.text()), (Id::from("x"), "null"));
        let line = format!(r#"{{{version}"id":1,"error":{{"code":-32600,"message":"no"}}}}"#);
        let Message::ErrorResponse { id, error } = parse(&line) else { panic!("{line}") };
        assert_eq!((id, error), (Some(Id::from(1)), RpcError::new(INVALID_REQUEST, "no")));
    }
}

#[test]
fn odd_input_is_kept_with_its_bytes() {
    for odd in ["[1,2]", "3", "{}", r#"{"id":{},"method":"m"}"#, r#"{"method":3}"#, r#"{"id":1}"#] {
        assert_eq!(parse(odd), Message::Unknown(Bytes::copy_from_slice(odd.as_bytes())), "{odd}");
    }
    for bad in ["", "{", "hello", "{\"a\":\u{1}}"] {
        let Message::Malformed { raw, .. } = parse(bad) else { panic!("{bad}") };
        assert_eq!(raw, bad.as_bytes());
    }
    let invalid = Bytes::from_static(b"{\"method\":\"\xff\"}");
    assert!(matches!(Message::parse(&invalid), Message::Malformed { .. }));
}

#[test]
fn an_error_of_another_shape_is_still_an_error() {
    let Message::ErrorResponse { error, .. } = parse(r#"{"id":1,"error":"boom"}"#) else {
        panic!()
    };
    assert_eq!(error.message, "\"boom\"");
}

#[test]
fn lines_read_back() {
    let id = Id::from("a\nb");
    let line = Bytes::from(request_line(&id, "m", &serde_json::json!({ "t": "x\ny" })));
    assert!(!line.contains(&b'\n'));
    let Message::Request { id: back, params, .. } = Message::parse(&line) else { panic!() };
    assert_eq!((back, params.value()), (id, serde_json::json!({ "t": "x\ny" })));
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Message::parse(&Bytes::from(bytes));
    }
}
