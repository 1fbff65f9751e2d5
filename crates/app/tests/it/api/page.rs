//! The page for people (Symphony §13.7.1).

use super::fake::{self, Fake};
use super::wire::serve;

#[tokio::test]
async fn the_page_shows_everything_at_a_glance() {
    let server = serve(Fake::new(fake::overview()), None);
    let page = server.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for wanted in [
        "<!DOCTYPE html>",
        "lang=\"en\"",
        "prefers-color-scheme: dark",
        "http-equiv=\"refresh\"",
        "<h2>Running",
        "<h2>Waiting for an answer",
        "<h2>Retrying",
        "<h2>Held",
        "<h2>Finished",
        "MT-649",
        "Working on tests",
        "5 min 18 s",
        "Which colour?",
        "n:3",
        "MT-650",
        "in 30 s",
        "no available orchestrator slots",
        "MT-8",
        "stopped by an operator",
        "MT-1",
        "1\u{202f}234\u{202f}567",
        "1 of 2",
        "30 min 34 s",
        "not dispatchable",
        "href=\"https://tracker.example/issues/MT-649\"",
        "href=\"/api/v1/issues/MT-649\"",
    ] {
        assert!(page.body.contains(wanted), "{wanted} is missing in {}", page.body);
    }
    assert!(!page.body.contains("<script"), "{}", page.body);
    assert!(!page.body.contains("role=\"alert\""), "{}", page.body);
}

#[tokio::test]
async fn the_page_of_an_idle_daemon_has_no_empty_tables() {
    let server = serve(Fake::new(fake::nothing()), None);
    let page = server.get("/").await.body;
    assert!(page.contains("none yet") && !page.contains("<table"), "{page}");
}

#[tokio::test]
async fn the_page_says_what_is_wrong_once() {
    let mut overview = fake::troubled();
    overview.snapshot.paused = true;
    let server = serve(Fake::new(overview), None);
    let page = server.get("/").await.body;
    for wanted in [
        "role=\"alert\"",
        "the tracker did not answer",
        "/srv/issues/a.md:4: it has no title",
        "Paused.",
    ] {
        assert!(page.contains(wanted), "{wanted} is missing in {page}");
    }
    assert_eq!(page.matches("WORKFLOW.md:3: no such key").count(), 1, "{page}");
}

#[tokio::test]
async fn nothing_of_the_tracker_or_the_agent_becomes_markup() {
    let hostile = "</td><script>alert(\"1\")</script><img src=x onerror='alert(1)'>&amp;";
    let mut overview = fake::troubled();
    let snapshot = &mut overview.snapshot;
    let row = &mut snapshot.running[0];
    for field in [&mut row.title, &mut row.identifier, &mut row.state] {
        hostile.clone_into(field);
    }
    row.url = Some("javascript:alert(1)".to_owned());
    let live = overview.live.get_mut("abc123").unwrap();
    live.last = Some((fake::NOW, hostile.to_owned(), hostile.to_owned()));
    let blocked = &mut snapshot.blocked[0];
    hostile.clone_into(&mut blocked.attempt.title);
    blocked.attempt.url = Some(format!("https://tracker.example/\"{hostile}"));
    let (_, mut asked) = blocked.questions.pop_first().unwrap();
    hostile.clone_into(&mut asked.question.text);
    hostile.clone_into(&mut asked.question.kind);
    blocked.questions.insert(hostile.to_owned(), asked);
    snapshot.retrying[0].error = Some(hostile.to_owned());
    snapshot.retrying[0].url = Some("data:text/html,<script>alert(1)</script>".to_owned());
    hostile.clone_into(&mut snapshot.held[0].reason);
    snapshot.poll_error = Some(hostile.to_owned());
    snapshot.workflow_error = Some(hostile.to_owned());
    overview.config_error = Some(format!("{hostile}2"));
    hostile.clone_into(&mut overview.problems[0].message);
    overview.finished[0].last_error = Some(hostile.to_owned());
    overview.finished[0].result = Some(hostile.to_owned());
    snapshot.rate_limits = Some(serde_json::json!({ hostile: hostile }));
    overview.workflow = hostile.into();

    let server = serve(Fake::new(overview), None);
    let page = server.get("/").await.body;
    assert!(page.matches("&lt;script&gt;").count() >= 15, "{page}");
    for never in
        ["<script", "<img", "javascript:", "data:text", "href=\"https://tracker.example/\""]
    {
        assert!(!page.contains(never), "{never} in {page}");
    }
}
