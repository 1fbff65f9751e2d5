//! A fake model server that speaks four wires and validates every request: OpenAI's Responses, Chat
//! Completions, Anthropic's Messages and Gemini's `generateContent`.
//!
//! A test queues [`Reply`]s; each request, on whatever wire, takes one, if it passes every check that
//! the real service is known to make and a few that it should. A request that fails is answered with
//! the wire's own 400 and recorded as a violation, so that a caller that would fail against the real
//! service fails here first. It runs on a thread of its own, so that a test may pause its clock.

mod answer;
mod chat;
mod gate;
mod gemini;
mod issued;
mod messages;
mod meter;
mod part;
mod pieces;
mod protocol;
mod reply;
mod responses;
mod rules;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::Value;
use tokio::sync::oneshot;

pub use gate::Gate;
pub use part::{Chunks, Fault, Part, Tokens, Usage};
pub use protocol::Wire;
pub use reply::Reply;

use issued::Issued;
use meter::Meter;
use protocol::{Call, Protocol};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// The wire that it came on; `None` when no wire has such a path.
    pub wire: Option<Wire>,
    /// Its path, as it came, still percent-encoded.
    pub path: String,
    /// What stood after the `?`; empty for nothing.
    pub query: String,
    /// Its headers, names in lower case.
    pub headers: HeaderMap,
    /// Its body; `Null` when it was no JSON.
    pub body: Value,
}

impl Book {
    fn next_reply(&mut self, body: &[u8]) -> Option<Reply> {
        let body = String::from_utf8_lossy(body);
        let addressed = self.addressed.iter().position(|(text, _)| body.contains(text.as_str()));
        addressed
            .map(|at| self.addressed.remove(at).1)
            .or_else(|| self.replies.pop_front())
            .or_else(|| self.otherwise.clone())
    }

    /// Answers the latest request with an error, and records why and what else was wrong.
    fn refuse(&mut self, wire: &dyn Protocol, fault: &Fault, more: &[String]) -> Response<Body> {
        let number = self.requests.len();
        for problem in std::iter::once(&fault.message).chain(more) {
            self.violations.push(format!("request {number}: {problem}"));
        }
        answer::error(wire, fault)
    }
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
    /// Replies for requests that hold a text; they come first.
    addressed: Vec<(String, Reply)>,
    /// Answers when no reply is left.
    otherwise: Option<Reply>,
    meter: Option<Meter>,
    requests: Vec<ReceivedRequest>,
    violations: Vec<String>,
    issued: Issued,
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
            .fallback(respond)
            .layer(DefaultBodyLimit::disable())
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

    /// The base URL of Anthropic's and Google's clients.
    pub fn root_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL of OpenAI's clients and their like, with the `/v1`.
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

    /// Queues a reply for the next request whose body holds `text`. For conversations that run at the
    /// same time: which of them asks first is anybody's guess.
    pub fn push_when(&self, text: &str, reply: Reply) {
        self.shared.book().addressed.push((text.to_owned(), reply));
    }

    /// Answers every request that finds the queue empty.
    pub fn otherwise(&self, reply: Reply) {
        self.shared.book().otherwise = Some(reply);
    }

    /// Counts tokens from now on, for replies without a usage of their own: four bytes are a token,
    /// and the longest prefix of a prompt that was seen before is cached; on the Messages wire up to a
    /// mark, as Anthropic does it.
    pub fn count_tokens(&self) {
        self.shared.book().meter.get_or_insert_default();
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
        let book = self.shared.book();
        book.replies.len() + book.addressed.len()
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

async fn respond(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response<Body> {
    let answer = decide(&mut shared.book(), &method, &uri, &headers, &bytes);
    match answer {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

/// The answer, or `None` for a silence.
fn decide(
    book: &mut Book,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    bytes: &[u8],
) -> Option<Response<Body>> {
    let parsed = serde_json::from_slice::<Value>(bytes);
    let body = parsed.as_ref().cloned().unwrap_or(Value::Null);
    let (path, query) = (uri.path(), uri.query().unwrap_or(""));
    let wire = Wire::of(path);
    book.requests.push(ReceivedRequest {
        wire,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers.clone(),
        body: body.clone(),
    });
    let protocol = wire.unwrap_or(Wire::Responses).protocol();
    let call = Call { headers, path, query, body: &body };
    if wire.is_none() || method != Method::POST {
        let fault = fault(404, format!("no such endpoint: {method} {path}"));
        return Some(book.refuse(protocol, &fault, &[]));
    }
    if let Some(fault) = protocol.unauthorized(&call) {
        return Some(book.refuse(protocol, &fault, &[]));
    }
    let problems = match parsed {
        Ok(_) => protocol.problems(&call, &book.issued),
        Err(error) => vec![format!("the body is no JSON: {error}")],
    };
    if let Some(first) = problems.first() {
        return Some(book.refuse(protocol, &fault(400, first.clone()), &problems[1..]));
    }
    let Some(mut reply) = book.next_reply(bytes) else {
        let message = "the test has no reply left for this request".to_owned();
        return Some(book.refuse(protocol, &fault(400, message), &[]));
    };
    if let (Some(meter), Some(wire)) = (&mut book.meter, wire) {
        let counts = meter.count(wire, &protocol.prompt(&call), &reply.parts);
        reply = reply.counted(counts);
    }
    book.served += 1;
    answer::answer(protocol, &reply, &call, book.served, &mut book.issued)
}

fn fault(status: u16, message: String) -> Fault {
    Fault { status, code: None, message }
}
