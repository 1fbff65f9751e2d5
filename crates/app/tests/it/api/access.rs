//! Who is let in, and which ports are taken.

use std::net::TcpListener;

use canon::server::{Action, bind_with};
use canon_runtime::secret::Secret;

use super::fake::{self, Fake};
use super::wire::serve;

#[tokio::test]
async fn on_loopback_only_names_of_this_machine_are_answered() {
    let server = serve(Fake::new(fake::overview()), None);
    for host in ["localhost", "127.0.0.1:1", "[::1]:9", "LocalHost:80"] {
        let answer = server.ask("GET", "/api/v1/state", &[&format!("Host: {host}")], "").await;
        assert_eq!(answer.status, 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example:4000", "10.0.0.1", "", "a b"] {
        for path in ["/", "/api/v1/state", "/healthz", "/nope"] {
            let answer = server.ask("GET", path, &[&format!("Host: {host}")], "").await;
            assert!(matches!(answer.status, 400 | 403), "{host} {path} {answer:?}");
            assert!(!answer.body.contains("MT-649"), "{host} {path}");
        }
    }
    let answer = server.ask("GET", "/", &["Host: evil.example"], "").await;
    assert_eq!((answer.status, answer.error().as_str()), (403, "host_not_allowed"));
    let two = ["Host: localhost", "Host: evil.example"];
    assert_ne!(server.ask("GET", "/api/v1/state", &two, "").await.status, 200);
    let none = server.send("GET /api/v1/state HTTP/1.0\r\n\r\n").await;
    assert_eq!((none.status, none.error().as_str()), (403, "host_not_allowed"));
    let absolute =
        server.ask("GET", "http://evil.example/api/v1/state", &["Host: localhost"], "").await;
    assert_eq!((absolute.status, absolute.error().as_str()), (403, "host_not_allowed"));
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), None);
    let own = server.address.to_string();
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost:1",
        "https://127.0.0.1",
        "file://",
        "",
        &format!("ftp://{own}"),
        &format!("http://{own}.evil.example"),
        &own,
    ] {
        let origin = format!("Origin: {origin}");
        for path in ["pause", "refresh", "MT-649/stop"] {
            let answer = server.ask("POST", &format!("/api/v1/{path}"), &[&origin], "").await;
            let got = (answer.status, answer.error());
            assert_eq!(got, (403, "origin_not_allowed".to_owned()), "{origin} {path}");
        }
    }
    assert_eq!(fake.asked(), []);
    let answer = server.ask("POST", "/api/v1/pause", &[&format!("Origin: http://{own}")], "").await;
    assert_eq!(answer.status, 202);
    assert_eq!(fake.asked(), [Action::Pause]);
    // Reading is of no use to them: no answer allows another origin.
    let read = server.ask("GET", "/api/v1/state", &["Origin: http://evil.example"], "").await;
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, None));
}

#[tokio::test]
async fn with_a_token_every_request_bears_it() {
    let fake = Fake::new(fake::overview());
    let server = serve(fake.clone(), Some("s3cret-s3cret"));
    let wrong = [
        &[][..],
        &["Authorization: Bearer s3cret"],
        &["Authorization: Bearer s3cret-s3cretx"],
        &["Authorization: Bearer"],
        &["Authorization: Basic s3cret-s3cret"],
        &["Authorization: s3cret-s3cret"],
        &["Authorization: Bearer wrong", "Authorization: Bearer s3cret-s3cret"],
    ];
    for headers in wrong {
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/api/v1/state"),
            ("GET", "/healthz"),
            ("POST", "/api/v1/pause"),
            ("GET", "/nope"),
        ] {
            let answer = server.ask(method, path, headers, "").await;
            assert_eq!(
                (answer.status, answer.error().as_str()),
                (401, "unauthorized"),
                "{headers:?}"
            );
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(!answer.body.contains("s3cret"));
        }
    }
    assert_eq!(fake.asked(), []);
    for header in ["Authorization: Bearer s3cret-s3cret", "authorization: bearer s3cret-s3cret"] {
        assert_eq!(server.ask("GET", "/api/v1/state", &[header], "").await.status, 200);
        assert_eq!(server.ask("POST", "/api/v1/pause", &[header], "").await.status, 202);
    }
}

#[test]
fn beyond_loopback_there_has_to_be_a_token() {
    for host in ["0.0.0.0", "::"] {
        let error = bind_with(host, 0, None).unwrap_err().to_string();
        assert!(error.contains(host) && error.contains("CANON_API_TOKEN is not set"), "{error}");
    }
    let bound = bind_with("0.0.0.0", 0, Some(Secret::new("s3cret"))).unwrap();
    assert_eq!(bound.url(), format!("http://127.0.0.1:{}", bound.address().port()));
    assert!(!format!("{bound:?}").contains("s3cret"));
}

#[test]
fn a_port_in_use_is_said_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = bind_with("127.0.0.1", port, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "error: the HTTP server cannot start: port {port} on 127.0.0.1 is in use by another process\n  \
             hint: end that process, choose another port, or --port 0 for any free one"
        )
    );
    assert_eq!(
        format!("{:?}", error.exit_code()),
        format!("{:?}", std::process::ExitCode::from(3))
    );
}

#[test]
fn a_host_that_is_not_this_machine_is_said() {
    let error = bind_with("192.0.2.1", 0, Some(Secret::new("s3cret"))).unwrap_err().to_string();
    assert!(error.contains("192.0.2.1 is not an address of this machine"), "{error}");
    let error = bind_with("no such host", 0, None).unwrap_err().to_string();
    assert!(error.contains("\"no such host\""), "{error}");
}

#[tokio::test]
async fn answers_are_not_kept_framed_or_guessed_at() {
    let server = serve(Fake::new(fake::overview()), None);
    for path in ["/", "/api/v1/state", "/nope"] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    }
}

#[tokio::test]
async fn a_server_that_ends_frees_its_port() {
    use canon_runtime::task::{self, TaskSpec};
    let bound = bind_with("127.0.0.1", 0, None).unwrap();
    let address = bound.address();
    let until = tokio_util::sync::CancellationToken::new();
    let served = bound.serve(Fake::new(fake::overview()), until.clone());
    let serving = task::spawn(TaskSpec::new("server").signalled(), served);
    // A connection that only stays open does not hold the end up.
    let _idle = tokio::net::TcpStream::connect(address).await.unwrap();
    until.cancel();
    serving.await.unwrap().unwrap();
    TcpListener::bind(address).unwrap();
}
