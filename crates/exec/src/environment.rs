//! The trait through which tools touch files and start commands (coding agent loop §4.1).

pub(crate) mod delegate;
mod error;
mod types;

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::process::{ExecError, ExecResult};
use crate::sandbox::SandboxReport;

pub use error::{FileError, SearchError};
pub use types::{
    DirEntry, ExecCommand, FileKind, FileMetadata, GlobOptions, GlobResult, GrepLine, GrepMode,
    GrepOptions, GrepResult, WriteOutcome,
};

/// Where tools run. Relative paths are relative to [`working_directory`](Self::working_directory).
///
/// Implementations are shared between concurrent tool calls; dropping a returned future stops the
/// work that it stands for, started processes included.
#[async_trait]
pub trait ExecutionEnvironment: Send + Sync + std::fmt::Debug {
    /// The whole file. Special files (pipes, devices) are refused, never waited for.
    ///
    /// # Errors
    /// [`FileError::TooLarge`] beyond `max_bytes`; nothing is cut silently.
    async fn read_file(&self, path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError>;

    /// [`read_file`](Self::read_file) for text: refuses bytes that are not UTF-8, or that hold NUL.
    ///
    /// # Errors
    /// [`FileError::Binary`], and those of `read_file`.
    async fn read_text(&self, path: &Path, max_bytes: u64) -> Result<String, FileError> {
        let bytes = self.read_file(path, max_bytes).await?;
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(text),
            _ => Err(FileError::Binary { path: path.to_owned() }),
        }
    }

    /// Replaces or creates a file and the directories above it. Readers see the old or the new
    /// content, never a part; the mode of an existing file is kept; a symbolic link is followed.
    async fn write_file(&self, path: &Path, content: &[u8]) -> Result<WriteOutcome, FileError>;

    /// Where on this machine a write to `path` would go, links followed, if it is allowed; nothing
    /// is written. For hosts that have somebody else write, such as an editor.
    ///
    /// # Errors
    /// Those of [`write_file`](Self::write_file) that policy makes; an environment that cannot tell
    /// refuses.
    async fn write_target(&self, path: &Path) -> Result<PathBuf, FileError> {
        let why = "this environment cannot tell where a write would go".to_owned();
        Err(FileError::OutsidePolicy { path: path.to_owned(), why })
    }

    /// Removes a file or a symbolic link itself, not a directory.
    async fn remove_file(&self, path: &Path) -> Result<(), FileError>;

    /// Moves a file or directory; creates the directories above the target; replaces a target file.
    async fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError>;

    /// Whether something is there (symbolic links followed).
    async fn file_exists(&self, path: &Path) -> Result<bool, FileError>;

    /// Kind, size, time and mode (symbolic links followed).
    async fn metadata(&self, path: &Path) -> Result<FileMetadata, FileError>;

    /// Entries below a directory, sorted by path; depth 1 is the directory's own entries.
    /// Symbolic links are listed, not entered.
    async fn list_directory(&self, path: &Path, depth: usize) -> Result<Vec<DirEntry>, FileError>;

    /// Runs a shell command to its end. A command that fails, is killed, or runs out of time is a
    /// result.
    async fn exec_command(&self, command: ExecCommand) -> Result<ExecResult, ExecError>;

    /// Searches contents with a regular expression, honouring ignore files.
    async fn grep(
        &self,
        pattern: &str,
        path: &Path,
        options: &GrepOptions,
    ) -> Result<GrepResult, SearchError>;

    /// Files whose path relative to `path` matches, newest first, honouring ignore files.
    async fn glob(
        &self,
        pattern: &str,
        path: &Path,
        options: &GlobOptions,
    ) -> Result<GlobResult, SearchError>;

    /// Called once before first use.
    async fn initialize(&self) -> Result<(), FileError>;

    /// Called once after last use; removes what the environment made for itself.
    async fn cleanup(&self) -> Result<(), FileError>;

    /// Absolute path that relative paths start from.
    fn working_directory(&self) -> &Path;

    /// `linux`, `darwin`, …
    fn platform(&self) -> &str;

    /// Name and release of the operating system, for the prompt.
    fn os_version(&self) -> String;

    /// What confines commands here, as found by running it.
    fn sandbox(&self) -> SandboxReport;

    /// Why nothing may run here any more ([`ExecError::NotRestored`]); it never gets better, and
    /// whoever works here should end. `None` as long as all is well.
    fn defect(&self) -> Option<String> {
        None
    }
}
