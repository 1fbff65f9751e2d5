//! What operators ask for.

use canon::server::{Action, Refused};
use canon_orchestrator::driver::Answered;
use serde_json::json;

use super::fake::{self, Fake};
use super::wire::serve;

#[tokio::test]
async fn a_refresh_is_queued() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    let answer = server.post("/api/v1/refresh", "{}").await;
    assert_eq!(answer.status, 202);
    let body = answer.json();
    assert_eq!(body["queued"], true);
    assert_eq!(body["coalesced"], false);
    assert_eq!(body["operations"], json!(["poll", "reconcile"]));
    let at = body["requested_at"].as_str().and_then(canon_runtime::clock::parse_rfc3339);
    assert!(at.is_some_and(|at| at.abs_diff(canon_runtime::clock::now_ms()) < 60_000), "{body}");
    assert_eq!(fake.asked(), [Action::Refresh]);
}

#[tokio::test]
async fn pause_and_resume_reach_the_daemon() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    for (path, action) in [("pause", Action::Pause), ("resume", Action::Resume)] {
        let answer = server.post(&format!("/api/v1/{path}"), "").await;
        assert_eq!((answer.status, &answer.json()["operation"]), (202, &json!(path)));
        assert_eq!(fake.asked(), [action]);
    }
}

#[tokio::test]
async fn stop_and_retry_name_the_issue_by_its_id() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    let answer = server.post("/api/v1/MT-649/stop", "").await;
    assert_eq!((answer.status, &answer.json()["issue_id"]), (202, &json!("abc123")));
    assert_eq!(fake.asked(), [Action::Stop { issue_id: "abc123".to_owned() }]);
    let answer = server.post("/api/v1/issues/refresh/retry", "").await;
    assert_eq!((answer.status, &answer.json()["issue_identifier"]), (202, &json!("refresh")));
    assert_eq!(fake.asked(), [Action::Retry { issue_id: "h1".to_owned() }]);
}

#[tokio::test]
async fn what_the_state_of_an_issue_does_not_allow_is_a_409() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    for (path, code) in [
        ("MT-1/stop", "not_active"),
        ("MT-1/retry", "not_active"),
        ("MT-649/retry", "already_running"),
        ("MT-7/retry", "already_running"),
    ] {
        let answer = server.post(&format!("/api/v1/{path}"), "").await;
        assert_eq!((answer.status, answer.error().as_str()), (409, code), "{path}");
    }
    assert_eq!(fake.asked(), []);
}

#[tokio::test]
async fn a_daemon_that_does_not_keep_up_says_so() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    *fake.reply.lock().unwrap() = Err(Refused::Busy);
    *fake.answered.lock().unwrap() = Answered::Gone;
    for path in ["pause", "refresh", "MT-649/stop", "MT-7/answer"] {
        let answer = server.post(&format!("/api/v1/{path}"), r#"{"answer":1}"#).await;
        assert_eq!((answer.status, answer.error().as_str()), (503, "busy"), "{path}");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
}

#[tokio::test]
async fn an_answer_reaches_the_agent_as_it_was_given() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    for (body, request, answer) in [
        (r#"{"answer":"blue"}"#, None, json!("blue")),
        (r#"{"request":"n:3","answer":{"a":[1,null]}}"#, Some("n:3"), json!({ "a": [1, null] })),
        (r#"{"request":null,"answer":null}"#, None, json!(null)),
    ] {
        let reply = server.post("/api/v1/MT-7/answer", body).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        let given = fake.answers.lock().unwrap().pop();
        assert_eq!(given, Some(("MT-7".to_owned(), request.map(str::to_owned), answer)));
    }
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_a_409() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    let body = r#"{"answer":1}"#;
    for (answered, code) in [(Answered::NotAsked, "not_asked"), (Answered::Ambiguous, "ambiguous")]
    {
        *fake.answered.lock().unwrap() = answered;
        let reply = server.post("/api/v1/MT-7/answer", body).await;
        assert_eq!((reply.status, reply.error().as_str()), (409, code));
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_400_and_goes_nowhere() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    let deep = "[".repeat(30_000);
    for body in [
        "",
        "{",
        "blue",
        "[]",
        "{}",
        r#"{"request":"n:3"}"#,
        r#"{"answer":1,"requst":"n:3"}"#,
        &deep,
    ] {
        let reply = server.post("/api/v1/MT-7/answer", body).await;
        assert_eq!((reply.status, reply.error().as_str()), (400, "invalid_request"), "{body:.20}");
    }
    assert!(fake.answers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_over_64_kb_is_a_413_before_it_is_sent() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    for path in ["/api/v1/MT-7/answer", "/api/v1/refresh", "/api/v1/MT-649/stop"] {
        let reply = server.ask("POST", path, &["Content-Length: 65537"], "").await;
        assert_eq!((reply.status, reply.error().as_str()), (413, "body_too_large"), "{path}");
    }
    let chunks = format!("10001\r\n{}\r\n0\r\n\r\n", "x".repeat(0x10001));
    let head = format!(
        "POST /api/v1/refresh HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        server.address
    );
    let reply = server.send(&format!("{head}{chunks}")).await;
    assert_eq!((reply.status, reply.error().as_str()), (413, "body_too_large"));
    assert_eq!(fake.asked(), []);
    let fits = format!(r#"{{"answer":"{}"}}"#, "x".repeat(65_000));
    assert_eq!(server.post("/api/v1/MT-7/answer", &fits).await.status, 202);
}
