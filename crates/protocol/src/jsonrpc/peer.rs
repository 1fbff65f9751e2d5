//! One side of a JSON-RPC conversation over async streams.
//!
//! [`connect`] gives three parts: a [`Peer`] to speak with, the [`Incoming`] messages, and a
//! future that moves the bytes and that the caller spawns under a name of its own. A handler
//! that awaits [`Peer::request`] must not be the one that drains [`Incoming`].

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use super::{Id, Message, Raw, RpcError};
use crate::lines::{Line, LineReader};

const INCOMING: usize = 4096;
const OUTGOING: usize = 1024;

/// Why a message was not sent or a request not answered.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The other side answered with an error.
    #[error("the other side refused: {0}")]
    Refused(#[source] RpcError),
    /// No answer in time.
    #[error("the other side did not answer {method} within {limit:?}")]
    Timeout {
        /// What was asked.
        method: String,
        /// The limit.
        limit: Duration,
    },
    /// The connection is gone.
    #[error("the connection is closed")]
    Closed,
}

/// What came in, other than answers to our requests.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// A message; an answer only when nobody here asked for it.
    Message(Message),
    /// A line over the cap.
    TooLong {
        /// Its length in bytes.
        len: u64,
        /// Its beginning.
        head: Bytes,
    },
}

/// The stream of incoming messages.
#[derive(Debug)]
pub struct Incoming(mpsc::Receiver<Received>);

impl Incoming {
    /// The next message, or `None` once the other side has closed.
    pub async fn next(&mut self) -> Option<Received> {
        self.0.recv().await
    }
}

type Waiting = Arc<Mutex<Option<HashMap<Id, oneshot::Sender<Result<Raw, RpcError>>>>>>;

/// The speaking end. Cheap to clone; the connection's writer ends with the last clone.
#[derive(Clone, Debug)]
pub struct Peer {
    lines: mpsc::Sender<Vec<u8>>,
    /// `None` once the other side has closed.
    waiting: Waiting,
    next_id: Arc<AtomicU64>,
    /// Whether messages say which version of JSON-RPC they are.
    versioned: bool,
}

/// A connection over `input` and `output`, with lines of up to `max_line` bytes. The future
/// reads until `input` ends and writes until the last [`Peer`] is gone; it fails with the first
/// IO error.
pub fn connect<R, W>(
    input: R,
    output: W,
    max_line: usize,
) -> (Peer, Incoming, impl Future<Output = io::Result<()>>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (received_tx, received_rx) = mpsc::channel(INCOMING);
    let (lines_tx, lines_rx) = mpsc::channel(OUTGOING);
    let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
    let peer = Peer {
        lines: lines_tx,
        waiting: waiting.clone(),
        next_id: Arc::default(),
        versioned: false,
    };
    let reader = LineReader::with_max(input, max_line);
    let run = async move {
        tokio::try_join!(read(reader, received_tx, waiting), write(output, lines_rx))?;
        Ok(())
    };
    (peer, Incoming(received_rx), run)
}

impl Peer {
    /// The same peer, with `"jsonrpc": "2.0"` in every message that it makes; Codex leaves that
    /// out, other protocols want it.
    #[must_use]
    pub fn versioned(self) -> Self {
        Self { versioned: true, ..self }
    }

    /// Sends a notification. Waits when the other side is slow to read.
    pub async fn notify(&self, method: &str, params: &Value) -> Result<(), PeerError> {
        self.say(super::notification_line(method, params)).await
    }

    /// Sends a notification that may be lost when the other side is slow to read. Never waits.
    pub fn try_notify(&self, method: &str, params: &Value) {
        let _ = self.lines.try_send(self.versioned_line(super::notification_line(method, params)));
    }

    /// Answers a request.
    pub async fn respond(&self, id: &Id, answer: Result<Value, RpcError>) -> Result<(), PeerError> {
        self.say(match answer {
            Ok(result) => super::response_line(id, &result),
            Err(error) => super::error_line(Some(id), &error),
        })
        .await
    }

    /// Says that a message could not be read, where not even its id is known.
    pub async fn reject(&self, error: &RpcError) -> Result<(), PeerError> {
        self.say(super::error_line(None, error)).await
    }

    /// Asks and waits for the answer, at most for `limit`. Ids count up from 0. Dropping the
    /// future gives the request up; a late answer then shows up in [`Incoming`].
    pub async fn request(
        &self,
        method: &str,
        params: &Value,
        limit: Duration,
    ) -> Result<Value, PeerError> {
        let ask = async { self.ask(method, params).await?.answer().await };
        match tokio::time::timeout(limit, ask).await {
            Ok(answer) => answer,
            Err(_) => Err(PeerError::Timeout { method: method.to_owned(), limit }),
        }
    }

    /// Asks; the answer may be waited for later. Ids count up from 0.
    pub async fn ask(&self, method: &str, params: &Value) -> Result<Question, PeerError> {
        let id = Id::from(self.next_id.fetch_add(1, Ordering::Relaxed));
        let (answer_tx, answer) = oneshot::channel();
        match &mut *lock(&self.waiting) {
            Some(waiting) => waiting.insert(id.clone(), answer_tx),
            None => return Err(PeerError::Closed),
        };
        let question = Question { waiting: Arc::clone(&self.waiting), id, answer };
        self.say(super::request_line(&question.id, method, params)).await?;
        Ok(question)
    }

    async fn say(&self, line: Vec<u8>) -> Result<(), PeerError> {
        self.send(self.versioned_line(line)).await
    }

    fn versioned_line(&self, line: Vec<u8>) -> Vec<u8> {
        if self.versioned { super::with_version(&line) } else { line }
    }

    /// Sends a line that is already made.
    pub async fn send(&self, line: Vec<u8>) -> Result<(), PeerError> {
        self.lines.send(line).await.map_err(|_| PeerError::Closed)
    }
}

/// A request that was sent. Dropping it gives the request up; a late answer then shows up in
/// [`Incoming`].
#[derive(Debug)]
pub struct Question {
    waiting: Waiting,
    id: Id,
    answer: oneshot::Receiver<Result<Raw, RpcError>>,
}

impl Question {
    /// Its id on the wire.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Waits for the answer. May be dropped and called again until it has returned.
    pub async fn answer(&mut self) -> Result<Value, PeerError> {
        let answer = (&mut self.answer).await.map_err(|_| PeerError::Closed)?;
        answer.map(|raw| raw.value()).map_err(PeerError::Refused)
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(waiting) = &mut *lock(&self.waiting) {
            waiting.remove(&self.id);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn read<R: AsyncRead + Unpin>(
    mut reader: LineReader<R>,
    received: mpsc::Sender<Received>,
    waiting: Waiting,
) -> io::Result<()> {
    let _close = Close(&waiting);
    while let Some(line) = reader.next().await? {
        let received_line = match line {
            Line::TooLong { len, head } => Received::TooLong { len, head },
            Line::Data(bytes) if bytes.is_empty() => continue,
            Line::Data(bytes) => match deliver(&waiting, Message::parse(&bytes)) {
                Some(message) => Received::Message(message),
                None => continue,
            },
        };
        if received.send(received_line).await.is_err() {
            tracing::debug!("nobody takes incoming messages any more");
        }
    }
    Ok(())
}

/// Ends all waiting requests when the reader ends, however it does.
struct Close<'a>(&'a Waiting);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        lock(self.0).take();
    }
}

/// Hands an answer to whoever waits for it; gives back everything else.
fn deliver(waiting: &Waiting, message: Message) -> Option<Message> {
    let id = match &message {
        Message::Response { id, .. } | Message::ErrorResponse { id: Some(id), .. } => id,
        _ => return Some(message),
    };
    let Some(answer) = lock(waiting).as_mut().and_then(|waiting| waiting.remove(id)) else {
        return Some(message);
    };
    let sent = match message {
        Message::Response { result, .. } => answer.send(Ok(result)),
        Message::ErrorResponse { error, .. } => answer.send(Err(error)),
        other => return Some(other),
    };
    if sent.is_err() {
        tracing::debug!("an answer came after its request was given up");
    }
    None
}

async fn write<W: AsyncWrite + Unpin>(
    mut output: W,
    mut lines: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    while let Some(mut line) = lines.recv().await {
        line.push(b'\n');
        output.write_all(&line).await?;
        if lines.is_empty() {
            output.flush().await?;
        }
    }
    output.shutdown().await
}

#[cfg(test)]
mod tests;
