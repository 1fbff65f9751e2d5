//! Files of the workspace as the editor has them, unsaved changes included.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canon_exec::{
    DirEntry, ExecCommand, ExecError, ExecResult, ExecutionEnvironment, FileError, FileMetadata,
    GlobOptions, GlobResult, GrepOptions, GrepResult, SandboxReport, SearchError, WriteOutcome,
};
use canon_protocol::acp::agent::FileSystem;
use canon_protocol::acp::client::{ReadTextFile, TextFile, WriteTextFile};
use serde_json::Value;

use super::places::Places;
use super::session::{Unanswered, Voice};

/// How long an editor may take over a file.
const PATIENCE: Duration = Duration::from_secs(60);

/// The environment inside, with text files in the session's directories read and written through the client where
/// it offers that. What the sandbox allows is decided inside, before the client is asked.
#[derive(Debug)]
pub(super) struct EditorFiles {
    pub(super) inner: Arc<dyn ExecutionEnvironment>,
    pub(super) voice: Voice,
    pub(super) offers: FileSystem,
    pub(super) places: Places,
}

impl EditorFiles {
    /// Whether a path is in a directory of the session by name; one with `..` is left to the environment inside.
    fn is_ours(&self, path: &Path) -> bool {
        let path = self.inner.working_directory().join(path);
        let climbs = path.components().any(|part| part == Component::ParentDir);
        !climbs && self.places.hold(&path)
    }

    /// The text that the editor has; `None` if it does not say.
    async fn text(&self, path: &Path) -> Option<String> {
        let request = ReadTextFile {
            session_id: self.voice.session_id().to_owned(),
            path: self.places.shown(path),
            line: None,
            limit: None,
        };
        match self.voice.ask("fs/read_text_file", &request, Some(PATIENCE)).await {
            Ok(TextFile { content }) => Some(content),
            Err(error) => {
                tracing::debug!(%error, outcome = "read from the disk", "file of the editor");
                None
            }
        }
    }

    async fn write(&self, target: PathBuf, text: &str) -> Result<(), Unanswered> {
        let request = WriteTextFile {
            session_id: self.voice.session_id().to_owned(),
            path: self.places.shown(target),
            content: text.to_owned(),
        };
        let written = self.voice.ask::<Value>("fs/write_text_file", &request, Some(PATIENCE)).await;
        written.map(|_| ())
    }
}

/// What can be a text in an editor.
fn as_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// Whether two texts are one but for what editors leave out: a byte order mark and CRLF.
fn is_same(disk: &str, editor: &str) -> bool {
    let plain = |text: &str| text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    plain(disk) == plain(editor)
}

#[async_trait]
impl ExecutionEnvironment for EditorFiles {
    async fn read_file(&self, path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
        let path: &Path = &self.places.real(path);
        let disk = self.inner.read_file(path, max_bytes).await;
        let on_disk = match &disk {
            Ok(bytes) => as_text(bytes),
            // It may be new and not saved yet.
            Err(FileError::NotFound { .. }) => Some(""),
            Err(_) => None,
        };
        let Some(on_disk) = on_disk.filter(|_| self.offers.read_text_file && self.is_ours(path))
        else {
            return disk;
        };
        match self.text(path).await {
            // The disk knows how its lines end.
            Some(text) if disk.is_ok() && is_same(on_disk, &text) => disk,
            Some(text) if text.len() as u64 > max_bytes => Err(FileError::TooLarge {
                path: path.to_owned(),
                size: text.len() as u64,
                limit: max_bytes,
            }),
            Some(text) => Ok(text.into_bytes()),
            None => disk,
        }
    }

    async fn write_file(&self, path: &Path, content: &[u8]) -> Result<WriteOutcome, FileError> {
        let path: &Path = &self.places.real(path);
        let text = as_text(content).filter(|_| self.offers.write_text_file && self.is_ours(path));
        let Some(text) = text else { return self.inner.write_file(path, content).await };
        let target = self.inner.write_target(path).await?;
        // A link may lead elsewhere.
        if !self.is_ours(&target) {
            return self.inner.write_file(path, content).await;
        }
        let existed = self.inner.file_exists(path).await?;
        match self.write(target, text).await {
            Ok(()) => Ok(WriteOutcome { created: !existed, bytes: content.len() as u64 }),
            // There is nothing of the user's that could be lost.
            Err(_) if !existed => self.inner.write_file(path, content).await,
            Err(why) => Err(FileError::Io {
                path: path.to_owned(),
                source: io::Error::other(format!("the editor did not write it: {why}")),
            }),
        }
    }

    async fn write_target(&self, path: &Path) -> Result<PathBuf, FileError> {
        let path: &Path = &self.places.real(path);
        self.inner.write_target(path).await
    }

    async fn remove_file(&self, path: &Path) -> Result<(), FileError> {
        let path: &Path = &self.places.real(path);
        self.inner.remove_file(path).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        self.inner.rename(&self.places.real(from), &self.places.real(to)).await
    }

    async fn file_exists(&self, path: &Path) -> Result<bool, FileError> {
        let path: &Path = &self.places.real(path);
        self.inner.file_exists(path).await
    }

    async fn metadata(&self, path: &Path) -> Result<FileMetadata, FileError> {
        let path: &Path = &self.places.real(path);
        self.inner.metadata(path).await
    }

    async fn list_directory(&self, path: &Path, depth: usize) -> Result<Vec<DirEntry>, FileError> {
        let path: &Path = &self.places.real(path);
        self.inner.list_directory(path, depth).await
    }

    async fn exec_command(&self, mut command: ExecCommand) -> Result<ExecResult, ExecError> {
        command.working_dir = command.working_dir.map(|path| self.places.real(&path).into_owned());
        self.inner.exec_command(command).await
    }

    async fn grep(
        &self,
        pattern: &str,
        path: &Path,
        options: &GrepOptions,
    ) -> Result<GrepResult, SearchError> {
        self.inner.grep(pattern, &self.places.real(path), options).await
    }

    async fn glob(
        &self,
        pattern: &str,
        path: &Path,
        options: &GlobOptions,
    ) -> Result<GlobResult, SearchError> {
        self.inner.glob(pattern, &self.places.real(path), options).await
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
        self.inner.sandbox()
    }

    fn defect(&self) -> Option<String> {
        self.inner.defect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editor_may_leave_out_how_lines_end() {
        assert!(is_same("\u{feff}a\r\nb\r\n", "a\nb\n"));
        assert!(!is_same("a\nb\n", "a\nb"));
    }

    #[test]
    fn bytes_are_no_text() {
        assert_eq!(as_text("é".as_bytes()), Some("é"));
        assert_eq!(as_text(b"a\0b"), None);
        assert_eq!(as_text(&[0xff]), None);
    }
}
