//! What a high-level call is asked for (unified-llm §4.3).

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::execute::Toolbox;
use super::limits::{AbortSignal, Limits, TimeoutConfig};
use super::result::StepResult;
use super::run::Run;
use super::tool::{RepairToolCall, Tool};
use crate::client::{Client, default_client};
use crate::error::{ErrorKind, LlmError};
use crate::retry::RetryPolicy;
use crate::types::{Message, Request, ResponseFormat, ToolChoice};

/// Looks at all steps so far, after each round of tools; `true` ends the loop.
pub type StopCondition = Arc<dyn Fn(&[StepResult]) -> bool + Send + Sync>;

/// The options of [`super::generate`], [`super::stream`] and their kin. A model, and either a prompt or
/// messages, are all that is needed.
#[derive(Clone)]
#[must_use = "options do nothing until they are given to `generate` or `stream`"]
pub struct Generate {
    /// All of a request but its messages.
    request: Request,
    prompt: Option<String>,
    messages: Option<Vec<Message>>,
    system: Option<String>,
    tools: Vec<Tool>,
    max_tool_rounds: u32,
    stop_when: Option<StopCondition>,
    repair: Option<Arc<dyn RepairToolCall>>,
    retry: RetryPolicy,
    timeout: TimeoutConfig,
    abort: AbortSignal,
    client: Option<Client>,
}

impl fmt::Debug for Generate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generate")
            .field("request", &self.request)
            .field("prompt", &self.prompt)
            .field("messages", &self.messages)
            .field("system", &self.system)
            .field("tools", &self.tools)
            .field("max_tool_rounds", &self.max_tool_rounds)
            .field("retry", &self.retry)
            .field("timeout", &self.timeout)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Generate {
    /// Options for a model, by the provider's own id of it.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            request: Request::new(model, Vec::new()),
            prompt: None,
            messages: None,
            system: None,
            tools: Vec::new(),
            max_tool_rounds: 1,
            stop_when: None,
            repair: None,
            retry: RetryPolicy::default(),
            timeout: TimeoutConfig::default(),
            abort: AbortSignal::new(),
            client: None,
        }
    }

    /// Options that say all that `request` says; its tools are passive.
    pub fn from_request(mut request: Request) -> Self {
        let messages = Some(std::mem::take(&mut request.messages));
        Self { request, messages, ..Self::new("") }
    }

    /// One user message; not together with `messages`.
    pub fn prompt(mut self, prompt: impl Into<String>) -> Self {
        self.prompt = Some(prompt.into());
        self
    }

    /// A whole conversation; not together with `prompt`.
    pub fn messages(mut self, messages: Vec<Message>) -> Self {
        self.messages = Some(messages);
        self
    }

    /// A system message before everything else.
    pub fn system(mut self, system: impl Into<String>) -> Self {
        self.system = Some(system.into());
        self
    }

    /// Tools on offer, beside those given before.
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.tools.extend(tools);
        self
    }

    /// How tools are used, in every step: with `Required` the loop runs until its rounds are used up.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.request.tool_choice = Some(choice);
        self
    }

    /// How often tools are run and the model is asked again, 1 unless said; with 0 no tool runs.
    pub fn max_tool_rounds(mut self, rounds: u32) -> Self {
        self.max_tool_rounds = rounds;
        self
    }

    /// Ends the loop after a round of tools when `stop` says so.
    pub fn stop_when(
        mut self,
        stop: impl Fn(&[StepResult]) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.stop_when = Some(Arc::new(stop));
        self
    }

    /// Mends arguments that do not fit their tool; without it the model is told what is wrong.
    pub fn repair_tool_call(mut self, repair: impl RepairToolCall + 'static) -> Self {
        self.repair = Some(Arc::new(repair));
        self
    }

    /// The form of the answer.
    pub fn response_format(mut self, format: ResponseFormat) -> Self {
        self.request.response_format = Some(format);
        self
    }

    /// Sampling temperature.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.request.temperature = Some(temperature);
        self
    }

    /// Nucleus sampling.
    pub fn top_p(mut self, top_p: f64) -> Self {
        self.request.top_p = Some(top_p);
        self
    }

    /// Most tokens that each step may generate.
    pub fn max_tokens(mut self, tokens: u64) -> Self {
        self.request.max_tokens = Some(tokens);
        self
    }

    /// Texts at which generation stops.
    pub fn stop_sequences<S: Into<String>>(mut self, texts: impl IntoIterator<Item = S>) -> Self {
        self.request.stop_sequences = texts.into_iter().map(Into::into).collect();
        self
    }

    /// `low`, `medium`, `high`, or what the provider knows beside.
    pub fn reasoning_effort(mut self, effort: impl Into<String>) -> Self {
        self.request.reasoning_effort = Some(effort.into());
        self
    }

    /// The provider; the client's default unless said.
    pub fn provider(mut self, provider: impl Into<String>) -> Self {
        self.request.provider = Some(provider.into());
        self
    }

    /// What the unified fields do not cover, keyed by provider.
    pub fn provider_options(mut self, options: Map<String, Value>) -> Self {
        self.request.provider_options = options;
        self
    }

    /// A pair that is passed on to the provider.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.metadata.insert(name.into(), value.into());
        self
    }

    /// How often a failed model call is tried again, 2 unless said; 0 turns retries off.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.retry.max_retries = retries;
        self
    }

    /// The whole policy of retries.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Time limits: a duration for the whole operation, or a [`TimeoutConfig`].
    pub fn timeout(mut self, timeout: impl Into<TimeoutConfig>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Cancelling this token ends the operation with an error of kind `Abort`.
    pub fn abort_signal(mut self, signal: AbortSignal) -> Self {
        self.abort = signal;
        self
    }

    /// The client, instead of the default one.
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Provider, as far as it is named, and model.
    pub(super) fn names(&self) -> (String, String) {
        let client = self.client.as_ref().and_then(Client::default_provider);
        let provider = self.request.provider.as_deref().or(client).unwrap_or_default();
        (provider.to_owned(), self.request.model.clone())
    }

    /// Asks for an answer of this form, unless another form was asked for already.
    pub(super) fn require_format(mut self, format: ResponseFormat) -> Result<Self, LlmError> {
        if self.request.response_format.is_some() {
            return Err(configuration(
                "the form of the answer follows from the schema; do not set it",
            ));
        }
        self.request.response_format = Some(format);
        Ok(self)
    }

    /// Checks everything that can be known before the first call; time runs from here.
    pub(super) fn prepare(self) -> Result<(Run, Limits), LlmError> {
        let mut request = self.request;
        if request.model.is_empty() {
            return Err(configuration("no model is named"));
        }
        request.messages = conversation(self.system, self.prompt, self.messages)?;
        let passive = std::mem::take(&mut request.tools).into_iter().map(Tool::passive);
        let tools = passive.chain(self.tools.into_iter().map(Ok)).collect::<Result<_, _>>()?;
        let toolbox = Toolbox::new(tools, self.repair)?;
        request.tools = toolbox.definitions();
        let client = match self.client {
            Some(client) => client,
            None => default_client()?,
        };
        let limits = Limits::start(self.timeout, self.abort.clone());
        let run = Run {
            client,
            brought: request.messages.len(),
            request,
            toolbox,
            max_tool_rounds: self.max_tool_rounds,
            stop_when: self.stop_when,
            retry: self.retry,
            abort: self.abort,
            limits: limits.clone(),
            steps: Vec::new(),
        };
        Ok((run, limits))
    }
}

fn conversation(
    system: Option<String>,
    prompt: Option<String>,
    messages: Option<Vec<Message>>,
) -> Result<Vec<Message>, LlmError> {
    let messages = match (prompt, messages) {
        (Some(_), Some(_)) => {
            return Err(configuration("both `prompt` and `messages` are given; give one of them"));
        }
        (Some(prompt), None) => vec![Message::user(prompt)],
        (None, Some(messages)) if !messages.is_empty() => messages,
        (None, _) => {
            return Err(configuration("nothing is asked: give a `prompt`, or `messages`"));
        }
    };
    Ok(system.map(Message::system).into_iter().chain(messages).collect())
}

fn configuration(message: &str) -> LlmError {
    LlmError::new(ErrorKind::Configuration, message)
}
