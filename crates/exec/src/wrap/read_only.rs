//! An environment in which nothing can be changed.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::environment::{
    DirEntry, ExecCommand, ExecutionEnvironment, FileError, FileMetadata, GlobOptions, GlobResult,
    GrepOptions, GrepResult, SearchError, WriteOutcome,
};
use crate::process::{ExecError, ExecResult};
use crate::sandbox::{Backend, SandboxReport};

const WHY: &str = "the environment is read-only";

/// Refuses what writes. What a command would do cannot be read off its text, so commands run only
/// where the environment inside has them in a read-only sandbox itself; elsewhere they are refused.
/// A [`SandboxedEnvironment`](crate::SandboxedEnvironment) with
/// [`SandboxPolicy::read_only`](crate::SandboxPolicy::read_only) is such an inside.
#[derive(Debug)]
pub struct ReadOnly<E> {
    inner: E,
}

impl<E: ExecutionEnvironment> ReadOnly<E> {
    /// Around another environment.
    pub fn new(inner: E) -> Self {
        Self { inner }
    }

    /// The environment inside.
    pub fn into_inner(self) -> E {
        self.inner
    }

    fn runs_commands(&self) -> bool {
        let report = self.inner.sandbox();
        report.mode == "read-only" && report.backend != Backend::None
    }
}

fn refused<T>(path: &Path) -> Result<T, FileError> {
    Err(FileError::OutsidePolicy { path: path.to_owned(), why: WHY.into() })
}

#[async_trait]
impl<E: ExecutionEnvironment> ExecutionEnvironment for ReadOnly<E> {
    async fn read_file(&self, path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
        self.inner.read_file(path, max_bytes).await
    }

    async fn write_file(&self, path: &Path, _: &[u8]) -> Result<WriteOutcome, FileError> {
        refused(path)
    }

    async fn write_target(&self, path: &Path) -> Result<PathBuf, FileError> {
        refused(path)
    }

    async fn remove_file(&self, path: &Path) -> Result<(), FileError> {
        refused(path)
    }

    async fn rename(&self, from: &Path, _: &Path) -> Result<(), FileError> {
        refused(from)
    }

    async fn file_exists(&self, path: &Path) -> Result<bool, FileError> {
        self.inner.file_exists(path).await
    }

    async fn metadata(&self, path: &Path) -> Result<FileMetadata, FileError> {
        self.inner.metadata(path).await
    }

    async fn list_directory(&self, path: &Path, depth: usize) -> Result<Vec<DirEntry>, FileError> {
        self.inner.list_directory(path, depth).await
    }

    async fn exec_command(&self, command: ExecCommand) -> Result<ExecResult, ExecError> {
        if self.runs_commands() {
            return self.inner.exec_command(command).await;
        }
        let why = format!("{WHY}, and nothing here keeps a command from writing; no command runs");
        Err(ExecError::Spawn {
            program: "the command".into(),
            source: io::Error::new(io::ErrorKind::PermissionDenied, why),
        })
    }

    async fn grep(
        &self,
        pattern: &str,
        path: &Path,
        options: &GrepOptions,
    ) -> Result<GrepResult, SearchError> {
        self.inner.grep(pattern, path, options).await
    }

    async fn glob(
        &self,
        pattern: &str,
        path: &Path,
        options: &GlobOptions,
    ) -> Result<GlobResult, SearchError> {
        self.inner.glob(pattern, path, options).await
    }

    async fn initialize(&self) -> Result<(), FileError> {
        self.inner.initialize().await
    }

    async fn cleanup(&self) -> Result<(), FileError> {
        self.inner.cleanup().await
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
        let mut report = self.inner.sandbox();
        if !self.runs_commands() {
            report.mode = "read-only".into();
            report.limits = vec!["commands are refused".into()];
        }
        report
    }

    fn defect(&self) -> Option<String> {
        self.inner.defect()
    }
}
