//! All servers of a session.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use canon_runtime::task::{TaskSpec, spawn};
use futures_util::future::join_all;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::config::McpConfig;
use super::roll::{Change, Entry, Roll};
use super::server::Server;
use super::tool::McpTool;
use crate::session::{SessionError, SessionHandle};
use crate::tools::Tool;

/// Shortest time between two looks at the tools of a server that says that they change.
const CALM: Duration = Duration::from_secs(1);

/// Why a session cannot have its servers.
#[derive(Debug, thiserror::Error)]
pub enum McpError {
    /// One that is required does not work.
    #[error("MCP server `{server}`: {why}")]
    Server {
        /// Its name.
        server: String,
        /// What is wrong, with what it said itself.
        why: String,
    },
    /// Two servers offer tools that would have one name.
    #[error(
        "MCP servers `{one}` and `{other}` both have a tool that would be called `{tool}`: rename one \
         of the servers, or list the tools that are wanted under `tools`"
    )]
    SameName {
        /// A server.
        one: String,
        /// Another.
        other: String,
        /// The name.
        tool: String,
    },
}

/// Running servers. [`close`](Self::close) ends them in order; dropping this, once no session has
/// their tools any more, kills them at once.
pub struct McpServers {
    servers: Vec<Arc<Server>>,
    roll: Arc<Mutex<Roll>>,
    notes: Vec<String>,
    over: CancellationToken,
    /// Of the session that is followed.
    following: Mutex<CancellationToken>,
    _on_drop: DropGuard,
}

impl McpServers {
    /// Starts all servers at once and asks for their tools. `roots` are the directories that the
    /// agent works in, which servers may ask for.
    ///
    /// # Errors
    /// A required server that does not start, or names that clash; the others are ended.
    pub async fn start(config: McpConfig, roots: Vec<PathBuf>) -> Result<Self, McpError> {
        let over = CancellationToken::new();
        let new = |server| Arc::new(Server::new(server, roots.clone()));
        let mut started = Self {
            servers: config.servers.into_iter().map(new).collect(),
            roll: Arc::default(),
            notes: config.warnings,
            following: Mutex::new(over.child_token()),
            _on_drop: over.clone().drop_guard(),
            over,
        };
        match started.take_tools().await {
            Ok(()) => Ok(started),
            Err(error) => {
                started.close().await;
                Err(error)
            }
        }
    }

    async fn take_tools(&mut self) -> Result<(), McpError> {
        let listed = join_all(self.servers.iter().map(|server| server.tools())).await;
        let mut roll = lock(&self.roll);
        for (server, listed) in self.servers.iter().zip(listed) {
            let name = server.name();
            let (offered, notes) = match listed {
                Ok(found) => found,
                Err(why) if server.is_required() => {
                    return Err(McpError::Server { server: name.to_owned(), why });
                }
                Err(why) => {
                    self.notes.push(format!("server `{name}` is left out: {why}"));
                    continue;
                }
            };
            self.notes.extend(notes.into_iter().map(|note| format!("server `{name}`: {note}")));
            if let Some((tool, one)) = roll.renew(name, offered).clashes.pop() {
                return Err(McpError::SameName { one, other: name.to_owned(), tool });
            }
        }
        roll.settle();
        Ok(())
    }

    /// What is on offer now, for [`SessionOptions::extra_tools`](crate::SessionOptions::extra_tools).
    pub fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let roll = lock(&self.roll);
        roll.now().iter().filter_map(|entry| tool_of(&self.servers, entry)).collect()
    }

    /// What people should know: odd keys of the file, servers and tools that were left out.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Gives the session the tools of servers that say that theirs have changed, and takes those away
    /// that are gone, until [`close`](Self::close), or until another session takes its place.
    pub fn follow(&self, session: &SessionHandle) {
        let following = self.over.child_token();
        std::mem::replace(&mut *lock(&self.following), following.clone()).cancel();
        // What changed since it was given its tools, or under a session before it.
        apply(session, &self.servers, lock(&self.roll).whole());
        for server in &self.servers {
            let (server, session) = (Arc::clone(server), session.clone());
            let roll = Arc::clone(&self.roll);
            let over = following.clone();
            drop(spawn(TaskSpec::new("mcp tools"), async move {
                over.run_until_cancelled(follow(&server, &session, &roll)).await;
            }));
        }
    }

    /// Ends all servers: their input is closed, then TERM, then KILL.
    pub async fn close(&self) {
        self.over.cancel();
        join_all(self.servers.iter().map(|server| server.close())).await;
    }
}

async fn follow(server: &Arc<Server>, session: &SessionHandle, roll: &Mutex<Roll>) {
    loop {
        server.changed().await;
        match server.tools().await {
            Ok((offered, notes)) => {
                for note in notes {
                    tracing::warn!(server = server.name(), "{note}");
                }
                let mut roll = lock(roll);
                let change = roll.renew(server.name(), offered);
                for (tool, other) in &change.clashes {
                    tracing::warn!(
                        server = server.name(),
                        "its new tool is left out, since `{other}` has one called `{tool}`"
                    );
                }
                apply(session, std::slice::from_ref(server), change);
            }
            Err(why) => tracing::warn!(server = server.name(), "no list of its tools: {why}"),
        }
        tokio::time::sleep(CALM).await;
    }
}

/// Tells a session; one that is over needs no tools.
fn apply(session: &SessionHandle, servers: &[Arc<Server>], change: Change) {
    for name in change.remove {
        let _ = session.remove_tool(name);
    }
    for tool in change.add.iter().filter_map(|entry| tool_of(servers, entry)) {
        if let Err(error @ SessionError::Tool(_)) = session.add_tool(tool) {
            tracing::warn!("{error}");
        }
    }
}

fn tool_of(servers: &[Arc<Server>], entry: &Entry) -> Option<Arc<dyn Tool>> {
    let server = servers.iter().find(|server| server.name() == entry.server)?;
    Some(McpTool::shared(server, entry.tool.clone()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for McpServers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.servers.iter().map(|server| server.name())).finish()
    }
}
