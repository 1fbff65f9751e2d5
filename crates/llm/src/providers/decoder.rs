//! From the bytes of a streamed answer to unified events, without a network (unified-llm §7.7).

use super::wire::StreamTranslator;
use crate::error::{ErrorKind, LlmError};
use crate::sse::{SseDecoder, SseEvent};
use crate::types::StreamEvent;

/// Decodes one streamed answer: bytes in any chunking in, events out. Pure, so a recorded body gives what
/// the live one gave.
///
/// A stream is over with [`StreamEvent::Finish`] or with one `Err`, exactly one of them; what comes later is
/// not looked at.
#[derive(Debug)]
pub struct StreamDecoder<T> {
    provider: String,
    sse: SseDecoder,
    translator: T,
    over: bool,
}

impl<T: StreamTranslator> StreamDecoder<T> {
    /// A decoder for one answer of `provider`.
    pub fn new(provider: &str, translator: T) -> Self {
        let provider = provider.to_owned();
        Self { provider, sse: SseDecoder::default(), translator, over: false }
    }

    /// Whether the stream has finished or failed.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the end of the body, or a short silence, would be no loss now.
    pub fn may_end(&self) -> bool {
        !self.over && self.translator.may_end()
    }

    /// Takes the next bytes and appends what they complete to `out`.
    ///
    /// # Errors
    /// What the provider reported, or [`ErrorKind::Stream`] for bytes that make no sense; the stream is over.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), LlmError> {
        if self.over {
            return Ok(());
        }
        let Self { provider, sse, translator, over } = self;
        let mut outcome = Ok(());
        sse.push(bytes, |event| {
            if !*over {
                outcome = decoded(provider, translator, event, out);
                *over = outcome.is_err() || translator.is_finished();
            }
        });
        outcome
    }

    /// Takes the orderly end of the body; the stream is over.
    ///
    /// # Errors
    /// As [`Self::push`], and [`ErrorKind::Stream`] when the answer is not complete.
    pub fn end(&mut self, out: &mut Vec<StreamEvent>) -> Result<(), LlmError> {
        if self.over {
            return Ok(());
        }
        self.over = true;
        let Self { provider, translator, .. } = self;
        let mut outcome = Ok(());
        let mut done = false;
        // Only the last blank line may be missing: a message that was cut off makes no sense and is refused.
        std::mem::take(&mut self.sse).finish(|event| {
            if !done {
                outcome = decoded(provider, translator, event, out);
                done = outcome.is_err() || translator.is_finished();
            }
        });
        outcome?;
        if !done {
            translator.end(out)?;
        }
        if !translator.is_finished() {
            let message = "the connection ended before the answer was complete";
            return Err(broken(provider, message.to_owned()));
        }
        Ok(())
    }
}

fn decoded<T: StreamTranslator>(
    provider: &str,
    translator: &mut T,
    event: SseEvent<'_>,
    out: &mut Vec<StreamEvent>,
) -> Result<(), LlmError> {
    match event {
        SseEvent::Message { event, data, .. } => translator.message(event, data, out),
        // Nobody knows what the line said, so nothing after it can be told to be true.
        SseEvent::OverlongLine { length, .. } => {
            Err(broken(provider, format!("a line of {length} bytes is over the limit")))
        }
        // These endpoints cannot be resumed, so the wait for a new connection means nothing.
        SseEvent::Retry(_) => Ok(()),
    }
}

fn broken(provider: &str, message: String) -> LlmError {
    LlmError::new(ErrorKind::Stream, message).with_provider(provider)
}
