//! What stands between us and a provider, and answers in its place: proxies, gateways, login pages.

use canon_llm::{Client, CompatibleConfig, ErrorKind, LlmError, Message, Request};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

const PROVIDERS: [&str; 4] = ["openai", "anthropic", "gemini", "openai-compatible"];

/// Asks `provider` where every request is answered by `answer`, whatever it was.
async fn asked(provider: &str, answer: &str, streams: bool) -> LlmError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::from_env_with(|name| match name {
        _ if name.ends_with("_API_KEY") => Some("sk-canary-0123456789".to_owned()),
        _ if name.ends_with("_BASE_URL") => Some(url.clone()),
        _ => None,
    });
    let client = client.unwrap();
    let request = Request {
        provider: Some(provider.to_owned()),
        ..Request::new("some-model", vec![Message::user("hi")])
    };
    let call = async {
        match streams {
            true => client.stream(request).await.map(drop),
            false => client.complete(request).await.map(drop),
        }
    };
    let gateway = async {
        let mut connection = BufReader::new(listener.accept().await.unwrap().0);
        let (mut line, mut length) = (String::new(), 0);
        while connection.read_line(&mut line).await.unwrap() > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        connection.read_exact(&mut vec![0; length]).await.unwrap();
        connection.write_all(answer.as_bytes()).await.unwrap();
    };
    tokio::join!(call, gateway).0.unwrap_err()
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn an_error_object_with_status_200_is_the_error_that_is_reported() {
    let body = r#"{"error": {"message": "all credits are used up", "code": "insufficient_quota"}}"#;
    for provider in PROVIDERS {
        let error =
            asked(provider, &answer(200, "content-type: application/json\r\n", body), false).await;
        // Gemini has words of its own for why.
        let is_told = error.kind() == ErrorKind::QuotaExceeded || provider == "gemini";
        assert!(is_told, "{provider}: {error:?}");
        assert_eq!(error.message(), "all credits are used up", "{provider}");
        assert_eq!(error.provider(), Some(provider));
    }
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_is_quoted_without_the_key() {
    let page = "<html>Sign in to the guest network; your key is sk-canary-0123456789</html>";
    for provider in PROVIDERS {
        for streams in [false, true] {
            let error =
                asked(provider, &answer(200, "content-type: text/html\r\n", page), streams).await;
            let message = error.message();
            assert!(message.contains("Sign in to the guest network"), "{provider}: {message}");
            assert!(!message.contains("canary"), "{provider}: {message}");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_named_without_its_query_and_not_tried_again() {
    let moved =
        answer(308, "location: https://login.example/v1/x?session=canary#canary\r\n", "gone");
    for provider in PROVIDERS {
        for streams in [false, true] {
            let error = asked(provider, &moved, streams).await;
            assert!(error.message().contains("`https://login.example/v1/x`"), "{error}");
            assert!(!error.retryable(), "{provider}");
            assert_eq!(error.status_code(), Some(308));
        }
    }
}

#[tokio::test]
async fn a_refusal_without_a_word_is_named_by_its_status() {
    let error = asked("openai", &answer(407, "", ""), false).await;
    assert!(error.message().contains("Proxy Authentication Required"), "{error}");
}

#[test]
fn a_base_url_that_no_path_can_follow_is_refused() {
    let config = |url: &str| {
        CompatibleConfig::from_env_with(&|name| {
            (name == "OPENAI_COMPATIBLE_BASE_URL").then(|| url.to_owned())
        })
    };
    for url in [
        "http://",
        "ftp://h/v1",
        "h:8080/v1",
        "http://h:99999/v1",
        "http://h/v1?key=canary",
        "http://u:canary@h/v1#x",
    ] {
        let error = config(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.message().contains("OPENAI_COMPATIBLE_BASE_URL"), "{error}");
        assert!(!error.message().contains("canary"), "{error}");
    }
    let read = config(" https://h:8080/v1\n").unwrap().unwrap();
    assert_eq!(read.base_url, "https://h:8080/v1");
}
