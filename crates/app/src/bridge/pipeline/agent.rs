//! Canon's own agent as a backend: a session for each stage, or for each thread.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use canon_agent::{
    Approver, Budget, EventData, Input, Limit, Outcome, Profile, Session, SessionEvent, Status,
    WarningCode,
};
use canon_llm::ErrorKind;
use canon_pipeline::backend::{Backend, BackendError, BackendErrorKind, LlmCall, Reply};
use canon_pipeline::engine::EventKind;
use canon_pipeline::outcome::Usage;
use serde_json::json;

use super::call::Call;
use super::hooks::Gate;
use super::models::{Failure, SharedModels, Tries, left};
use crate::bridge::agent::lost;
use crate::bridge::agent::{self, Limits, Model};

/// Works on stages with sessions of Canon's agent; what needs no tools is one plain call.
pub struct Agent {
    models: SharedModels,
    call: Call,
    /// Sessions of threads that wait for their next stage.
    threads: Mutex<HashMap<String, Held>>,
}

/// A session between two stages.
struct Held {
    session: Session,
    gate: Arc<Gate>,
    model: (String, String),
    /// What it used so far; its budget counts from its beginning.
    used: Usage,
}

impl Agent {
    /// With these models.
    pub fn new(models: SharedModels) -> Self {
        Self { call: Call::new(Arc::clone(&models)), models, threads: Mutex::default() }
    }

    async fn work(
        &self,
        call: &LlmCall<'_>,
        model: Model,
        used: Usage,
    ) -> Result<(Reply, Usage), Failure> {
        let waiting = call.thread.as_ref().and_then(|thread| {
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).remove(thread)
        });
        let mut held = match waiting {
            Some(held) => go_on(held, call, &model, used)?,
            None => begin(call, &model, used)?,
        };
        held.gate.enter(call.stage);
        let (outcome, cut) = converse(&mut held, call).await;
        let total = usage_of(&outcome);
        let usage = since(&held.used, &total);
        held.used = total;
        let reply = concluded(outcome, cut).map_err(|failure| failure.used(usage))?;
        match &call.thread {
            Some(thread) => {
                let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
                threads.insert(thread.clone(), held);
            }
            None => close(held.session).await,
        }
        Ok((reply, usage))
    }
}

#[async_trait]
impl Backend for Agent {
    async fn run(&self, call: &LlmCall<'_>) -> Result<Reply, BackendError> {
        if !call.tools {
            return self.call.run(call).await;
        }
        let mut tries = Tries::new(&self.models, call)?;
        loop {
            let model = tries.next()?;
            match self.work(call, model, tries.used()).await {
                Ok((reply, usage)) => return Ok(tries.done(reply, usage)),
                Err(failure) => tries.failed(failure)?,
            }
        }
    }
}

fn begin(call: &LlmCall<'_>, model: &Model, used: Usage) -> Result<Held, Failure> {
    let (max_tokens, max_cost_usd) = left(call, used);
    let limits = Limits { max_turns: 0, max_tokens, max_cost_usd };
    let environment = Arc::clone(&call.stage.environment);
    let wrong = |error: crate::error::Error| Failure::of(&error);
    let mut options = agent::options(model, environment, &limits).map_err(wrong)?;
    options.config.reasoning_effort = effort(call);
    let gate = Arc::new(Gate::default());
    options.approver = Some(Arc::clone(&gate) as Arc<dyn Approver>);
    let session = agent::session(options).map_err(wrong)?;
    let model = (model.provider().to_owned(), model.id().to_owned());
    Ok(Held { session, gate, model, used: Usage::default() })
}

/// Takes a session over for its next stage.
fn go_on(held: Held, call: &LlmCall<'_>, model: &Model, used: Usage) -> Result<Held, Failure> {
    let mut held = held;
    let (tokens, usd) = left(call, used);
    let budget = Budget {
        max_tokens: tokens.map(|tokens| tokens.saturating_add(held.used.total_tokens())),
        max_cost_usd: usd.map(|usd| usd + held.used.cost_usd),
    };
    let lost = |error: &dyn std::fmt::Display| {
        let thread = call.thread.as_deref().unwrap_or_default();
        let message = format!("the session of thread `{thread}` cannot go on: {error}");
        Failure::new(BackendErrorKind::Permanent, message)
    };
    let handle = held.session.handle();
    let name = (model.provider().to_owned(), model.id().to_owned());
    if held.model != name {
        let profile =
            Profile::for_model(model.provider(), model.id()).map_err(|error| lost(&error))?;
        handle.set_profile(profile).map_err(|error| lost(&error))?;
        held.model = name;
    }
    handle
        .configure(|config| {
            config.budget = budget;
            config.reasoning_effort = effort(call);
        })
        .map_err(|error| lost(&error))?;
    // The stage writes its own directory, and no longer that of the one before.
    let environment = Arc::clone(&call.stage.environment);
    handle.set_environment(environment).map_err(|error| lost(&error))?;
    Ok(held)
}

fn effort(call: &LlmCall<'_>) -> Option<String> {
    Some(call.effort.to_owned()).filter(|effort| !effort.is_empty())
}

/// Takes one prompt to its end; also why the last text is not whole, if it is not.
async fn converse(held: &mut Held, call: &LlmCall<'_>) -> (Outcome, Option<WarningCode>) {
    let Held { session, gate, .. } = held;
    let handle = session.handle();
    let mut cut = None;
    if handle.submit(Input::new(call.prompt.clone())).is_err() {
        return (lost(), cut);
    }
    let mut stopped = false;
    loop {
        let event = tokio::select! {
            event = session.next_event() => event,
            () = call.stage.cancel.cancelled(), if !stopped => {
                stopped = true;
                let _ = handle.abort();
                continue;
            }
        };
        let Some(event) = event else { return (lost(), cut) };
        tell(call, &event);
        match event.data {
            EventData::ToolCallEnd { tool_name, call_id, output, is_error, .. } => {
                gate.after(&call_id, &tool_name, is_error, &output).await;
            }
            EventData::AssistantTextEnd { .. } => cut = None,
            EventData::Warning {
                code: code @ (WarningCode::ReplyCut | WarningCode::ReplyFiltered),
                ..
            } => cut = Some(code),
            EventData::ProcessingEnd { outcome, .. } | EventData::SessionEnd { outcome, .. } => {
                return (outcome, cut);
            }
            _ => {}
        }
    }
}

/// Those who watch see what the agent does, but not every word as it comes.
fn tell(call: &LlmCall<'_>, event: &SessionEvent) {
    if matches!(
        event.data,
        EventData::AssistantTextStart {}
            | EventData::AssistantTextDelta { .. }
            | EventData::ReasoningDelta { .. }
            | EventData::ToolCallOutputDelta { .. }
    ) {
        return;
    }
    call.stage.events.emit(EventKind::StageProgress {
        stage: call.stage.node().id().to_owned(),
        detail: json!({ "kind": "agent", "frame": call.stage.attempt.frame, "event": event }),
    });
}

/// A session that is not needed any more ends with what it started.
async fn close(mut session: Session) {
    let _ = session.close();
    while session.next_event().await.is_some() {}
}

fn usage_of(outcome: &Outcome) -> Usage {
    Usage {
        input_tokens: outcome.usage.input_tokens,
        output_tokens: outcome.usage.output_tokens,
        cost_usd: outcome.cost_usd.unwrap_or_default(),
    }
}

fn since(before: &Usage, now: &Usage) -> Usage {
    Usage {
        input_tokens: now.input_tokens.saturating_sub(before.input_tokens),
        output_tokens: now.output_tokens.saturating_sub(before.output_tokens),
        cost_usd: (now.cost_usd - before.cost_usd).max(0.0),
    }
}

fn concluded(outcome: Outcome, cut: Option<WarningCode>) -> Result<Reply, Failure> {
    let fail = |kind, message: &str| Err(Failure::new(kind, message));
    match outcome.status {
        Status::Completed | Status::AwaitingInput => match cut {
            None => Ok(Reply::text(outcome.text)),
            Some(WarningCode::ReplyFiltered) => fail(
                BackendErrorKind::Permanent,
                "a content filter of the provider withheld a part of the last message",
            ),
            Some(_) => fail(
                BackendErrorKind::Permanent,
                "the last message was cut off at the model's token limit",
            ),
        },
        Status::Limit { limit } => match limit {
            Limit::Tokens => fail(BackendErrorKind::BudgetSpent, "the tokens are used up"),
            Limit::Cost => fail(BackendErrorKind::BudgetSpent, "the US dollars are used up"),
            Limit::Turns => fail(BackendErrorKind::Permanent, "the replies are used up"),
            Limit::ToolRounds => {
                fail(BackendErrorKind::Permanent, "the rounds of tool calls are used up")
            }
        },
        Status::Aborted => fail(BackendErrorKind::Canceled, "the session was stopped"),
        Status::Failed { code, message } => {
            match serde_json::from_value::<ErrorKind>(json!(code)) {
                Ok(kind) => Err(Failure::of_kind(kind, message)),
                Err(_) => Err(Failure::new(BackendErrorKind::Permanent, message)),
            }
        }
    }
}
