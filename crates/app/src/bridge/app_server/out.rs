//! What the server says to its client.

use std::collections::HashSet;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use canon_protocol::codex::server::outgoing::Outgoing;
use canon_protocol::jsonrpc::peer::{Peer, PeerError, Question};
use canon_protocol::jsonrpc::{Id, RpcError};
use canon_runtime::clock;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long a client that has closed its own stream may take to read on. One that never does must
/// not hold up the end of what runs.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Until when is waited for a client, once it has closed its stream.
#[derive(Clone, Default)]
pub(super) struct Ending(Arc<watch::Sender<Option<Instant>>>);

/// A stream whose end is noticed even while nobody takes what came before it.
pub(super) struct Watched<R> {
    pub(super) stream: R,
    pub(super) ending: Ending,
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let over = match &read {
            Poll::Ready(Ok(())) => buffer.filled().len() == before && buffer.remaining() > 0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if over {
            self.ending.0.send_replace(Some(Instant::now() + LAST_WORDS));
        }
        read
    }
}

/// The way to the client; cheap to clone. A client that is gone shows as the end of its stream, so
/// what does not reach it is no error here.
#[derive(Clone)]
pub(super) struct Out {
    peer: Peer,
    /// Notifications that the client does not want.
    unwanted: Arc<Mutex<HashSet<String>>>,
    last: Arc<watch::Sender<Option<Instant>>>,
}

impl Out {
    pub(super) fn new(peer: Peer, ending: &Ending) -> Self {
        Self { peer, unwanted: Arc::default(), last: Arc::clone(&ending.0) }
    }

    /// Waits for `writing`, unless the client takes nothing any more.
    async fn within<T>(&self, writing: impl Future<Output = T>) -> Option<T> {
        let mut last = self.last.subscribe();
        let too_late = async {
            let until = last.wait_for(Option::is_some).await.ok().and_then(|until| *until);
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            written = writing => Some(written),
            () = too_late => None,
        }
    }

    /// Waits until what was said is written; nothing is said after it.
    pub(super) async fn last_words<T>(self, writing: impl Future<Output = T>) {
        // The writer ends with the last peer.
        drop(self);
        let _ = tokio::time::timeout(LAST_WORDS, writing).await;
    }

    /// Leaves these notifications out from now on.
    pub(super) fn leave_out(&self, methods: Vec<String>) {
        self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).extend(methods);
    }

    pub(super) async fn answer(&self, id: &Id, answer: Result<Value, RpcError>) {
        let _ = self.within(self.peer.respond(id, answer)).await;
    }

    /// Asks; the answer may be waited for later.
    pub(super) async fn ask(&self, request: &Outgoing) -> Result<Question, PeerError> {
        let asked = self.within(self.peer.ask(request.method, &request.params)).await;
        asked.unwrap_or(Err(PeerError::Closed))
    }

    pub(super) async fn notify(&self, outgoing: Outgoing) {
        let Outgoing { method, params } = outgoing;
        if self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).contains(method) {
            return;
        }
        let line = json!({ "method": method, "params": params, "emittedAtMs": clock::now_ms() });
        let _ = self.within(self.peer.send(line.to_string().into_bytes())).await;
    }
}
