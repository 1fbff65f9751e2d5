//! One session: an agent's session with its environment, and the task that owns both.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use canon_agent::{EventData, Session, SessionEvent, SessionOptions, Turn};
use canon_exec::ExecutionEnvironment;
use canon_exec::sandbox::SandboxPolicy;
use canon_protocol::acp::CANCEL_REQUEST;
use canon_protocol::acp::agent::{
    ClientCapabilities, ConfigOptions, NewSession, Prompted, SessionOpened, StopReason,
};
use canon_protocol::acp::content::ContentBlock;
use canon_protocol::acp::update::{SessionNotification, SessionUpdate};
use canon_protocol::jsonrpc::peer::{Peer, PeerError, Question};
use canon_protocol::jsonrpc::{INTERNAL_ERROR, INVALID_REQUEST, Id, RpcError};
use canon_runtime::id;
use canon_runtime::task::{self, TaskSpec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::files::EditorFiles;
use super::options::{ApprovalMode, DEFAULT_EFFORT, EFFORT, MODE, MODEL, Settings, modes};
use super::permission::{Gate, Reviewer};
use super::places::Places;
use super::progress::{self, Progress, Shows};
use super::{Setup, invalid, no_model, prompt, refusal, servers, stop, value};
use crate::bridge::agent::{self, Limits, Model, Sandbox};
use crate::bridge::mcp::Servers;
use crate::threads::{Origin, Store, Thread};

/// What a session is told; requests are answered by it.
pub(super) enum Command {
    Prompt(Id, Vec<ContentBlock>),
    /// The prompt that runs, or only if it is this request.
    Cancel(Option<Id>),
    SetMode(Id, String),
    SetOption(Id, String, String),
}

/// Speaks to the client about one session.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    peer: Peer,
    session_id: Arc<str>,
}

/// A request whose answer is waited for.
struct Asked<'a> {
    question: Question,
    peer: &'a Peer,
    is_open: bool,
}

/// It is given up: a question that the client still shows is no longer one.
impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.peer.try_notify(CANCEL_REQUEST, &json!({ "requestId": self.question.id() }));
        }
    }
}

impl Voice {
    pub(super) fn session_id(&self) -> &str {
        &self.session_id
    }

    pub(super) async fn update(&self, update: SessionUpdate) {
        let session_id = self.session_id.to_string();
        if let Ok(params) = serde_json::to_value(SessionNotification { session_id, update }) {
            // A client that is gone shows as the end of its stream.
            let _ = self.peer.notify("session/update", &params).await;
        }
    }

    /// The client's answer, or why there is none. Where nobody waits for it any longer, the client is
    /// told so.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &impl Serialize,
        limit: Option<Duration>,
    ) -> Result<T, Unanswered> {
        let wrong = |error: serde_json::Error| Unanswered::Why(format!("{method}: {error}"));
        let params = serde_json::to_value(params).map_err(wrong)?;
        let question = self.peer.ask(method, &params).await?;
        let mut asked = Asked { question, peer: &self.peer, is_open: true };
        let answer = asked.question.answer();
        let answer = match limit {
            None => answer.await,
            Some(limit) => tokio::time::timeout(limit, answer).await.map_err(|_| {
                Unanswered::Why(format!("no answer to {method} within {} s", limit.as_secs()))
            })?,
        };
        asked.is_open = false;
        serde_json::from_value(answer?).map_err(wrong)
    }

    async fn answer(&self, id: &Id, answer: Result<Value, RpcError>) {
        let _ = self.peer.respond(id, answer).await;
    }
}

/// Why the client did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    /// Its stream is at its end.
    #[error("the client is gone")]
    Gone,
    /// It refused, was too slow, or said something else.
    #[error("{0}")]
    Why(String),
}

impl From<PeerError> for Unanswered {
    fn from(error: PeerError) -> Self {
        match error {
            PeerError::Closed => Self::Gone,
            PeerError::Refused(error) => Self::Why(error.message),
            other => Self::Why(other.to_string()),
        }
    }
}

/// An open session.
pub(super) struct SessionHandle {
    pub(super) id: String,
    commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<()>,
}

impl SessionHandle {
    pub(super) fn tell(&self, command: Command) {
        // A session goes only with its handle, or with a defect that its task reports.
        let _ = self.commands.send(command);
    }

    /// Aborts what runs and waits for its processes to be gone.
    pub(super) async fn close(self) {
        drop(self.commands);
        let _ = self.task.await;
    }
}

/// Whom a session is opened for.
pub(super) struct Opening {
    pub(super) peer: Peer,
    pub(super) client: ClientCapabilities,
    pub(super) setup: Arc<Setup>,
}

/// A session that was opened.
pub(super) struct Opened {
    pub(super) handle: SessionHandle,
    pub(super) answer: SessionOpened,
    pub(super) voice: Voice,
    pub(super) places: Places,
}

/// Opens a session, a new one or one that was kept: the model is connected and the sandbox probed before it is answered.
pub(super) async fn open(
    opening: Opening,
    new: NewSession,
    kept: Option<(Thread, Vec<Turn>)>,
) -> Result<Opened, RpcError> {
    let Opening { peer, client, setup } = opening;
    // A conversation goes on with its own model: only that reads all of what is in it.
    let own = kept.as_ref().map(|(thread, _)| thread.meta());
    let own = own.map(|meta| format!("{}/{}", meta.provider, meta.model));
    let model = Model::try_connect(own.as_deref().or(setup.model.as_deref()))
        .map_err(|error| no_model(&error))?;
    let places = Places::find(&new.cwd, &new.additional_directories)?;
    let (cwd, roots) = (places.cwd(), places.roots());
    let policy = with_roots(setup.policy.clone(), roots.get(1..).unwrap_or_default());
    let sandbox = Sandbox { policy, masked: setup.masked.clone() };
    let inner = sandbox.environment(cwd).await.map_err(|error| refusal(INTERNAL_ERROR, &error))?;
    let servers = servers::start(&new.mcp_servers, roots).await?;
    let (thread, history) = match kept {
        Some((thread, history)) => (Some(thread), history),
        None => (setup.store.as_ref().map(|store| begun(store, &model, cwd)), Vec::new()),
    };
    let session_id = thread.as_ref().map_or_else(|| id::new("session"), Thread::id);
    let voice = Voice { peer, session_id: session_id.as_str().into() };
    let environment: Arc<dyn ExecutionEnvironment> = Arc::new(EditorFiles {
        inner,
        voice: voice.clone(),
        offers: client.fs,
        places: places.clone(),
    });
    let gate = Arc::new(Gate::new(setup.mode));
    let settings = Settings {
        mode: setup.mode,
        provider: model.provider().to_owned(),
        model: model.id().to_owned(),
        effort: None,
        reasons: false,
    };
    let reviewer = Reviewer {
        gate: Arc::clone(&gate),
        voice: voice.clone(),
        environment: Arc::clone(&environment),
        places: places.clone(),
    };
    let mut parts = Parts {
        model,
        environment,
        limits: setup.limits.clone(),
        reviewer: Arc::new(reviewer),
        thread: thread.map(Arc::new),
        settings,
        servers,
    };
    let mut options = parts.options()?;
    let is_named = !history.is_empty();
    options.history = history;
    parts.settings.reasons = options.profile.capabilities.reasoning;
    let session = parts.begin(options)?;
    let answer = SessionOpened {
        session_id: None,
        modes: Some(modes(parts.settings.mode)),
        config_options: Some(parts.settings.options()),
    };
    let shows = Shows {
        notices: client.session.notices.is_some(),
        terminals: client.meta["terminal_output"] == true,
    };
    let notes = parts.servers.notes().iter().map(|note| format!("MCP: {note}")).collect();
    let talk = Talk {
        progress: Progress::new(places.clone(), Arc::clone(&gate), shows),
        voice: voice.clone(),
        gate,
        parts,
        session,
        is_over: false,
        is_named,
        notes,
        running: None,
    };
    let (commands, inbox) = mpsc::unbounded_channel();
    let task = task::spawn(TaskSpec::new("acp session").signalled(), talk.run(inbox));
    let handle = SessionHandle { id: session_id, commands, task };
    Ok(Opened { handle, answer, voice, places })
}

fn begun(store: &Store, model: &Model, cwd: &Path) -> Thread {
    store.create(Origin {
        cwd: cwd.to_owned(),
        provider: model.provider().to_owned(),
        model: model.id().to_owned(),
        source: "acp".to_owned(),
        ..Origin::default()
    })
}

fn with_roots(mut policy: SandboxPolicy, more: &[PathBuf]) -> SandboxPolicy {
    if let SandboxPolicy::WorkspaceWrite { writable_roots, .. } = &mut policy {
        writable_roots.extend_from_slice(more);
    }
    policy
}

/// What a session of the agent is made of, and made of again after a failure.
struct Parts {
    model: Model,
    environment: Arc<dyn ExecutionEnvironment>,
    limits: Limits,
    reviewer: Arc<Reviewer>,
    thread: Option<Arc<Thread>>,
    settings: Settings,
    servers: Servers,
}

impl Parts {
    fn options(&self) -> Result<SessionOptions, RpcError> {
        let environment = Arc::clone(&self.environment);
        let model = self.model.with_id(&self.settings.model);
        let mut options = agent::options(&model, environment, &self.limits)
            .map_err(|error| refusal(INTERNAL_ERROR, &error))?;
        options.approver = Some(self.reviewer.clone());
        options.session_id = Some(self.reviewer.voice.session_id().to_owned());
        if let Some(thread) = &self.thread {
            options.journal = Some(thread.clone());
        }
        options.config.interactive = true;
        options.config.reasoning_effort.clone_from(&self.settings.effort);
        self.servers.join(&mut options);
        Ok(options)
    }

    fn begin(&self, options: SessionOptions) -> Result<Session, RpcError> {
        let session = agent::session(options).map_err(|error| refusal(INTERNAL_ERROR, &error))?;
        self.servers.follow(&session.handle());
        Ok(session)
    }
}

/// A prompt that is worked on.
struct Running {
    request: Id,
    cancelled: bool,
    /// What was odd about the last reply.
    last: Option<StopReason>,
}

/// The owner of a session.
struct Talk {
    voice: Voice,
    gate: Arc<Gate>,
    parts: Parts,
    progress: Progress,
    session: Session,
    /// It failed; the next prompt begins another with its conversation.
    is_over: bool,
    is_named: bool,
    /// What is odd about its servers, to be said once the client knows the session.
    notes: Vec<String>,
    running: Option<Running>,
}

impl Talk {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
                event = self.session.next_event(), if !self.is_over => match event {
                    Some(event) => self.event(event).await,
                    None => self.over().await,
                },
            }
        }
        // The client is gone, or wants this no more: what runs is aborted, and its processes end
        // before we do.
        let _ = self.session.abort();
        while self.session.next_event().await.is_some() {}
        self.parts.servers.close().await;
        if let Some(running) = self.running.take() {
            self.finish(&running.request, Ok(StopReason::Cancelled)).await;
        }
        for update in self.progress.close_all() {
            self.voice.update(update).await;
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Prompt(id, blocks) => {
                if let Err(error) = self.prompt(&id, blocks).await {
                    self.voice.answer(&id, Err(error)).await;
                }
            }
            Command::Cancel(request) => {
                let is_meant = match (&mut self.running, request) {
                    (Some(running), request)
                        if request.as_ref().is_none_or(|it| *it == running.request) =>
                    {
                        running.cancelled = true;
                        true
                    }
                    // Subagents may be at work after the end of a prompt.
                    (None, None) => true,
                    _ => false,
                };
                if is_meant {
                    let _ = self.session.interrupt();
                }
            }
            Command::SetMode(id, mode) => {
                let set = self.set(MODE, mode).map(|()| json!({}));
                let changed = set.is_ok();
                self.voice.answer(&id, set).await;
                if changed {
                    let config_options = self.parts.settings.options();
                    self.voice.update(SessionUpdate::ConfigOptionUpdate { config_options }).await;
                }
            }
            Command::SetOption(id, option, to) => {
                let mode = self.parts.settings.mode;
                let set = self.set(&option, to).and_then(|()| {
                    value(ConfigOptions { config_options: self.parts.settings.options() })
                });
                self.voice.answer(&id, set).await;
                // For what shows modes and no options.
                let now = self.parts.settings.mode;
                if now != mode {
                    let current_mode_id = now.id().to_owned();
                    self.voice.update(SessionUpdate::CurrentModeUpdate { current_mode_id }).await;
                }
            }
        }
    }

    async fn prompt(&mut self, id: &Id, blocks: Vec<ContentBlock>) -> Result<(), RpcError> {
        if self.running.is_some() {
            let why = "another prompt is being worked on: cancel it, or wait for its answer";
            return Err(RpcError::new(INVALID_REQUEST, why));
        }
        let input = prompt::input(blocks)?;
        if self.is_over {
            self.begin_again().await?;
        }
        let title = title(&input.text);
        let closed =
            |error: canon_agent::SessionClosed| RpcError::new(INTERNAL_ERROR, error.to_string());
        self.session.submit(input).map_err(closed)?;
        self.running = Some(Running { request: id.clone(), cancelled: false, last: None });
        if !self.is_named {
            self.is_named = true;
            let updated_at = None;
            self.voice.update(SessionUpdate::SessionInfoUpdate { title, updated_at }).await;
        }
        for note in std::mem::take(&mut self.notes) {
            if let Some(update) = self.progress.warning(&note) {
                self.voice.update(update).await;
            }
        }
        Ok(())
    }

    /// A session that failed is over; its conversation is not.
    async fn begin_again(&mut self) -> Result<(), RpcError> {
        let lost =
            |error: canon_agent::SessionClosed| RpcError::new(INTERNAL_ERROR, error.to_string());
        let mut options = self.parts.options()?;
        options.history = self.session.history().await.map_err(lost)?;
        self.session = self.parts.begin(options)?;
        self.is_over = false;
        Ok(())
    }

    fn set(&mut self, option: &str, to: String) -> Result<(), RpcError> {
        self.parts.settings.check(option, &to).map_err(invalid)?;
        // One that is over is begun again with what is set by then.
        let session = (!self.is_over).then_some(&self.session);
        match option {
            MODE => {
                if let Some(mode) = ApprovalMode::of_id(&to) {
                    self.parts.settings.mode = mode;
                    self.gate.set_mode(mode);
                }
            }
            MODEL => {
                if let Some(session) = session {
                    let provider = &self.parts.settings.provider;
                    session.set_model(provider, &to).map_err(|error| invalid(error.to_string()))?;
                }
                if let Some(thread) = &self.parts.thread {
                    let kept = thread.set_model(&self.parts.settings.provider, &to);
                    kept.map_err(|error| super::stored::refused(&error))?;
                }
                self.parts.settings.model = to;
            }
            EFFORT => {
                let effort = (to != DEFAULT_EFFORT).then_some(to);
                if let Some(session) = session {
                    let _ = session.set_reasoning_effort(effort.clone());
                }
                self.parts.settings.effort = effort;
            }
            _ => {}
        }
        Ok(())
    }

    async fn event(&mut self, event: SessionEvent) {
        for update in self.progress.take(&event) {
            self.voice.update(update).await;
        }
        if let EventData::ToolCallStart { call_id, .. } = &progress::inner(&event).1.data {
            self.gate.announce(call_id);
        }
        let Some(running) = &mut self.running else { return };
        match &event.data {
            EventData::Warning { code, .. } => {
                running.last = stop::of_warning(*code).or(running.last)
            }
            EventData::AssistantTextStart {} | EventData::ToolCallStart { .. } => {
                running.last = None;
            }
            EventData::ProcessingEnd { outcome, .. } | EventData::SessionEnd { outcome, .. } => {
                let reason = stop::reason(outcome, running.cancelled, running.last);
                let request = running.request.clone();
                self.running = None;
                self.finish(&request, reason).await;
            }
            _ => {}
        }
    }

    /// The session ended; a prompt that it did not answer is answered here.
    async fn over(&mut self) {
        self.is_over = true;
        for update in self.progress.close_all() {
            self.voice.update(update).await;
        }
        if let Some(running) = self.running.take() {
            let why = "the session's task ended without a result; see the agent's log";
            self.finish(&running.request, Err(RpcError::new(INTERNAL_ERROR, why))).await;
        }
    }

    async fn finish(&mut self, request: &Id, reason: Result<StopReason, RpcError>) {
        for update in self.progress.close() {
            self.voice.update(update).await;
        }
        let answer = reason.and_then(|stop_reason| value(Prompted { stop_reason }));
        self.voice.answer(request, answer).await;
    }
}

/// The first line of what was said, as the session's name.
fn title(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let clean: String = line.chars().filter(|c| !c.is_control()).take(80).collect();
    (!clean.is_empty()).then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_by_its_first_words() {
        assert_eq!(title("\n  make it \u{1b}[1mwork\nnow"), Some("make it [1mwork".to_owned()));
        assert_eq!(title(&"é".repeat(200)).unwrap().chars().count(), 80);
        assert_eq!(title(" \n"), None);
    }

    #[test]
    fn more_directories_are_more_room_to_write_and_no_more_than_that() {
        let more = [PathBuf::from("/more")];
        let SandboxPolicy::WorkspaceWrite { writable_roots, .. } =
            with_roots(SandboxPolicy::workspace_write(), &more)
        else {
            panic!()
        };
        assert!(writable_roots.contains(&more[0]));
        assert_eq!(with_roots(SandboxPolicy::read_only(), &more), SandboxPolicy::read_only());
    }
}
