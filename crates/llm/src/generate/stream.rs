//! The streaming form (unified-llm §4.4, §5.9): one stream of events over all steps.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt as _};

use super::limits::Limits;
use super::options::Generate;
use super::result::{GenerateResult, StepResult};
use super::run::{Flow, Run};
use crate::accumulator::StreamAccumulator;
use crate::error::{ErrorKind, LlmError};
use crate::retry::random_unit;
use crate::types::{EventStream, FinishReason, FinishReasonKind, Response, StreamEvent, Usage};

/// [`super::generate`] with the events as they come (unified-llm §4.4).
///
/// One `StreamStart`, the events of the first step, `StepFinish` once its tools have run, the events of the
/// next step, and so on; at the end one `Finish`, or one `Err`. Options that contradict themselves are such an
/// `Err` too. Nothing happens until the stream is polled, but the time limits run from this call.
///
/// ```no_run
/// # async fn example() -> Result<(), canon_llm::LlmError> {
/// use canon_llm::{Generate, StreamEvent, stream};
/// use futures_util::StreamExt as _;
///
/// let mut answer = stream(Generate::new("gpt-5.2").prompt("Write a haiku."));
/// while let Some(event) = answer.next().await {
///     if let StreamEvent::TextDelta { delta, .. } = event? {
///         print!("{delta}");
///     }
/// }
/// println!(" ({} tokens)", answer.response().await?.usage.total_tokens);
/// # Ok(())
/// # }
/// ```
pub fn stream(options: Generate) -> StreamResult {
    let (provider, model) = options.names();
    let notes = Slot::default();
    let driver: Driver = match options.prepare() {
        Ok((run, limits)) => Box::pin(drive(run, limits, notes.clone())),
        Err(error) => Box::pin(std::future::ready(Err(error))),
    };
    StreamResult {
        driver: Some(driver),
        notes,
        provider,
        model,
        accumulator: StreamAccumulator::new(),
        begun: false,
        steps: Vec::new(),
        outcome: None,
        error_told: false,
    }
}

type Driver = Pin<Box<dyn Future<Output = Result<GenerateResult, LlmError>> + Send>>;

/// What the driver says on its way.
enum Note {
    Event(StreamEvent),
    Step(Box<StepResult>),
}

/// A running stream (unified-llm §4.4). Dropping it closes the connection and ends running tools. It runs while
/// it is read: a signal to abort, or a limit that has passed, takes effect with the next read.
#[must_use = "a stream does nothing unless it is read"]
pub struct StreamResult {
    /// Runs inside `poll_next`, so that no task outlives the stream.
    driver: Option<Driver>,
    notes: Slot,
    provider: String,
    model: String,
    accumulator: StreamAccumulator,
    begun: bool,
    steps: Vec<StepResult>,
    outcome: Option<Result<GenerateResult, LlmError>>,
    error_told: bool,
}

impl fmt::Debug for StreamResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamResult")
            .field("model", &self.model)
            .field("steps", &self.steps.len())
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

impl StreamResult {
    /// Reads whatever is left; then the answer of the last step.
    ///
    /// # Errors
    /// The error that ended the stream.
    pub async fn response(&mut self) -> Result<Response, LlmError> {
        Ok(self.result().await?.response)
    }

    /// Reads whatever is left; then what [`super::generate`] would have given.
    ///
    /// # Errors
    /// The error that ended the stream.
    pub async fn result(&mut self) -> Result<GenerateResult, LlmError> {
        while self.next().await.is_some() {}
        match &self.outcome {
            Some(outcome) => outcome.clone(),
            // The stream ends only after its driver did.
            None => Err(LlmError::new(ErrorKind::Stream, "the stream ended without an outcome")),
        }
    }

    /// The current step's answer as far as it has come; `None` before anything has. Until the step is over its
    /// id is empty, its finish reason `other` and its usage zero.
    pub fn partial_response(&self) -> Option<Response> {
        if let Some(response) = self.accumulator.response() {
            return Some(response.clone());
        }
        let unknown = FinishReason::new(FinishReasonKind::Other, None);
        self.begun.then(|| {
            self.accumulator.clone().into_response(
                String::new(),
                &self.provider,
                &self.model,
                unknown,
                Usage::default(),
            )
        })
    }

    /// The steps that are over. After an error it is all of [`crate::Progress::steps`].
    pub fn steps(&self) -> &[StepResult] {
        &self.steps
    }

    /// The text alone, of all steps, as it comes.
    pub fn text_stream(&mut self) -> impl Stream<Item = Result<String, LlmError>> + Send + '_ {
        self.filter_map(|item| {
            std::future::ready(match item {
                Ok(StreamEvent::TextDelta { delta, .. }) => Some(Ok(delta)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            })
        })
    }

    /// The outcome of a stream that has ended well.
    pub(super) fn success(&self) -> Option<&GenerateResult> {
        self.outcome.as_ref()?.as_ref().ok()
    }

    /// The next note, or `None` once there is an outcome. The driver runs until it has said one thing.
    fn poll_note(&mut self, cx: &mut Context<'_>) -> Poll<Option<Note>> {
        let Some(driver) = &mut self.driver else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(outcome) = driver.as_mut().poll(cx) {
            if let Some(progress) = outcome.as_ref().err().and_then(LlmError::progress) {
                self.steps.clone_from(&progress.steps);
            }
            self.outcome = Some(outcome);
            self.driver = None;
            return Poll::Ready(None);
        }
        match self.notes.take() {
            Some(note) => Poll::Ready(Some(note)),
            None => Poll::Pending,
        }
    }
}

impl Stream for StreamResult {
    type Item = Result<StreamEvent, LlmError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match std::task::ready!(self.poll_note(cx)) {
                Some(Note::Event(event)) => {
                    self.begun = true;
                    self.accumulator.process(&event);
                    return Poll::Ready(Some(Ok(event)));
                }
                Some(Note::Step(step)) => self.steps.push(*step),
                None => {
                    if !self.error_told
                        && let Some(Err(error)) = &self.outcome
                    {
                        let error = error.clone();
                        self.error_told = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                    return Poll::Ready(None);
                }
            }
        }
    }
}

async fn drive(mut run: Run, limits: Limits, out: Slot) -> Result<GenerateResult, LlmError> {
    let outcome = limits.whole(all_steps(&mut run, &out)).await;
    run.conclude(outcome)
}

async fn all_steps(run: &mut Run, out: &Slot) -> Result<StepResult, LlmError> {
    let mut started = false;
    loop {
        let response = one_step(run, out, &mut started).await?;
        match run.after(response).await {
            Flow::GoOn(step) => {
                let (finish_reason, usage) = (step.finish_reason.clone(), step.usage.clone());
                out.step(step).await;
                out.event(StreamEvent::StepFinish { finish_reason, usage }).await;
            }
            Flow::Done(step) => {
                out.step(step.clone()).await;
                out.event(StreamEvent::Finish {
                    finish_reason: step.finish_reason.clone(),
                    usage: step.usage.clone(),
                    response: Box::new(step.response.clone()),
                })
                .await;
                return Ok(step);
            }
        }
    }
}

/// One model call. It is tried again only while no part of an answer has been delivered (unified-llm §6.6).
/// Events without a unified form are none: OpenAI says `response.in_progress` before it has done anything.
async fn one_step(run: &Run, out: &Slot, started: &mut bool) -> Result<Response, LlmError> {
    let mut attempt = 0;
    loop {
        let mut delivered = false;
        let call = async {
            let events = run.client.stream(run.request.clone()).await?;
            pass_on(events, out, started, &mut delivered).await
        };
        match run.limits.step(call).await {
            Ok(response) => return Ok(response),
            Err(error) if delivered => return Err(error),
            Err(error) => run.retry.pause(error, attempt, random_unit()).await?,
        }
        attempt += 1;
    }
}

/// Delivers the events of one call but its `Finish`, which is the caller's to say, and all but the first
/// `StreamStart`: the warnings in it come again with the response.
async fn pass_on(
    mut events: EventStream,
    out: &Slot,
    started: &mut bool,
    delivered: &mut bool,
) -> Result<Response, LlmError> {
    while let Some(item) = events.next().await {
        match item? {
            StreamEvent::Finish { response, .. } => return Ok(*response),
            StreamEvent::Error { error } => return Err(error),
            start @ StreamEvent::StreamStart { .. } => {
                if !std::mem::replace(started, true) {
                    out.event(start).await;
                }
            }
            event => {
                *delivered |= !matches!(event, StreamEvent::ProviderEvent { .. });
                out.event(event).await;
            }
        }
    }
    Err(LlmError::new(ErrorKind::Stream, "the stream ended before the answer was complete"))
}

/// Where the driver leaves a note for its reader. It goes on only after the note was taken, so nothing happens
/// ahead of what has been read. No waker is needed: whoever takes the note polls the driver next.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<Option<Note>>>);

impl Slot {
    async fn event(&self, event: StreamEvent) {
        self.put(Note::Event(event)).await;
    }

    async fn step(&self, step: StepResult) {
        self.put(Note::Step(Box::new(step))).await;
    }

    async fn put(&self, note: Note) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(note);
        poll_fn(|_| match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(_) => Poll::Pending,
            None => Poll::Ready(()),
        })
        .await;
    }

    fn take(&self) -> Option<Note> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
