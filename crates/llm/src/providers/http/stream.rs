//! From a flowing body to an [`EventStream`]: moves bytes, and tells silence and a broken connection.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::time::Instant;

use super::super::decoder::StreamDecoder;
use super::super::wire::StreamTranslator;
use super::{Envelope, causes};
use crate::error::{ErrorKind, LlmError};
use crate::types::{EventStream, StreamEvent};

type Body = Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>;

/// How long an answer that may be over is waited for: some proxies keep the connection open.
const LAST_WORDS: Duration = Duration::from_secs(2);

struct Reader<T> {
    provider: String,
    body: Body,
    decoder: StreamDecoder<T>,
    envelope: Envelope,
    silence: Duration,
    /// When the answer is over, once it may be.
    closing: Option<Instant>,
    ready: VecDeque<StreamEvent>,
    /// Said once everything that is ready was handed out.
    failure: Option<LlmError>,
    /// No more is read.
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
        decoder: StreamDecoder::new(provider, translator),
        envelope,
        silence,
        closing: None,
        ready: VecDeque::new(),
        failure: None,
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
            if let Some(mut event) = self.ready.pop_front() {
                self.envelope.wrap_event(&mut event);
                return Some(Ok(event));
            }
            if self.ended {
                return self.failure.take().map(Err);
            }
            let silent = Instant::now() + self.silence;
            let until = self.closing.map_or(silent, |closing| closing.min(silent));
            let outcome = match tokio::time::timeout_at(until, self.body.next()).await {
                Ok(Some(Ok(bytes))) => self.decode(|decoder, out| decoder.push(&bytes, out)),
                Ok(None) => self.decode(StreamDecoder::end),
                _ if self.closing.is_some() => self.decode(StreamDecoder::end),
                Ok(Some(Err(error))) => {
                    let error = error.without_url();
                    let message = format!("the connection broke: {}", causes(&error));
                    Err(self.error(ErrorKind::Stream, message).with_source(error))
                }
                Err(_) => {
                    let message = format!("no byte for {} s", self.silence.as_secs_f64());
                    Err(self.error(ErrorKind::RequestTimeout, message))
                }
            };
            self.ended = outcome.is_err() || self.decoder.is_over();
            self.failure = outcome.err();
            if self.closing.is_none() && self.decoder.may_end() {
                self.closing = Some(Instant::now() + LAST_WORDS);
            }
        }
    }

    /// Only called with nothing ready, so the queue's memory is used again.
    fn decode<R>(
        &mut self,
        decode: impl FnOnce(&mut StreamDecoder<T>, &mut Vec<StreamEvent>) -> R,
    ) -> R {
        let mut out = Vec::from(std::mem::take(&mut self.ready));
        let outcome = decode(&mut self.decoder, &mut out);
        self.ready = VecDeque::from(out);
        outcome
    }

    fn error(&self, kind: ErrorKind, message: String) -> LlmError {
        LlmError::new(kind, message).with_provider(self.provider.as_str())
    }
}
