//! A client that sends exactly what a test says, and nothing that a well-behaved one would add.

use std::net::SocketAddr;
use std::sync::Arc;

use canon::server::{Daemon, bind_with};
use canon_runtime::secret::Secret;
use canon_runtime::task::{self, TaskSpec};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A server that ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _until: DropGuard,
}

/// Serves `daemon` on loopback, with a token if there is one.
pub(crate) fn serve(daemon: Arc<dyn Daemon>, token: Option<&str>) -> Server {
    let bound = bind_with("127.0.0.1", 0, token.map(Secret::new)).unwrap();
    let address = bound.address();
    assert_eq!(bound.url(), format!("http://{address}"));
    let until = CancellationToken::new();
    task::spawn(TaskSpec::new("server").signalled(), bound.serve(daemon, until.clone()));
    Server { address, _until: until.drop_guard() }
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .find_map(|(n, value)| n.eq_ignore_ascii_case(name).then_some(value))
    }

    /// The error's code; the envelope has to be whole.
    pub(crate) fn error(&self) -> String {
        let body = self.json();
        assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        body["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl Server {
    /// One that somebody else runs.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address, _until: CancellationToken::new().drop_guard() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &[], body).await
    }

    /// With a proper `Host`, unless `headers` has one.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("host:")) {
            request += &format!("Host: {}\r\n", self.address);
        }
        for header in headers {
            request += &format!("{header}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        self.send(&format!("{request}\r\n{body}")).await
    }

    pub(crate) async fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }
}
