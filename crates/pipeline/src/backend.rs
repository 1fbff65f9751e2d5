//! How stages get at a model (Attractor §1.4, §4.5): whoever embeds the engine brings a [`Backend`].

mod callback;
mod simulation;
mod tool_hooks;

use async_trait::async_trait;

pub use callback::Callback;
pub use simulation::Simulation;
pub use tool_hooks::{ToolCall, ToolHooks};

use crate::graph::Fidelity;
use crate::handler::Stage;
use crate::outcome::{FailureClass, Outcome, Usage};

/// Has models and agents work on stages.
///
/// It is shared between branches that run at the same time. When the stage's
/// [`cancel`](Stage::cancel) is cancelled it ends what it started and returns
/// [`BackendErrorKind::Canceled`] with what was used so far. It asks for no more than
/// [`Stage::remaining`] says.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Does what the call says.
    ///
    /// # Errors
    /// [`BackendError`]: what kind of failure, and what was used all the same.
    async fn run(&self, call: &LlmCall<'_>) -> Result<Reply, BackendError>;

    /// Whether a text from it is a verdict by itself. A model's words are none, for they may say
    /// that the work is done where it is not; of a goal gate an explicit one is asked (ruling 6).
    /// An embedder's own function that returns a text has judged already (§11.13).
    fn text_is_verdict(&self) -> bool {
        false
    }

    /// Whether it has the session of an [`LlmCall::thread`] and would go on with it. A prompt for a
    /// session that is gone, as after a resumption, tells what happened (§5.3).
    fn holds(&self, _thread: &str) -> bool {
        false
    }
}

/// What a stage wants of a model.
#[derive(Clone)]
pub struct LlmCall<'a> {
    /// The stage: where commands run (`environment`), what may still be used (`remaining`), when
    /// to stop (`cancel`), who watches (`events`).
    pub stage: &'a Stage,
    /// What the model is told, whole.
    pub prompt: String,
    /// How much of the run the prompt carries (§5.4).
    pub fidelity: Fidelity,
    /// The session that the call goes on with, or begins: unique among all runs, and not shared by
    /// branches (ruling 15). None: a session of its own.
    pub thread: Option<String>,
    /// The model; none: the backend's own choice.
    pub model: Option<&'a str>,
    /// The provider; none: the model says it.
    pub provider: Option<&'a str>,
    /// `low`, `medium`, `high`, or what else a model knows.
    pub effort: &'a str,
    /// Models to ask, in order, where the one before cannot be reached: `llm_fallback`.
    pub fallbacks: Vec<&'a str>,
    /// Whether it may use tools: the work of an agent. Otherwise it is one call.
    pub tools: bool,
    /// Commands around each call of a tool (§9.7).
    pub hooks: ToolHooks<'a>,
}

impl<'a> LlmCall<'a> {
    /// One call in a session of its own, without tools; model, effort and hooks are the node's.
    pub fn new(stage: &'a Stage, prompt: impl Into<String>) -> Self {
        let (graph, node) = (&stage.graph, stage.node);
        let fallbacks = graph.inherited(node, &["llm_fallback"]).unwrap_or_default();
        let fallbacks = fallbacks.split(',').map(str::trim);
        Self {
            stage,
            prompt: prompt.into(),
            fidelity: Fidelity::Compact,
            thread: None,
            model: graph.llm_model(node),
            provider: graph.llm_provider(node),
            effort: graph.reasoning_effort(node),
            fallbacks: fallbacks.filter(|model| !model.is_empty()).collect(),
            tools: false,
            hooks: ToolHooks::of(stage),
        }
    }
}

/// What came back: words, an outcome, or both.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// The last words.
    pub text: String,
    /// An explicit verdict. Its usage does not count beside that of the reply.
    pub outcome: Option<Outcome>,
    /// All that the call used.
    pub usage: Usage,
    /// What people and later stages are told about how it went; empty: nothing.
    pub notes: String,
    /// Larger things, by name, for the run's artifacts (§5.5).
    pub artifacts: Vec<(String, serde_json::Value)>,
}

impl Reply {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// An outcome.
    pub fn outcome(outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), ..Self::default() }
    }
}

/// A call that came to nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct BackendError {
    /// What kind of failure.
    pub kind: BackendErrorKind,
    /// What went wrong, where, and what to do.
    pub message: String,
    /// What was used before.
    pub usage: Usage,
}

/// What kind of failure (Appendix D).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendErrorKind {
    /// Network, 429, 5xx, a model call that took too long: may pass by itself.
    Transient,
    /// Trying the same again does not help.
    Permanent,
    /// It was told to stop.
    Canceled,
    /// Going on would take more than the run may use.
    BudgetSpent,
}

impl BackendError {
    /// A failure that used nothing.
    pub fn new(kind: BackendErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), usage: Usage::default() }
    }

    /// The same, with what was used before.
    #[must_use]
    pub fn used(self, usage: Usage) -> Self {
        Self { usage, ..self }
    }
}

/// Ruling 3: what may pass is RETRY, the rest FAIL.
impl From<BackendError> for Outcome {
    fn from(error: BackendError) -> Self {
        let BackendError { kind, message, usage } = error;
        let outcome = match kind {
            BackendErrorKind::Transient => Self::retry(message, FailureClass::Transient),
            BackendErrorKind::Permanent => Self::fail(message),
            BackendErrorKind::Canceled => Self::fail(message).class(FailureClass::Canceled),
            BackendErrorKind::BudgetSpent => {
                Self::fail(format!("budget: {message}")).class(FailureClass::Budget)
            }
        };
        Self { usage, ..outcome }
    }
}

/// Has the backend run a call, if the run may use anything more.
///
/// # Errors
/// [`BackendError`], which becomes an outcome by `Outcome::from`.
pub async fn ask(backend: &dyn Backend, call: &LlmCall<'_>) -> Result<Reply, BackendError> {
    let remaining = call.stage.remaining;
    if remaining.tokens == Some(0) || remaining.usd.is_some_and(|usd| usd <= 0.0) {
        let message = "nothing is left of it for another call of a model";
        return Err(BackendError::new(BackendErrorKind::BudgetSpent, message));
    }
    backend.run(call).await
}
