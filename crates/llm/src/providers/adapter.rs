//! The one adapter over HTTP: any [`Wire`] format on top of the one driver.

use async_trait::async_trait;
use serde_json::Value;

use super::http::{AdapterTimeout, Answer, Envelope, HttpDriver, events};
use super::media::inline_local_files;
use super::wire::{Call, Mode, Wire};
use crate::adapter::ProviderAdapter;
use crate::error::{ErrorKind, LlmError, from_body};
use crate::types::{EventStream, Request, Response, ToolChoice};

/// An endpoint that speaks a wire format.
#[derive(Debug)]
pub struct HttpAdapter<W> {
    wire: W,
    http: HttpDriver,
    base_url: String,
    timeout: Option<AdapterTimeout>,
}

impl<W: Wire> HttpAdapter<W> {
    /// An adapter that posts below `base_url` with `headers`; without a `timeout` the model decides.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Configuration`] when a header is malformed or no HTTP client can be made.
    pub fn over<'a>(
        wire: W,
        base_url: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        timeout: Option<AdapterTimeout>,
    ) -> Result<Self, LlmError> {
        let http = HttpDriver::new(wire.name(), headers)?;
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { wire, http, base_url, timeout })
    }

    /// How an answer is asked for is the caller's choice of method. An option that says otherwise would be paid
    /// for, and its answer could not be read.
    fn call(&self, request: &Request, mode: Mode) -> Result<Call, LlmError> {
        let call = self.wire.call(request, mode)?;
        let streams = call.body.get("stream").and_then(Value::as_bool);
        if streams.is_some_and(|streams| streams != (mode == Mode::Stream)) {
            let message =
                "provider option `stream` contradicts the call; use `complete` or `stream`";
            let error = LlmError::new(ErrorKind::InvalidRequest, message);
            return Err(error.with_provider(self.wire.name()));
        }
        Ok(call)
    }

    /// Gateways answer 200 with an error object. What that says is worth more than that it is no answer.
    fn said_instead(&self, error: LlmError) -> LlmError {
        let is_no_answer = error.kind() == ErrorKind::Provider;
        let body = error.raw().filter(|_| is_no_answer);
        body.and_then(|body| from_body(self.wire.name(), body)).unwrap_or(error)
    }

    fn limits(&self, model: &str) -> AdapterTimeout {
        self.timeout.unwrap_or_else(|| {
            if self.wire.is_slow(model) {
                AdapterTimeout::reasoning()
            } else {
                AdapterTimeout::default()
            }
        })
    }
}

#[async_trait]
impl<W: Wire> ProviderAdapter for HttpAdapter<W> {
    fn name(&self) -> &str {
        self.wire.name()
    }

    async fn complete(&self, request: &Request) -> Result<Response, LlmError> {
        let request = inline_local_files(request).await?;
        let call = self.call(&request, Mode::Whole)?;
        let limits = self.limits(&request.model);
        let Answer { body, rate_limit } =
            self.http.post(&self.base_url, &call, limits.request).await?;
        let answered = self.wire.response(&request, body);
        let mut response = answered.map_err(|error| self.said_instead(error))?;
        Envelope { warnings: call.warnings, rate_limit }.wrap(&mut response);
        Ok(response)
    }

    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError> {
        let request = inline_local_files(request).await?;
        let call = self.call(&request, Mode::Stream)?;
        let limits = self.limits(&request.model);
        let answer = self.http.open(&self.base_url, &call, limits.request).await?;
        let envelope = Envelope { warnings: call.warnings, rate_limit: answer.rate_limit };
        let translator = self.wire.translator(&request);
        Ok(events(self.wire.name(), answer.response, translator, envelope, limits.stream_read))
    }

    fn supports_tool_choice(&self, choice: &ToolChoice) -> bool {
        self.wire.supports_tool_choice(choice)
    }
}
