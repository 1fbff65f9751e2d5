//! A record of every operation.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::environment::{
    DirEntry, ExecCommand, ExecutionEnvironment, FileError, FileMetadata, GlobOptions, GlobResult,
    GrepOptions, GrepResult, SearchError, WriteOutcome,
};
use crate::process::{ExecError, ExecResult};
use crate::sandbox::SandboxReport;

/// Characters of a command, a pattern or a message that a record keeps.
const TEXT_LIMIT: usize = 2000;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Operation {
    /// a file was read
    Read {
        /// as given
        path: PathBuf,
    },
    /// a file was written
    Write {
        /// as given
        path: PathBuf,
    },
    /// a file was removed
    Remove {
        /// as given
        path: PathBuf,
    },
    /// something was moved
    Rename {
        /// as given
        path: PathBuf,
        /// as given
        to: PathBuf,
    },
    /// existence or facts were asked for
    Stat {
        /// as given
        path: PathBuf,
    },
    /// a directory was listed
    List {
        /// as given
        path: PathBuf,
    },
    /// a command was run; neither its input nor its environment is recorded
    Exec {
        /// redacted
        command: String,
        /// as given
        path: Option<PathBuf>,
    },
    /// contents were searched
    Grep {
        /// redacted
        pattern: String,
        /// as given
        path: PathBuf,
    },
    /// names were searched
    Glob {
        /// redacted
        pattern: String,
        /// as given
        path: PathBuf,
    },
    /// the environment was made ready
    Initialize,
    /// the environment was given up
    Cleanup,
}

/// One operation with its outcome. An operation that its caller abandoned has one too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// what was done, to what
    #[serde(flatten)]
    pub operation: Operation,
    /// `ok`, `exit N`, `signal N`, `timed out`, `cancelled`, `abandoned`, or `error: …` (redacted)
    pub outcome: String,
    /// wall-clock milliseconds
    pub duration_ms: u64,
    /// bytes read or written, or of a command's output before it was cut
    pub bytes: Option<u64>,
}

/// Where records go. It is called in the caller's task and must not block.
#[derive(Clone)]
pub struct RecordSink {
    send: Arc<dyn Fn(Record) + Send + Sync>,
    redact: Arc<dyn Fn(&str) -> String + Send + Sync>,
}

impl RecordSink {
    /// Both are the host's: `redact` takes the secrets out of text before `send` gets it.
    pub fn new(
        send: impl Fn(Record) + Send + Sync + 'static,
        redact: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Self {
        Self { send: Arc::new(send), redact: Arc::new(redact) }
    }

    /// Redacted first: a cut could leave half of a secret that would not be known as one.
    fn text(&self, text: &str) -> String {
        let mut text = (self.redact)(text);
        if let Some((cut, _)) = text.char_indices().nth(TEXT_LIMIT) {
            text.truncate(cut);
            text.push('…');
        }
        text
    }

    fn path(&self, path: &Path) -> PathBuf {
        match path.to_str() {
            Some(text) => PathBuf::from(self.text(text)),
            None => PathBuf::from(self.text(&path.to_string_lossy())),
        }
    }
}

impl fmt::Debug for RecordSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordSink")
    }
}

/// Records every operation of the environment inside, and changes nothing.
#[derive(Debug)]
pub struct Logging<E> {
    inner: E,
    sink: RecordSink,
}

/// An operation under way; dropped before its end, it is recorded as abandoned.
struct Pending<'a> {
    sink: &'a RecordSink,
    started: Instant,
    operation: Option<Operation>,
}

impl Pending<'_> {
    fn end(&mut self, outcome: &str, bytes: Option<u64>) {
        if let Some(operation) = self.operation.take() {
            let duration_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let outcome = self.sink.text(outcome);
            (self.sink.send)(Record { operation, outcome, duration_ms, bytes });
        }
    }

    fn end_with<T, E: fmt::Display>(
        mut self,
        result: Result<T, E>,
        bytes: impl FnOnce(&T) -> Option<u64>,
    ) -> Result<T, E> {
        match &result {
            Ok(value) => self.end("ok", bytes(value)),
            Err(error) => self.end(&format!("error: {error}"), None),
        }
        result
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.end("abandoned", None);
    }
}

impl<E: ExecutionEnvironment> Logging<E> {
    /// Around another environment.
    pub fn new(inner: E, sink: RecordSink) -> Self {
        Self { inner, sink }
    }

    fn begin(&self, operation: Operation) -> Pending<'_> {
        Pending { sink: &self.sink, started: Instant::now(), operation: Some(operation) }
    }
}

fn nothing<T>(_: &T) -> Option<u64> {
    None
}

fn ending(result: &ExecResult) -> String {
    match (result.timed_out, result.cancelled, result.exit_code, result.signal) {
        (true, _, _, _) => "timed out".into(),
        (_, true, _, _) => "cancelled".into(),
        (_, _, Some(code), _) => format!("exit {code}"),
        (_, _, None, signal) => format!("signal {}", signal.unwrap_or(0)),
    }
}

#[async_trait]
impl<E: ExecutionEnvironment> ExecutionEnvironment for Logging<E> {
    async fn read_file(&self, path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
        let pending = self.begin(Operation::Read { path: self.sink.path(path) });
        let result = self.inner.read_file(path, max_bytes).await;
        pending.end_with(result, |bytes| Some(bytes.len() as u64))
    }

    async fn write_file(&self, path: &Path, content: &[u8]) -> Result<WriteOutcome, FileError> {
        let pending = self.begin(Operation::Write { path: self.sink.path(path) });
        let result = self.inner.write_file(path, content).await;
        pending.end_with(result, |written| Some(written.bytes))
    }

    async fn write_target(&self, path: &Path) -> Result<PathBuf, FileError> {
        self.inner.write_target(path).await
    }

    async fn remove_file(&self, path: &Path) -> Result<(), FileError> {
        let pending = self.begin(Operation::Remove { path: self.sink.path(path) });
        let result = self.inner.remove_file(path).await;
        pending.end_with(result, nothing)
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        let (path, target) = (self.sink.path(from), self.sink.path(to));
        let pending = self.begin(Operation::Rename { path, to: target });
        let result = self.inner.rename(from, to).await;
        pending.end_with(result, nothing)
    }

    async fn file_exists(&self, path: &Path) -> Result<bool, FileError> {
        let pending = self.begin(Operation::Stat { path: self.sink.path(path) });
        let result = self.inner.file_exists(path).await;
        pending.end_with(result, nothing)
    }

    async fn metadata(&self, path: &Path) -> Result<FileMetadata, FileError> {
        let pending = self.begin(Operation::Stat { path: self.sink.path(path) });
        let result = self.inner.metadata(path).await;
        pending.end_with(result, nothing)
    }

    async fn list_directory(&self, path: &Path, depth: usize) -> Result<Vec<DirEntry>, FileError> {
        let pending = self.begin(Operation::List { path: self.sink.path(path) });
        let result = self.inner.list_directory(path, depth).await;
        pending.end_with(result, nothing)
    }

    async fn exec_command(&self, command: ExecCommand) -> Result<ExecResult, ExecError> {
        let text = self.sink.text(&command.command);
        let path = command.working_dir.as_deref().map(|path| self.sink.path(path));
        let mut pending = self.begin(Operation::Exec { command: text, path });
        let result = self.inner.exec_command(command).await;
        match &result {
            Ok(done) => {
                let kept = (done.stdout.len() + done.stderr.len()) as u64;
                pending.end(&ending(done), Some(kept + done.truncated_bytes));
            }
            Err(error) => pending.end(&format!("error: {error}"), None),
        }
        result
    }

    async fn grep(
        &self,
        pattern: &str,
        path: &Path,
        options: &GrepOptions,
    ) -> Result<GrepResult, SearchError> {
        let (text, place) = (self.sink.text(pattern), self.sink.path(path));
        let pending = self.begin(Operation::Grep { pattern: text, path: place });
        let result = self.inner.grep(pattern, path, options).await;
        pending.end_with(result, nothing)
    }

    async fn glob(
        &self,
        pattern: &str,
        path: &Path,
        options: &GlobOptions,
    ) -> Result<GlobResult, SearchError> {
        let (text, place) = (self.sink.text(pattern), self.sink.path(path));
        let pending = self.begin(Operation::Glob { pattern: text, path: place });
        let result = self.inner.glob(pattern, path, options).await;
        pending.end_with(result, nothing)
    }

    async fn initialize(&self) -> Result<(), FileError> {
        let pending = self.begin(Operation::Initialize);
        let result = self.inner.initialize().await;
        pending.end_with(result, nothing)
    }

    async fn cleanup(&self) -> Result<(), FileError> {
        let pending = self.begin(Operation::Cleanup);
        let result = self.inner.cleanup().await;
        pending.end_with(result, nothing)
    }

    fn working_directory(&self) -> &Path {
        self.inner.working_directory()
    }

    fn platform(&self) -> &str {
        self.inner.platform()
    }

    fn os_version(&self) -> String {
        self.inner.os_version()
    }

    fn sandbox(&self) -> SandboxReport {
        self.inner.sandbox()
    }

    fn defect(&self) -> Option<String> {
        self.inner.defect()
    }
}
