//! Another machine, through the system's `ssh` (coding agent loop §4.3).
//!
//! Keys, host keys, jump hosts and the like are the user's: what `~/.ssh/config` says holds. Nothing
//! is ever asked on a terminal; a host key that the user's configuration does not accept is refused.

mod connection;
mod destination;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use crate::environment::FileError;
use crate::environment::delegate::delegate_to_host;
use crate::remote::{Carrier, Remote, RemoteOptions};
use crate::sandbox::SandboxReport;
use connection::Connection;

pub use destination::{BadDestination, Destination};

/// How to connect.
#[derive(Debug, Clone)]
pub struct SshOptions {
    /// `ssh`, as found on `PATH`, or a path
    pub program: PathBuf,
    /// further arguments before the destination, such as `-i FILE` or `-F FILE`
    pub arguments: Vec<OsString>,
    /// wall-clock limit of connecting
    pub connect_timeout: Duration,
    /// one connection for all operations instead of one for each
    pub multiplex: bool,
    /// what holds for commands and operations there
    pub remote: RemoteOptions,
}

impl Default for SshOptions {
    fn default() -> Self {
        Self {
            program: "ssh".into(),
            arguments: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            multiplex: true,
            remote: RemoteOptions::default(),
        }
    }
}

/// Runs everything on another machine, with the rights of the user there. Needs a POSIX shell,
/// `stat`, `find` and `xargs -0` on the other side, and `setsid` for what detaches.
///
/// Nothing is confined: [`sandbox`](crate::ExecutionEnvironment::sandbox) says so.
#[derive(Debug)]
pub struct SshEnvironment {
    host: Remote<Connection>,
}

impl SshEnvironment {
    /// Connects. `cwd` is absolute, or relative to the login's home.
    ///
    /// # Errors
    /// [`FileError::Unreachable`] with what `ssh` says; the directory is missing or none.
    pub async fn connect(
        destination: Destination,
        cwd: &Path,
        options: SshOptions,
    ) -> Result<Self, FileError> {
        let remote = options.remote.clone();
        let place = destination.to_string();
        let limits = vec![
            format!("commands run with all rights of the user at {place}"),
            "when the network goes silent, a command without a time limit runs until the server \
             notices"
                .to_owned(),
        ];
        let report = SandboxReport { limits, ..SandboxReport::unconfined() };
        let connection = Connection::new(destination, options)
            .map_err(|why| FileError::Unreachable { place, why })?;
        Ok(Self { host: Remote::connect(connection, cwd, remote, report).await? })
    }
}

#[async_trait]
impl Carrier for Connection {
    async fn argv(&self, command: &str) -> Result<Vec<OsString>, String> {
        self.command(command).await
    }

    fn place(&self) -> String {
        self.destination().to_string()
    }

    async fn close(&self) -> Result<(), String> {
        self.end().await
    }
}

delegate_to_host!(SshEnvironment);
