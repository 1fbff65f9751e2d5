//! Errors as the API gives them: `{"error": {"code", "message"}}` (Symphony §13.7.2).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A request that gets an error for an answer.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// No such page.
    pub(super) fn not_found(path: &str) -> Self {
        let message = format!("there is nothing at {path}; see /api/v1/state");
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// No such issue.
    pub(super) fn unknown_issue(identifier: &str) -> Self {
        let message = format!(
            "no issue {identifier:?} is known; it is when a poll has seen it as a candidate"
        );
        Self::new(StatusCode::NOT_FOUND, "issue_not_found", message)
    }

    /// The request cannot be understood.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// More than a question's answer needs.
    pub(super) fn body_too_large() -> Self {
        let message = "the body of a request may have 64 KB";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    /// The issue's state does not allow it.
    pub(super) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// The daemon is there and does not keep up.
    pub(super) fn busy() -> Self {
        let message = "the daemon has more to do than it can take in; ask again in a second";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }
}

/// Ruling 15.
impl From<super::Gone> for Failure {
    fn from(gone: super::Gone) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "snapshot_unavailable", gone.to_string())
    }
}

impl From<super::Refused> for Failure {
    fn from(refused: super::Refused) -> Self {
        match refused {
            super::Refused::Gone => super::Gone.into(),
            super::Refused::Busy => Self::busy(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.code == "busy" {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
