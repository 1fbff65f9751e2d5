//! What both environments share: files and commands of this machine.

use std::path::{Path, PathBuf};

use crate::environment::*;
use crate::local::LocalOptions;
use crate::process::{ExecError, ExecResult, Script, Stdin, run};
use crate::sandbox::SandboxReport;

#[derive(Debug)]
pub(crate) struct Host {
    cwd: PathBuf,
    options: LocalOptions,
    pub(crate) report: SandboxReport,
}

fn later(path: &Path) -> FileError {
    FileError::Io { path: path.to_owned(), source: std::io::ErrorKind::Unsupported.into() }
}

impl Host {
    pub(crate) fn unconfined(cwd: PathBuf, options: LocalOptions) -> Self {
        Self { cwd, options, report: SandboxReport::unconfined() }
    }
    pub(crate) fn working_directory(&self) -> &Path {
        &self.cwd
    }
    pub(crate) async fn read_file(&self, path: &Path, _max_bytes: u64) -> Result<Vec<u8>, FileError> {
        Err(later(path))
    }
    pub(crate) async fn write_file(&self, path: &Path, _content: &[u8]) -> Result<WriteOutcome, FileError> {
        Err(later(path))
    }
    pub(crate) async fn remove_file(&self, path: &Path) -> Result<(), FileError> {
        Err(later(path))
    }
    pub(crate) async fn rename(&self, path: &Path, _to: &Path) -> Result<(), FileError> {
        Err(later(path))
    }
    pub(crate) async fn file_exists(&self, path: &Path) -> Result<bool, FileError> {
        Err(later(path))
    }
    pub(crate) async fn metadata(&self, path: &Path) -> Result<FileMetadata, FileError> {
        Err(later(path))
    }
    pub(crate) async fn list_directory(&self, path: &Path, _depth: usize) -> Result<Vec<DirEntry>, FileError> {
        Err(later(path))
    }
    pub(crate) async fn exec_command(&self, command: ExecCommand) -> Result<ExecResult, ExecError> {
        let mut script = Script::new(command.command, &self.cwd);
        script.env = self.options.env.clone();
        script.stdin = command.stdin.map_or(Stdin::None, Stdin::Bytes);
        run(script).await
    }
    pub(crate) async fn grep(&self, _p: &str, path: &Path, _o: &GrepOptions) -> Result<GrepResult, SearchError> {
        Err(later(path).into())
    }
    pub(crate) async fn glob(&self, _p: &str, path: &Path, _o: &GlobOptions) -> Result<GlobResult, SearchError> {
        Err(later(path).into())
    }
    pub(crate) async fn initialize(&self) -> Result<(), FileError> {
        Ok(())
    }
    pub(crate) async fn cleanup(&self) -> Result<(), FileError> {
        Ok(())
    }
}

pub(crate) fn os_version() -> String {
    let name = rustix::system::uname();
    format!("{} {}", name.sysname().to_string_lossy(), name.release().to_string_lossy())
}
