//! An agent behind the Codex app-server protocol as a backend: a process for each stage, or for each
//! thread.

mod process;

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use canon_exec::sandbox::SandboxPolicy;
use canon_pipeline::backend::{Backend, BackendError, BackendErrorKind, LlmCall, Reply};
use canon_pipeline::outcome::Usage;
use canon_protocol::codex::client::{
    ErrorCategory, Event, OnInputRequired, Options, SandboxMode, TurnEnd, TurnOutcome,
};

use self::process::Process;
use super::models::{Failure, SharedModels};
use crate::bridge::agent::policy_to_wire;

/// Which program is the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// This one, as `canon app-server`.
    Own,
    /// A shell command.
    Command(String),
}

/// Works on stages with agents that run as processes of their own. They confine their commands
/// themselves, as they are told; nothing of Canon's holds them to a budget.
pub struct AppServer {
    program: Program,
    models: SharedModels,
    /// What commands may touch beside the stage's own directory.
    policy: SandboxPolicy,
    /// Agents of threads that wait for their next stage.
    threads: Mutex<HashMap<String, Process>>,
}

impl AppServer {
    /// Agents that are this program.
    pub fn new(program: Program, models: SharedModels, policy: SandboxPolicy) -> Self {
        Self { program, models, policy, threads: Mutex::default() }
    }

    async fn work(&self, call: &LlmCall<'_>) -> Result<(Reply, Usage), Failure> {
        let waiting = call.thread.as_ref().and_then(|thread| {
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).remove(thread)
        });
        let mut agent = match waiting {
            Some(agent) => agent,
            None => self.begin(call).await?,
        };
        let outputs = agent.client.turn(&call.prompt).map_err(|refused| {
            let message = format!("the agent takes no turn: {refused:?}");
            Failure::new(BackendErrorKind::Permanent, message)
        })?;
        let ended = agent
            .until(call, outputs, |event| match event {
                Event::TurnEnded(end) => Some(end.clone()),
                _ => None,
            })
            .await;
        let end = match ended {
            Ok(end) => end,
            Err(failure) => {
                agent.stop().await;
                return Err(failure);
            }
        };
        let usage = Usage {
            input_tokens: end.usage.input_tokens,
            output_tokens: end.usage.output_tokens,
            cost_usd: 0.0,
        };
        match &call.thread {
            Some(thread) if end.session_open => {
                let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
                threads.insert(thread.clone(), agent);
            }
            _ => drop(agent.stop().await),
        }
        concluded(call, end).map(|text| (Reply::text(text), usage)).map_err(|f| f.used(usage))
    }

    async fn begin(&self, call: &LlmCall<'_>) -> Result<Process, Failure> {
        let cwd = call.stage.environment.working_directory();
        let mut options = Options::new(cwd.to_string_lossy());
        let mut policy = self.policy.clone();
        if let SandboxPolicy::WorkspaceWrite { writable_roots, .. } = &mut policy {
            writable_roots.push(call.stage.dir.clone());
        }
        options.sandbox = match &policy {
            SandboxPolicy::ReadOnly { .. } => SandboxMode::ReadOnly,
            SandboxPolicy::WorkspaceWrite { .. } => SandboxMode::WorkspaceWrite,
            SandboxPolicy::DangerFullAccess => SandboxMode::DangerFullAccess,
        };
        options.turn_sandbox_policy = Some(policy_to_wire(&policy));
        options.on_input_required = OnInputRequired::Fail;
        options.read_timeout_ms = 30_000;
        options.thread_name = Some(format!("{}: {}", call.stage.run.id, call.stage.node().id()));
        if let Program::Command(_) = self.program {
            options.model = call.model.map(str::to_owned);
        }
        let argv = self.argv(call)?;
        let mut agent = Process::start(argv, cwd, call.stage.variables(), options).await?;
        let outputs = agent.client.start();
        let begun = agent
            .until(call, outputs, |event| match event {
                Event::SessionStarted { .. } => Some(Ok(())),
                Event::StartupFailed { category, message } => {
                    Some(Err((*category, message.clone())))
                }
                _ => None,
            })
            .await;
        match begun {
            Ok(Ok(())) => Ok(agent),
            Ok(Err((category, message))) => {
                let said = agent.stop().await;
                let kind = match category {
                    ErrorCategory::ResponseTimeout => BackendErrorKind::Transient,
                    _ => BackendErrorKind::Permanent,
                };
                let message = format!("the agent did not start ({category}): {message}{said}");
                Err(Failure::new(kind, message))
            }
            Err(failure) => {
                agent.stop().await;
                Err(failure)
            }
        }
    }

    fn argv(&self, call: &LlmCall<'_>) -> Result<Vec<OsString>, Failure> {
        if let Program::Command(command) = &self.program {
            return Ok(["bash", "-c", command].map(OsString::from).to_vec());
        }
        let own = std::env::current_exe().map_err(|error| {
            let message = format!("cannot find this program: {error}");
            Failure::new(BackendErrorKind::Permanent, message)
        })?;
        let mut argv = vec![own.into_os_string(), "app-server".into()];
        let name = self.models.name(call.provider, call.model);
        if let Some(name) = name.map_err(|error| Failure::of(&error))? {
            argv.extend(["--model".into(), name.into()]);
        }
        if let Some(tokens) = call.stage.remaining.tokens {
            argv.extend(["--budget-tokens".into(), tokens.to_string().into()]);
        }
        if let Some(usd) = call.stage.remaining.usd {
            argv.extend(["--budget-usd".into(), usd.to_string().into()]);
        }
        Ok(argv)
    }
}

#[async_trait]
impl Backend for AppServer {
    async fn run(&self, call: &LlmCall<'_>) -> Result<Reply, BackendError> {
        if call.hooks.pre.is_some() {
            let message = "tool_hooks.pre: nothing can hold a tool call of an app-server agent \
                           back; use `--backend agent`, or take the hook out";
            return Err(BackendError::new(BackendErrorKind::Permanent, message));
        }
        match self.work(call).await {
            Ok((reply, usage)) => Ok(Reply { usage, ..reply }),
            Err(failure) => Err(failure.into_error()),
        }
    }
}

fn concluded(call: &LlmCall<'_>, end: TurnEnd) -> Result<String, Failure> {
    if end.outcome == TurnOutcome::Completed {
        return Ok(end.last_message.unwrap_or_default());
    }
    if call.stage.cancel.is_cancelled() {
        return Err(Failure::new(BackendErrorKind::Canceled, "the agent was stopped"));
    }
    let kind = match end.category {
        Some(ErrorCategory::ResponseTimeout | ErrorCategory::TurnTimeout) => {
            BackendErrorKind::Transient
        }
        _ => BackendErrorKind::Permanent,
    };
    let why = end.message.unwrap_or_else(|| "it does not say why".to_owned());
    Err(Failure::new(kind, format!("the agent's turn failed: {why}")))
}
