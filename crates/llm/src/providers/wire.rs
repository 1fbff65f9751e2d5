//! What makes up one provider's wire format: pure translations, and nothing that touches the network.

use serde_json::{Map, Value};

use crate::error::LlmError;
use crate::types::{Request, Response, StreamEvent, ToolChoice, Warning};

/// How an answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In one piece.
    Whole,
    /// As it comes.
    Stream,
}

/// A request in a provider's own terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What follows the base URL, with its leading slash and its query.
    pub path: String,
    /// Headers of this call alone, beside those of every call.
    pub headers: Vec<(String, String)>,
    /// The JSON to post.
    pub body: Value,
    /// What of the request could not be said, and why.
    pub warnings: Vec<Warning>,
}

/// A provider's wire format (unified-llm §7.1). [`super::HttpAdapter`] makes an adapter of it.
pub trait Wire: Send + Sync + 'static {
    /// The translator of one streamed answer.
    type Stream: StreamTranslator;

    /// The name that requests route by, e.g. `openai`.
    fn name(&self) -> &str;

    /// From a unified request to the provider's (unified-llm §7.2). Local files are inline by now.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidRequest`] for what the provider has no place for.
    fn call(&self, request: &Request, mode: Mode) -> Result<Call, LlmError>;

    /// From a whole answer with status 2xx to a unified response (unified-llm §7.5).
    ///
    /// # Errors
    /// What the provider reported inside the answer; [`crate::ErrorKind::Provider`] for a body that is none.
    fn response(&self, request: &Request, body: Value) -> Result<Response, LlmError>;

    /// From a streamed answer to unified events (unified-llm §7.7).
    fn translator(&self, request: &Request) -> Self::Stream;

    /// Whether the model may think for minutes before it says a word; decides the usual time limits.
    fn is_slow(&self, model: &str) -> bool;

    /// Whether this provider can do this tool choice.
    fn supports_tool_choice(&self, choice: &ToolChoice) -> bool {
        let _ = choice;
        true
    }
}

/// Turns a provider's event stream into ours; pure. [`StreamEvent::StreamStart`] is not its duty.
pub trait StreamTranslator: Send + 'static {
    /// Takes one message of the stream and appends what it means to `out`.
    ///
    /// # Errors
    /// What the provider reported, or [`crate::ErrorKind::Stream`] when the message makes no sense.
    fn message(
        &mut self,
        event: &str,
        data: &str,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), LlmError>;

    /// Takes the orderly end of the connection: a format without a last message says `Finish` here.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Stream`] when the answer is not complete.
    fn end(&mut self, out: &mut Vec<StreamEvent>) -> Result<(), LlmError> {
        let _ = out;
        Ok(())
    }

    /// Whether the answer may be over already though more may come, e.g. late token counts: then an end of
    /// any kind, and a short silence too, is taken for the orderly end.
    fn may_end(&self) -> bool {
        false
    }

    /// Whether the answer is complete, so that the end of the connection is no loss.
    fn is_finished(&self) -> bool;
}

/// Objects are merged field by field, anything else is replaced: a caller's option wins. The lists under
/// the names in `lists` are joined, e.g. built-in tools beside those of the request.
pub(super) fn merge(target: &mut Map<String, Value>, options: &Map<String, Value>, lists: &[&str]) {
    for (name, value) in options {
        match (target.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(more)) => merge(inner, more, lists),
            (Some(Value::Array(inner)), Value::Array(more)) if lists.contains(&name.as_str()) => {
                for item in more {
                    if !inner.contains(item) {
                        inner.push(item.clone());
                    }
                }
            }
            _ => {
                target.insert(name.clone(), value.clone());
            }
        }
    }
}
