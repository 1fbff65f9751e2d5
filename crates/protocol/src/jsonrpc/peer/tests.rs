use canon_runtime::task::{TaskSpec, spawn};
use serde_json::json;

use super::*;

const LIMIT: Duration = Duration::from_secs(5);

fn pair() -> ((Peer, Incoming), (Peer, Incoming)) {
    let (left, right) = tokio::io::duplex(64);
    let mut sides = Vec::new();
    for stream in [left, right] {
        let (input, output) = tokio::io::split(stream);
        let (peer, incoming, run) = connect(input, output, 1000);
        spawn(TaskSpec::new("peer"), run);
        sides.push((peer, incoming));
    }
    let right = sides.pop().unwrap();
    (sides.pop().unwrap(), right)
}

#[tokio::test]
async fn a_request_gets_its_answer_and_notifications_pass() {
    let ((left, _left_in), (right, mut right_in)) = pair();
    let params = json!({"a": 1});
    let ask = left.request("add", &params, LIMIT);
    let serve = async {
        let Some(Received::Message(Message::Request { id, method, params })) =
            right_in.next().await
        else {
            panic!()
        };
        assert_eq!((method.as_str(), params.value()), ("add", json!({"a": 1})));
        right.respond(&id, Ok(json!(2))).await.unwrap();
        right.notify("late", &Value::Null).await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask, serve);
    assert_eq!(answer.unwrap(), json!(2));
}

#[tokio::test]
async fn a_refusal_is_an_error() {
    let ((left, _left_in), (right, mut right_in)) = pair();
    let serve = async {
        let Some(Received::Message(Message::Request { id, .. })) = right_in.next().await else {
            panic!()
        };
        right.respond(&id, Err(RpcError::new(-1, "no"))).await.unwrap();
    };
    let (answer, ()) = tokio::join!(left.request("x", &Value::Null, LIMIT), serve);
    assert!(matches!(answer, Err(PeerError::Refused(error)) if error.message == "no"));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_in_a_timeout_and_the_late_answer_is_not_lost() {
    let ((left, mut left_in), (right, mut right_in)) = pair();
    let error = left.request("slow", &Value::Null, LIMIT).await.unwrap_err();
    assert!(matches!(error, PeerError::Timeout { .. }), "{error}");
    let Some(Received::Message(Message::Request { id, .. })) = right_in.next().await else {
        panic!()
    };
    right.respond(&id, Ok(json!("late"))).await.unwrap();
    let Some(Received::Message(Message::Response { result, .. })) = left_in.next().await else {
        panic!()
    };
    assert_eq!(result.value(), json!("late"));
}

#[tokio::test]
async fn a_closed_stream_fails_requests_and_ends_the_stream() {
    let (left, right) = tokio::io::duplex(64);
    let (input, output) = tokio::io::split(left);
    let (peer, mut incoming, run) = connect(input, output, 1000);
    spawn(TaskSpec::new("peer"), run);
    drop(right);
    assert_eq!(incoming.next().await, None);
    assert!(matches!(peer.request("x", &Value::Null, LIMIT).await, Err(PeerError::Closed)));
}

#[tokio::test]
async fn bad_lines_are_delivered_and_the_stream_goes_on() {
    let long = "y".repeat(1001);
    let input = format!("\nnot json\n{long}\n{{\"method\":\"ok\"}}\n");
    let (_peer, mut incoming, run) = connect(input.as_bytes(), tokio::io::sink(), 1000);
    let read = async {
        let Some(Received::Message(Message::Malformed { raw, .. })) = incoming.next().await else {
            panic!()
        };
        assert_eq!(raw, "not json");
        let Some(Received::TooLong { len, .. }) = incoming.next().await else { panic!() };
        assert_eq!(len, 1001);
        let Some(Received::Message(Message::Notification { .. })) = incoming.next().await else {
            panic!()
        };
        assert_eq!(incoming.next().await, None);
        drop(_peer);
    };
    let (done, ()) = tokio::join!(run, read);
    done.unwrap();
}
