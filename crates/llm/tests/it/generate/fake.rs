//! A provider that plays turns, one a request, and counts what is open.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use canon_llm::{
    Client, ContentPart, ErrorKind, EventStream, FinishReason, FinishReasonKind, Generate,
    LlmError, Message, PartialToolCall, ProviderAdapter, Request, Response, Role, StreamEvent,
    ToolCall, ToolCallData, Usage,
};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::sync::Notify;

/// What happens to one request.
pub(super) enum Turn {
    Answer(Box<Response>),
    Fail(LlmError),
    /// No answer, ever.
    Silence,
    /// These items, and then nothing more if `hangs`.
    Items {
        items: Vec<Result<StreamEvent, LlmError>>,
        hangs: bool,
    },
    /// After a while.
    After(Duration, Box<Turn>),
}

#[derive(Default)]
pub(super) struct Fake {
    turns: Mutex<VecDeque<Turn>>,
    requests: Mutex<Vec<Request>>,
    open: Arc<AtomicUsize>,
    /// Told when a request falls on silence.
    pub(super) silent: Arc<Notify>,
}

/// Something that lives as long as a call or a stream does.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Fake {
    pub(super) fn new(turns: impl IntoIterator<Item = Turn>) -> Arc<Self> {
        Arc::new(Self { turns: Mutex::new(turns.into_iter().collect()), ..Self::default() })
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Calls and streams that are neither over nor dropped.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(super) fn turns_left(&self) -> usize {
        self.turns.lock().unwrap().len()
    }

    pub(super) fn client(self: &Arc<Self>) -> Client {
        let adapter: Arc<dyn ProviderAdapter> = Arc::clone(self) as _;
        Client::builder().provider(adapter).default_provider("fake").build().unwrap()
    }

    /// Options that ask this provider something.
    pub(super) fn ask(self: &Arc<Self>) -> Generate {
        Generate::new("m").prompt("hi").client(self.client())
    }

    async fn take(&self, request: &Request) -> Turn {
        self.requests.lock().unwrap().push(request.clone());
        let mut turn = self.turns.lock().unwrap().pop_front().unwrap();
        while let Turn::After(wait, next) = turn {
            tokio::time::sleep(wait).await;
            turn = *next;
        }
        turn
    }
}

#[async_trait]
impl ProviderAdapter for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    async fn complete(&self, request: &Request) -> Result<Response, LlmError> {
        let _open = Open::new(&self.open);
        match self.take(request).await {
            Turn::Answer(response) => Ok(*response),
            Turn::Fail(error) => Err(error),
            Turn::Silence => {
                self.silent.notify_one();
                std::future::pending().await
            }
            Turn::Items { .. } | Turn::After(..) => panic!("this turn is for streams"),
        }
    }

    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError> {
        let open = Open::new(&self.open);
        let (items, hangs) = match self.take(request).await {
            Turn::Answer(response) => (events(&response).into_iter().map(Ok).collect(), false),
            Turn::Fail(error) => return Err(error),
            Turn::Silence => (Vec::new(), true),
            Turn::Items { items, hangs } => (items, hangs),
            Turn::After(..) => unreachable!(),
        };
        let silent = Arc::clone(&self.silent);
        let rest = stream::once(async move {
            silent.notify_one();
            std::future::pending().await
        });
        let rest = if hangs { rest.boxed() } else { stream::empty().boxed() };
        let all = stream::iter(items).chain(rest);
        Ok(all
            .map(move |item| {
                let _ = &open;
                item
            })
            .boxed())
    }
}

pub(super) fn response(reason: FinishReasonKind, parts: Vec<ContentPart>) -> Response {
    Response {
        id: "r".into(),
        model: "m".into(),
        provider: "fake".into(),
        message: Message::new(Role::Assistant, parts),
        finish_reason: FinishReason::new(reason, Some("raw")),
        usage: Usage { reasoning_tokens: Some(1), ..Usage::new(10, 5) },
        raw: None,
        warnings: Vec::new(),
        rate_limit: None,
    }
}

pub(super) fn answer(response: Response) -> Turn {
    Turn::Answer(Box::new(response))
}

pub(super) fn text(text: &str) -> Turn {
    answer(response(FinishReasonKind::Stop, vec![ContentPart::text(text)]))
}

/// An answer that is nothing but calls: id, tool, arguments.
pub(super) fn calls(calls: &[(&str, &str, Value)]) -> Response {
    let parts = calls
        .iter()
        .map(|(id, name, arguments)| {
            ContentPart::tool_call(ToolCallData::new(*id, *name, arguments.clone()))
        })
        .collect();
    response(FinishReasonKind::ToolCalls, parts)
}

pub(super) fn call(id: &str, name: &str, arguments: Value) -> Turn {
    answer(calls(&[(id, name, arguments)]))
}

pub(super) fn error(kind: ErrorKind) -> LlmError {
    LlmError::new(kind, "told to").with_provider("fake")
}

pub(super) fn fail(kind: ErrorKind) -> Turn {
    Turn::Fail(error(kind))
}

pub(super) fn delta(text: &str) -> StreamEvent {
    StreamEvent::TextDelta { text_id: "0".into(), delta: text.into() }
}

pub(super) fn start() -> StreamEvent {
    StreamEvent::StreamStart { warnings: Vec::new() }
}

pub(super) fn finish(response: &Response) -> StreamEvent {
    StreamEvent::Finish {
        finish_reason: response.finish_reason.clone(),
        usage: response.usage.clone(),
        response: Box::new(response.clone()),
    }
}

/// What a provider would stream for this answer; text in pieces of five characters.
pub(super) fn events(response: &Response) -> Vec<StreamEvent> {
    let mut events = vec![start()];
    for (index, part) in response.message.content.iter().enumerate() {
        let text_id = index.to_string();
        match part {
            ContentPart::Text { text, .. } => {
                events.push(StreamEvent::TextStart { text_id: text_id.clone() });
                let chars: Vec<char> = text.chars().collect();
                for piece in chars.chunks(5) {
                    let delta = piece.iter().collect();
                    events.push(StreamEvent::TextDelta { text_id: text_id.clone(), delta });
                }
                events.push(StreamEvent::TextEnd { text_id, text: text.clone() });
            }
            ContentPart::ToolCall { tool_call, .. } => {
                let partial =
                    PartialToolCall { id: tool_call.id.clone(), name: tool_call.name.clone() };
                events.push(StreamEvent::ToolCallStart { tool_call: partial.clone() });
                let delta = tool_call.arguments_text();
                events.push(StreamEvent::ToolCallDelta { tool_call: partial, delta });
                events.push(StreamEvent::ToolCallEnd { tool_call: ToolCall::from(tool_call) });
            }
            _ => {}
        }
    }
    events.push(finish(response));
    events
}
