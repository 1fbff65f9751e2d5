//! What an operator may ask of the daemon: refresh, pause, resume, answer, stop, retry. Each is
//! queued (202), and done when the daemon gets to it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use canon_orchestrator::driver::Answered;
use canon_runtime::clock;
use serde::Deserialize;
use serde_json::{Value, json};

use super::daemon::{Action, Gone, IssueReport};
use super::failure::Failure;
use super::router::{App, find};

type Queued = Result<(StatusCode, Json<Value>), Failure>;
type Name = Result<Path<String>, PathRejection>;
type Body = Result<Bytes, BytesRejection>;

/// Body of `POST …/answer`. `null` is an answer; none at all is a mistake.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenAnswer {
    #[serde(default)]
    request: Option<String>,
    answer: Value,
}

pub(super) async fn refresh(State(app): State<Arc<App>>, body: Body) -> Queued {
    bytes(body)?;
    let coalesced = app.refresher.refresh()?;
    queued(json!({
        "queued": true,
        "coalesced": coalesced,
        "requested_at": clock::rfc3339(clock::now_ms()),
        "operations": ["poll", "reconcile"],
    }))
}

pub(super) async fn pause(State(app): State<Arc<App>>, body: Body) -> Queued {
    bytes(body)?;
    app.daemon.ask(Action::Pause)?;
    queued(operation("pause"))
}

pub(super) async fn resume(State(app): State<Arc<App>>, body: Body) -> Queued {
    bytes(body)?;
    app.daemon.ask(Action::Resume)?;
    queued(operation("resume"))
}

pub(super) async fn stop(State(app): State<Arc<App>>, name: Name, body: Body) -> Queued {
    bytes(body)?;
    let issue = find(&app, name)?;
    if matches!(issue.view.status, "released" | "cleaning") {
        return Err(Failure::conflict("not_active", is_over(&issue)));
    }
    app.daemon.ask(Action::Stop { issue_id: issue.view.issue_id.clone() })?;
    queued(of_issue("stop", &issue))
}

pub(super) async fn retry(State(app): State<Arc<App>>, name: Name, body: Body) -> Queued {
    bytes(body)?;
    let issue = find(&app, name)?;
    match issue.view.status {
        "released" | "cleaning" => Err(Failure::conflict("not_active", is_over(&issue))),
        "running" | "blocked" => {
            let message = format!("{} has a live session; stop it first", issue.view.identifier);
            Err(Failure::conflict("already_running", message))
        }
        _ => {
            app.daemon.ask(Action::Retry { issue_id: issue.view.issue_id.clone() })?;
            queued(of_issue("retry", &issue))
        }
    }
}

pub(super) async fn answer(State(app): State<Arc<App>>, name: Name, body: Body) -> Queued {
    let body = bytes(body)?;
    let issue = find(&app, name)?;
    let given: GivenAnswer = serde_json::from_slice(&body).map_err(|error| {
        Failure::invalid(format!("expected {{\"request\"?: \"…\", \"answer\": …}}: {error}"))
    })?;
    let identifier = &issue.view.identifier;
    match app.daemon.answer(identifier, given.request.as_deref(), given.answer) {
        Answered::Taken => queued(of_issue("answer", &issue)),
        Answered::NotAsked => {
            let message = match given.request {
                Some(request) => format!("{identifier} has no open question {request:?}"),
                None => format!("{identifier} has no open question"),
            };
            Err(Failure::conflict("not_asked", message))
        }
        Answered::Ambiguous => {
            let message = format!("{identifier} asks more than one thing; name one in \"request\"");
            Err(Failure::conflict("ambiguous", message))
        }
        Answered::Gone if app.daemon.is_alive() => Err(Failure::busy()),
        Answered::Gone => Err(Gone.into()),
    }
}

fn bytes(body: Body) -> Result<Bytes, Failure> {
    body.map_err(|rejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::body_too_large(),
        _ => Failure::invalid("the request's body did not arrive whole"),
    })
}

fn is_over(issue: &IssueReport) -> String {
    format!("{} is not worked on: {}", issue.view.identifier, issue.view.why.detail)
}

fn queued(body: Value) -> Queued {
    Ok((StatusCode::ACCEPTED, Json(body)))
}

fn operation(name: &str) -> Value {
    let requested_at = clock::rfc3339(clock::now_ms());
    json!({ "queued": true, "operation": name, "requested_at": requested_at })
}

fn of_issue(name: &str, issue: &IssueReport) -> Value {
    let mut body = operation(name);
    body["issue_identifier"] = json!(issue.view.identifier);
    body["issue_id"] = json!(issue.view.issue_id);
    body
}
