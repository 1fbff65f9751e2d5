//! One model call as a task of its own.

use std::time::Duration;

use canon_llm::{Client, ErrorKind, LlmError, Request, StreamEvent};
use canon_runtime::task::{TaskSpec, spawn};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use crate::session::event::{Event, ModelNews};

/// How a model answers.
pub(super) enum Mode {
    /// As it writes; broken when nothing comes for so long.
    Stream { silence: Duration },
    /// All at once; the client has its own time limits.
    Whole,
}

/// A call under way; dropping it drops the connection.
pub(super) struct ModelCall {
    task: AbortHandle,
}

impl ModelCall {
    /// A call whose news go to `inbox`; exactly one of them is the last, a reply or a failure.
    pub(super) fn start(
        id: u64,
        client: Client,
        request: Request,
        mode: Mode,
        inbox: mpsc::Sender<Event>,
    ) -> (Self, JoinHandle<()>) {
        let handle = spawn(TaskSpec::new("agent model call"), async move {
            let news = match mode {
                Mode::Stream { silence } => stream(id, &client, request, silence, &inbox).await,
                Mode::Whole => {
                    client.complete(request).await.map(|reply| ModelNews::Replied(Box::new(reply)))
                }
            };
            let last = news.unwrap_or_else(ModelNews::Failed);
            // A driver that is gone needs no news.
            let _ = inbox.send(Event::Model { call: id, news: last }).await;
        });
        (Self { task: handle.abort_handle() }, handle)
    }
}

impl Drop for ModelCall {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn stream(
    id: u64,
    client: &Client,
    request: Request,
    silence: Duration,
    inbox: &mpsc::Sender<Event>,
) -> Result<ModelNews, LlmError> {
    let mut events = within(silence, client.stream(request)).await??;
    while let Some(event) = within(silence, events.next()).await? {
        let news = match event? {
            StreamEvent::Finish { response, .. } => return Ok(ModelNews::Replied(response)),
            StreamEvent::TextDelta { delta, .. } => ModelNews::Text(delta),
            StreamEvent::ReasoningDelta { reasoning_delta } => {
                ModelNews::Reasoning(reasoning_delta)
            }
            StreamEvent::ToolCallStart { .. } | StreamEvent::ToolCallDelta { .. } => {
                ModelNews::Other
            }
            StreamEvent::Error { error } => return Err(error),
            _ => continue,
        };
        if inbox.send(Event::Model { call: id, news }).await.is_err() {
            break;
        }
    }
    Err(LlmError::new(ErrorKind::Stream, "the reply ended before it was complete"))
}

async fn within<T>(silence: Duration, future: impl Future<Output = T>) -> Result<T, LlmError> {
    timeout(silence, future).await.map_err(|_| {
        let message = format!("the model was silent for {} s", silence.as_secs_f64());
        LlmError::new(ErrorKind::RequestTimeout, message)
    })
}
