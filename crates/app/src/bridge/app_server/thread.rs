//! One thread: what it runs under, its conversation, and its session while there is one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use canon_agent::{Outcome, Session, Tool, Turn};
use canon_exec::sandbox::SandboxPolicy;
use canon_exec::{ExecutionEnvironment, SandboxReport};
use canon_protocol::codex::server::call::{TurnStart, TurnSteer};
use canon_protocol::codex::server::outgoing::{self, ThreadStatus};
use canon_protocol::jsonrpc::{Id, RpcError};
use canon_runtime::task::{self, TaskSpec};
use canon_runtime::{clock, id};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::escalate::{self, EscalatingShell};
use super::gate::Gate;
use super::history::{self, SETTINGS};
use super::out::Out;
use super::settings::Settings;
use super::turn::{Naming, Turns};
use super::user_input::RequestUserInput;
use super::{Setup, dynamic_tool, invalid, refusal, servers};
use crate::bridge::agent::{self, Limits, Sandbox};
use crate::bridge::mcp::Servers;
use crate::threads::{self, Entry, Meta, Origin, Store};

/// What a thread is told; each is answered by the thread.
pub(super) enum Command {
    Start { id: Id, start: Box<TurnStart> },
    Steer { id: Id, steer: TurnSteer },
    Interrupt { id: Id, turn_id: String },
    Revert { id: Id, before_turn_id: String },
}

/// What others may know of a thread.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Without its turns.
    pub(super) thread: outgoing::Thread,
    pub(super) settings: outgoing::Settings,
    /// The turn that runs.
    pub(super) running: Option<String>,
    /// All tokens of the thread, earlier processes included.
    pub(super) used: canon_llm::Usage,
    /// What the probe found.
    pub(super) sandbox: SandboxReport,
    /// What people should know of its MCP servers.
    pub(super) notes: Vec<String>,
}

/// Facts that the thread writes and the server reads.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Facts>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that is loaded.
pub(super) struct ThreadHandle {
    pub(super) facts: Shared,
    /// `None` for one that leaves nothing on disk.
    pub(super) file: Option<Arc<threads::Thread>>,
    pub(super) naming: Arc<Naming>,
    commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<()>,
}

impl ThreadHandle {
    pub(super) fn tell(&self, command: Command) -> Result<(), RpcError> {
        self.commands.send(command).map_err(|_| invalid("the thread is over"))
    }

    /// Aborts what runs and waits for its processes to be gone.
    pub(super) async fn close(self) {
        let _ = self.leave().await;
    }

    /// Aborts what runs; the task ends when its processes are gone.
    pub(super) fn leave(self) -> JoinHandle<()> {
        drop(self.commands);
        self.task
    }
}

/// Where the conversation of a thread comes from.
pub(super) enum Beginning {
    /// Nowhere.
    New { ephemeral: bool },
    /// A thread of the store.
    Stored { file: Box<threads::Thread>, entries: Vec<Entry> },
}

/// What all threads of a client share.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) out: Out,
    pub(super) setup: Arc<Setup>,
    pub(super) store: Store,
    /// The client takes what the protocol calls experimental.
    pub(super) experimental: bool,
}

/// Loads a thread; its sandbox is probed first.
pub(super) async fn open(
    host: Host,
    settings: Settings,
    beginning: Beginning,
) -> Result<ThreadHandle, RpcError> {
    let tools = dynamic_tool::flatten(&settings.tools)?;
    let sandbox = sandbox_of(&host, &settings);
    let environment = sandbox.environment(&settings.cwd).await.map_err(refusal)?;
    let servers = servers::start(settings.servers.as_ref(), settings.cwd.clone()).await?;
    let (file, entries) = match beginning {
        Beginning::New { ephemeral: true } => (None, Vec::new()),
        Beginning::New { ephemeral: false } => {
            let file = host.store.create(Origin {
                cwd: settings.cwd.clone(),
                provider: settings.model.provider().to_owned(),
                model: settings.model.id().to_owned(),
                source: "app-server".to_owned(),
                name: None,
                instructions: settings.instructions.clone(),
            });
            (Some(Arc::new(file)), Vec::new())
        }
        Beginning::Stored { file, entries } => (Some(Arc::new(*file)), entries),
    };
    let meta = file.as_ref().map_or_else(|| nameless(&settings), |file| file.meta());
    let thread = outgoing::Thread {
        ephemeral: file.is_none(),
        status: ThreadStatus::Idle,
        cwd: settings.cwd.to_string_lossy().into_owned(),
        model: settings.model.id().to_owned(),
        model_provider: settings.model.provider().to_owned(),
        ..wire(&meta)
    };
    let facts = Shared(Arc::new(Mutex::new(Facts {
        thread,
        settings: settings.wire(),
        running: None,
        used: history::used(&entries),
        sandbox: environment.sandbox(),
        notes: servers.notes().to_vec(),
    })));
    let naming = naming_of(&meta.id, &settings, &tools);
    let (news, heard) = mpsc::unbounded_channel();
    let (commands, inbox) = mpsc::unbounded_channel();
    let thread = Thread {
        gate: Gate::new(meta.id, news),
        history: history_of(&entries),
        environment: Some(environment),
        facts: facts.clone(),
        file: file.clone(),
        naming: Arc::clone(&naming),
        marked: None,
        spent: Spent::default(),
        wanted: None,
        servers,
        host,
        settings,
        tools,
    };
    let running = Turns::new(thread).run(inbox, heard);
    let task = task::spawn(TaskSpec::new("app-server thread").signalled(), running);
    Ok(ThreadHandle { facts, file, naming, commands, task })
}

fn sandbox_of(host: &Host, settings: &Settings) -> Sandbox {
    Sandbox { policy: settings.sandbox.clone(), masked: host.setup.masked.clone() }
}

fn naming_of(id: &str, settings: &Settings, tools: &[dynamic_tool::Declared]) -> Arc<Naming> {
    let dynamic = tools
        .iter()
        .map(|tool| (tool.definition.name.clone(), (tool.namespace.clone(), tool.tool.clone())));
    Arc::new(Naming {
        thread_id: id.to_owned(),
        cwd: settings.cwd.clone(),
        dynamic: dynamic.collect(),
        servers: servers::prefixes(settings.servers.as_ref()),
    })
}

fn history_of(entries: &[Entry]) -> Vec<Turn> {
    let turns = entries.iter().filter_map(|entry| match entry {
        Entry::Turn(turn) => Some(turn.clone()),
        Entry::Mark { .. } => None,
    });
    turns.collect()
}

/// What is known of a thread that is on no disk.
fn nameless(settings: &Settings) -> Meta {
    let now = clock::now_ms();
    Meta {
        id: id::new("thread"),
        cwd: settings.cwd.clone(),
        provider: settings.model.provider().to_owned(),
        model: settings.model.id().to_owned(),
        source: "app-server".to_owned(),
        name: None,
        instructions: settings.instructions.clone(),
        forked_from: None,
        archived: false,
        created_at: now,
        updated_at: now,
        preview: String::new(),
        turns: 0,
    }
}

/// A thread of the store as the client sees it, not loaded and without its turns.
pub(super) fn wire(meta: &Meta) -> outgoing::Thread {
    let seconds = |ms: u64| i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    let source = match meta.source.as_str() {
        "app-server" => "appServer",
        other => other,
    };
    outgoing::Thread {
        id: meta.id.clone(),
        cwd: meta.cwd.to_string_lossy().into_owned(),
        model: meta.model.clone(),
        model_provider: meta.provider.clone(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: seconds(meta.created_at),
        updated_at: seconds(meta.updated_at),
        ephemeral: false,
        name: meta.name.clone(),
        preview: meta.preview.clone(),
        forked_from: meta.forked_from.clone(),
        source: source.to_owned(),
        status: ThreadStatus::NotLoaded,
        turns: Vec::new(),
    }
}

pub(super) struct Thread {
    pub(super) host: Host,
    pub(super) settings: Settings,
    pub(super) gate: Arc<Gate>,
    pub(super) facts: Shared,
    pub(super) file: Option<Arc<threads::Thread>>,
    pub(super) naming: Arc<Naming>,
    tools: Vec<dynamic_tool::Declared>,
    /// For the next session.
    pub(super) history: Vec<Turn>,
    /// Of the settings, as long as no session took it.
    environment: Option<Arc<dyn ExecutionEnvironment>>,
    /// The settings that the file knows.
    marked: Option<serde_json::Value>,
    /// What the sessions that are over have used up of the thread's limits.
    spent: Spent,
    /// Settings for the next turn, where a client wished them while one ran.
    wanted: Option<Settings>,
    servers: Servers,
}

/// Used up of limits.
#[derive(Debug, Default)]
struct Spent {
    turns: u32,
    tokens: u64,
    cost_usd: f64,
}

impl Spent {
    /// What is left of these limits.
    fn left(&self, limits: &Limits) -> Result<Limits, RpcError> {
        let over = |what: String| {
            Err(invalid(format!(
                "the thread has used up its limit of {what}; start another thread"
            )))
        };
        // 0 stands for no limit, so it cannot stand for nothing left.
        let max_turns = match limits.max_turns {
            0 => 0,
            most if most <= self.turns => return over(format!("{most} replies of the model")),
            most => most - self.turns,
        };
        let max_tokens = match limits.max_tokens {
            Some(most) if most <= self.tokens => return over(format!("{most} tokens")),
            most => most.map(|most| most - self.tokens),
        };
        let max_cost_usd = match limits.max_cost_usd {
            Some(most) if most <= self.cost_usd => return over(format!("{most} US dollars")),
            most => most.map(|most| most - self.cost_usd),
        };
        Ok(Limits { max_turns, max_tokens, max_cost_usd })
    }
}

impl Thread {
    pub(super) fn id(&self) -> &str {
        &self.gate.thread_id
    }

    /// What holds for the next turn.
    pub(super) fn next_settings(&self) -> &Settings {
        self.wanted.as_ref().unwrap_or(&self.settings)
    }

    /// Other settings from the next turn on.
    pub(super) fn want(&mut self, settings: Settings) {
        self.wanted = Some(settings);
    }

    /// A session is over.
    pub(super) fn spend(&mut self, outcome: &Outcome) {
        self.spent.turns = self.spent.turns.saturating_add(outcome.turns);
        self.spent.tokens = self.spent.tokens.saturating_add(outcome.usage.total_tokens);
        self.spent.cost_usd += outcome.cost_usd.unwrap_or_default();
    }

    /// Ends what belongs to the thread.
    pub(super) async fn close(self) {
        self.servers.close().await;
    }

    /// Other settings from here on. Those that a session was made with need another one, whose
    /// sandbox is probed here.
    pub(super) async fn change(&mut self, settings: Settings) -> Result<(), RpcError> {
        if !self.settings.same_session(&settings) || self.environment.is_none() {
            let sandbox = sandbox_of(&self.host, &settings);
            let environment = sandbox.environment(&settings.cwd).await.map_err(refusal)?;
            self.facts.lock().sandbox = environment.sandbox();
            self.environment = Some(environment);
        }
        let model = (settings.model.provider(), settings.model.id());
        if let Some(file) = &self.file
            && model != (self.settings.model.provider(), self.settings.model.id())
        {
            file.set_model(model.0, model.1).map_err(|error| invalid(error.to_string()))?;
        }
        self.naming = naming_of(self.id(), &settings, &self.tools);
        self.settings = settings;
        self.wanted = None;
        let mut facts = self.facts.lock();
        facts.settings = self.settings.wire();
        facts.thread.cwd = self.settings.cwd.to_string_lossy().into_owned();
        facts.thread.model = self.settings.model.id().to_owned();
        facts.thread.model_provider = self.settings.model.provider().to_owned();
        Ok(())
    }

    /// A session that goes on with the conversation.
    pub(super) async fn session(&mut self) -> Result<Session, RpcError> {
        let environment = match &self.environment {
            Some(environment) => Arc::clone(environment),
            None => {
                let sandbox = sandbox_of(&self.host, &self.settings);
                let environment = sandbox.environment(&self.settings.cwd).await.map_err(refusal)?;
                self.environment = Some(Arc::clone(&environment));
                environment
            }
        };
        self.gate.changes.look_in(Arc::clone(&environment));
        let limits = self.spent.left(&self.host.setup.limits)?;
        let mut options =
            agent::options(&self.settings.model, environment, &limits).map_err(refusal)?;
        if let Some(outside) = self.outside().await? {
            for tool in &mut options.profile.tools {
                if tool.definition().name == escalate::TOOL {
                    let (inner, outside) = (Arc::clone(tool), Arc::clone(&outside));
                    *tool = Arc::new(EscalatingShell { inner, outside });
                }
            }
        }
        self.servers.join(&mut options);
        options.extra_tools.extend(self.extra_tools());
        options.user_instructions.clone_from(&self.settings.instructions);
        options.config.reasoning_effort.clone_from(&self.settings.effort);
        options.approver = Some(self.gate.clone());
        options.history = self.history.clone();
        options.journal = self.file.clone().map(|file| {
            let journal: Arc<dyn canon_agent::Journal> = file;
            journal
        });
        let session = agent::session(options).map_err(refusal)?;
        self.servers.follow(&session.handle());
        Ok(session)
    }

    /// Where commands run that the client lets out of the sandbox; `None` when it is not asked, or
    /// there is no sandbox.
    async fn outside(&self) -> Result<Option<Arc<dyn ExecutionEnvironment>>, RpcError> {
        let Settings { policy, sandbox, cwd, .. } = &self.settings;
        if !policy.lets_out() || *sandbox == SandboxPolicy::DangerFullAccess {
            return Ok(None);
        }
        let masked = self.host.setup.masked.clone();
        let outside = Sandbox { policy: SandboxPolicy::DangerFullAccess, masked };
        outside.environment(cwd).await.map(Some).map_err(refusal)
    }

    fn extra_tools(&self) -> Vec<Arc<dyn Tool>> {
        let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
        for declared in &self.tools {
            tools.push(Arc::new(dynamic_tool::Remote {
                gate: Arc::clone(&self.gate),
                declared: declared.clone(),
            }));
        }
        if self.host.experimental {
            tools.push(Arc::new(RequestUserInput(Arc::clone(&self.gate))));
        }
        tools
    }

    /// The next session gets an environment that is probed anew: nobody knows what the failure of
    /// the last one had to do with it.
    pub(super) fn distrust_environment(&mut self) {
        self.environment = None;
    }

    /// Keeps something beside the conversation.
    pub(super) fn mark(&self, label: &str, data: serde_json::Value) -> Result<(), RpcError> {
        let Some(file) = &self.file else { return Ok(()) };
        file.mark(label, data).map_err(|error| invalid(error.to_string()))
    }

    /// Keeps the settings where they differ from what the file says.
    pub(super) fn mark_settings(&mut self) -> Result<(), RpcError> {
        let mark = self.settings.mark();
        if self.marked.as_ref() != Some(&mark) {
            self.mark(SETTINGS, mark.clone())?;
            self.marked = Some(mark);
        }
        Ok(())
    }

    /// Gives up the turns from this one on.
    pub(super) fn revert(&mut self, before_turn_id: &str) -> Result<(), RpcError> {
        let Some(file) = &self.file else {
            return Err(invalid("a thread that is not kept on disk cannot be reverted"));
        };
        let read = || self.host.store.read(self.id()).map_err(|error| invalid(error.to_string()));
        let past = history::turns(&read()?.entries, &self.naming, None);
        let (_, turn) = history::find(&past, before_turn_id)?;
        file.cut(turn.before).map_err(|error| invalid(error.to_string()))?;
        self.history = history_of(&read()?.entries);
        self.marked = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sessions_used_up_is_taken_off_the_threads_limits() {
        let limits = Limits { max_turns: 5, max_tokens: Some(100), max_cost_usd: Some(1.0) };
        let spent = |turns, tokens, cost_usd| Spent { turns, tokens, cost_usd }.left(&limits);
        let left = spent(2, 60, 0.25).unwrap();
        assert_eq!((left.max_turns, left.max_tokens), (3, Some(40)));
        assert_eq!(left.max_cost_usd, Some(0.75));
        for (over, what) in [
            (spent(5, 0, 0.0), "5 replies"),
            (spent(0, 101, 0.0), "100 tokens"),
            (spent(0, 0, 1.5), "1 US dollars"),
        ] {
            let message = over.unwrap_err().message;
            assert!(message.contains(what), "{message}");
        }
        let none = Spent { turns: 9, tokens: 9, cost_usd: 9.0 }.left(&Limits::default()).unwrap();
        assert_eq!((none.max_turns, none.max_tokens, none.max_cost_usd), (0, None, None));
    }
}
