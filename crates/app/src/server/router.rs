//! Which path leads where.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::access::{Access, guard};
use super::daemon::{Daemon, Gone, IssueReport};
use super::failure::Failure;
use super::refresh::Refresher;
use super::{issue, operate, page, state};

/// Bytes that a request's body may have.
const BODY_LIMIT: usize = 64 * 1024;

/// What every handler can reach.
pub(super) struct App {
    pub(super) daemon: Arc<dyn Daemon>,
    pub(super) refresher: Arc<Refresher>,
}

/// The whole surface over `daemon`. Issues are under `/api/v1/issues/` as well, where no name is
/// taken by something else.
pub fn router(daemon: Arc<dyn Daemon>, access: Access) -> Router {
    let refresher = Arc::new(Refresher::new(daemon.clone()));
    let app = Arc::new(App { daemon, refresher });
    let mut router = Router::new()
        .route("/", get(dashboard))
        .route("/healthz", get(healthz))
        .route("/api/v1/state", get(overview))
        .route("/api/v1/refresh", post(operate::refresh))
        .route("/api/v1/pause", post(operate::pause))
        .route("/api/v1/resume", post(operate::resume));
    for base in ["/api/v1", "/api/v1/issues"] {
        let actions: [(&str, MethodRouter<Arc<App>>); 3] = [
            ("answer", post(operate::answer)),
            ("stop", post(operate::stop)),
            ("retry", post(operate::retry)),
        ];
        router = router.route(&format!("{base}/{{issue}}"), get(one_issue));
        for (name, method) in actions {
            router = router.route(&format!("{base}/{{issue}}/{name}"), method);
        }
    }
    router
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(nothing_there)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(announced))
        .layer(from_fn_with_state(Arc::new(access), guard))
        .layer(map_response(harden))
        .with_state(app)
}

async fn dashboard(State(app): State<Arc<App>>) -> Response {
    page::respond(app.daemon.overview())
}

async fn healthz(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    match app.daemon.is_alive() {
        true => Ok(Json(json!({ "status": "ok" }))),
        false => Err(Gone.into()),
    }
}

async fn overview(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    Ok(Json(state::state(&app.daemon.overview()?)))
}

async fn one_issue(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(issue::issue(&find(&app, name)?)))
}

/// The issue that a path names.
pub(super) fn find(
    app: &App,
    name: Result<Path<String>, PathRejection>,
) -> Result<IssueReport, Failure> {
    let Path(name) =
        name.map_err(|_| Failure::invalid("the issue's identifier is not percent-encoded UTF-8"))?;
    app.daemon.issue(&name)?.ok_or_else(|| Failure::unknown_issue(&name))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Failure {
    let message = format!("{method} is not possible at {}", uri.path());
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// A body that is announced as too large is not waited for.
async fn announced(request: Request, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    match length.is_some_and(|length| length > BODY_LIMIT) {
        true => Failure::body_too_large().into_response(),
        false => next.run(request).await,
    }
}

async fn nothing_there(uri: Uri) -> Failure {
    Failure::not_found(uri.path())
}

/// Answers are of this moment and for the one who asked; nothing in them is ever run.
async fn harden(response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
        ),
    ];
    let mut response = response.into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
