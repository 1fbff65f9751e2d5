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
    sse: SseDecoder,
    answer: Answer<T>,
}

/// One answer as far as it has come.
#[derive(Debug)]
struct Answer<T> {
    provider: String,
    translator: T,
    started: bool,
    over: bool,
}

impl<T: StreamTranslator> StreamDecoder<T> {
    /// A decoder for one answer of `provider`.
    pub fn new(provider: &str, translator: T) -> Self {
        let provider = provider.to_owned();
        let answer = Answer { provider, translator, started: false, over: false };
        Self { sse: SseDecoder::default(), answer }
    }

    /// Whether the stream has finished or failed.
    pub fn is_over(&self) -> bool {
        self.answer.over
    }

    /// Whether the end of the body, or a short silence, would be no loss now.
    pub fn may_end(&self) -> bool {
        !self.answer.over && self.answer.translator.may_end()
    }

    /// Takes the next bytes and appends what they complete to `out`.
    ///
    /// # Errors
    /// What the provider reported, or [`ErrorKind::Stream`] for bytes that make no sense; the stream is over.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), LlmError> {
        if self.answer.over {
            return Ok(());
        }
        let Self { sse, answer } = self;
        let mut outcome = Ok(());
        sse.push(bytes, |event| {
            if !answer.over {
                outcome = answer.take(event, out);
            }
        });
        outcome
    }

    /// Takes the orderly end of the body; the stream is over.
    ///
    /// # Errors
    /// As [`Self::push`], and [`ErrorKind::Stream`] when the answer is not complete.
    pub fn end(&mut self, out: &mut Vec<StreamEvent>) -> Result<(), LlmError> {
        if self.answer.over {
            return Ok(());
        }
        let Self { sse, answer } = self;
        let mut outcome = Ok(());
        // Only the last blank line may be missing: a message that was cut off makes no sense and is refused.
        std::mem::take(sse).finish(|event| {
            if !answer.over {
                outcome = answer.take(event, out);
            }
        });
        let was_over = std::mem::replace(&mut answer.over, true);
        outcome?;
        if !was_over {
            answer.translator.end(out)?;
        }
        if !answer.translator.is_finished() {
            let message = "the connection ended before the answer was complete";
            return Err(answer.broken(message.to_owned()));
        }
        Ok(())
    }
}

impl<T: StreamTranslator> Answer<T> {
    fn take(&mut self, event: SseEvent<'_>, out: &mut Vec<StreamEvent>) -> Result<(), LlmError> {
        let before = out.len();
        let outcome = match event {
            SseEvent::Message { event, data, .. } => self.translator.message(event, data, out),
            // Nobody knows what the line said, so nothing after it can be told to be true.
            SseEvent::OverlongLine { length, .. } => {
                Err(self.broken(format!("a line of {length} bytes is over the limit")))
            }
            // These endpoints cannot be resumed, so the wait for a new connection means nothing.
            SseEvent::Retry(_) => return Ok(()),
        };
        // An answer that is an error from the first message on has not begun.
        if !self.started && (outcome.is_ok() || out.len() > before) {
            self.started = true;
            out.insert(before, StreamEvent::StreamStart { warnings: Vec::new() });
        }
        self.over = outcome.is_err() || self.translator.is_finished();
        outcome
    }

    fn broken(&self, message: String) -> LlmError {
        LlmError::new(ErrorKind::Stream, message).with_provider(self.provider.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says each message again; `!` at its end makes it fail after that, and `!` alone at once.
    #[derive(Default)]
    struct Echo {
        finished: bool,
    }

    impl StreamTranslator for Echo {
        fn message(
            &mut self,
            _event: &str,
            data: &str,
            out: &mut Vec<StreamEvent>,
        ) -> Result<(), LlmError> {
            let said = data.trim_end_matches('!');
            if !said.is_empty() && said != "silence" {
                out.push(StreamEvent::ProviderEvent { raw: said.into() });
            }
            self.finished = data == "end";
            if said == data { Ok(()) } else { Err(LlmError::new(ErrorKind::Stream, data)) }
        }

        fn is_finished(&self) -> bool {
            self.finished
        }
    }

    /// The events of these messages, by name or by what they say, and whether they end well.
    fn decoded(messages: &[&str]) -> (Vec<String>, bool) {
        let mut decoder = StreamDecoder::new("echo", Echo::default());
        let mut out = Vec::new();
        let body: String = messages.iter().map(|data| format!("data: {data}\n\n")).collect();
        let outcome = decoder.push(body.as_bytes(), &mut out).and_then(|()| decoder.end(&mut out));
        assert!(decoder.is_over());
        let said = out.iter().map(|event| match event {
            StreamEvent::StreamStart { .. } => "start".to_owned(),
            StreamEvent::ProviderEvent { raw } => raw.as_str().unwrap().to_owned(),
            other => panic!("{other:?}"),
        });
        (said.collect(), outcome.is_ok())
    }

    #[test]
    fn a_stream_starts_once_and_before_all_else_unless_it_fails_at_once() {
        let cases: &[(&[&str], &[&str], bool)] = &[
            (&["a", "b", "end"], &["start", "a", "b", "end"], true),
            (&["silence", "a", "end"], &["start", "a", "end"], true),
            (&["end"], &["start", "end"], true),
            (&["a!"], &["start", "a"], false),
            (&["!"], &[], false),
            (&["a", "!", "b"], &["start", "a"], false),
            (&["a"], &["start", "a"], false),
            (&[], &[], false),
        ];
        for (messages, events, is_ok) in cases {
            let (said, outcome) = decoded(messages);
            assert_eq!(said, *events, "{messages:?}");
            assert_eq!(outcome, *is_ok, "{messages:?}");
        }
    }
}
