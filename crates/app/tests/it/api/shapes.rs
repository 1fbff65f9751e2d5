//! What the answers look like (Symphony §13.7.2).

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use super::fake::{self, Fake, NOW};
use super::wire::serve;

#[tokio::test]
async fn the_state_has_the_shape_of_the_specification_and_more() {
    let server = serve(Fake::new(fake::overview()), None);
    let answer = server.get("/api/v1/state").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_json_snapshot!("state", answer.json());
}

#[tokio::test]
async fn a_daemon_that_has_just_started_has_a_state() {
    let server = serve(Fake::new(fake::nothing()), None);
    let state = server.get("/api/v1/state").await.json();
    assert_eq!(state["generated_at"], "2026-02-24T20:15:30.000Z");
    assert_eq!(state["counts"], json!({ "running": 0, "retrying": 0, "blocked": 0, "held": 0 }));
    assert_eq!(state["running"], json!([]));
    assert_eq!(state["rate_limits"], Value::Null);
    assert_eq!(state["health"]["ok"], true);
}

#[tokio::test]
async fn whatever_is_wrong_is_in_the_health() {
    let server = serve(Fake::new(fake::troubled()), None);
    let state = server.get("/api/v1/state").await.json();
    assert_json_snapshot!("health", state["health"]);
}

#[tokio::test]
async fn an_issue_has_the_shape_of_the_specification_and_more() {
    let server = serve(Fake::new(fake::overview()), None);
    let answer = server.get("/api/v1/MT-649").await;
    assert_eq!(answer.status, 200);
    assert_json_snapshot!("issue", answer.json());
    assert_eq!(server.get("/api/v1/issues/MT-649").await.json(), answer.json());
}

#[tokio::test]
async fn a_blocked_issue_shows_what_it_asks() {
    let server = serve(Fake::new(fake::overview()), None);
    let issue = server.get("/api/v1/MT-7").await.json();
    assert_eq!(issue["status"], "blocked");
    assert_eq!(issue["running"], Value::Null);
    assert_json_snapshot!("questions", issue["blocked"]["questions"]);
}

#[tokio::test]
async fn any_identifier_can_be_asked_for() {
    let server = serve(Fake::new(fake::overview()), None);
    for (path, identifier) in [
        ("/api/v1/a%2Fb%20%C3%BC%252F%3F%23", "a/b ü%2F?#"),
        ("/api/v1/issues/a%2Fb%20%C3%BC%252F%3F%23", "a/b ü%2F?#"),
        ("/api/v1/issues/state", "state"),
        ("/api/v1/issues/refresh", "refresh"),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, &answer.json()["issue_identifier"]), (200, &json!(identifier)));
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_404_with_its_reason() {
    let server = serve(Fake::new(fake::overview()), None);
    for path in ["/api/v1/NOPE-1", "/api/v1/issues/NOPE-1", "/api/v1/issues"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.error().as_str()), (404, "issue_not_found"), "{path}");
    }
    let answer = server.post("/api/v1/NOPE-1/stop", "").await;
    assert_eq!((answer.status, answer.error().as_str()), (404, "issue_not_found"));
    for path in ["/nope", "/api", "/api/v1/", "/api/v2/state", "/api/v1/a/b/c", "/api/v1/MT-649/x"]
    {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.error().as_str()), (404, "not_found"), "{path}");
    }
    let answer = server.get("/api/v1/%FF").await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"));
}

#[tokio::test]
async fn a_method_that_a_route_has_not_is_a_405_that_says_which_it_has() {
    let server = serve(Fake::new(fake::overview()), None);
    for (method, path, allowed) in [
        ("POST", "/api/v1/state", "GET,HEAD"),
        ("DELETE", "/api/v1/MT-649", "GET,HEAD"),
        ("PUT", "/", "GET,HEAD"),
        ("GET", "/api/v1/refresh", "POST"),
        ("GET", "/api/v1/pause", "POST"),
        ("GET", "/api/v1/MT-649/stop", "POST"),
        ("PATCH", "/api/v1/issues/MT-649/answer", "POST"),
    ] {
        let answer = server.ask(method, path, &[], "").await;
        assert_eq!((answer.status, answer.error().as_str()), (405, "method_not_allowed"), "{path}");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    let head = server.ask("HEAD", "/api/v1/state", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

/// Ruling 15: whatever needs the daemon says that it has gone, in the envelope.
#[tokio::test]
async fn ruling_15_without_a_daemon_everything_is_a_503() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    assert_eq!(server.get("/healthz").await.json(), json!({ "status": "ok" }));
    fake.end();
    for path in ["/api/v1/state", "/api/v1/MT-649", "/healthz"] {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (503, "snapshot_unavailable"),
            "{path}"
        );
    }
    for path in ["refresh", "pause", "resume", "MT-649/stop", "MT-8/retry", "MT-7/answer"] {
        let answer = server.post(&format!("/api/v1/{path}"), r#"{"answer":1}"#).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (503, "snapshot_unavailable"),
            "{path}"
        );
    }
    let page = server.get("/").await;
    assert_eq!(page.status, 503);
    assert!(page.body.contains("the daemon has ended"), "{}", page.body);
}

/// Ruling 15: sessions go on between two decisions, and the sums with them.
#[test]
fn ruling_15_sums_include_what_live_sessions_did_since_the_last_decision() {
    let mut overview = fake::overview();
    overview.bring_sums_up_to_date();
    let totals = &overview.snapshot.totals;
    // One running and one blocked session, two seconds each.
    assert!((totals.seconds_running - 1_838.5).abs() < 1e-9, "{}", totals.seconds_running);
    // The running session had used 1000 and 500 when the machine last heard of it.
    assert_eq!(totals.usage.input_tokens, 5_200);
    assert_eq!(totals.usage.output_tokens, 2_700);
    assert_eq!(totals.usage.total_tokens, 7_900);
    assert_eq!(overview.snapshot.rate_limits, Some(json!({ "primary": { "usedPercent": 12 } })));

    // A clock that went back, or counters not read again yet after a restart, take nothing away.
    let mut overview = fake::overview();
    overview.now_ms = NOW - 60_000;
    overview.live.get_mut("abc123").unwrap().usage = fake::usage(0, 0);
    overview.bring_sums_up_to_date();
    assert!((overview.snapshot.totals.seconds_running - 1_834.5).abs() < 1e-9);
    assert_eq!(overview.snapshot.totals.usage, fake::usage(5_000, 2_400));
}
