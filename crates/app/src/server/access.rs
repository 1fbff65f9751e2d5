//! Who may ask: the bearer token, and the checks that keep web pages of others out.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use canon_runtime::secret::Secret;

use super::failure::Failure;

/// Environment variable with the token that every request must bear. Needed beyond loopback; asked
/// for wherever it is set. Commands that talk to a daemon send it.
pub const TOKEN_VARIABLE: &str = "CANON_API_TOKEN";

/// What a request has to show.
#[derive(Debug, Clone)]
pub struct Access {
    /// Only this machine can connect: the name that it was asked for by has to be this machine's.
    pub loopback: bool,
    /// What `Authorization: Bearer` has to carry; none: nothing.
    pub token: Option<Secret>,
}

impl Access {
    /// The token of this process's environment; an empty one counts as none.
    pub fn token_of_environment() -> Option<Secret> {
        std::env::var(TOKEN_VARIABLE).ok().map(Secret::new).filter(|token| !token.is_empty())
    }

    fn check(&self, request: &Request) -> Result<(), Failure> {
        let headers = request.headers();
        let asked_of = asked_of(request);
        // A page of another site can make a browser connect to this machine under a name of its
        // own (DNS rebinding), but cannot choose another name to ask for.
        if self.loopback && !asked_of.iter().all(is_this_machine) {
            return Err(forbidden(
                "host_not_allowed",
                "this daemon answers on loopback only; ask for localhost or 127.0.0.1",
            ));
        }
        if let Some(token) = &self.token
            && !bears(headers, token)
        {
            return Err(Failure::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                format!("send the daemon's {TOKEN_VARIABLE} as Authorization: Bearer"),
            ));
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if !reads && !is_same_origin(headers, &asked_of) {
            return Err(forbidden(
                "origin_not_allowed",
                "a page of another site may not ask this of the daemon",
            ));
        }
        Ok(())
    }
}

/// Lets a request through that shows what it has to.
pub(super) async fn guard(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    match access.check(&request) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

fn forbidden(code: &'static str, message: &str) -> Failure {
    Failure::new(StatusCode::FORBIDDEN, code, message)
}

/// Every name that the request asks for; `None` in it is one that is none.
fn asked_of(request: &Request) -> Vec<Option<Authority>> {
    let of_header = |value: &axum::http::HeaderValue| {
        value.to_str().ok().and_then(|text| text.parse::<Authority>().ok())
    };
    let mut names: Vec<Option<Authority>> =
        request.headers().get_all(header::HOST).iter().map(of_header).collect();
    if names.is_empty() && request.uri().authority().is_none() {
        names.push(None);
    }
    names.extend(request.uri().authority().cloned().map(Some));
    names
}

fn is_this_machine(name: &Option<Authority>) -> bool {
    let Some(name) = name else { return false };
    let host = name.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // A name with user information is nothing that a browser or a tool of ours sends.
    !name.as_str().contains('@')
        && (host.eq_ignore_ascii_case("localhost")
            || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}

/// Tools send no `Origin`; browsers send one with everything that may change something.
fn is_same_origin(headers: &HeaderMap, asked_of: &[Option<Authority>]) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        let site = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        site.is_some_and(|site| {
            asked_of.iter().all(|name| {
                name.as_ref().is_some_and(|name| name.as_str().eq_ignore_ascii_case(site))
            })
        })
    })
}

fn bears(headers: &HeaderMap, token: &Secret) -> bool {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return false };
    let Ok(value) = value.to_str() else { return false };
    let Some((scheme, given)) = value.split_once(' ') else { return false };
    scheme.eq_ignore_ascii_case("bearer") && is_same_secret(given.trim(), token.expose())
}

/// Takes the same time wherever the two differ: digests are compared, and all of them.
fn is_same_secret(given: &str, expected: &str) -> bool {
    let digest = |text: &str| canon_digest::sha256(text.as_bytes()).to_string();
    let (given, expected) = (digest(given), digest(expected));
    let differences = given.bytes().zip(expected.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str) -> bool {
        is_this_machine(&name.parse().ok())
    }

    #[test]
    fn only_names_of_this_machine_are_its_names() {
        for name in ["localhost", "LOCALHOST:80", "127.0.0.1:4000", "[::1]:1", "[::1]", "127.0.0.2"]
        {
            assert!(machine(name), "{name}");
        }
        for name in [
            "localhost.evil.example",
            "evil.example:4000",
            "127.0.0.1.nip.io",
            "10.0.0.1",
            "localhost@evil.example",
            "evil@localhost",
            "",
            "[::2]",
            "0.0.0.0",
            "2130706433",
        ] {
            assert!(!machine(name), "{name}");
        }
    }

    #[test]
    fn secrets_compare_by_value() {
        assert!(is_same_secret("s3cret", "s3cret"));
        for wrong in ["", "s3cre", "s3cret ", "S3cret", "s3crets"] {
            assert!(!is_same_secret(wrong, "s3cret"), "{wrong}");
        }
    }
}
