//! Where branches meet (Attractor §4.9, ruling 9).

mod candidates;

use std::sync::Arc;

use async_trait::async_trait;

use crate::backend::{self, Backend, BackendError, LlmCall, Reply};
use crate::handler::{Handler, Stage};
use crate::outcome::{FailureClass, Outcome, Status, Usage};
use candidates::{Candidate, Named, best, candidates, instruction, named};

/// Takes over the best of the branches that did not fail: its values and its commit. Without a
/// prompt status, score and id decide; with one a model does, which has to name a branch. If it
/// names none, status, score and id decide after all and the notes say so, except for a goal gate:
/// that is tried again.
pub struct FanIn {
    backend: Arc<dyn Backend>,
}

/// What was chosen, and what that took.
struct Chosen {
    candidate: Candidate,
    notes: String,
    usage: Usage,
}

impl FanIn {
    /// Fan-ins whose prompts `backend` is given.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    async fn choose(&self, stage: &Stage) -> Result<Chosen, Outcome> {
        let all = candidates(stage.context.get("parallel.results")).map_err(Outcome::fail)?;
        let Some(first) = best(&all) else {
            return Err(Outcome::fail(format!("all {} branches failed", all.len())));
        };
        let (first, open) = (first.clone(), all.iter().filter(|one| one.is_open()).count());
        let simply = |why: &str, usage| Chosen {
            notes: format!("Selected best candidate: {}{why}", first.id),
            candidate: first.clone(),
            usage,
        };
        if stage.node().prompt().trim().is_empty() || open == 1 {
            return Ok(simply("", Usage::default()));
        }
        let reply = self.ask(stage, &all).await.map_err(Outcome::from)?;
        let usage = reply.usage;
        match named(&all, &reply) {
            Named::One(candidate) => {
                let notes = format!("Selected best candidate: {}", candidate.id);
                Ok(Chosen { candidate: candidate.clone(), notes, usage })
            }
            Named::Refused(reason) => Err(Outcome { usage, ..Outcome::fail(reason) }),
            Named::Nothing if stage.node().goal_gate() => {
                let reason = "no_verdict: the model named none of the branches";
                Err(Outcome { usage, ..Outcome::retry(reason, FailureClass::NoVerdict) })
            }
            Named::Nothing => {
                let why = ", by status, score and id: the model named none of the branches";
                Ok(simply(why, usage))
            }
        }
    }

    async fn ask(&self, stage: &Stage, all: &[Candidate]) -> Result<Reply, BackendError> {
        let call = LlmCall::new(stage, instruction(stage.node().prompt(), all));
        let write = |name: &str, text: &str| {
            stage.write(name, text).map_err(|error| {
                let message = format!("cannot write {name} in {}: {error}", stage.dir.display());
                BackendError::new(backend::BackendErrorKind::Permanent, message)
            })
        };
        write("prompt.md", &call.prompt)?;
        let reply = backend::ask(self.backend.as_ref(), &call).await?;
        write("response.md", &reply.text).map_err(|error| error.used(reply.usage))?;
        Ok(reply)
    }
}

#[async_trait]
impl Handler for FanIn {
    async fn execute(&self, stage: &Stage) -> Outcome {
        let Chosen { candidate, notes, usage } = match self.choose(stage).await {
            Ok(chosen) => chosen,
            Err(outcome) => return outcome,
        };
        if let Some(commit) = &candidate.commit
            && let Err(error) = stage.workspaces.adopt(&stage.attempt.frame, commit).await
        {
            let reason = format!("cannot take over the work of `{}`: {error}", candidate.id);
            return Outcome { usage, ..Outcome::fail(reason) };
        }
        let outcome = Outcome {
            context_updates: candidate.context_updates,
            notes,
            usage,
            ..Outcome::of(Status::Success)
        };
        outcome
            .with("parallel.fan_in.best_id", candidate.id)
            .with("parallel.fan_in.best_outcome", candidate.status.as_str())
    }

    fn takes_written_verdict(&self) -> bool {
        false
    }
}
