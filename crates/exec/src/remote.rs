//! Files and commands of another place that is reached through a program which carries bytes to a
//! POSIX shell there: `ssh`, `docker exec`.
//!
//! Nothing has to be installed on the other side but what every Unix has. The script for an
//! operation goes over on standard input (`encode`), what comes back lies between marks
//! (`frames`), so that a broken connection is never taken for a command's failure.

mod call;
mod encode;
mod files;
mod frames;
mod holder;
mod search;
mod stat;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::environment::{ExecCommand, FileError};
use crate::process::{
    DEFAULT_GRACE, DEFAULT_OUTPUT_LIMIT, EnvPolicy, ExecError, ExecResult, Shell,
};
use crate::sandbox::{Guard, SandboxReport};
pub(crate) use call::carrier_environment;
use call::{Call, Reply};
pub(crate) use holder::{HOLD, hold};

/// How much longer than its own side the other side waits before it ends a command by itself.
const REMOTE_SLACK: Duration = Duration::from_secs(30);

/// What an environment elsewhere may be told.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// which variables commands see, of those that a login there has
    pub env: EnvPolicy,
    /// interpreter of commands; must be there
    pub shell: Shell,
    /// bytes kept of each stream
    pub output_limit: usize,
    /// time between TERM and KILL
    pub grace: Duration,
    /// wall-clock limit of one file operation, and of each step of a search
    pub operation_limit: Duration,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            env: EnvPolicy::default(),
            shell: Shell::default(),
            output_limit: DEFAULT_OUTPUT_LIMIT,
            grace: DEFAULT_GRACE,
            operation_limit: Duration::from_secs(120),
        }
    }
}

/// A program that carries bytes to a shell elsewhere.
#[async_trait]
pub(crate) trait Carrier: Debug + Send + Sync {
    /// Program and arguments that run `command`, which is text for the login shell there (or, where
    /// there is none, for `sh -c`), with its three streams.
    ///
    /// # Errors
    /// Says in words why there is no connection.
    async fn argv(&self, command: &str) -> Result<Vec<OsString>, String>;

    /// How the place is called in messages.
    fn place(&self) -> String;

    /// What the words of a carrier that broke mean: what happened, and what to do.
    async fn explain(&self, said: String) -> String {
        said
    }

    /// Why the place is gone for good; `None` where a connection can be made anew.
    fn defect(&self) -> Option<String> {
        None
    }

    /// What watches over files of this machine that commands there write.
    fn guard(&self) -> Option<Arc<Guard>> {
        None
    }

    /// Ends what the carrier keeps open.
    async fn close(&self) -> Result<(), String>;
}

/// An environment in which everything happens elsewhere.
#[derive(Debug)]
pub(crate) struct Remote<C> {
    carrier: C,
    options: RemoteOptions,
    cwd: PathBuf,
    platform: String,
    os_version: String,
    /// what [`EnvPolicy`] makes of a login's environment there
    environment: Environment,
    report: SandboxReport,
    /// a server allows ten sessions for one connection by default, and one holds it open
    at_once: tokio::sync::Semaphore,
}

/// Calls at the same time; more wait.
const AT_ONCE: usize = 8;

/// The difference between what a login has and what a command gets.
#[derive(Debug, Default)]
struct Environment {
    login: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// From the lines of `env`. A line without a name belongs to the value before it.
    fn parse(text: &[u8]) -> Self {
        let mut login: BTreeMap<OsString, OsString> = BTreeMap::new();
        let mut last: Option<OsString> = None;
        for line in text.split(|byte| *byte == b'\n') {
            let named = line.iter().position(|byte| *byte == b'=').map(|at| line.split_at(at));
            match (named.filter(|(name, _)| is_identifier(name)), &last) {
                (Some((name, value)), _) => {
                    let name = OsString::from_vec(name.to_vec());
                    login.insert(name.clone(), OsString::from_vec(value[1..].to_vec()));
                    last = Some(name);
                }
                (None, Some(last)) => {
                    let value = login.entry(last.clone()).or_default();
                    value.push("\n");
                    value.push(OsStr::from_bytes(line));
                }
                (None, None) => {}
            }
        }
        Self { login }
    }

    /// A shell function that makes the change, and `NAME=VALUE` for names that a shell cannot say.
    fn change(&self, policy: &EnvPolicy) -> (Vec<u8>, Vec<Vec<u8>>) {
        let wanted = policy.resolve(self.login.clone());
        let mut function = b"change_environment() {\n:\n".to_vec();
        let mut others = Vec::new();
        // Also what only this connection has, when nothing is taken over.
        let strange: BTreeSet<&str> = policy.remove.iter().map(String::as_str).collect();
        let gone = self.login.keys().filter(|name| !wanted.contains_key(*name));
        let gone =
            gone.map(|name| name.as_bytes()).chain(strange.iter().map(|name| name.as_bytes()));
        for name in gone.filter(|name| is_identifier(name)) {
            function.extend_from_slice(b"unset ");
            function.extend_from_slice(name);
            function.push(b'\n');
        }
        for (name, value) in &wanted {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            if self.login.get(OsStr::from_bytes(name)).is_some_and(|old| old.as_bytes() == value) {
                continue;
            }
            if is_identifier(name) {
                function.extend_from_slice(b"export ");
                function.extend_from_slice(name);
                function.push(b'=');
                function.extend(encode::quote(value));
                function.push(b'\n');
            } else {
                others.push([name, b"=", value].concat());
            }
        }
        function.extend_from_slice(b"}\n");
        (function, others)
    }
}

fn is_identifier(name: &[u8]) -> bool {
    name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

impl<C: Carrier> Remote<C> {
    /// Connects, and learns what the place is like.
    pub(crate) async fn connect(
        carrier: C,
        cwd: &Path,
        options: RemoteOptions,
        report: SandboxReport,
    ) -> Result<Self, FileError> {
        let mut remote = Self {
            carrier,
            options,
            cwd: PathBuf::from("/"),
            platform: String::new(),
            os_version: String::new(),
            environment: Environment::default(),
            report,
            at_once: tokio::sync::Semaphore::new(AT_ONCE),
        };
        // A relative directory is one of the login's home.
        let asked = if cwd.is_absolute() { cwd.to_owned() } else { Path::new(".").join(cwd) };
        let reply = remote.operation("about", cwd, &[asked.as_os_str().as_bytes()], None).await?;
        let mut lines = reply.stdout.splitn(5, |byte| *byte == b'\n');
        let mut next = || lines.next().unwrap_or_default().to_vec();
        let (cwd_there, system, release, distribution) = (next(), next(), next(), next());
        let [system, release, distribution] =
            [system, release, distribution].map(|line| String::from_utf8_lossy(&line).into_owned());
        remote.cwd = PathBuf::from(OsString::from_vec(cwd_there));
        remote.platform = system.to_ascii_lowercase();
        let kernel = format!("{system} {release}");
        let named = !distribution.is_empty();
        remote.os_version = if named { format!("{distribution} ({kernel})") } else { kernel };
        let rest = lines.next().unwrap_or_default();
        // Without a name: an empty line stands between.
        remote.environment = Environment::parse(rest.strip_prefix(b"\n").unwrap_or(rest));
        Ok(remote)
    }

    pub(crate) fn carrier(&self) -> &C {
        &self.carrier
    }

    pub(crate) fn working_directory(&self) -> &Path {
        &self.cwd
    }

    pub(crate) fn platform(&self) -> &str {
        &self.platform
    }

    pub(crate) fn os_version(&self) -> String {
        self.os_version.clone()
    }

    pub(crate) fn sandbox(&self) -> SandboxReport {
        self.report.clone()
    }

    pub(crate) fn defect(&self) -> Option<String> {
        let not_restored = || self.carrier.guard()?.check().err();
        let not_restored = || not_restored().map(|failed| ExecError::from(failed).to_string());
        self.carrier.defect().or_else(not_restored)
    }

    pub(crate) async fn initialize(&self) -> Result<(), FileError> {
        self.metadata(&self.cwd).await.map(|_| ())
    }

    pub(crate) async fn cleanup(&self) -> Result<(), FileError> {
        self.carrier.close().await.map_err(|why| self.unreachable_file(why))
    }

    pub(crate) async fn exec_command(&self, command: ExecCommand) -> Result<ExecResult, ExecError> {
        let limit = command.timeout;
        let cwd = self.absolute(command.working_dir.as_deref().unwrap_or(Path::new("")));
        if let Some(at) = command.command.bytes().position(|byte| byte == 0) {
            return Err(ExecError::NulByte { at });
        }
        let staged = match &command.stdin {
            Some(bytes) if !bytes.is_empty() => self.stage(bytes).await?,
            _ => String::new(),
        };
        let mut policy = self.options.env.clone();
        policy.set.extend(command.env);
        let (function, others) = self.environment.change(&policy);
        let [shell, flag] = self.options.shell.argv();
        let tenths = self.options.grace.as_millis().div_ceil(100).to_string();
        let seconds = limit.map(|limit| limit + self.options.grace + REMOTE_SLACK);
        let seconds = seconds.map_or(String::new(), |limit| limit.as_secs().to_string());
        let mark = canon_runtime::id::new("exec");
        let words: Vec<&[u8]> = [
            cwd.as_os_str().as_bytes(),
            tenths.as_bytes(),
            seconds.as_bytes(),
            mark.as_bytes(),
            staged.as_bytes(),
            shell.as_bytes(),
            flag.as_bytes(),
            command.command.as_bytes(),
        ]
        .into_iter()
        .collect();
        let env_program = (!others.is_empty()).then_some(b"env".as_slice());
        let words = words.into_iter().chain(env_program).chain(others.iter().map(Vec::as_slice));
        let mut script = encode::arguments(words);
        script.extend(function);
        script.extend_from_slice(include_bytes!("remote/run.sh"));

        let call = Call {
            script,
            input: Vec::new(),
            holds_input: true,
            timeout: limit,
            output_limit: command.output_limit.unwrap_or(self.options.output_limit),
            raw_limit: 0,
            cancel: command.cancel,
            on_output: command.on_output,
        };
        let reply = self.call(call).await?;
        self.outcome(reply, &cwd)
    }

    /// What the other side said about the end of a command.
    fn outcome(&self, reply: Reply, cwd: &Path) -> Result<ExecResult, ExecError> {
        let Reply { ended, mut result, diagnosis, .. } = reply;
        let not_found = std::io::ErrorKind::NotFound;
        let by_us = result.timed_out || result.cancelled;
        match ended.as_deref() {
            Some("directory") => {
                Err(ExecError::WorkingDirectory { path: cwd.to_owned(), source: not_found.into() })
            }
            Some("shell") => Err(ExecError::Spawn {
                program: format!("{} on {}", self.options.shell.argv()[0], self.carrier.place()),
                source: not_found.into(),
            }),
            Some("group") => Err(ExecError::Spawn {
                program: format!("setsid on {}", self.carrier.place()),
                source: not_found.into(),
            }),
            Some(status) => {
                match status.parse::<i32>() {
                    // The shell there says a signal as 128 and its number.
                    Ok(status) if by_us && status > 128 => {
                        (result.exit_code, result.signal) = (None, Some(status - 128));
                    }
                    Ok(status) => (result.exit_code, result.signal) = (Some(status), None),
                    Err(_) => (result.exit_code, result.signal) = (None, Some(9)),
                }
                Ok(result)
            }
            None => Err(ExecError::Unreachable {
                place: self.carrier.place(),
                why: match (by_us, diagnosis.is_empty()) {
                    (true, _) => {
                        "it was told to end the command and did not say that it had".into()
                    }
                    (false, true) => "the connection broke without a word".into(),
                    (false, false) => diagnosis,
                },
                output: Some(Box::new(result)).filter(|_| reply.begun),
            }),
        }
    }

    /// Puts the input of a command there, since its own is what tells the other side that this one
    /// has gone. The script that uses the file removes it.
    async fn stage(&self, input: &[u8]) -> Result<String, ExecError> {
        let name = format!("/tmp/.{}", canon_runtime::id::new("canon-input"));
        let size = input.len().to_string();
        let words = [name.as_bytes(), size.as_bytes()];
        let staged = self.operation("stage", Path::new(&name), &words, Some(input.to_vec())).await;
        match staged {
            Ok(_) => Ok(name),
            Err(FileError::Unreachable { place, why }) => {
                Err(ExecError::Unreachable { place, why, output: None })
            }
            Err(error) => Err(ExecError::Spawn {
                program: "the input of the command".into(),
                source: std::io::Error::other(error),
            }),
        }
    }

    /// Text only: what lies elsewhere has no links that could be followed here.
    fn absolute(&self, path: &Path) -> PathBuf {
        let joined = self.cwd.join(path);
        // Without a slash at the end, which would mean another thing to `mv` and `rm`.
        joined.components().collect()
    }

    fn unreachable_file(&self, why: String) -> FileError {
        FileError::Unreachable { place: self.carrier.place(), why }
    }

    /// A plain operation of `files.sh`, ended when the future is dropped.
    async fn operation(
        &self,
        verb: &str,
        asked: &Path,
        words: &[&[u8]],
        input: Option<Vec<u8>>,
    ) -> Result<Reply, FileError> {
        let never = CancellationToken::new();
        self.operation_until(verb, asked, words, input, files::LISTING_LIMIT, &never).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_environment_is_filtered_and_said_in_shell() {
        let login = Environment::parse(b"PATH=/bin\nA_TOKEN=s3cret\nTEXT=one\ntwo=2 x\nB=it's\n");
        assert_eq!(login.login[OsStr::new("TEXT")], "one");
        let policy = EnvPolicy::default().with("NEW", "a'b").with("odd.name", "x").without("B");
        let (function, others) = login.change(&policy);
        let function = String::from_utf8(function).unwrap();
        assert!(
            function.contains("unset A_TOKEN\n") && function.contains("unset B\n"),
            "{function}"
        );
        assert!(function.contains("export NEW='a'\\''b'\n"), "{function}");
        assert!(!function.contains("PATH") && !function.contains("s3cret"), "{function}");
        assert_eq!(others, [b"odd.name=x".to_vec()]);
    }
}
