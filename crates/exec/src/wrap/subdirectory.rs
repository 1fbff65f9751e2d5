//! The same environment, seen from a directory in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::environment::{
    DirEntry, ExecCommand, ExecutionEnvironment, FileError, FileMetadata, GlobOptions, GlobResult,
    GrepOptions, GrepResult, SearchError, WriteOutcome,
};
use crate::process::{ExecError, ExecResult};
use crate::sandbox::SandboxReport;

/// Another environment with a directory of it as the working directory. What may be read, written
/// and reached stays what the environment inside allows: this moves where relative paths begin, and
/// confines nothing.
#[derive(Debug)]
pub struct Subdirectory {
    inner: Arc<dyn ExecutionEnvironment>,
    directory: PathBuf,
}

impl Subdirectory {
    /// Of `inner`; `directory` is relative to its working directory, or absolute. Whether it is
    /// there is not looked at.
    pub fn new(inner: Arc<dyn ExecutionEnvironment>, directory: &Path) -> Self {
        let directory = inner.working_directory().join(directory);
        Self { inner, directory }
    }

    fn inside(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    /// A path as the environment inside shows it, as it is shown here.
    fn shown(&self, path: PathBuf) -> PathBuf {
        let whole = self.inner.working_directory().join(path);
        match whole.strip_prefix(&self.directory) {
            Ok(relative) => relative.to_owned(),
            Err(_) => whole,
        }
    }
}

#[async_trait]
impl ExecutionEnvironment for Subdirectory {
    async fn read_file(&self, path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
        self.inner.read_file(&self.inside(path), max_bytes).await
    }

    async fn read_text(&self, path: &Path, max_bytes: u64) -> Result<String, FileError> {
        self.inner.read_text(&self.inside(path), max_bytes).await
    }

    async fn write_file(&self, path: &Path, content: &[u8]) -> Result<WriteOutcome, FileError> {
        self.inner.write_file(&self.inside(path), content).await
    }

    async fn remove_file(&self, path: &Path) -> Result<(), FileError> {
        self.inner.remove_file(&self.inside(path)).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        self.inner.rename(&self.inside(from), &self.inside(to)).await
    }

    async fn file_exists(&self, path: &Path) -> Result<bool, FileError> {
        self.inner.file_exists(&self.inside(path)).await
    }

    async fn metadata(&self, path: &Path) -> Result<FileMetadata, FileError> {
        self.inner.metadata(&self.inside(path)).await
    }

    async fn list_directory(&self, path: &Path, depth: usize) -> Result<Vec<DirEntry>, FileError> {
        self.inner.list_directory(&self.inside(path), depth).await
    }

    async fn exec_command(&self, mut command: ExecCommand) -> Result<ExecResult, ExecError> {
        let directory = command.working_dir.take().unwrap_or_default();
        command.working_dir = Some(self.inside(&directory));
        self.inner.exec_command(command).await
    }

    async fn grep(
        &self,
        pattern: &str,
        path: &Path,
        options: &GrepOptions,
    ) -> Result<GrepResult, SearchError> {
        let mut found = self.inner.grep(pattern, &self.inside(path), options).await?;
        for line in &mut found.lines {
            line.path = self.shown(std::mem::take(&mut line.path));
        }
        for (path, _) in &mut found.files {
            *path = self.shown(std::mem::take(path));
        }
        Ok(found)
    }

    async fn glob(
        &self,
        pattern: &str,
        path: &Path,
        options: &GlobOptions,
    ) -> Result<GlobResult, SearchError> {
        let mut found = self.inner.glob(pattern, &self.inside(path), options).await?;
        for path in &mut found.paths {
            *path = self.shown(std::mem::take(path));
        }
        Ok(found)
    }

    /// The environment inside is its owner's to initialise and to clean up.
    async fn initialize(&self) -> Result<(), FileError> {
        Ok(())
    }

    async fn cleanup(&self) -> Result<(), FileError> {
        Ok(())
    }

    fn working_directory(&self) -> &Path {
        &self.directory
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocalExecutionEnvironment;

    #[tokio::test]
    async fn paths_begin_in_the_directory_and_are_shown_from_there() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("part/deep")).unwrap();
        std::fs::write(root.join("outside"), "needle\n").unwrap();
        let local = Arc::new(LocalExecutionEnvironment::new(&root).unwrap());
        let part = Subdirectory::new(local, Path::new("part"));
        part.write_file(Path::new("deep/f"), b"needle\n").await.unwrap();
        assert!(root.join("part/deep/f").exists());
        assert_eq!(part.read_text(Path::new("../outside"), 100).await.unwrap(), "needle\n");
        let result = part.exec_command(ExecCommand::new("pwd; cat deep/f")).await.unwrap();
        assert_eq!(result.stdout, format!("{}\nneedle\n", root.join("part").display()));
        let nested = ExecCommand { working_dir: Some("deep".into()), ..ExecCommand::new("cat f") };
        assert_eq!(part.exec_command(nested).await.unwrap().stdout, "needle\n");
        let found = part.grep("needle", Path::new("."), &GrepOptions::default()).await.unwrap();
        assert_eq!(found.lines[0].path, Path::new("deep/f"));
        let above = part.grep("needle", Path::new(".."), &GrepOptions::default()).await.unwrap();
        assert!(above.lines.iter().any(|line| line.path.ends_with("outside")));
        assert!(above.lines.iter().any(|line| line.path == Path::new("deep/f")));
        let found = part.glob("**/f", Path::new("."), &GlobOptions::default()).await.unwrap();
        assert_eq!(found.paths, [Path::new("deep/f")]);
        assert_eq!(part.working_directory(), root.join("part"));
    }
}
