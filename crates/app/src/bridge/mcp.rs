//! MCP servers for a session: the operator's file, and what the agent gets of it.

use std::path::{Path, PathBuf};

use canon_agent::{SessionHandle, SessionOptions};
use serde_json::Value;

use crate::error::Error;

#[cfg(feature = "mcp")]
use canon_agent::mcp::McpServers;
#[cfg(not(feature = "mcp"))]
use without::McpServers;

/// The servers of a session; none where no file names any.
#[derive(Debug, Default)]
pub struct Servers(Option<McpServers>);

impl Servers {
    /// Starts what `file` names. Only a file that the operator names is read: a workspace must not be
    /// able to start programs.
    ///
    /// # Errors
    /// What is wrong with the file, or a required server that does not start.
    pub async fn start(file: Option<&Path>, workspace: &Path) -> Result<Self, Error> {
        match file {
            None => Ok(Self(None)),
            Some(file) => Ok(Self(Some(start(file, workspace).await?))),
        }
    }

    /// Starts what a client gives, in the form of such a file; programs run in the first of `roots`,
    /// the directories of the session.
    ///
    /// # Errors
    /// What is wrong with them, or a server that does not start.
    pub async fn given(servers: &Value, roots: Vec<PathBuf>) -> Result<Self, Error> {
        Ok(Self(Some(start_given(servers, roots).await?)))
    }

    /// What people should know of them.
    pub fn notes(&self) -> &[String] {
        self.0.as_ref().map_or(&[], McpServers::notes)
    }

    /// Gives a session their tools.
    pub fn join(&self, options: &mut SessionOptions) {
        options.extra_tools.extend(self.0.as_ref().map(McpServers::tools).unwrap_or_default());
    }

    /// Gives a session the tools that come later.
    pub fn follow(&self, session: &SessionHandle) {
        if let Some(servers) = &self.0 {
            servers.follow(session);
        }
    }

    /// Ends them in order.
    pub async fn close(&self) {
        if let Some(servers) = &self.0 {
            servers.close().await;
        }
    }
}

#[cfg(feature = "mcp")]
async fn start(file: &Path, workspace: &Path) -> Result<McpServers, Error> {
    let mut config = canon_agent::mcp::McpConfig::read(file, |name| std::env::var(name).ok())
        .map_err(|error| Error::input(format!("--mcp-config {error}")))?;
    for warning in &mut config.warnings {
        *warning = format!("{}: {warning}", file.display());
    }
    if file.canonicalize().is_ok_and(|file| file.starts_with(workspace)) {
        config.warnings.push(format!(
            "{} is in the workspace: whoever can write there, the agent too, decides which programs \
             run outside the sandbox next time; keep it elsewhere",
            file.display()
        ));
    }
    McpServers::start(config, vec![workspace.to_owned()])
        .await
        .map_err(|error| Error::environment(error.to_string()))
}

#[cfg(feature = "mcp")]
async fn start_given(servers: &Value, roots: Vec<PathBuf>) -> Result<McpServers, Error> {
    let directory = roots.first().map_or(Path::new("/"), PathBuf::as_path);
    let config = canon_agent::mcp::McpConfig::given(servers, directory)
        .map_err(|error| Error::input(error.to_string()))?;
    McpServers::start(config, roots).await.map_err(|error| Error::environment(error.to_string()))
}

#[cfg(not(feature = "mcp"))]
async fn start(_: &Path, _: &Path) -> Result<McpServers, Error> {
    Err(not_built())
}

#[cfg(not(feature = "mcp"))]
async fn start_given(_: &Value, _: Vec<PathBuf>) -> Result<McpServers, Error> {
    Err(not_built())
}

#[cfg(not(feature = "mcp"))]
fn not_built() -> Error {
    Error::input("this canon was built without the feature `mcp`, so it speaks to no MCP server")
}

#[cfg(not(feature = "mcp"))]
mod without {
    use std::sync::Arc;

    use canon_agent::{SessionHandle, Tool};

    /// There is none.
    #[derive(Debug)]
    pub(super) enum McpServers {}

    impl McpServers {
        pub(super) fn notes(&self) -> &[String] {
            match *self {}
        }

        pub(super) fn tools(&self) -> Vec<Arc<dyn Tool>> {
            match *self {}
        }

        pub(super) fn follow(&self, _: &SessionHandle) {
            match *self {}
        }

        pub(super) async fn close(&self) {
            match *self {}
        }
    }
}
