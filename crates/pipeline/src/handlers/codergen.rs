//! Stages that a model works on (Attractor §4.5).

mod conclude;
mod instruction;

use std::sync::Arc;

use async_trait::async_trait;

use crate::backend::{self, Backend, BackendError, BackendErrorKind, LlmCall};
use crate::fidelity;
use crate::handler::{Handler, Stage};
use crate::outcome::Outcome;

/// Builds the prompt of a stage, has the backend work on it, and makes an outcome of its reply.
pub struct Codergen {
    backend: Arc<dyn Backend>,
    tools: bool,
}

impl Codergen {
    /// The work of an agent with tools: `codergen`.
    pub fn agent(backend: Arc<dyn Backend>) -> Self {
        Self { backend, tools: true }
    }

    /// One call of a model: `prompt`.
    pub fn one_call(backend: Arc<dyn Backend>) -> Self {
        Self { backend, tools: false }
    }

    async fn attempt(&self, stage: &Stage) -> Result<Outcome, BackendError> {
        let carried = fidelity::carried(stage, |thread| self.backend.holds(thread));
        let instruction = instruction::of(stage, !self.backend.text_is_verdict());
        let call = LlmCall {
            prompt: join(&carried.preamble, &instruction),
            fidelity: carried.fidelity,
            thread: carried.thread,
            tools: self.tools,
            ..LlmCall::new(stage, "")
        };
        write(stage, "prompt.md", &call.prompt)?;
        let reply = backend::ask(self.backend.as_ref(), &call).await?;
        if !reply.text.is_empty() {
            write(stage, "response.md", &reply.text).map_err(|error| error.used(reply.usage))?;
        }
        for (name, data) in &reply.artifacts {
            stage.keep(name, data.clone()).map_err(|error| {
                BackendError::new(BackendErrorKind::Permanent, error.to_string()).used(reply.usage)
            })?;
        }
        let mut outcome = conclude::outcome(stage, reply, self.backend.text_is_verdict());
        if let Some((key, value)) = carried.remember {
            outcome.context_updates.entry(key).or_insert(value);
        }
        Ok(outcome)
    }
}

#[async_trait]
impl Handler for Codergen {
    async fn execute(&self, stage: &Stage) -> Outcome {
        self.attempt(stage).await.unwrap_or_else(Outcome::from)
    }
}

fn write(stage: &Stage, name: &str, text: &str) -> Result<(), BackendError> {
    stage.write(name, text).map_err(|error| {
        let message = format!("cannot write {name} in {}: {error}", stage.dir.display());
        BackendError::new(BackendErrorKind::Permanent, message)
    })
}

/// Two parts of a prompt, of which the first may be empty.
fn join(first: &str, second: &str) -> String {
    if first.is_empty() { second.to_owned() } else { format!("{first}\n\n{second}") }
}
