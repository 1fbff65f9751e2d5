//! Git as a program, free of what the machine's user set up for themselves.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::run::WorkspaceError;

/// Settings that win over those of the repository: nothing of it runs a program, asks, packs in the
/// middle of a run or changes a byte of a file on its way in or out.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.attributesFile=/dev/null",
    "core.sparseCheckout=false",
    "core.logAllRefUpdates=false",
    "core.quotePath=false",
    "i18n.commitEncoding=utf-8",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "worktree.useRelativePaths=false",
    "advice.addEmbeddedRepo=false",
];

/// Bytes of a failure's own words that are passed on.
const MAX_WORDS: usize = 2000;

/// Who commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

impl Default for Author {
    fn default() -> Self {
        Self { name: "canon".to_owned(), email: "canon@localhost".to_owned() }
    }
}

/// Where a command looks for the repository.
#[derive(Debug, Clone)]
pub(super) enum At {
    /// Found from a directory, as a user's own git finds it and with what they say is safe.
    Discover(PathBuf),
    /// This git directory and no working tree.
    Bare(PathBuf),
    /// A worktree: its own git directory, its files, and the file of what it ignores in addition.
    Tree { git: PathBuf, files: PathBuf, ignored: PathBuf },
}

/// One command.
pub(super) struct Git {
    command: Command,
    told: String,
    input: Vec<u8>,
}

/// What a command that ran said.
pub(super) struct Said {
    /// Whether it ended with 0.
    pub ok: bool,
    /// Exit code, if it was not killed.
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

impl Said {
    /// Standard output, without the last line end.
    pub(super) fn line(&self) -> String {
        String::from_utf8_lossy(&self.out).trim_end_matches('\n').to_owned()
    }
}

impl Git {
    /// A command in `at`, as `author` where it commits.
    pub(super) fn new(at: &At, author: &Author) -> Self {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GIT_") {
                command.env_remove(name);
            }
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at the terminal is for the program that asked, not for a commit under way.
            .process_group(0)
            .kill_on_drop(true);
        if !matches!(at, At::Discover(_)) {
            command
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_ATTR_NOSYSTEM", "1")
                .env("GIT_NO_REPLACE_OBJECTS", "1")
                .env("GIT_AUTHOR_NAME", &author.name)
                .env("GIT_AUTHOR_EMAIL", &author.email)
                .env("GIT_COMMITTER_NAME", &author.name)
                .env("GIT_COMMITTER_EMAIL", &author.email);
        }
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let place = match at {
            At::Discover(directory) => {
                command.current_dir(directory);
                directory
            }
            At::Bare(git) => {
                command.env("GIT_DIR", git).args(["-c", "core.excludesFile=/dev/null"]);
                command.current_dir(git);
                git
            }
            At::Tree { git, files, ignored } => {
                let mut excludes = OsString::from("core.excludesFile=");
                excludes.push(ignored);
                command.env("GIT_DIR", git).env("GIT_WORK_TREE", files).arg("-c").arg(excludes);
                command.current_dir(files);
                files
            }
        };
        let told = format!("git in {}", place.display());
        Self { command, told, input: Vec::new() }
    }

    /// One more argument.
    pub(super) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    pub(super) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// What it reads.
    pub(super) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Runs it, whatever it ends with.
    pub(super) async fn said(mut self) -> Result<Said, WorkspaceError> {
        let error = |error: std::io::Error| WorkspaceError {
            what: self.told.clone(),
            why: format!("it cannot be run: {error}; is git installed?"),
        };
        if !self.input.is_empty() {
            self.command.stdin(Stdio::piped());
        }
        let mut child = self.command.spawn().map_err(error)?;
        let (stdin, input) = (child.stdin.take(), std::mem::take(&mut self.input));
        let feed = async move {
            if let Some(mut stdin) = stdin {
                // One that does not read to the end says why itself.
                let _ = stdin.write_all(&input).await;
            }
        };
        let (_, output) = tokio::join!(feed, child.wait_with_output());
        let output = output.map_err(error)?;
        Ok(Said {
            ok: output.status.success(),
            code: output.status.code(),
            out: output.stdout,
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it; the error says what was to be done.
    pub(super) async fn run(self, what: &str) -> Result<Said, WorkspaceError> {
        let told = self.told.clone();
        let said = self.said().await?;
        if said.ok { Ok(said) } else { Err(failed(&format!("cannot {what} ({told})"), &said)) }
    }
}

/// A command that failed, in its own words.
pub(super) fn failed(what: &str, said: &Said) -> WorkspaceError {
    let words: String = said.err.trim().chars().take(MAX_WORDS).collect();
    let why = match (words.is_empty(), said.code) {
        (false, _) => words,
        (true, Some(code)) => format!("it ended with {code}"),
        (true, None) => "it was killed".to_owned(),
    };
    WorkspaceError { what: what.to_owned(), why }
}

/// An error about a file.
pub(super) fn io(what: &str, path: &Path, error: &std::io::Error) -> WorkspaceError {
    WorkspaceError { what: format!("{what} {}", path.display()), why: error.to_string() }
}
