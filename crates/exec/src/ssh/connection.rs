//! The programs that hold a connection and use it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::Mutex;

use super::{Destination, SshOptions};
use crate::remote::{HOLD, hold};
use crate::sandbox::Scratch;

/// Longest path of a socket that leaves `ssh` room for a suffix of its own.
const SOCKET_PATH_LIMIT: usize = 80;
/// How much longer than connecting a login may take.
const LOGIN_PATIENCE: Duration = Duration::from_secs(20);

/// A connection that is made when it is first used, and again when it has broken.
#[derive(Debug)]
pub(crate) struct Connection {
    destination: Destination,
    options: SshOptions,
    /// ended when dropped, before its socket goes
    master: Mutex<Option<Child>>,
    /// for the socket through which operations share the connection
    scratch: Option<Scratch>,
}

impl Connection {
    pub(super) fn new(destination: Destination, options: SshOptions) -> Result<Self, String> {
        let scratch = match options.multiplex {
            true => Some(Scratch::new().map_err(|error| error.to_string())?),
            false => None,
        };
        // Where the path is too long for a socket, every operation connects by itself.
        let scratch = scratch
            .filter(|scratch| scratch.base().as_os_str().len() + "/s".len() <= SOCKET_PATH_LIMIT);
        Ok(Self { destination, options, master: Mutex::new(None), scratch })
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    fn socket(&self) -> Option<PathBuf> {
        self.scratch.as_ref().map(|scratch| scratch.base().join("s"))
    }

    /// `ssh … HOST COMMAND`, with a connection to share where there is one.
    pub(super) async fn command(&self, command: &str) -> Result<Vec<OsString>, String> {
        self.ensure_master().await?;
        Ok(self.argv("ControlMaster=no", command))
    }

    fn argv(&self, role: &str, command: &str) -> Vec<OsString> {
        let mut argv: Vec<OsString> = vec![self.options.program.clone().into(), "-T".into()];
        let seconds = self.options.connect_timeout.as_secs().max(1);
        let settings = [
            "BatchMode=yes".to_owned(),
            format!("ConnectTimeout={seconds}"),
            "ServerAliveInterval=15".to_owned(),
            "ServerAliveCountMax=3".to_owned(),
            "ForwardAgent=no".to_owned(),
            "ForwardX11=no".to_owned(),
            "ClearAllForwardings=yes".to_owned(),
            "PermitLocalCommand=no".to_owned(),
            "RemoteCommand=none".to_owned(),
            "ControlPersist=no".to_owned(),
            "EscapeChar=none".to_owned(),
            "LogLevel=ERROR".to_owned(),
        ];
        for setting in settings {
            argv.extend(["-o".into(), setting.into()]);
        }
        match self.socket() {
            Some(socket) => {
                let mut path = OsString::from("ControlPath=");
                path.push(socket);
                argv.extend(["-o".into(), role.into(), "-o".into(), path]);
            }
            None => argv.extend(["-o".into(), "ControlPath=none".into()]),
        }
        argv.extend(self.options.arguments.iter().cloned());
        argv.extend(self.destination.arguments().into_iter().map(OsString::from));
        argv.push(command.into());
        argv
    }

    async fn ensure_master(&self) -> Result<(), String> {
        if self.scratch.is_none() {
            return Ok(());
        }
        let mut master = self.master.lock().await;
        if let Some(child) = master.as_mut()
            && matches!(child.try_wait(), Ok(None))
        {
            return Ok(());
        }
        *master = None;
        if let Some(socket) = self.socket() {
            let _from_a_broken_one = std::fs::remove_file(socket);
        }
        let limit = self.options.connect_timeout + LOGIN_PATIENCE;
        let argv = self.argv("ControlMaster=yes", HOLD);
        *master = match tokio::time::timeout(limit, hold(&argv)).await {
            Ok(started) => Some(started?),
            Err(_) => return Err(format!("no login within {} s", limit.as_secs())),
        };
        Ok(())
    }

    /// Ends the shared connection, and removes what it needed.
    pub(super) async fn end(&self) -> Result<(), String> {
        if let Some(mut master) = self.master.lock().await.take() {
            let _already_gone = master.start_kill();
            let _reaped = master.wait().await;
        }
        let Some(scratch) = &self.scratch else { return Ok(()) };
        scratch.remove().map_err(|error| format!("{}: {error}", scratch.base().display()))
    }
}
