//! The record middleware: writes what a live session said as a transcript that [`crate::Scripted`] plays.

mod split;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use canon_runtime::secret::{REDACTED, Redactor};
use futures_util::Stream;
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::error::LlmError;
use crate::middleware::{Middleware, Next};
use crate::types::{
    ContentPart, EventStream, Request, Response, Role, StreamEvent, ToolResultData, Warning,
};

/// How much of the first user message an entry demands, in characters.
const PROMPT_SHOWN: usize = 200;

/// Why a recording cannot begin.
#[derive(Debug, thiserror::Error)]
#[error("{}: the recording cannot be opened: {source}", path.display())]
pub struct RecordError {
    path: PathBuf,
    source: io::Error,
}

/// Appends one entry a call to a file that only its owner can read. Secrets are redacted before they
/// reach it. An entry demands the tool results that preceded it.
#[derive(Debug, Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    file: Mutex<File>,
    redactor: Redactor,
}

impl Recorder {
    /// Opens `path` for appending, creating it with mode 0600.
    ///
    /// # Errors
    /// [`RecordError`] when the file cannot be opened.
    pub fn open(path: &Path, redactor: Redactor) -> Result<Self, RecordError> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| RecordError { path: path.to_owned(), source })?;
        Ok(Self {
            shared: Arc::new(Shared { path: path.to_owned(), file: Mutex::new(file), redactor }),
        })
    }
}

impl Shared {
    /// Writes one line. A recording that fails must not cost the call that was paid for, so the failure
    /// becomes a warning.
    fn write(&self, when: &Value, name: &str, answer: Value) -> Option<Warning> {
        let mut entry = Map::new();
        entry.insert("when".to_owned(), when.clone());
        entry.insert(name.to_owned(), self.redacted(answer));
        let mut line = Value::Object(entry).to_string();
        line.push('\n');
        let outcome =
            self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
        let error = outcome.err()?;
        let message = format!("{}: not recorded: {error}", self.path.display());
        tracing::warn!(path = %self.path.display(), %error, "a model call was not recorded");
        Some(Warning::new("not_recorded", message))
    }

    fn redacted(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redactor.redact(&text).into_owned()),
            Value::Array(items) => items.into_iter().map(|item| self.redacted(item)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, field)| {
                    let name = self.redactor.redact(&name).into_owned();
                    (name, self.redacted(field))
                })
                .collect::<Map<_, _>>()
                .into(),
            other => other,
        }
    }

    fn when(&self, request: &Request) -> Value {
        let messages = &request.messages;
        let last = messages.iter().rposition(|message| message.role == Role::Assistant);
        let turn = messages.iter().filter(|message| message.role == Role::Assistant).count();
        let mut when = json!({ "turn": turn });
        let prompt = messages
            .iter()
            .find(|message| message.role == Role::User && message.tool_results().next().is_none());
        if let Some(prompt) = prompt {
            when["first_user"] = self.text_matcher(&self.start_of(&prompt.text()), "contains");
        }
        when["tool_results"] = messages[last.map_or(0, |at| at + 1)..]
            .iter()
            .flat_map(|message| message.tool_results())
            .map(|result| self.result_matcher(request, result))
            .collect();
        when
    }

    /// Redacted before it is cut: half a secret does not look like one. It does not end within a mark either.
    fn start_of(&self, text: &str) -> String {
        let mut start: String = self.redactor.redact(text).chars().take(PROMPT_SHOWN).collect();
        let half = (1..REDACTED.len()).rev().find(|length| start.ends_with(&REDACTED[..*length]));
        start.truncate(start.len() - half.unwrap_or(0));
        start
    }

    fn result_matcher(&self, request: &Request, result: &ToolResultData) -> Value {
        let mut matcher = self.text_matcher(&result.content_text(), "equals");
        matcher["is_error"] = json!(result.is_error);
        let name =
            request.messages.iter().flat_map(|message| &message.content).find_map(
                |part| match part {
                    ContentPart::ToolCall { tool_call, .. }
                        if tool_call.id == result.tool_call_id =>
                    {
                        Some(&tool_call.name)
                    }
                    _ => None,
                },
            );
        if let Some(name) = name {
            matcher["name"] = json!(name);
        }
        matcher
    }

    /// Where a secret was taken out, and where a duration stood, what stood around it is demanded
    /// instead of the whole: no replay takes as many milliseconds.
    fn text_matcher(&self, text: &str, whole: &str) -> Value {
        let redacted = self.redactor.redact(text);
        let holed = match durations() {
            Some(durations) => durations.replace_all(&redacted, REDACTED),
            None => redacted,
        };
        if holed == text && !text.contains(REDACTED) {
            return json!({ whole: text });
        }
        let pieces: Vec<&str> = holed.split(REDACTED).filter(|piece| !piece.is_empty()).collect();
        json!({ "contains": pieces })
    }
}

/// Durations as tools and test runners print them: `12 ms`, `0.25s`, `1m 3.5s`.
fn durations() -> Option<&'static Regex> {
    static DURATIONS: OnceLock<Option<Regex>> = OnceLock::new();
    DURATIONS
        .get_or_init(|| Regex::new(r"\b\d+(?:\.\d+)? ?(?:ns|µs|us|ms|s|seconds?)\b").ok())
        .as_ref()
}

fn without_raw(response: &Response) -> Response {
    // The message keeps each block as the provider wrote it; the whole body again would double the file.
    Response { raw: None, ..response.clone() }
}

fn json_of(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

#[async_trait]
impl Middleware for Recorder {
    async fn complete(&self, request: Request, next: Next<'_>) -> Result<Response, LlmError> {
        let when = self.shared.when(&request);
        let mut outcome = next.complete(request).await;
        match &mut outcome {
            Ok(response) => {
                let reply = json!({
                    "message": response.message,
                    "finish_reason": response.finish_reason,
                    "usage": response.usage,
                });
                let warning = self.shared.write(&when, "reply", reply);
                response.warnings.extend(warning);
            }
            Err(error) => {
                self.shared.write(&when, "error", json_of(error));
            }
        }
        outcome
    }

    async fn stream(&self, request: Request, next: Next<'_>) -> Result<EventStream, LlmError> {
        let when = self.shared.when(&request);
        match next.stream(request).await {
            Ok(inner) => Ok(Box::pin(Recording {
                inner,
                shared: Arc::clone(&self.shared),
                when,
                events: Vec::new(),
                written: false,
            })),
            Err(error) => {
                self.shared.write(&when, "error", json_of(&error));
                Err(error)
            }
        }
    }
}

/// A stream that is written down once it ends, or is dropped on the way.
struct Recording {
    inner: EventStream,
    shared: Arc<Shared>,
    when: Value,
    events: Vec<Value>,
    written: bool,
}

impl Recording {
    fn write(&mut self) -> Option<Warning> {
        self.written = true;
        let events = split::rejoined(std::mem::take(&mut self.events), &self.shared.redactor);
        self.shared.write(&self.when, "stream", Value::Array(events))
    }
}

impl Stream for Recording {
    type Item = Result<StreamEvent, LlmError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut item = match this.inner.as_mut().poll_next(context) {
            Poll::Ready(Some(item)) => item,
            other => return other,
        };
        match &mut item {
            Ok(StreamEvent::Finish { finish_reason, usage, response }) => {
                let event = StreamEvent::Finish {
                    finish_reason: finish_reason.clone(),
                    usage: usage.clone(),
                    response: Box::new(without_raw(response)),
                };
                this.events.push(json_of(&event));
                response.warnings.extend(this.write());
            }
            Ok(event) => this.events.push(json_of(event)),
            Err(error) => {
                let error = error.clone();
                this.events.push(json_of(&StreamEvent::Error { error }));
                this.write();
            }
        }
        Poll::Ready(Some(item))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.written && !self.events.is_empty() {
            self.write();
        }
    }
}

#[cfg(test)]
mod tests {
    use canon_runtime::secret::Secret;

    use super::*;
    use crate::types::Message;

    #[test]
    fn a_secret_at_the_cut_of_the_prompt_does_not_show() {
        let dir = tempfile::tempdir().unwrap();
        let redactor = Redactor::new([Secret::new("hunter2-hunter2")]);
        let recorder = Recorder::open(&dir.path().join("t"), redactor).unwrap();
        for (before, shown) in [(195, 195), (190, 190), (185, 185), (200, 200), (210, 200)] {
            let prompt = format!("{}hunter2-hunter2 is it", "x".repeat(before));
            let request = Request::new("m", vec![Message::user(prompt.as_str())]);
            let pieces = recorder.shared.when(&request)["first_user"]["contains"].clone();
            let pieces: Vec<String> = match pieces {
                Value::String(one) => vec![one],
                many => serde_json::from_value(many).unwrap(),
            };
            assert_eq!(pieces[0], "x".repeat(shown));
            assert!(pieces.iter().all(|piece| prompt.contains(piece.as_str())), "{pieces:?}");
        }
    }

    #[test]
    fn a_duration_is_not_demanded_of_a_replay() {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::open(&dir.path().join("t"), Redactor::default()).unwrap();
        let matcher = |text: &str| recorder.shared.text_matcher(text, "equals");
        assert_eq!(
            matcher("Exit code: 0\nDuration: 373 ms\nok, 3 passed in 0.22s, not 5 of 4"),
            json!({ "contains": ["Exit code: 0\nDuration: ", "\nok, 3 passed in ", ", not 5 of 4"] })
        );
        assert_eq!(matcher("3 lines, 4 msgs"), json!({ "equals": "3 lines, 4 msgs" }));
    }
}
