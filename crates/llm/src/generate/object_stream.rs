//! Objects that grow while they come (unified-llm §4.6).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt as _};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::object::{Form, typed};
use super::options::Generate;
use super::partial_json::PartialJson;
use super::result::{GenerateResult, StepResult};
use super::stream::{StreamResult, stream};
use crate::error::LlmError;
use crate::types::StreamEvent;

/// [`super::generate_object`], with the object as it grows (unified-llm §4.6).
///
/// # Errors
/// [`crate::ErrorKind::Configuration`] when `schema` is none or the options ask for another form. All else
/// comes through the stream.
pub fn stream_object(options: Generate, schema: Value) -> Result<ObjectStream, LlmError> {
    let form = Form::new(schema)?;
    let events = stream(options.require_format(form.format())?);
    let finder = Finder::new(form.root_type());
    Ok(ObjectStream { events, form, finder, verdict: None })
}

/// A stream of partial objects; each is the one before with something added. It ends after the last event of
/// the model if the whole object fits the schema, else with one `Err`.
///
/// As a [`Stream`] it yields copies. [`Self::advance`] lends the object instead, which costs no copy.
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is read"]
pub struct ObjectStream {
    events: StreamResult,
    form: Form,
    finder: Finder,
    verdict: Option<Result<GenerateResult, LlmError>>,
}

impl ObjectStream {
    /// The object as soon as it has grown; `None` at the end.
    pub async fn advance(&mut self) -> Option<Result<&Value, LlmError>> {
        match poll_fn(|cx| self.poll_growth(cx)).await? {
            Ok(()) => self.partial().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }

    /// The next event of the model, whether the object grows by it or not; `None` at the end.
    pub async fn next_event(&mut self) -> Option<Result<StreamEvent, LlmError>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The object as far as it has come. It is not checked before the end.
    pub fn partial(&self) -> Option<&Value> {
        self.finder.parser.value()
    }

    /// The steps that are over. After an error it is all of [`crate::Progress::steps`].
    pub fn steps(&self) -> &[StepResult] {
        self.events.steps()
    }

    /// Reads whatever is left; then the whole object, which fits the schema.
    ///
    /// # Errors
    /// The error that ended the stream; [`crate::ErrorKind::NoObjectGenerated`] when there is no such object.
    pub async fn object(&mut self) -> Result<Value, LlmError> {
        Ok(self.result().await?.output.unwrap_or_default())
    }

    /// [`Self::object`] as a type of the caller's.
    ///
    /// # Errors
    /// Those of [`Self::object`], also when the object does not fit the type.
    pub async fn object_as<T: DeserializeOwned>(&mut self) -> Result<T, LlmError> {
        typed(&self.result().await?)
    }

    /// Reads whatever is left; then what [`super::generate_object`] would have given.
    ///
    /// # Errors
    /// Those of [`Self::object`].
    pub async fn result(&mut self) -> Result<GenerateResult, LlmError> {
        while self.next_event().await.is_some() {}
        match &self.verdict {
            Some(verdict) => verdict.clone(),
            None => self.events.result().await,
        }
    }

    fn poll_growth(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), LlmError>>> {
        let before = self.finder.growth;
        loop {
            match ready!(self.poll_event(cx)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(_)) if self.finder.growth != before => return Poll::Ready(Some(Ok(()))),
                Some(Ok(_)) => {}
                None => return Poll::Ready(None),
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<StreamEvent, LlmError>>> {
        let item = ready!(self.events.poll_next_unpin(cx));
        match &item {
            Some(Ok(StreamEvent::TextDelta { delta, .. })) => self.finder.push(delta),
            Some(Ok(StreamEvent::StepFinish { .. })) => self.finder.start_over(),
            None if self.verdict.is_none() => {
                if let Some(Err(error)) = self.judge() {
                    return Poll::Ready(Some(Err(error)));
                }
            }
            _ => {}
        }
        Poll::Ready(item)
    }

    /// At the end of the events: the result with its object, or why there is none. `None` when the stream
    /// itself failed, which its reader has been told.
    fn judge(&mut self) -> Option<Result<(), LlmError>> {
        let mut result = self.events.success()?.clone();
        let object = self.form.read(&result);
        let told = object.as_ref().map(|_| ()).map_err(LlmError::clone);
        self.verdict = Some(object.map(|object| {
            result.output = Some(object);
            result
        }));
        Some(told)
    }
}

impl Stream for ObjectStream {
    type Item = Result<Value, LlmError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let grown = ready!(self.poll_growth(cx));
        Poll::Ready(match grown {
            Some(Ok(())) => self.partial().cloned().map(Ok),
            Some(Err(error)) => Some(Err(error)),
            None => None,
        })
    }
}

/// Finds where the object begins in a text that may have a fence or a sentence before it.
#[derive(Debug)]
struct Finder {
    /// What may begin it; empty for anything but a blank.
    openers: &'static [char],
    parser: PartialJson,
    is_open: bool,
    /// Changes of the object so far.
    growth: u64,
}

impl Finder {
    fn new(root_type: Option<&str>) -> Self {
        let openers: &[char] = match root_type {
            Some("object") => &['{'],
            Some("array") => &['['],
            None => &['{', '['],
            Some(_) => &[],
        };
        Self { openers, parser: PartialJson::new(), is_open: false, growth: 0 }
    }

    /// Forgets what was found: what follows is another text.
    fn start_over(&mut self) {
        self.parser = PartialJson::new();
        self.is_open = false;
    }

    fn push(&mut self, mut text: &str) {
        while !self.parser.is_complete() {
            if !self.is_open {
                let begins = |c: char| match self.openers {
                    [] => !c.is_whitespace(),
                    openers => openers.contains(&c),
                };
                let Some(at) = text.find(begins) else {
                    return;
                };
                text = &text[at..];
                self.start_over();
                self.is_open = true;
            }
            let before = self.parser.growth();
            let taken = self.parser.push_value(text);
            self.growth += self.parser.growth() - before;
            if !self.parser.is_broken() {
                return;
            }
            // It was no JSON after all. What broke it may begin something else.
            text = &text[taken..];
            self.is_open = false;
            if self.openers.is_empty() {
                text = "";
            }
        }
    }
}
