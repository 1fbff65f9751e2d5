//! Canon's agent behind the Agent Client Protocol, on any pair of byte streams.

mod calls;
mod files;
mod options;
mod permission;
mod places;
mod progress;
mod prompt;
mod replay;
mod servers;
mod session;
mod stop;
mod stored;
mod terminal;
mod under_way;

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use canon_exec::sandbox::SandboxPolicy;
use canon_llm::{LlmError, NOT_CONFIGURED};
use canon_protocol::acp::agent::{
    AgentCall, AgentCapabilities, AuthMethod, Authenticate, CancelRequest, ClientCapabilities,
    Implementation, Initialize, Initialized, LoadSession, McpCapabilities, OfSession,
    PromptCapabilities, SessionCapabilities, SessionOpened, Yes, parse, read,
};
use canon_protocol::acp::{AUTH_REQUIRED, CANCEL_REQUEST, PROTOCOL_VERSION, RESOURCE_NOT_FOUND};
use canon_protocol::jsonrpc::peer::{Incoming, Peer, Received, connect};
use canon_protocol::jsonrpc::{
    INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, Id, METHOD_NOT_FOUND, Message, PARSE_ERROR,
    Raw, RpcError,
};
use canon_protocol::lines::DEFAULT_MAX_LINE;
use canon_runtime::task::{self, TaskSpec};
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

pub use self::options::ApprovalMode;
use self::session::{Command, Opened, SessionHandle};
use self::under_way::{Done, UnderWay};
use super::agent::{Limits, Model};
use crate::error::Error;
use crate::threads::Store;

/// The one way to a key that there is.
const ENVIRONMENT: &str = "environment";

/// How long a client may take to read what is said to it after its own stream has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How the agent was started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// `[provider/]model` of sessions, until the user chooses another.
    pub model: Option<String>,
    /// What confines sessions.
    pub policy: SandboxPolicy,
    /// Paths that no session may read.
    pub masked: Vec<PathBuf>,
    /// What sessions ask about, until the user chooses otherwise.
    pub mode: ApprovalMode,
    /// Limits of each session.
    pub limits: Limits,
    /// Keeps conversations; `None` leaves nothing on the disk.
    pub store: Option<Store>,
}

/// Serves one client until its stream ends. Sessions that work then are aborted.
pub async fn serve<R, W>(input: R, output: W, setup: Setup) -> Result<(), Error>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (peer, incoming, moving) = connect(input, output, DEFAULT_MAX_LINE);
    let mut bytes = task::spawn(TaskSpec::new("acp stream").signalled(), moving);
    let mut server = Server {
        peer: peer.versioned(),
        setup: Arc::new(setup),
        client: None,
        sessions: HashMap::new(),
        under_way: UnderWay::default(),
    };
    server.run(incoming).await;
    {
        let mut end = pin!(server.end());
        if tokio::time::timeout(LAST_WORDS, &mut end).await.is_err() {
            // Whoever does not read must not keep processes alive: from here on all is said to
            // nobody.
            bytes.abort();
            end.await;
        }
    }
    // The last answers are written before the stream is let go.
    if tokio::time::timeout(LAST_WORDS, &mut bytes).await.is_err() {
        bytes.abort();
    }
    Ok(())
}

struct Server {
    peer: Peer,
    setup: Arc<Setup>,
    client: Option<ClientCapabilities>,
    sessions: HashMap<String, SessionHandle>,
    under_way: UnderWay,
}

fn invalid(message: impl Into<String>) -> RpcError {
    RpcError::new(INVALID_PARAMS, message)
}

/// A failure as a client shows it: it has marks of its own for errors.
fn refusal(code: i64, error: &Error) -> RpcError {
    let text = error.to_string();
    RpcError::new(code, text.strip_prefix("error: ").unwrap_or(&text))
}

/// Why no model can be asked; a missing key is said in the protocol's way.
fn no_model(error: &LlmError) -> RpcError {
    let code = match error.error_code() {
        Some(NOT_CONFIGURED) => AUTH_REQUIRED,
        _ => INVALID_PARAMS,
    };
    RpcError::new(code, error.to_string())
}

fn value(result: impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(result).map_err(|error| RpcError::new(INTERNAL_ERROR, error.to_string()))
}

impl Server {
    /// Serves until the client's stream ends.
    async fn run(&mut self, mut incoming: Incoming) {
        loop {
            tokio::select! {
                received = incoming.next() => match received {
                    Some(Received::Message(message)) => self.message(message).await,
                    Some(Received::TooLong { len, .. }) => {
                        let why = format!("a line of {len} bytes is more than {DEFAULT_MAX_LINE}");
                        self.reject(INVALID_REQUEST, why).await;
                    }
                    None => break,
                },
                Some(done) = self.under_way.next() => self.done(done).await,
            }
        }
    }

    /// Ends all sessions with their processes, also those that are about to open.
    async fn end(mut self) {
        self.under_way.give_up_all();
        let open = join_all(self.sessions.drain().map(|(_, session)| session.close()));
        let opening = async {
            while let Some(done) = self.under_way.next().await {
                if let Done::Opened { opened, .. } = done
                    && let Ok(opened) = *opened
                {
                    opened.handle.close().await;
                }
            }
        };
        tokio::join!(open, opening);
    }

    /// Answers what took its time.
    async fn done(&mut self, done: Done) {
        let (request, answer) = match done {
            Done::Opened { request, id, opened } => {
                let answer = opened.and_then(|Opened { handle, answer, .. }| {
                    let is_new = id.is_none();
                    let session_id = is_new.then(|| handle.id.clone());
                    self.sessions.insert(handle.id.clone(), handle);
                    value(SessionOpened { session_id, ..answer })
                });
                (request, answer)
            }
            Done::Closed { request, id, deletes: true } => (request, self.delete_kept(&id)),
            Done::Closed { request, .. } => (request, Ok(json!({}))),
        };
        let _ = self.peer.respond(&request, answer).await;
    }

    async fn message(&mut self, message: Message) {
        match message {
            Message::Request { id, method, params } => {
                let answer = match parse(&method, &params) {
                    Ok(call) => self.call(&id, call).await,
                    Err(error) => Some(Err(error)),
                };
                if let Some(answer) = answer {
                    // A client that is gone shows as the end of its stream.
                    let _ = self.peer.respond(&id, answer).await;
                }
            }
            Message::Notification { method, params } => self.notified(&method, &params),
            Message::Malformed { reason, .. } => {
                self.reject(PARSE_ERROR, format!("a line is no JSON: {reason}")).await;
            }
            Message::Unknown(_) => {
                self.reject(INVALID_REQUEST, "a line is no JSON-RPC message".to_owned()).await;
            }
            // An answer to a request that was given up.
            Message::Response { .. } | Message::ErrorResponse { .. } => {}
        }
    }

    async fn reject(&self, code: i64, why: String) {
        let _ = self.peer.reject(&RpcError::new(code, why)).await;
    }

    fn notified(&self, method: &str, params: &Raw) {
        let unread = |error: RpcError| tracing::warn!(%error, outcome = "ignored", "notification");
        match method {
            "session/cancel" => match read::<OfSession>(method, params) {
                Ok(OfSession { session_id }) => {
                    if let Some(session) = self.sessions.get(&session_id) {
                        session.tell(Command::Cancel(None));
                    }
                }
                Err(error) => unread(error),
            },
            CANCEL_REQUEST => match read::<CancelRequest>(method, params) {
                // A prompt, which the session that works on it knows, or an opening.
                Ok(CancelRequest { request_id }) => {
                    self.under_way.give_up(&request_id);
                    for session in self.sessions.values() {
                        session.tell(Command::Cancel(Some(request_id.clone())));
                    }
                }
                Err(error) => unread(error),
            },
            // What a later protocol may add.
            _ => tracing::debug!(method, outcome = "ignored", "notification"),
        }
    }

    /// What a call is answered; `None` where its session answers it.
    async fn call(&mut self, id: &Id, call: AgentCall) -> Option<Result<Value, RpcError>> {
        if self.client.is_none() && !matches!(call, AgentCall::Initialize(_)) {
            return Some(Err(RpcError::new(INVALID_REQUEST, "`initialize` comes first")));
        }
        let told = match call {
            AgentCall::Initialize(initialize) => return Some(self.initialize(*initialize)),
            AgentCall::Authenticate(authenticate) => {
                return Some(self.authenticate(&authenticate));
            }
            AgentCall::New(new) => {
                let open = session::open(self.opening(), *new, None);
                self.under_way.open(id.clone(), None, open, std::future::ready);
                Ok(())
            }
            AgentCall::Load(load) => self.reopen(id, *load, true),
            AgentCall::Resume(load) => self.reopen(id, *load, false),
            AgentCall::Close(OfSession { session_id }) => self.close(id, &session_id),
            AgentCall::List(list) => {
                let sessions = self.store().and_then(|store| stored::list(store, list));
                return Some(sessions.and_then(value));
            }
            AgentCall::Delete(OfSession { session_id }) => {
                return self.delete(id, &session_id).transpose();
            }
            AgentCall::Prompt(prompt) => self
                .session(&prompt.session_id)
                .map(|session| session.tell(Command::Prompt(id.clone(), prompt.prompt))),
            AgentCall::SetMode(set) => self
                .session(&set.session_id)
                .map(|session| session.tell(Command::SetMode(id.clone(), set.mode_id))),
            AgentCall::SetConfigOption(set) => self.session(&set.session_id).map(|session| {
                session.tell(Command::SetOption(id.clone(), set.config_id, set.value));
            }),
        };
        told.err().map(Err)
    }

    fn initialize(&mut self, initialize: Initialize) -> Result<Value, RpcError> {
        if self.client.is_some() {
            return Err(RpcError::new(INVALID_REQUEST, "initialized already"));
        }
        self.client = Some(initialize.client_capabilities);
        let keeps = self.setup.store.as_ref().map(|_| Yes {});
        value(Initialized {
            // Whatever the client speaks: it is for it to go if it does not speak this one.
            protocol_version: PROTOCOL_VERSION,
            agent_capabilities: AgentCapabilities {
                load_session: keeps.is_some(),
                prompt_capabilities: PromptCapabilities {
                    image: true,
                    embedded_context: true,
                    ..PromptCapabilities::default()
                },
                mcp_capabilities: McpCapabilities { http: cfg!(feature = "mcp"), sse: false },
                session_capabilities: SessionCapabilities {
                    additional_directories: Some(Yes {}),
                    close: Some(Yes {}),
                    list: keeps,
                    resume: keeps,
                    delete: keeps,
                },
            },
            auth_methods: vec![AuthMethod {
                id: ENVIRONMENT.to_owned(),
                name: "API key in the environment".to_owned(),
                description: Some(
                    "Set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY where the editor \
                     starts `canon acp`, for instance in its agent settings, and start it again."
                        .to_owned(),
                ),
            }],
            agent_info: Some(Implementation {
                name: "canon".to_owned(),
                title: Some("Canon".to_owned()),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
        })
    }

    /// Looks whether there is a key; nothing else can be done about one from here.
    fn authenticate(&self, authenticate: &Authenticate) -> Result<Value, RpcError> {
        if authenticate.method_id != ENVIRONMENT {
            let id = &authenticate.method_id;
            return Err(invalid(format!("no authentication method `{id}`; use `{ENVIRONMENT}`")));
        }
        Model::try_connect(self.setup.model.as_deref()).map_err(|error| no_model(&error))?;
        Ok(json!({}))
    }

    /// Goes on with a session of earlier; what was said in it is told before the answer.
    fn reopen(&mut self, request: &Id, load: LoadSession, replays: bool) -> Result<(), RpcError> {
        let id = load.session_id;
        if self.sessions.contains_key(&id) {
            return Err(invalid(format!("session `{id}` is open here already; close it first")));
        }
        self.check_free(&id)?;
        let (store, opening) = (self.store()?.clone(), self.opening());
        let name = id.clone();
        let (tell, told) = oneshot::channel();
        let open = async move {
            let (thread, stored) = store.open(&name).map_err(|error| stored::refused(&error))?;
            for notice in &stored.notices {
                tracing::warn!(notice, "session");
            }
            let turns = stored.turns();
            let opened =
                session::open(opening, load.session, Some((thread, turns.clone()))).await?;
            // Only if it could be opened.
            let _ = tell.send(turns);
            Ok(opened)
        };
        let replay = async move |opened: Opened| {
            let turns = told.await.unwrap_or_default();
            for update in replay::updates(if replays { &turns[..] } else { &[] }, &opened.places) {
                opened.voice.update(update).await;
            }
            opened
        };
        self.under_way.open(request.clone(), Some(id), open, replay);
        Ok(())
    }

    /// Deletes at once what is not open.
    fn delete(&mut self, request: &Id, id: &str) -> Result<Option<Value>, RpcError> {
        self.check_free(id)?;
        match self.sessions.remove(id) {
            Some(session) => {
                self.under_way.close(request.clone(), session, true);
                Ok(None)
            }
            None => self.delete_kept(id).map(Some),
        }
    }

    fn delete_kept(&self, id: &str) -> Result<Value, RpcError> {
        self.store()?.delete(id).map_err(|error| stored::refused(&error))?;
        Ok(json!({}))
    }

    fn check_free(&self, id: &str) -> Result<(), RpcError> {
        let busy = |done| invalid(format!("session `{id}` is being {done}; wait for the answer"));
        self.under_way.with(id).map_or(Ok(()), |done| Err(busy(done)))
    }

    fn opening(&self) -> session::Opening {
        session::Opening {
            peer: self.peer.clone(),
            client: self.client.clone().unwrap_or_default(),
            setup: Arc::clone(&self.setup),
        }
    }

    fn store(&self) -> Result<&Store, RpcError> {
        let none = || RpcError::new(METHOD_NOT_FOUND, "this agent was started to keep no sessions");
        self.setup.store.as_ref().ok_or_else(none)
    }

    fn close(&mut self, request: &Id, id: &str) -> Result<(), RpcError> {
        self.session(id)?;
        if let Some(session) = self.sessions.remove(id) {
            self.under_way.close(request.clone(), session, false);
        }
        Ok(())
    }

    fn session(&self, id: &str) -> Result<&SessionHandle, RpcError> {
        self.check_free(id)?;
        let missing = || RpcError::new(RESOURCE_NOT_FOUND, format!("no open session `{id}`"));
        self.sessions.get(id).ok_or_else(missing)
    }
}
