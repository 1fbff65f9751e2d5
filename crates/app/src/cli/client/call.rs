//! One request to a daemon, and what its answer means for the command.

use std::path::PathBuf;
use std::time::Duration;

use canon_runtime::http;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::table::plain;
use super::target::{Found, Target, not_running};
use crate::error::{Error, Kind};
use crate::server::{Access, TOKEN_VARIABLE};

/// How long an answer may take. The daemon answers from memory.
const PATIENCE: Duration = Duration::from_secs(10);

/// A daemon that is talked to.
pub(super) struct Daemon {
    base: Url,
    workflow: Option<PathBuf>,
}

impl Daemon {
    pub(super) fn of(target: &Target) -> Result<Self, Error> {
        let Found { url, workflow } = target.find()?;
        let base = Url::parse(&url).ok().filter(|base| matches!(base.scheme(), "http" | "https"));
        let base = base.ok_or_else(|| {
            Error::input(format!("{url:?} is not the address of a daemon"))
                .hint("it looks like http://127.0.0.1:4000; `canon up` prints it when it starts")
        })?;
        Ok(Self { base, workflow })
    }

    /// The body of `GET /api/v1/<path>`; each part of the path is one segment, whatever is in it.
    pub(super) fn get(&self, path: &[&str]) -> Result<String, Error> {
        self.call(Method::GET, path, None)
    }

    /// The same of a POST with a JSON body.
    pub(super) fn post(&self, path: &[&str], body: &Value) -> Result<String, Error> {
        self.call(Method::POST, path, Some(body))
    }

    /// A daemon that was found by its state directory is on this machine: no proxy is asked.
    fn client(&self) -> Result<reqwest::Client, http::HttpError> {
        match self.workflow {
            Some(_) => http::local_client(),
            None => http::client(),
        }
    }

    fn call(&self, method: Method, path: &[&str], body: Option<&Value>) -> Result<String, Error> {
        crate::cli::runtime()?.block_on(async {
            let client = self.client().map_err(|error| Error::environment(error.to_string()))?;
            let mut request = client.request(method, self.url(path)?).timeout(PATIENCE);
            if let Some(token) = Access::token_of_environment() {
                request = request.bearer_auth(token.expose());
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
            let status = answer.status();
            let text = answer.text().await.map_err(|error| self.unreachable(&error))?;
            match status.is_success() {
                true => Ok(text),
                false => Err(self.refusal(status, &text)),
            }
        })
    }

    fn url(&self, path: &[&str]) -> Result<Url, Error> {
        // Neither can be a segment of a path.
        if let Some(name) = path.iter().find(|part| matches!(**part, "" | "." | "..")) {
            return Err(Error::input(format!("{name:?} is not the identifier of an issue")));
        }
        let mut url = self.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        Ok(url)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let base = self.base.as_str().trim_end_matches('/');
        match &self.workflow {
            Some(workflow) if error.is_connect() => not_running(workflow),
            None if error.is_connect() => Error::environment(format!(
                "nothing can be reached at {base}: {}",
                innermost(error)
            ))
            .hint("`canon up` prints its address when it starts"),
            _ if error.is_timeout() => Error::environment(format!(
                "the daemon at {base} did not answer within {} s",
                PATIENCE.as_secs()
            )),
            _ => Error::environment(format!("no answer from {base}: {}", innermost(error))),
        }
    }

    fn refusal(&self, status: StatusCode, text: &str) -> Error {
        let base = self.base.as_str().trim_end_matches('/');
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        let (code, message) = (body["error"]["code"].as_str(), body["error"]["message"].as_str());
        let (Some(code), Some(message)) = (code, message) else {
            return Error::environment(format!("what answers at {base} is no canon up: {status}"));
        };
        let message = plain(message);
        match (code, status.as_u16()) {
            ("unauthorized", _) => {
                Error::environment(format!("the daemon at {base} wants a token, and not this one"))
                    .hint(format!("set {TOKEN_VARIABLE} to the one that it was started with"))
            }
            ("issue_not_found" | "invalid_request" | "body_too_large", _) => Error::input(message),
            ("ambiguous", _) => Error::input(message)
                .hint("name the question with --request; `canon status` shows them"),
            (_, 409) => Error::new(Kind::Work, message),
            _ => Error::environment(message),
        }
    }
}

/// What was behind it all: the rest only repeats that a request failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon() -> Daemon {
        Daemon { base: Url::parse("http://127.0.0.1:4000").unwrap(), workflow: None }
    }

    #[test]
    fn an_identifier_is_one_segment_whatever_is_in_it() {
        let url = daemon().url(&["issues", "a/b ?#%ü", "stop"]).unwrap();
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:4000/api/v1/issues/a%2Fb%20%3F%23%25%C3%BC/stop"
        );
        for none in ["", ".", ".."] {
            assert!(daemon().url(&["issues", none]).is_err());
        }
    }

    #[test]
    fn refusals_have_the_exit_codes_of_their_causes() {
        let code = |status: u16, code: &str| {
            let body = serde_json::json!({ "error": { "code": code, "message": "m" } }).to_string();
            let error = daemon().refusal(StatusCode::from_u16(status).unwrap(), &body);
            format!("{:?}", error.exit_code())
        };
        let expected = |code: u8| format!("{:?}", std::process::ExitCode::from(code));
        assert_eq!(code(404, "issue_not_found"), expected(2));
        assert_eq!(code(409, "ambiguous"), expected(2));
        assert_eq!(code(409, "not_asked"), expected(1));
        assert_eq!(code(401, "unauthorized"), expected(3));
        assert_eq!(code(503, "snapshot_unavailable"), expected(3));
        let other = daemon().refusal(StatusCode::BAD_GATEWAY, "<html>");
        assert!(other.to_string().contains("is no canon up"), "{other}");
    }
}
