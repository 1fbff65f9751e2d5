//! A fake model server that speaks the OpenAI Responses wire and validates every request.
//!
//! A test queues [`Reply`]s; each request takes one, if it passes every check that the real service is
//! known to make and a few that it should. A request that fails is answered with 400 and recorded as a
//! violation, so that a caller that would fail against the real service fails here first. It runs on a
//! thread of its own, so that a test may pause its clock.

mod check;
mod reply;
mod wire;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::sync::oneshot;

pub use reply::Reply;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// Its headers, names in lower case.
    pub headers: HeaderMap,
    /// Its body; `Null` when it was no JSON.
    pub body: Value,
}

/// The running server. It ends when this is dropped.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared(Mutex<Book>);

/// What was asked, what is still to be answered, and what went wrong.
#[derive(Debug, Default)]
struct Book {
    replies: VecDeque<Reply>,
    requests: Vec<ReceivedRequest>,
    violations: Vec<String>,
    /// Items that were sent, by id: those that come back must be the same.
    issued: check::Issued,
    served: usize,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ModelServer {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port or no thread is to be had.
    pub fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let router = Router::new()
            .route("/v1/responses", post(respond))
            .fallback(nowhere)
            .with_state(Arc::clone(&shared));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread =
            std::thread::Builder::new().name("model-server".to_owned()).spawn(move || {
                runtime.block_on(async move {
                    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                        return;
                    };
                    // Not a graceful end: replies that hang must not hold up a test.
                    tokio::select! {
                        _ = axum::serve(listener, router) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// What a client takes as its base URL, with the `/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Queues a reply.
    pub fn push(&self, reply: Reply) {
        self.shared.book().replies.push_back(reply);
    }

    /// Queues several replies.
    pub fn extend(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.book().replies.extend(replies);
    }

    /// Every request so far, those with violations included.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.shared.book().requests.clone()
    }

    /// Everything that was wrong with any request; a test ends by asserting that this is empty.
    pub fn violations(&self) -> Vec<String> {
        self.shared.book().violations.clone()
    }

    /// Replies that nobody has asked for yet.
    pub fn replies_left(&self) -> usize {
        self.shared.book().replies.len()
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn nowhere() -> Response<Body> {
    wire::error(StatusCode::NOT_FOUND, "invalid_request_error", None, "no such endpoint")
}

async fn respond(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response<Body> {
    let answer = decide(&mut shared.book(), &headers, &bytes);
    match answer {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

/// The answer, or `None` for a silence.
fn decide(book: &mut Book, headers: &HeaderMap, bytes: &[u8]) -> Option<Response<Body>> {
    let parsed = serde_json::from_slice::<Value>(bytes);
    let body = parsed.as_ref().cloned().unwrap_or(Value::Null);
    book.requests.push(ReceivedRequest { headers: headers.clone(), body: body.clone() });
    let number = book.requests.len();
    if !check::is_authorized(headers) {
        book.violations.push(format!("request {number}: no bearer token"));
        let message = "You didn't provide an API key.";
        return Some(wire::error(StatusCode::UNAUTHORIZED, "invalid_request_error", None, message));
    }
    let problems = match parsed {
        Ok(body) => check::request(&body, &book.issued),
        Err(error) => vec![format!("the body is no JSON: {error}")],
    };
    if let Some(first) = problems.first() {
        let answer = wire::error(StatusCode::BAD_REQUEST, "invalid_request_error", None, first);
        book.violations
            .extend(problems.iter().map(|problem| format!("request {number}: {problem}")));
        return Some(answer);
    }
    let Some(reply) = book.replies.pop_front() else {
        let message = "the test has no reply left for this request";
        book.violations.push(format!("request {number}: {message}"));
        let kind = "invalid_request_error";
        return Some(wire::error(StatusCode::BAD_REQUEST, kind, None, message));
    };
    book.served += 1;
    let served = book.served;
    wire::answer(reply, &body, served, &mut book.issued)
}
