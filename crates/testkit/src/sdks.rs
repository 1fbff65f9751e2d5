//! The official SDKs of model providers, as judges: a Python script of a test's that answers lines of JSON.

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// A script, and its process once it was asked; made to be a `static`, because importing an SDK takes a second.
#[derive(Debug)]
pub struct Script {
    path: &'static str,
    cache: &'static str,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Process {
    /// Kept for as long as its pipes; it ends when they do.
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Script {
    /// The script at `path`, with a directory for what Python compiles (`CARGO_TARGET_TMPDIR`).
    pub const fn new(path: &'static str, cache: &'static str) -> Self {
        Self { path, cache, process: Mutex::new(None) }
    }

    /// Its answer to one line; `None`, and a line on standard output that says so, where `CANON_PYTHON` names no
    /// Python that has the SDKs.
    ///
    /// # Errors
    /// When Python does not run, or answers with something that is no JSON; the next line goes to a new process.
    // The harness reads skips from the standard output of tests.
    #[allow(clippy::print_stdout)]
    pub fn ask(&self, line: &Value) -> io::Result<Option<Value>> {
        let Some(python) = env::var_os("CANON_PYTHON") else {
            println!(
                "skipped: sdks: CANON_PYTHON names no Python with the SDKs of model providers"
            );
            return Ok(None);
        };
        let mut slot = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out, so that one that broke off in the middle of an answer is not asked again.
        let mut process = match slot.take() {
            Some(process) => process,
            None => Process::start(Path::new(&python), self)?,
        };
        let answer = process.ask(line)?;
        *slot = Some(process);
        Ok(Some(answer))
    }
}

impl Process {
    fn start(python: &Path, script: &Script) -> io::Result<Self> {
        let mut child = Command::new(python)
            .arg(script.path)
            // What a machine is configured with must not reach the SDKs.
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .env("PYTHONUTF8", "1")
            .env("PYTHONPYCACHEPREFIX", Path::new(script.cache).join("pycache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let gone = || io::Error::other("a pipe of the process is missing");
        let input = child.stdin.take().ok_or_else(gone)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(gone)?);
        Ok(Self { _child: child, input, output })
    }

    fn ask(&mut self, line: &Value) -> io::Result<Value> {
        writeln!(self.input, "{line}")?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        serde_json::from_str(&answer)
            .map_err(|error| io::Error::other(format!("the script said {answer:?}: {error}")))
    }
}
