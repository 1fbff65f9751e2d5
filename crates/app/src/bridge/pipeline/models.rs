//! Which model works on a stage, and what follows when it cannot.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use canon_llm::{ErrorKind, LlmError};
use canon_pipeline::backend::{BackendError, BackendErrorKind, LlmCall, Reply};
use canon_pipeline::engine::EventKind;
use canon_pipeline::outcome::Usage;
use serde_json::json;

use crate::bridge::agent::{Model, model_name};
use crate::error::{Error, Kind};

/// The models of a run. Each is connected once, so that all stages share its limits, and a transcript
/// is played once.
pub struct Models {
    /// The wish of the command line, for stages that have none.
    default: Option<String>,
    /// A transcript answers for every model: there is no other to be asked.
    scripted: bool,
    connected: Mutex<HashMap<Option<String>, Model>>,
}

/// A model by its name; none is the choice of the program.
pub(super) type Name = Option<String>;

impl Models {
    /// `provider` and `model` are the wishes of the command line.
    ///
    /// # Errors
    /// They do not name a model.
    pub fn new(provider: Option<&str>, model: Option<&str>) -> Result<Self, Error> {
        let default = model_name(provider, model)?;
        let scripted = default.as_ref().is_some_and(|name| name.starts_with("scripted/"));
        Ok(Self { default, scripted, connected: Mutex::default() })
    }

    /// The name of the model that a stage asks for: its own, else the command line's.
    ///
    /// # Errors
    /// It names a provider that is not known, or that has no model of its own.
    pub fn name(&self, provider: Option<&str>, model: Option<&str>) -> Result<Name, Error> {
        if self.scripted || (provider.is_none() && model.is_none()) {
            return Ok(self.default.clone());
        }
        model_name(provider, model)
    }

    /// The model of that name.
    ///
    /// # Errors
    /// There is none, or nothing to reach it with.
    pub fn connect(&self, name: &Name) -> Result<Model, Error> {
        let mut connected = self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = connected.get(name) {
            return Ok(model.clone());
        }
        let model = Model::connect(name.as_deref())?;
        connected.insert(name.clone(), model.clone());
        Ok(model)
    }

    /// The models of a call: its own, then those to fall back to.
    pub(super) fn of_call(&self, call: &LlmCall<'_>) -> Result<Vec<Name>, BackendError> {
        let wrong = |error: Error| Failure::of(&error).into_error();
        let mut names = vec![self.name(call.provider, call.model).map_err(wrong)?];
        for fallback in &call.fallbacks {
            let name = self.name(None, Some(fallback)).map_err(wrong)?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// Why a model did not do the work.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) kind: BackendErrorKind,
    pub(super) message: String,
    pub(super) usage: Usage,
    /// Whether another model may do it: this one cannot be reached, or does not answer.
    pub(super) elsewhere: bool,
}

impl Failure {
    /// A failure that no other model would mend.
    pub(super) fn new(kind: BackendErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), usage: Usage::default(), elsewhere: false }
    }

    /// Of a model that cannot even be connected.
    pub(super) fn of(error: &Error) -> Self {
        Self {
            elsewhere: error.kind() == Kind::Environment,
            ..Self::new(BackendErrorKind::Permanent, error.message())
        }
    }

    /// Of a kind of the model client, after all its own retries.
    pub(super) fn of_kind(kind: ErrorKind, message: impl Into<String>) -> Self {
        let (what, elsewhere) = match kind {
            ErrorKind::RateLimit
            | ErrorKind::Server
            | ErrorKind::Provider
            | ErrorKind::Network
            | ErrorKind::RequestTimeout
            | ErrorKind::Stream => (BackendErrorKind::Transient, true),
            ErrorKind::Abort => (BackendErrorKind::Canceled, false),
            ErrorKind::Authentication
            | ErrorKind::AccessDenied
            | ErrorKind::NotFound
            | ErrorKind::QuotaExceeded
            | ErrorKind::Configuration
            | ErrorKind::ContextLength
            | ErrorKind::ContentFilter => (BackendErrorKind::Permanent, true),
            ErrorKind::InvalidRequest
            | ErrorKind::InvalidToolCall
            | ErrorKind::UnsupportedToolChoice
            | ErrorKind::NoObjectGenerated => (BackendErrorKind::Permanent, false),
        };
        Self { elsewhere, ..Self::new(what, message) }
    }

    pub(super) fn of_model(error: &LlmError) -> Self {
        Self::of_kind(error.kind(), error.to_string())
    }

    pub(super) fn used(self, usage: Usage) -> Self {
        Self { usage, ..self }
    }

    pub(super) fn into_error(self) -> BackendError {
        BackendError::new(self.kind, self.message).used(self.usage)
    }
}

/// Tries the models of a call one after the other, as long as another may do what one could not.
pub(super) struct Tries<'a> {
    models: &'a Models,
    call: &'a LlmCall<'a>,
    names: VecDeque<Name>,
    used: Usage,
}

impl<'a> Tries<'a> {
    pub(super) fn new(models: &'a Models, call: &'a LlmCall<'a>) -> Result<Self, BackendError> {
        let names = models.of_call(call)?.into();
        Ok(Self { models, call, names, used: Usage::default() })
    }

    /// The next model that can be connected.
    ///
    /// # Errors
    /// There is none any more.
    pub(super) fn next(&mut self) -> Result<Model, BackendError> {
        loop {
            let name = self.names.pop_front().unwrap_or_default();
            match self.models.connect(&name) {
                Ok(model) => return Ok(model),
                Err(error) => self.failed(Failure::of(&error))?,
            }
        }
    }

    /// What the models before used.
    pub(super) fn used(&self) -> Usage {
        self.used
    }

    /// Takes note of a failure.
    ///
    /// # Errors
    /// No other model would do it, or there is none.
    pub(super) fn failed(&mut self, failure: Failure) -> Result<(), BackendError> {
        self.used.add(&failure.usage);
        let stage = self.call.stage;
        match self.names.front() {
            Some(next) if failure.elsewhere && !stage.cancel.is_cancelled() => {
                let to = next.as_deref().unwrap_or("the default model");
                let text = format!("goes on with {to}: {}", failure.message);
                stage.events.emit(EventKind::StageProgress {
                    stage: stage.node().id().to_owned(),
                    detail: json!({
                        "kind": "fallback", "frame": stage.attempt.frame, "tone": "warning",
                        "text": text,
                    }),
                });
                Ok(())
            }
            _ => Err(failure.used(self.used).into_error()),
        }
    }

    /// The reply, with all that was used for it.
    pub(super) fn done(mut self, reply: Reply, usage: Usage) -> Reply {
        self.used.add(&usage);
        Reply { usage: self.used, ..reply }
    }
}

/// What is left of a budget after what was used since.
pub(super) fn left(call: &LlmCall<'_>, used: Usage) -> (Option<u64>, Option<f64>) {
    let remaining = call.stage.remaining;
    (
        remaining.tokens.map(|tokens| tokens.saturating_sub(used.total_tokens())),
        remaining.usd.map(|usd| (usd - used.cost_usd).max(0.0)),
    )
}

/// For [`Arc`]s of backends that share them.
pub(super) type SharedModels = Arc<Models>;
