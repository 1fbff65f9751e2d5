//! One line of a transcript.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::NAME;
use super::matcher::When;
use crate::error::{ErrorKind, LlmError, from_http};
use crate::types::{
    ContentPart, FinishReason, FinishReasonKind, Message, Role, StreamEvent, Usage,
};

/// A checked entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) when: When,
    pub(super) answer: Answer,
    pub(super) repeat: bool,
    pub(super) delay: Duration,
}

/// What an entry says.
#[derive(Debug)]
pub(super) enum Answer {
    Message(Box<Reply>),
    Stream(Vec<ScriptEvent>),
    Error(LlmError),
}

/// A whole assistant message.
#[derive(Debug)]
pub(super) struct Reply {
    /// Calls without an id have an empty one here; it is made up when the reply is played.
    pub(super) message: Message,
    pub(super) finish_reason: FinishReason,
    pub(super) usage: Option<Usage>,
}

/// One event of a scripted stream.
#[derive(Debug, Clone)]
pub(super) enum ScriptEvent {
    Event(StreamEvent),
    /// A `finish` without its response, which is then made of the events before it.
    BareFinish {
        finish_reason: FinishReason,
        usage: Option<Usage>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    #[serde(default)]
    when: When,
    reply: Option<RawReply>,
    stream: Option<Vec<Value>>,
    error: Option<RawError>,
    #[serde(default)]
    repeat: bool,
    #[serde(default)]
    delay_ms: u64,
    /// For readers of the file.
    #[serde(default, rename = "note")]
    _note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReply {
    message: Option<Message>,
    text: Option<String>,
    #[serde(default)]
    tool_calls: Vec<RawCall>,
    finish_reason: Option<RawFinish>,
    usage: Option<RawUsage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCall {
    #[serde(default)]
    id: String,
    name: String,
    #[serde(default)]
    arguments: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawFinish {
    Kind(FinishReasonKind),
    Whole(FinishReason),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUsage {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default, rename = "total_tokens")]
    _total_tokens: u64,
    reasoning_tokens: Option<u64>,
    cache_read_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    raw: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawError {
    kind: Option<ErrorKind>,
    message: String,
    #[serde(alias = "status")]
    status_code: Option<u16>,
    #[serde(alias = "code")]
    error_code: Option<String>,
    retry_after: Option<f64>,
    retryable: Option<bool>,
    raw: Option<Value>,
    /// Who failed when this was recorded.
    #[serde(rename = "provider")]
    _provider: Option<String>,
}

impl Entry {
    /// Reads one line; an error says what is wrong with it, without file and line.
    pub(super) fn parse(line: usize, text: &str) -> Result<Self, String> {
        let raw: RawEntry = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let answer = match (raw.reply, raw.stream, raw.error) {
            (Some(reply), None, None) => Answer::Message(Box::new(reply.check()?)),
            (None, Some(events), None) => Answer::Stream(script_events(events)?),
            (None, None, Some(error)) => Answer::Error(error.check()?),
            _ => return Err("an entry has exactly one of `reply`, `stream` and `error`".to_owned()),
        };
        Ok(Self {
            line,
            when: raw.when,
            answer,
            repeat: raw.repeat,
            delay: Duration::from_millis(raw.delay_ms),
        })
    }
}

impl RawReply {
    fn check(self) -> Result<Reply, String> {
        let message = match (self.message, self.text, self.tool_calls) {
            (Some(message), None, calls) if calls.is_empty() => {
                if message.role != Role::Assistant {
                    return Err("reply: `message` must have the role `assistant`".to_owned());
                }
                message
            }
            (None, text, calls) if text.is_some() || !calls.is_empty() => short(text, calls)?,
            (Some(_), _, _) => {
                return Err(
                    "reply: `message` stands alone, without `text` or `tool_calls`".to_owned()
                );
            }
            _ => {
                return Err("reply: one of `message`, `text` and `tool_calls` is needed".to_owned());
            }
        };
        let has_calls = !message.tool_calls().is_empty();
        let finish_reason = match self.finish_reason {
            Some(RawFinish::Whole(whole)) => whole,
            Some(RawFinish::Kind(kind)) => FinishReason::new(kind, None),
            None if has_calls => FinishReason::new(FinishReasonKind::ToolCalls, None),
            None => FinishReason::new(FinishReasonKind::Stop, None),
        };
        Ok(Reply { message, finish_reason, usage: self.usage.map(Usage::from) })
    }
}

fn short(text: Option<String>, calls: Vec<RawCall>) -> Result<Message, String> {
    let mut parts: Vec<ContentPart> = text.map(ContentPart::text).into_iter().collect();
    for call in calls {
        let arguments = match call.arguments {
            Value::Null => Value::Object(serde_json::Map::new()),
            // Text stands for arguments that are not valid JSON, as models write them at times.
            arguments @ (Value::Object(_) | Value::String(_)) => arguments,
            _ => {
                return Err(format!(
                    "reply: arguments of `{}` are neither an object nor a string",
                    call.name
                ));
            }
        };
        parts.push(ContentPart::tool_call(crate::types::ToolCallData::new(
            call.id, call.name, arguments,
        )));
    }
    Ok(Message::new(Role::Assistant, parts))
}

impl From<RawUsage> for Usage {
    fn from(raw: RawUsage) -> Self {
        Self {
            reasoning_tokens: raw.reasoning_tokens,
            cache_read_tokens: raw.cache_read_tokens,
            cache_write_tokens: raw.cache_write_tokens,
            raw: raw.raw,
            ..Self::new(raw.input_tokens, raw.output_tokens)
        }
    }
}

impl RawError {
    fn check(self) -> Result<LlmError, String> {
        let wait = self
            .retry_after
            .map(Duration::try_from_secs_f64)
            .transpose()
            .map_err(|error| format!("error: retry_after: {error}"))?;
        let mut error = match (self.kind, self.status_code) {
            (Some(kind), status) => {
                let error = LlmError::new(kind, self.message).with_code(self.error_code);
                match status {
                    Some(status) => error.with_status(status),
                    None => error,
                }
            }
            (None, Some(status)) => {
                let body = serde_json::json!({
                    "error": { "message": self.message, "code": self.error_code }
                });
                from_http(NAME, status, None, body.to_string().as_bytes())
            }
            (None, None) => return Err("error: one of `kind` and `status` is needed".to_owned()),
        };
        if let Some(retryable) = self.retryable {
            error = error.with_retryable(retryable);
        }
        if let Some(raw) = self.raw {
            error = error.with_raw(Some(raw));
        }
        Ok(error.with_provider(NAME).with_retry_after(wait))
    }
}

fn script_events(events: Vec<Value>) -> Result<Vec<ScriptEvent>, String> {
    #[derive(Deserialize)]
    struct Bare {
        finish_reason: RawFinish,
        usage: Option<RawUsage>,
    }
    let one = |(index, value): (usize, Value)| {
        let place = |error: serde_json::Error| format!("stream[{index}]: {error}");
        let is_bare = value.get("type").and_then(Value::as_str) == Some("finish")
            && value.get("response").is_none();
        if is_bare {
            let bare: Bare = serde_json::from_value(value).map_err(place)?;
            let finish_reason = match bare.finish_reason {
                RawFinish::Kind(kind) => FinishReason::new(kind, None),
                RawFinish::Whole(whole) => whole,
            };
            return Ok(ScriptEvent::BareFinish {
                finish_reason,
                usage: bare.usage.map(Usage::from),
            });
        }
        let event = serde_json::from_value(value).map_err(place)?;
        Ok(ScriptEvent::Event(event))
    };
    events.into_iter().enumerate().map(one).collect()
}
