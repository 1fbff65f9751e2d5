//! One server over all its connections: calls, restarts, the list of its tools.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use canon_runtime::secret::Redactor;
use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientRequest, PaginatedRequestParams, ServerResult,
};
use rmcp::service::{PeerRequestOptions, RequestHandle, ServiceError};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::config::{Endpoint, ServerConfig};
use super::connection::{Connection, causes, connect, said};
use super::handler::Handler;
use super::losses::Losses;
use super::offer::{Offered, offer};
use super::output::output;
use crate::tools::{ToolContext, ToolOutput};

/// Tools that one server may list.
const MOST_TOOLS: usize = 512;
/// Pages that its list may have.
const MOST_PAGES: usize = 64;
/// Time to tell a server that a call is given up.
const NOTICE: Duration = Duration::from_millis(500);

/// A server.
pub(super) struct Server {
    config: ServerConfig,
    handler: Handler,
    state: Mutex<State>,
    /// What [`Handler::changed`] was when the tools were listed last.
    listed: AtomicU64,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    losses: Losses,
    closed: bool,
}

/// How a request ended.
enum End {
    Answered(Box<Result<ServerResult, ServiceError>>),
    TimeIsUp,
    Cancelled,
}

impl Server {
    pub(super) fn new(config: ServerConfig, roots: Vec<PathBuf>) -> Self {
        let handler = Handler {
            server: config.name.clone(),
            roots,
            live: Arc::default(),
            changed: Arc::default(),
            redactor: Redactor::new(config.secrets.iter().cloned()),
        };
        Self { config, handler, state: Mutex::default(), listed: AtomicU64::new(0) }
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    pub(super) fn is_required(&self) -> bool {
        self.config.required
    }

    /// Waits until the server said that its tools are others now, or was started anew, since they
    /// were listed last.
    pub(super) async fn changed(&self) {
        let listed = self.listed.load(Ordering::Relaxed);
        // It fails only when the handler is gone, which is ours.
        let _ = self.handler.changed.subscribe().wait_for(|times| *times != listed).await;
    }

    /// What the model can be offered now, and what was left out, in words. May be dropped: what
    /// changed is then still news.
    pub(super) async fn tools(&self) -> Result<(Vec<Offered>, Vec<String>), String> {
        let times = *self.handler.changed.borrow();
        let tools = self.list_all().await;
        self.listed.store(times, Ordering::Relaxed);
        tools
    }

    async fn list_all(&self) -> Result<(Vec<Offered>, Vec<String>), String> {
        let connection = self.connected().await?;
        let has_tools =
            connection.peer.peer_info().is_none_or(|info| info.capabilities.tools.is_some());
        if !has_tools {
            return offer(self.name(), Vec::new(), self.config.tools.as_deref());
        }
        let listed = timeout(self.config.timeout, self.list(&connection)).await;
        let limit = self.config.timeout.as_millis();
        let tools = listed.map_err(|_| format!("it did not list its tools within {limit} ms"))?;
        let tools = match tools {
            Err(why) if connection.is_closed() => {
                return Err(format!("{why}; {}", self.lost(&connection).await));
            }
            other => other?,
        };
        offer(self.name(), tools, self.config.tools.as_deref())
    }

    async fn list(&self, connection: &Connection) -> Result<Vec<rmcp::model::Tool>, String> {
        let mut tools = Vec::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let params = PaginatedRequestParams::default().with_cursor(cursor.take());
            let page = connection.peer.list_tools(Some(params)).await;
            let page = page.map_err(|error| self.said(&causes(&error)))?;
            tools.extend(page.tools);
            if tools.len() > MOST_TOOLS {
                return Err(format!("it lists more than {MOST_TOOLS} tools"));
            }
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(tools),
            }
        }
        Err(format!("its list of tools has more than {MOST_PAGES} pages"))
    }

    /// Calls a tool. The time limit holds from here to the answer, a restart and all progress
    /// included; a call that is given up is told to the server.
    pub(super) async fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
        context: &ToolContext,
    ) -> ToolOutput {
        let deadline = Instant::now() + self.config.timeout;
        let connection = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return cancelled(),
            connected = timeout_at(deadline, self.connected()) => match connected {
                Ok(Ok(connection)) => connection,
                Ok(Err(why)) => return self.failed(&format!("cannot be reached: {why}")),
                Err(_) => return self.failed("did not start in time for this call"),
            },
        };
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let sent =
            connection.peer.send_cancellable_request(request, PeerRequestOptions::no_options());
        let mut handle = match timeout_at(deadline, sent).await {
            Ok(Ok(handle)) => handle,
            Ok(Err(error)) => return self.broken(&connection, &error).await,
            Err(_) => return self.too_slow(),
        };
        connection.live.watch(&handle.progress_token, &context.output);
        let end = tokio::select! {
            biased;
            answer = &mut handle.rx => {
                End::Answered(Box::new(answer.unwrap_or(Err(ServiceError::TransportClosed))))
            }
            () = context.cancel.cancelled() => End::Cancelled,
            () = sleep_until(deadline) => End::TimeIsUp,
        };
        connection.live.forget(&handle.progress_token);
        match end {
            End::Answered(answer) => match *answer {
                Ok(result) => self.answered(result).await,
                Err(error) => self.broken(&connection, &error).await,
            },
            End::TimeIsUp => {
                give_up(handle, "time limit").await;
                self.too_slow()
            }
            End::Cancelled => {
                give_up(handle, "cancelled").await;
                cancelled()
            }
        }
    }

    async fn answered(&self, result: ServerResult) -> ToolOutput {
        self.state.lock().await.losses.forget();
        match result {
            ServerResult::CallToolResult(result) => output(result),
            ServerResult::EmptyResult(_) => ToolOutput::ok("Done; no output."),
            ServerResult::InputRequiredResult(_) => {
                self.failed("asks for more input before it goes on, which nobody here can give")
            }
            ServerResult::CreateTaskResult(_) => {
                self.failed("answered with a task that goes on by itself, which was not asked for")
            }
            _ => self.failed("answered with something that is no result of a tool"),
        }
    }

    /// A request that failed: refused by a server that lives on, or lost with its connection.
    async fn broken(&self, connection: &Arc<Connection>, error: &ServiceError) -> ToolOutput {
        if let ServiceError::McpError(error) = error {
            let message = format!("refused the call: {} ({})", error.message, error.code.0);
            return self.failed(&self.said(&message));
        }
        let is_program = matches!(self.config.endpoint, Endpoint::Program { .. });
        let is_lost = match error {
            ServiceError::TransportClosed => true,
            ServiceError::TransportSend(_) => is_program || connection.is_closed(),
            _ => false,
        };
        if !is_lost {
            let why = match error {
                // Its own words begin with the name of a type.
                ServiceError::TransportSend(error) => causes(error.error.as_ref()),
                other => causes(other),
            };
            return self.failed(&format!("failed: {}", self.said(&why)));
        }
        let how = self.lost(connection).await;
        self.failed(&format!(
            "was lost during the call, so whether the call had an effect is not known: {how}\nThe \
             next call starts it anew."
        ))
    }

    /// Counts a connection as lost, once, and tells how it ended.
    async fn lost(&self, connection: &Arc<Connection>) -> String {
        let mut state = self.state.lock().await;
        if state.connection.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            state.connection = None;
            state.losses.add(Instant::now());
        }
        drop(state);
        connection.end().await.to_owned()
    }

    /// The connection, started anew if it was lost. May be dropped: a start that is under way is
    /// given up with it, and counts as a loss.
    async fn connected(&self) -> Result<Arc<Connection>, String> {
        loop {
            let mut state = self.state.lock().await;
            if state.closed {
                return Err("the session is over".to_owned());
            }
            if let Some(connection) = &state.connection {
                if !connection.is_closed() {
                    return Ok(Arc::clone(connection));
                }
                // It ended between two calls.
                let how = connection.end().await.to_owned();
                tracing::warn!(server = self.name(), "lost: {how}");
                state.connection = None;
                state.losses.add(Instant::now());
            }
            if let Some(wait) = state.losses.next_start()?.filter(|wait| *wait > Instant::now()) {
                // Others have news of their own meanwhile.
                drop(state);
                sleep_until(wait).await;
                continue;
            }
            let is_first = state.losses.is_none();
            state.losses.add(Instant::now());
            let connection = Arc::new(connect(&self.config, &self.handler).await?);
            state.losses.take_back();
            state.connection = Some(Arc::clone(&connection));
            if !is_first {
                self.handler.changed.send_modify(|times| *times += 1);
            }
            return Ok(connection);
        }
    }

    /// Ends the server in order; nothing can be called any more.
    pub(super) async fn close(&self) {
        let mut state = self.state.lock().await;
        state.closed = true;
        if let Some(connection) = state.connection.take() {
            connection.end().await;
        }
    }

    fn said(&self, text: &str) -> String {
        said(text, &self.handler.redactor)
    }

    fn failed(&self, what: &str) -> ToolOutput {
        ToolOutput::error(format!("[ERROR: The MCP server `{}` {what}]", self.name()))
    }

    fn too_slow(&self) -> ToolOutput {
        let limit = self.config.timeout.as_millis();
        self.failed(&format!(
            "did not answer within {limit} ms; it was told that the call is given up"
        ))
    }
}

/// Tells the server that nobody waits any more, if it listens.
async fn give_up(handle: RequestHandle<RoleClient>, why: &str) {
    let _deaf = timeout(NOTICE, handle.cancel(Some(why.to_owned()))).await;
}

fn cancelled() -> ToolOutput {
    ToolOutput::error("[ERROR: The call was cancelled; whether it had an effect is not known.]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::McpConfig;
    use serde_json::json;

    #[tokio::test]
    async fn a_server_that_is_lost_five_times_is_not_started_again_unless_it_answers() {
        let servers = json!({ "mcpServers": { "lost": { "command": "no-such-program-at-all" } } });
        let config = McpConfig::given(&servers, std::path::Path::new("/")).unwrap();
        let server = Server::new(config.servers[0].clone(), Vec::new());
        let directory = tempfile::tempdir().unwrap();
        let context = ToolContext {
            env: Arc::new(canon_exec::LocalExecutionEnvironment::new(directory.path()).unwrap()),
            cancel: tokio_util::sync::CancellationToken::new(),
            call_id: "c".to_owned(),
            output: crate::tools::OutputDeltas::default(),
            timeouts: crate::tools::CommandTimeouts { default_ms: 1, max_ms: 1 },
        };
        let call = async || server.call("x", Map::new(), &context).await.text;
        // Four losses whose waits are over.
        let before = Instant::now() - Duration::from_secs(20);
        (0..4).for_each(|_| server.state.try_lock().unwrap().losses.add(before));
        assert!(call().await.contains("is it installed"));
        assert!(call().await.contains("lost 5 times"));
        assert!(!server.answered(ServerResult::empty(())).await.is_error);
        server.state.lock().await.losses.add(before);
        assert!(call().await.contains("is it installed"));
    }
}
