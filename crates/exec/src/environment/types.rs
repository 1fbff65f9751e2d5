//! Arguments and results of the execution environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::process::OutputSink;

/// A shell command for [`exec_command`](super::ExecutionEnvironment::exec_command).
#[derive(Debug, Clone, Default)]
pub struct ExecCommand {
    /// text for `bash -c`
    pub command: String,
    /// wall-clock limit; `None` is unlimited
    pub timeout: Option<Duration>,
    /// where to run, absolute or relative to the working directory; `None` is the working directory
    pub working_dir: Option<PathBuf>,
    /// variables to add; names that the environment removes stay removed
    pub env: BTreeMap<String, String>,
    /// bytes on standard input; `None` is `/dev/null`
    pub stdin: Option<Vec<u8>>,
    /// bytes kept of each stream; `None` is the environment's own limit
    pub output_limit: Option<usize>,
    /// ends the command early when cancelled
    pub cancel: CancellationToken,
    /// live output
    pub on_output: Option<OutputSink>,
}

impl ExecCommand {
    /// A command with no limit of its own.
    pub fn new(command: impl Into<String>) -> Self {
        Self { command: command.into(), ..Self::default() }
    }
}

/// What [`write_file`](super::ExecutionEnvironment::write_file) did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOutcome {
    /// the file did not exist before
    pub created: bool,
    /// bytes written
    pub bytes: u64,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// regular file
    File,
    /// directory
    Directory,
    /// symbolic link (only in listings)
    Symlink,
    /// pipe, socket or device
    Other,
}

/// Facts about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMetadata {
    /// what it is
    pub kind: FileKind,
    /// bytes
    pub size: u64,
    /// last change of content, unix milliseconds
    pub modified_ms: u64,
    /// permission bits
    pub mode: u32,
}

/// One entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirEntry {
    /// path relative to the listed directory
    pub name: PathBuf,
    /// what it is
    pub kind: FileKind,
    /// bytes, for regular files
    pub size: Option<u64>,
}

impl DirEntry {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }
}

/// What a search reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrepMode {
    /// matching lines, with context
    #[default]
    Content,
    /// paths of files that match
    Files,
    /// number of matching lines in each file
    Count,
}

/// How to search.
#[derive(Debug, Clone)]
pub struct GrepOptions {
    /// only files whose path matches (`*.rs`, `src/**`)
    pub glob: Option<String>,
    /// ignore case
    pub case_insensitive: bool,
    /// stop after so many matching lines (`Content`) or files (`Files`, `Count`)
    pub max_results: usize,
    /// lines shown before and after each match
    pub context: usize,
    /// `.` also matches line ends, and patterns may span lines
    pub multiline: bool,
    /// also search hidden files (never `.git`)
    pub hidden: bool,
    /// what to report
    pub mode: GrepMode,
    /// stops the search
    pub cancel: CancellationToken,
}

impl Default for GrepOptions {
    fn default() -> Self {
        Self {
            glob: None,
            case_insensitive: false,
            max_results: 100,
            context: 0,
            multiline: false,
            hidden: false,
            mode: GrepMode::Content,
            cancel: CancellationToken::new(),
        }
    }
}

/// One line of a search in [`GrepMode::Content`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrepLine {
    /// file, relative to the working directory where it lies below it
    pub path: PathBuf,
    /// line number from 1
    pub line: u64,
    /// the line without its end, invalid UTF-8 replaced, cut at 2,000 characters
    pub text: String,
    /// false for a line that is only context
    pub is_match: bool,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrepResult {
    /// lines by path and number ([`GrepMode::Content`])
    pub lines: Vec<GrepLine>,
    /// files with their number of matching lines, by path ([`GrepMode::Files`], [`GrepMode::Count`])
    pub files: Vec<(PathBuf, u64)>,
    /// the limit was reached: there may be more
    pub truncated: bool,
}

/// How to look for files.
#[derive(Debug, Clone)]
pub struct GlobOptions {
    /// stop after so many paths; the newest are kept
    pub max_results: usize,
    /// also hidden files (never `.git`)
    pub hidden: bool,
    /// stops the search
    pub cancel: CancellationToken,
}

impl Default for GlobOptions {
    fn default() -> Self {
        Self { max_results: 1000, hidden: false, cancel: CancellationToken::new() }
    }
}

/// Files found, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobResult {
    /// relative to the working directory where they lie below it
    pub paths: Vec<PathBuf>,
    /// there were more than `max_results`
    pub truncated: bool,
}
