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

/// How long an answer that may be over is waited for: some proxies keep the connection open. Events start the
/// wait anew, for some models name a reason to finish in every message; a proxy's comments do not.
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
            if self.decoder.may_end() && (self.closing.is_none() || !self.ready.is_empty()) {
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

#[cfg(test)]
mod tests {
    use crate::providers::gemini::GenerateContent;
    use crate::providers::wire::Wire as _;
    use crate::types::Request;

    use super::*;

    /// The text of the answer to a body that says the next of `pieces` every 1.5 s.
    async fn text(pieces: Vec<String>) -> (String, Duration) {
        let pieces = stream::iter(pieces).then(|piece| async {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            Ok(Bytes::from(piece))
        });
        let translator = GenerateContent.translator(&Request::new("m", Vec::new()));
        let mut reader = Reader {
            provider: "gemini".to_owned(),
            body: Box::pin(pieces),
            decoder: StreamDecoder::new("gemini", translator),
            envelope: Envelope::default(),
            silence: Duration::from_secs(30),
            closing: None,
            ready: VecDeque::new(),
            failure: None,
            ended: false,
        };
        let begun = Instant::now();
        loop {
            if let StreamEvent::Finish { response, .. } = reader.next().await.unwrap().unwrap() {
                return (response.text(), begun.elapsed());
            }
        }
    }

    fn chunk(text: &str) -> String {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}},\"finishReason\":\"STOP\"}}]}}\n\n"
        )
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_goes_on_after_a_reason_to_finish_is_not_cut_off() {
        let (text, _) = text(["a", "b", "c", "d"].map(chunk).into()).await;
        assert_eq!(text, "abcd");
    }

    #[tokio::test(start_paused = true)]
    async fn comments_do_not_keep_a_finished_answer_waiting() {
        let mut pieces = vec![chunk("a")];
        pieces.resize(1000, ": still here\n\n".to_owned());
        let (text, took) = text(pieces).await;
        assert_eq!(text, "a");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}
