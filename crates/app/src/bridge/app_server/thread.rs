//! One thread: what it runs under, its conversation, and its session while there is one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use canon_agent::{Session, Tool, Turn};
use canon_exec::SandboxReport;
use canon_protocol::codex::server::call::{TurnStart, UserInput};
use canon_protocol::codex::server::outgoing::{self, ThreadStatus};
use canon_protocol::jsonrpc::{Id, RpcError};
use canon_runtime::task::{self, TaskSpec};
use canon_runtime::{clock, id};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::gate::Gate;
use super::history::{self, SETTINGS};
use super::out::Out;
use super::settings::Settings;
use super::turn::{Naming, Turns};
use super::user_input::RequestUserInput;
use super::{Setup, dynamic_tool, invalid, refusal};
use crate::bridge::agent::{self, Sandbox};
use crate::threads::{self, Entry, Meta, Origin, Store};

/// What a thread is told; each is answered by the thread.
pub(super) enum Command {
    Start { id: Id, start: Box<TurnStart> },
    Steer { id: Id, expected: String, input: Vec<UserInput> },
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
    /// What the probe found.
    pub(super) sandbox: SandboxReport,
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
        drop(self.commands);
        let _ = self.task.await;
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
        sandbox: environment.sandbox(),
    })));
    let naming = naming_of(&settings, &tools);
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

pub(super) fn naming_of(settings: &Settings, tools: &[dynamic_tool::Declared]) -> Arc<Naming> {
    let dynamic = tools
        .iter()
        .map(|tool| (tool.definition.name.clone(), (tool.namespace.clone(), tool.tool.clone())));
    Arc::new(Naming { cwd: settings.cwd.clone(), dynamic: dynamic.collect() })
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
    environment: Option<Arc<dyn canon_exec::ExecutionEnvironment>>,
    /// The settings that the file knows.
    marked: Option<serde_json::Value>,
}

impl Thread {
    pub(super) fn id(&self) -> &str {
        &self.gate.thread_id
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
        self.naming = naming_of(&settings, &self.tools);
        self.settings = settings;
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
        let mut options =
            agent::options(&self.settings.model, environment, &self.host.setup.limits)
                .map_err(refusal)?;
        options.extra_tools = self.extra_tools();
        options.user_instructions.clone_from(&self.settings.instructions);
        options.config.reasoning_effort.clone_from(&self.settings.effort);
        options.approver = Some(self.gate.clone());
        options.history = self.history.clone();
        options.journal = self.file.clone().map(|file| {
            let journal: Arc<dyn canon_agent::Journal> = file;
            journal
        });
        agent::session(options).map_err(refusal)
    }

    fn extra_tools(&self) -> Vec<Arc<dyn Tool>> {
        let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
        for declared in &self.tools {
            tools.push(Arc::new(dynamic_tool::Remote {
                peer: self.host.out.peer.clone(),
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
