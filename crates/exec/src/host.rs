//! What both environments share: files, searches and commands of this machine, under zones that
//! allow everything or that a sandbox policy made.

pub(crate) mod files;
pub(crate) mod open;
pub(crate) mod remove;
pub(crate) mod resolve;
pub(crate) mod search;
pub(crate) mod zones;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::environment::{
    DirEntry, ExecCommand, FileError, FileMetadata, GlobOptions, GlobResult, GrepOptions,
    GrepResult, SearchError, WriteOutcome,
};
use crate::local::LocalOptions;
use crate::process::{ExecError, ExecResult, Invocation, Script, Stdin, run_invocation_then};
use crate::sandbox::{Launcher, SandboxReport};
use files::Files;
use resolve::Wanted;
use zones::Zones;

/// Files and commands of this machine.
#[derive(Debug)]
pub(crate) struct Host {
    files: Arc<Files>,
    options: LocalOptions,
    launcher: Arc<Launcher>,
    report: SandboxReport,
}

impl Host {
    pub(crate) fn unconfined(cwd: PathBuf, options: LocalOptions) -> Self {
        Self::new(cwd, Zones::everything(), options, Launcher::Direct, SandboxReport::unconfined())
    }

    pub(crate) fn new(
        cwd: PathBuf,
        zones: Zones,
        options: LocalOptions,
        launcher: Launcher,
        report: SandboxReport,
    ) -> Self {
        let (files, launcher) = (Arc::new(Files { cwd, zones }), Arc::new(launcher));
        Self { files, options, launcher, report }
    }

    pub(crate) fn working_directory(&self) -> &Path {
        &self.files.cwd
    }

    pub(crate) async fn read_file(
        &self,
        path: &Path,
        max_bytes: u64,
    ) -> Result<Vec<u8>, FileError> {
        self.blocking(path, move |files, path| files.read(path, max_bytes)).await
    }

    pub(crate) async fn write_file(
        &self,
        path: &Path,
        content: &[u8],
    ) -> Result<WriteOutcome, FileError> {
        let content = content.to_vec();
        self.changing(path, move |files, path| files.write(path, &content)).await
    }

    pub(crate) async fn write_target(&self, path: &Path) -> Result<PathBuf, FileError> {
        let found = self.blocking(path, |files, path| files.resolve(path, Wanted::Write)).await;
        found.map(|found| found.host)
    }

    pub(crate) async fn remove_file(&self, path: &Path) -> Result<(), FileError> {
        self.blocking(path, Files::remove).await
    }

    pub(crate) async fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        let to = to.to_owned();
        self.changing(from, move |files, from| files.rename(from, &to)).await
    }

    pub(crate) async fn file_exists(&self, path: &Path) -> Result<bool, FileError> {
        self.blocking(path, Files::exists).await
    }

    pub(crate) async fn metadata(&self, path: &Path) -> Result<FileMetadata, FileError> {
        self.blocking(path, Files::metadata).await
    }

    pub(crate) async fn list_directory(
        &self,
        path: &Path,
        depth: usize,
    ) -> Result<Vec<DirEntry>, FileError> {
        self.blocking(path, move |files, path| files.list(path, depth)).await
    }

    pub(crate) async fn exec_command(&self, command: ExecCommand) -> Result<ExecResult, ExecError> {
        let cwd = match &command.working_dir {
            None => self.files.cwd.clone(),
            Some(path) => self.command_directory(path).await?,
        };
        let mut script = Script::new(command.command, cwd);
        script.shell = self.options.shell;
        script.env = self.options.env.clone();
        script.env.set.extend(command.env);
        script.timeout = command.timeout;
        script.grace = self.options.grace;
        script.output_limit = command.output_limit.unwrap_or(self.options.output_limit);
        script.stdin = command.stdin.map_or(Stdin::None, Stdin::Bytes);
        script.cancel = command.cancel;
        script.on_output = command.on_output;
        let invocation = self.launcher.wrap(Invocation::from(script), &self.files.zones)?;
        let launcher = Arc::clone(&self.launcher);
        run_invocation_then(invocation, move || launcher.after_command()).await
    }

    /// Where a command may start: a directory that it may read, by the name it has in the sandbox.
    async fn command_directory(&self, path: &Path) -> Result<PathBuf, ExecError> {
        let found = self.blocking(path, |files, path| files.resolve(path, Wanted::Read)).await;
        match found {
            Ok(found) if found.exists => Ok(found.view),
            Ok(_) => Err(ExecError::WorkingDirectory {
                path: path.to_owned(),
                source: std::io::ErrorKind::NotFound.into(),
            }),
            Err(FileError::OutsidePolicy { path, why }) => {
                Err(ExecError::OutsidePolicy { path, why })
            }
            Err(error) => Err(ExecError::WorkingDirectory {
                path: path.to_owned(),
                source: std::io::Error::other(error),
            }),
        }
    }

    pub(crate) async fn grep(
        &self,
        pattern: &str,
        path: &Path,
        options: &GrepOptions,
    ) -> Result<GrepResult, SearchError> {
        let search = search::Grep::new(pattern, options)?;
        let (files, path) = (Arc::clone(&self.files), path.to_owned());
        search::in_background(&options.cancel, move |stop| search.run(&files, &path, stop)).await
    }

    pub(crate) async fn glob(
        &self,
        pattern: &str,
        path: &Path,
        options: &GlobOptions,
    ) -> Result<GlobResult, SearchError> {
        let search = search::Glob::new(pattern, options)?;
        let (files, path) = (Arc::clone(&self.files), path.to_owned());
        search::in_background(&options.cancel, move |stop| search.run(&files, &path, stop)).await
    }

    pub(crate) fn platform(&self) -> &str {
        std::env::consts::OS
    }

    pub(crate) fn os_version(&self) -> String {
        os_version()
    }

    pub(crate) fn sandbox(&self) -> SandboxReport {
        self.report.clone()
    }

    pub(crate) fn defect(&self) -> Option<String> {
        self.launcher.check().err().map(|error| error.to_string())
    }

    /// The working directory must still be there.
    pub(crate) async fn initialize(&self) -> Result<(), FileError> {
        let here = self.files.cwd.clone();
        self.metadata(&here).await.map(|_| ())
    }

    /// Removes the private temporary directory.
    pub(crate) async fn cleanup(&self) -> Result<(), FileError> {
        let launcher = Arc::clone(&self.launcher);
        let done = tokio::task::spawn_blocking(move || launcher.cleanup()).await;
        done.unwrap_or_else(|error| {
            let path = self.files.cwd.clone();
            Err(FileError::Io { path, source: std::io::Error::other(error) })
        })
    }

    /// A file tool may make what a command may make, and it is looked at in the same way.
    async fn changing<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&Files, &Path) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FileError> {
        let launcher = Arc::clone(&self.launcher);
        self.blocking(path, move |files, path| {
            let done = work(files, path);
            launcher.after_command().map_err(|error| FileError::Io {
                path: path.to_owned(),
                source: std::io::Error::other(error),
            })?;
            done
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&Files, &Path) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FileError> {
        let (files, owned) = (Arc::clone(&self.files), path.to_owned());
        let done = tokio::task::spawn_blocking(move || work(&files, &owned)).await;
        done.unwrap_or_else(|error| {
            Err(FileError::Io { path: path.to_owned(), source: std::io::Error::other(error) })
        })
    }
}

/// Name and release of the distribution where it says so, and of the kernel.
fn os_version() -> String {
    let kernel = rustix::system::uname();
    let kernel =
        format!("{} {}", kernel.sysname().to_string_lossy(), kernel.release().to_string_lossy());
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    match pretty.map(|name| name.trim_matches('"')) {
        Some(name) if !name.is_empty() => format!("{name} ({kernel})"),
        _ => kernel,
    }
}
