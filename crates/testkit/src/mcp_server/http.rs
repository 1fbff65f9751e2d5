//! The fake over streamable HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;
use tokio::sync::oneshot;

use super::{McpSession, Out};

/// The session that the server knows.
const SESSION: &str = "fake-session";

/// The running server; it ends when this is dropped.
#[derive(Debug)]
pub struct McpHttpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// What the header `authorization` must be.
    authorization: String,
    session: Mutex<McpSession>,
    requests: Mutex<Vec<String>>,
}

impl McpHttpServer {
    /// Starts it on a free port of this machine; callers must send this `authorization`.
    ///
    /// # Errors
    /// No port or no thread could be had.
    pub fn start(authorization: &str) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            authorization: authorization.to_owned(),
            session: Mutex::default(),
            requests: Mutex::default(),
        });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread =
            std::thread::Builder::new().name("mcp-server".to_owned()).spawn(move || {
                runtime.block_on(async move {
                    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                    tokio::select! {
                        _ = axum::serve(listener, router) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// The requests so far, as `POST 200`.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }
}

impl Drop for McpHttpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A server that panicked has said so.
            let _ = thread.join();
        }
    }
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let (status, kind, body) = respond(&shared, &method, &headers, &body);
    lock(&shared.requests).push(format!("{method} {}", status.as_u16()));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let own = response.headers_mut();
    own.insert("mcp-session-id", SESSION.parse().unwrap_or_else(|_| unreachable!()));
    if !kind.is_empty() {
        own.insert("content-type", kind.parse().unwrap_or_else(|_| unreachable!()));
    }
    response
}

fn respond(
    shared: &Shared,
    method: &Method,
    headers: &HeaderMap,
    body: &[u8],
) -> (StatusCode, &'static str, Body) {
    let refuse = |status, why: &str| (status, "text/plain", Body::from(why.to_owned()));
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    if header("authorization") != shared.authorization {
        return refuse(StatusCode::FORBIDDEN, "who are you?");
    }
    match *method {
        Method::GET => return refuse(StatusCode::METHOD_NOT_ALLOWED, ""),
        Method::DELETE => return refuse(StatusCode::OK, ""),
        Method::POST => {}
        _ => return refuse(StatusCode::BAD_REQUEST, "no such method"),
    }
    let accept = header("accept");
    if !accept.contains("application/json") || !accept.contains("text/event-stream") {
        return refuse(StatusCode::NOT_ACCEPTABLE, "accept must name both kinds");
    }
    let Ok(message) = serde_json::from_slice::<Value>(body) else {
        return refuse(StatusCode::BAD_REQUEST, "no JSON");
    };
    if message["method"] != "initialize" {
        if header("mcp-session-id") != SESSION {
            return refuse(StatusCode::BAD_REQUEST, "no session");
        }
        if header("mcp-protocol-version") != "2025-11-25" {
            return refuse(StatusCode::BAD_REQUEST, "another version than was agreed upon");
        }
    }
    let steps = lock(&shared.session).receive(&message);
    if message.get("id").is_none() || message.get("method").is_none() {
        return (StatusCode::ACCEPTED, "", Body::empty());
    }
    match &steps[..] {
        [Out::Send(answer)] if answer.get("method").is_none() => {
            (StatusCode::OK, "application/json", Body::from(answer.to_string()))
        }
        _ => (StatusCode::OK, "text/event-stream", events(&steps, &message["id"])),
    }
}

/// The messages as events; without an answer to `id` among them the stream does not end.
fn events(steps: &[Out], id: &Value) -> Body {
    let sent = steps.iter().filter_map(|step| match step {
        Out::Send(message) => Some(message),
        _ => None,
    });
    let is_answered = sent.clone().any(|message| message["id"] == *id);
    let text: String = sent.map(|message| format!("event: message\ndata: {message}\n\n")).collect();
    let first = stream::iter([Ok::<_, io::Error>(Bytes::from(text))]);
    if is_answered {
        Body::from_stream(first)
    } else {
        Body::from_stream(first.chain(stream::pending()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
