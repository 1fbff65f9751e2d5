//! File operations elsewhere.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::{Carrier, Remote, stat};
use crate::environment::{DirEntry, FileError, FileKind, FileMetadata, WriteOutcome};
use crate::host::files::LIST_LIMIT;

/// Bytes that a listing may take on its way here.
pub(super) const LISTING_LIMIT: u64 = 256 * 1024 * 1024;

impl<C: Carrier> Remote<C> {
    pub(crate) async fn read_file(
        &self,
        path: &Path,
        max_bytes: u64,
    ) -> Result<Vec<u8>, FileError> {
        let place = self.absolute(path);
        let (limit, never) = (max_bytes.to_string(), CancellationToken::new());
        let words = [place.as_os_str().as_bytes(), limit.as_bytes()];
        let reply = self.operation_until("read", path, &words, None, max_bytes, &never).await?;
        Ok(reply.stdout)
    }

    pub(crate) async fn write_file(
        &self,
        path: &Path,
        content: &[u8],
    ) -> Result<WriteOutcome, FileError> {
        let (place, size) = (self.absolute(path), content.len().to_string());
        let temporary = format!(".{}.tmp", canon_runtime::id::new("canon"));
        let words = [place.as_os_str().as_bytes(), size.as_bytes(), temporary.as_bytes()];
        let reply = self.operation("write", path, &words, Some(content.to_vec())).await?;
        let created = reply.ended.as_deref() == Some("ok new");
        Ok(WriteOutcome { created, bytes: content.len() as u64 })
    }

    pub(crate) async fn write_target(&self, path: &Path) -> Result<PathBuf, FileError> {
        let why = "it lies on another machine".to_owned();
        Err(FileError::OutsidePolicy { path: path.to_owned(), why })
    }

    pub(crate) async fn remove_file(&self, path: &Path) -> Result<(), FileError> {
        self.about_one("remove", path).await.map(|_| ())
    }

    pub(crate) async fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        let (source, target) = (self.absolute(from), self.absolute(to));
        let words = [source.as_os_str().as_bytes(), target.as_os_str().as_bytes()];
        self.operation("rename", from, &words, None).await.map(|_| ())
    }

    pub(crate) async fn file_exists(&self, path: &Path) -> Result<bool, FileError> {
        match self.about_one("exists", path).await {
            Ok(_) => Ok(true),
            Err(FileError::NotFound { .. } | FileError::NotADirectory { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn metadata(&self, path: &Path) -> Result<FileMetadata, FileError> {
        let found = self.facts("facts", path, &[]).await?.1;
        let strange = || FileError::Io {
            path: path.to_owned(),
            source: std::io::Error::other("`stat` there says something unknown"),
        };
        found.into_iter().next().map(|facts| facts.metadata).ok_or_else(strange)
    }

    pub(crate) async fn list_directory(
        &self,
        path: &Path,
        depth: usize,
    ) -> Result<Vec<DirEntry>, FileError> {
        let depth = depth.max(1).to_string();
        let (_, found) = self.facts("list", path, &[depth.as_bytes()]).await?;
        let mut entries: Vec<DirEntry> = found
            .into_iter()
            .map(|facts| DirEntry {
                name: facts.name.strip_prefix(".").map(PathBuf::from).unwrap_or(facts.name),
                kind: facts.metadata.kind,
                size: (facts.metadata.kind == FileKind::File).then_some(facts.metadata.size),
            })
            .filter(|entry| !entry.name.as_os_str().is_empty())
            .collect();
        // What lies deepest is left out first.
        entries.sort_by_cached_key(|entry| entry.name.components().count());
        entries.truncate(LIST_LIMIT);
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    async fn about_one(&self, verb: &str, path: &Path) -> Result<super::Reply, FileError> {
        let place = self.absolute(path);
        self.operation(verb, path, &[place.as_os_str().as_bytes()], None).await
    }

    /// What a verb says about files, and how it ended.
    pub(super) async fn facts(
        &self,
        verb: &str,
        path: &Path,
        more: &[&[u8]],
    ) -> Result<(String, Vec<stat::Facts>), FileError> {
        let place = self.absolute(path);
        let mut words = vec![place.as_os_str().as_bytes()];
        words.extend(more);
        let never = CancellationToken::new();
        let reply = self.operation_until(verb, path, &words, None, LISTING_LIMIT, &never).await?;
        let facts = stat::parse(&reply.stdout, &reply.nonce);
        Ok((reply.ended.unwrap_or_default(), facts))
    }
}
