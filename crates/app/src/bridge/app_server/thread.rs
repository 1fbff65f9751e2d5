//! One thread: an agent session with its environment.

use std::path::PathBuf;
use std::sync::Arc;

use canon_agent::Session;
use canon_exec::sandbox::SandboxPolicy;
use canon_exec::{ExecutionEnvironment, SandboxReport};
use canon_llm::{ModelRef, ToolDefinition};
use canon_protocol::codex::client::SandboxMode;
use canon_protocol::codex::server::call::{ThreadStart, TurnStart, UserInput};
use canon_protocol::codex::server::outgoing;
use canon_protocol::jsonrpc::peer::Peer;
use canon_protocol::jsonrpc::{Id, RpcError};
use canon_runtime::task::{self, TaskSpec};
use canon_runtime::{clock, id};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::turn::{CurrentTurn, Turns};
use super::{Setup, dynamic_tool, invalid};
use crate::bridge::agent::{self, Model, Sandbox, model_name};
use crate::error::Error;

/// What a thread is told; each is answered by the thread.
pub(super) enum Command {
    Start { id: Id, start: Box<TurnStart> },
    Steer { id: Id, expected: String, input: Vec<UserInput> },
    Interrupt { id: Id, turn_id: String },
}

/// A running thread.
pub(super) struct ThreadHandle {
    pub(super) info: outgoing::Thread,
    pub(super) sandbox: SandboxReport,
    commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<()>,
}

impl ThreadHandle {
    pub(super) fn start_turn(&self, id: Id, start: TurnStart) -> Result<(), RpcError> {
        self.tell(Command::Start { id, start: Box::new(start) })
    }

    pub(super) fn steer(
        &self,
        id: Id,
        expected: String,
        input: Vec<UserInput>,
    ) -> Result<(), RpcError> {
        self.tell(Command::Steer { id, expected, input })
    }

    pub(super) fn interrupt(&self, id: Id, turn_id: String) -> Result<(), RpcError> {
        self.tell(Command::Interrupt { id, turn_id })
    }

    fn tell(&self, command: Command) -> Result<(), RpcError> {
        self.commands.send(command).map_err(|_| invalid("the thread is over"))
    }

    /// Aborts what runs and waits for its processes to be gone.
    pub(super) async fn close(self) {
        drop(self.commands);
        let _ = self.task.await;
    }
}

/// Opens a thread: the model is connected and the sandbox probed before it is answered.
pub(super) async fn open(
    peer: Peer,
    setup: Arc<Setup>,
    start: ThreadStart,
) -> Result<ThreadHandle, RpcError> {
    refuse_what_cannot_be(&start)?;
    let model = Model::connect(wanted_model(&setup, &start)?.as_deref()).map_err(refusal)?;
    let cwd = working_directory(start.cwd.as_deref())?;
    let sandbox = Sandbox { policy: policy_of(start.sandbox), masked: setup.masked.clone() };
    let environment = sandbox.environment(&cwd).await.map_err(refusal)?;
    let tools = dynamic_tool::flatten(start.dynamic_tools.unwrap_or_default())?;
    let info = outgoing::Thread {
        id: id::new("thread"),
        cwd: cwd.to_string_lossy().into_owned(),
        model: model.id().to_owned(),
        model_provider: model.provider().to_owned(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: i64::try_from(clock::now_ms() / 1000).unwrap_or(i64::MAX),
        ephemeral: true,
        approval_policy: json!("never"),
        sandbox_policy: agent::policy_to_wire(&sandbox.policy),
    };
    let report = environment.sandbox();
    let (commands, inbox) = mpsc::unbounded_channel();
    let thread = Thread {
        id: info.id.clone(),
        cwd,
        model,
        setup,
        sandbox,
        environment,
        tools,
        instructions: joined(start.base_instructions, start.developer_instructions),
        peer,
    };
    let task = task::spawn(TaskSpec::new("app-server thread").signalled(), thread.run(inbox));
    Ok(ThreadHandle { info, sandbox: report, commands, task })
}

/// A failure as a client shows it: it has marks of its own for errors.
fn refusal(error: Error) -> RpcError {
    let text = error.to_string();
    invalid(text.strip_prefix("error: ").unwrap_or(&text))
}

/// The thread's own wish, else the server's; the server's model serves who only names its provider.
fn wanted_model(setup: &Setup, start: &ThreadStart) -> Result<Option<String>, RpcError> {
    let own = setup.model.as_deref().and_then(|name| ModelRef::parse(name).provider);
    match (start.model_provider.as_deref(), start.model.as_deref()) {
        (Some(provider), None) if own.as_deref() == Some(provider) => Ok(setup.model.clone()),
        (None, None) => Ok(setup.model.clone()),
        (provider, model) => model_name(provider, model).map_err(refusal),
    }
}

/// What this agent cannot do is refused, never dropped.
fn refuse_what_cannot_be(start: &ThreadStart) -> Result<(), RpcError> {
    match start.approval_policy.as_ref().and_then(Value::as_str) {
        Some("untrusted") => Err(invalid(
            "approvalPolicy `untrusted` needs an agent that asks; this one never does: use `never`",
        )),
        _ => Ok(()),
    }
}

fn working_directory(cwd: Option<&str>) -> Result<PathBuf, RpcError> {
    let cwd = match cwd {
        Some(cwd) => PathBuf::from(cwd),
        None => std::env::current_dir().map_err(|error| invalid(error.to_string()))?,
    };
    let bad = |why: String| invalid(format!("cwd {}: {why}", cwd.display()));
    if !cwd.is_absolute() {
        return Err(bad("must be absolute".to_owned()));
    }
    match cwd.canonicalize() {
        Ok(path) if path.is_dir() => Ok(path),
        Ok(_) => Err(bad("is not a directory".to_owned())),
        Err(error) => Err(bad(error.to_string())),
    }
}

fn policy_of(mode: Option<SandboxMode>) -> SandboxPolicy {
    match mode.unwrap_or_default() {
        SandboxMode::ReadOnly => SandboxPolicy::read_only(),
        SandboxMode::WorkspaceWrite => SandboxPolicy::workspace_write(),
        SandboxMode::DangerFullAccess => SandboxPolicy::DangerFullAccess,
    }
}

fn joined(base: Option<String>, developer: Option<String>) -> Option<String> {
    let parts: Vec<String> = [base, developer].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

pub(super) struct Thread {
    pub(super) id: String,
    pub(super) cwd: PathBuf,
    model: Model,
    setup: Arc<Setup>,
    sandbox: Sandbox,
    environment: Arc<dyn ExecutionEnvironment>,
    tools: Vec<(Option<String>, ToolDefinition)>,
    instructions: Option<String>,
    pub(super) peer: Peer,
}

impl Thread {
    /// The session begins with the first turn, which may still narrow or widen the sandbox.
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        while let Some(command) = inbox.recv().await {
            let Command::Start { id, start } = command else {
                let (Command::Steer { id, .. }
                | Command::Interrupt { id, .. }
                | Command::Start { id, .. }) = command;
                let _ = self.peer.respond(&id, Err(invalid("no active turn"))).await;
                continue;
            };
            match self.begin(&start).await {
                Ok((session, current)) => {
                    let turns = Turns::new(self, session, current);
                    return turns.run(inbox, id, *start).await;
                }
                Err(error) => drop(self.peer.respond(&id, Err(error)).await),
            }
        }
    }

    async fn begin(&mut self, start: &TurnStart) -> Result<(Session, CurrentTurn), RpcError> {
        if let Some(policy) = &start.sandbox_policy {
            let policy = agent::policy_of_wire(policy, &self.cwd).map_err(invalid)?;
            if policy != self.sandbox.policy {
                self.sandbox.policy = policy;
                self.environment = self.sandbox.environment(&self.cwd).await.map_err(refusal)?;
            }
        }
        let current = CurrentTurn::default();
        let tools = self.tools.iter().map(|(namespace, definition)| {
            let tool: Arc<dyn canon_agent::Tool> = Arc::new(dynamic_tool::Remote {
                peer: self.peer.clone(),
                thread_id: self.id.clone(),
                turn_id: current.clone(),
                namespace: namespace.clone(),
                tool: definition.name.clone(),
                definition: definition.clone(),
            });
            tool
        });
        let mut options = agent::options(&self.model, self.environment.clone(), &self.setup.limits)
            .map_err(refusal)?;
        options.extra_tools = tools.collect();
        options.user_instructions.clone_from(&self.instructions);
        let session = agent::session(options).map_err(refusal)?;
        Ok((session, current))
    }

    /// Whether a turn wants the sandbox that the session has.
    pub(super) fn accepts(&self, start: &TurnStart) -> Result<(), RpcError> {
        let wanted = match &start.sandbox_policy {
            None => return Ok(()),
            Some(policy) => agent::policy_of_wire(policy, &self.cwd).map_err(invalid)?,
        };
        if wanted == self.sandbox.policy {
            return Ok(());
        }
        Err(invalid("the sandbox policy of a thread is fixed by its first turn"))
    }
}
