//! Canon's agent behind the Codex app-server protocol, on any pair of byte streams.

mod dynamic_tool;
mod thread;
mod turn;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use canon_protocol::codex::server::call::{
    ClientCall, Initialize, ThreadStart, TurnInterrupt, TurnStart, TurnSteer, parse,
};
use canon_protocol::codex::server::outgoing;
use canon_protocol::jsonrpc::peer::{Incoming, Peer, Received, connect};
use canon_protocol::jsonrpc::{INVALID_REQUEST, Id, Message, RpcError};
use canon_protocol::lines::DEFAULT_MAX_LINE;
use canon_runtime::task::{self, TaskSpec};
use tokio::io::{AsyncRead, AsyncWrite};

use self::thread::ThreadHandle;
use super::agent::Limits;
use crate::error::Error;

/// How the server was started; a client's own wishes come on top.
#[derive(Debug, Clone)]
pub struct Setup {
    /// `[provider/]model` for threads that name none.
    pub model: Option<String>,
    /// Paths that no thread may read.
    pub masked: Vec<PathBuf>,
    /// Limits of each thread.
    pub limits: Limits,
}

/// Serves one client until its stream ends. Threads that run then are aborted.
pub async fn serve<R, W>(input: R, output: W, setup: Setup) -> Result<(), Error>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (peer, incoming, moving) = connect(input, output, DEFAULT_MAX_LINE);
    let bytes = task::spawn(TaskSpec::new("app-server stream").signalled(), moving);
    Server { peer, setup: Arc::new(setup), client: None, threads: HashMap::new() }
        .run(incoming)
        .await;
    // The last answers are written before the stream is let go.
    let _ = bytes.await;
    Ok(())
}

struct Server {
    peer: Peer,
    setup: Arc<Setup>,
    client: Option<Initialize>,
    threads: HashMap<String, ThreadHandle>,
}

fn invalid(message: impl Into<String>) -> RpcError {
    RpcError::new(INVALID_REQUEST, message)
}

impl Server {
    async fn run(mut self, mut incoming: Incoming) {
        while let Some(received) = incoming.next().await {
            match received {
                Received::Message(Message::Request { id, method, params }) => {
                    let answer = match parse(&method, &params) {
                        Ok(call) => self.call(&id, call).await,
                        Err(error) => Err(error),
                    };
                    if let Err(error) = answer {
                        let _ = self.peer.respond(&id, Err(error)).await;
                    }
                }
                // `initialized`, and what a later protocol may add.
                Received::Message(_) => {}
                Received::TooLong { len, .. } => {
                    tracing::warn!(len, outcome = "skipped", "line over the cap");
                }
            }
        }
        for (_, thread) in self.threads.drain() {
            thread.close().await;
        }
    }

    /// Answers a call, or says why not; calls of a turn are answered by their thread.
    async fn call(&mut self, id: &Id, call: ClientCall) -> Result<(), RpcError> {
        if self.client.is_none() && !matches!(call, ClientCall::Initialize(_)) {
            return Err(invalid("Not initialized"));
        }
        match call {
            ClientCall::Initialize(initialize) => self.initialize(id, initialize).await,
            ClientCall::ThreadStart(start) => self.thread_start(id, *start).await,
            ClientCall::ThreadResume(resume) => Err(invalid(format!(
                "no rollout found for thread id {}: this agent keeps no threads across processes",
                resume.thread_id
            ))),
            ClientCall::ThreadNameSet(set) => {
                self.thread(&set.thread_id)?;
                self.respond(id, outgoing::empty_result()).await;
                self.notify(outgoing::thread_name_updated(&set.thread_id, &set.name)).await;
                Ok(())
            }
            ClientCall::TurnStart(start) => {
                let TurnStart { thread_id, .. } = &*start;
                self.thread(thread_id)?.start_turn(id.clone(), *start)
            }
            ClientCall::TurnSteer(TurnSteer { thread_id, expected_turn_id, input }) => {
                self.thread(&thread_id)?.steer(id.clone(), expected_turn_id, input)
            }
            ClientCall::TurnInterrupt(TurnInterrupt { thread_id, turn_id }) => {
                self.thread(&thread_id)?.interrupt(id.clone(), turn_id)
            }
        }
    }

    async fn initialize(&mut self, id: &Id, initialize: Initialize) -> Result<(), RpcError> {
        if self.client.is_some() {
            return Err(invalid("Already initialized"));
        }
        let agent = concat!("canon/", env!("CARGO_PKG_VERSION"));
        let home = crate::home::state().map_err(|error| invalid(error.to_string()))?;
        let result = outgoing::initialize_result(agent, &home.to_string_lossy());
        self.client = Some(initialize);
        self.respond(id, result).await;
        Ok(())
    }

    async fn thread_start(&mut self, id: &Id, start: ThreadStart) -> Result<(), RpcError> {
        let experimental = self.client.as_ref().and_then(|client| client.capabilities.as_ref());
        if start.dynamic_tools.as_ref().is_some_and(|tools| !tools.is_empty())
            && !experimental.is_some_and(|capabilities| capabilities.experimental_api)
        {
            return Err(invalid("thread/start.dynamicTools requires experimentalApi capability"));
        }
        let thread = thread::open(self.peer.clone(), self.setup.clone(), start).await?;
        self.respond(id, outgoing::thread_result(&thread.info)).await;
        self.notify(outgoing::thread_started(&thread.info)).await;
        // For clients of our own: what the probe found, not what was asked for.
        if self.client.as_ref().is_some_and(|client| client.client_info.name == "canon") {
            let report = serde_json::to_value(&thread.sandbox).unwrap_or_default();
            let _ = self.peer.notify("canon/sandbox", &report).await;
        }
        self.threads.insert(thread.info.id.clone(), thread);
        Ok(())
    }

    fn thread(&self, id: &str) -> Result<&ThreadHandle, RpcError> {
        self.threads.get(id).ok_or_else(|| invalid(format!("thread not found: {id}")))
    }

    async fn respond(&self, id: &Id, result: serde_json::Value) {
        // A client that is gone shows as the end of its stream.
        let _ = self.peer.respond(id, Ok(result)).await;
    }

    async fn notify(&self, outgoing: outgoing::Outgoing) {
        let _ = self.peer.notify(outgoing.method, &outgoing.params).await;
    }
}
