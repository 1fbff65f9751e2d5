//! From a flowing body to an [`EventStream`]: bytes → server-sent events → unified events.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use super::super::wire::StreamTranslator;
use super::{Envelope, causes};
use crate::error::{ErrorKind, LlmError};
use crate::sse::{SseDecoder, SseEvent};
use crate::types::{EventStream, StreamEvent};

type Body = Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>;

struct Reader<T> {
    provider: String,
    body: Body,
    decoder: Option<SseDecoder>,
    translator: T,
    envelope: Envelope,
    silence: Duration,
    ready: VecDeque<Result<StreamEvent, LlmError>>,
    ended: bool,
}

/// The events of `response`, ended by `Finish` or by one error. `silence` is the longest wait for bytes.
pub fn events<T: StreamTranslator>(
    provider: &str,
    response: reqwest::Response,
    translator: T,
    envelope: Envelope,
    silence: Duration,
) -> EventStream {
    let reader = Reader {
        provider: provider.to_owned(),
        body: Box::pin(response.bytes_stream()),
        decoder: Some(SseDecoder::default()),
        translator,
        envelope,
        silence,
        ready: VecDeque::new(),
        ended: false,
    };
    Box::pin(stream::unfold(reader, |mut reader| async {
        let item = reader.next().await?;
        Some((item, reader))
    }))
}

impl<T: StreamTranslator> Reader<T> {
    async fn next(&mut self) -> Option<Result<StreamEvent, LlmError>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if self.ended {
                return None;
            }
            match tokio::time::timeout(self.silence, self.body.next()).await {
                Ok(Some(Ok(bytes))) => self.take(&bytes),
                Ok(Some(Err(error))) => {
                    let error = error.without_url();
                    let message = format!("the connection broke: {}", causes(&error));
                    self.fail(self.error(ErrorKind::Stream, message).with_source(error));
                }
                Ok(None) => self.end_of_body(),
                Err(_) => {
                    let message = format!("no byte for {} s", self.silence.as_secs_f64());
                    self.fail(self.error(ErrorKind::RequestTimeout, message));
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let Some(mut decoder) = self.decoder.take() else {
            return;
        };
        decoder.push(bytes, |event| self.decoded(event));
        self.decoder = Some(decoder);
    }

    fn end_of_body(&mut self) {
        if let Some(decoder) = self.decoder.take() {
            decoder.finish(|event| self.decoded(event));
        }
        if !self.ended {
            let mut out = Vec::new();
            let outcome = self.translator.end(&mut out);
            self.translated(out, outcome);
        }
        if !self.ended {
            let message = "the connection ended before the answer was complete";
            self.fail(self.error(ErrorKind::Stream, message.to_owned()));
        }
    }

    fn decoded(&mut self, event: SseEvent<'_>) {
        if self.ended {
            return;
        }
        match event {
            SseEvent::Message { event, data, .. } => self.message(event, data),
            SseEvent::OverlongLine { length, .. } => {
                let message = format!("a line of {length} bytes is over the limit");
                self.fail(self.error(ErrorKind::Stream, message));
            }
            // These endpoints cannot be resumed, so the wait for a new connection means nothing.
            SseEvent::Retry(_) => {}
        }
    }

    fn message(&mut self, event: &str, data: &str) {
        let mut out = Vec::new();
        let outcome = self.translator.message(event, data, &mut out);
        self.translated(out, outcome);
    }

    fn translated(&mut self, out: Vec<StreamEvent>, outcome: Result<(), LlmError>) {
        for mut event in out {
            self.envelope.wrap_event(&mut event);
            self.ready.push_back(Ok(event));
        }
        match outcome {
            Err(error) => self.fail(error),
            Ok(()) => self.ended = self.translator.is_finished(),
        }
    }

    fn fail(&mut self, error: LlmError) {
        self.ready.push_back(Err(error));
        self.ended = true;
    }

    fn error(&self, kind: ErrorKind, message: String) -> LlmError {
        LlmError::new(kind, message).with_provider(self.provider.as_str())
    }
}
