//! Files by name, newest first.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use super::walk::{PathPattern, files_below};
use crate::environment::{GlobOptions, GlobResult, SearchError};
use crate::host::files::Files;

/// A search to run.
pub(crate) struct Glob {
    pattern: String,
    hidden: bool,
    max_results: usize,
}

impl Glob {
    pub(crate) fn new(pattern: &str, options: &GlobOptions) -> Result<Self, SearchError> {
        PathPattern::new(pattern, false)?;
        Ok(Self {
            pattern: pattern.to_owned(),
            hidden: options.hidden,
            max_results: options.max_results,
        })
    }

    pub(in crate::host) fn run(
        &self,
        files: &Files,
        path: &Path,
        stop: &CancellationToken,
    ) -> Result<GlobResult, SearchError> {
        let (path, pattern) = self.place(&files.cwd, path)?;
        let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
        files_below(files, &path, self.hidden, stop, |file| {
            if pattern.matches(&file.relative) {
                let modified =
                    file.host.symlink_metadata().and_then(|metadata| metadata.modified());
                found.push((modified.unwrap_or(SystemTime::UNIX_EPOCH), file.shown));
            }
            true
        })?;
        Ok(self.newest_first(found))
    }

    /// What is reported of the files found.
    pub(crate) fn newest_first<T: Ord>(&self, mut found: Vec<(T, PathBuf)>) -> GlobResult {
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let truncated = found.len() > self.max_results;
        found.truncate(self.max_results);
        GlobResult { paths: found.into_iter().map(|(_, path)| path).collect(), truncated }
    }

    /// Whether hidden files are looked at.
    pub(crate) fn hidden(&self) -> bool {
        self.hidden
    }

    /// Where to begin, and what the names below that place must be like.
    pub(crate) fn place(
        &self,
        cwd: &Path,
        path: &Path,
    ) -> Result<(PathBuf, PathPattern), SearchError> {
        let (place, pattern) = self.split(cwd, path);
        Ok((place, PathPattern::new(&pattern, false)?))
    }

    /// An absolute pattern says itself where to begin: at its part without wildcards.
    fn split(&self, cwd: &Path, path: &Path) -> (PathBuf, String) {
        if !self.pattern.starts_with('/') {
            return (cwd.join(path), self.pattern.clone());
        }
        let wild = self.pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(self.pattern.len());
        let cut = self.pattern[..wild].rfind('/').unwrap_or(0);
        (
            PathBuf::from(if cut == 0 { "/" } else { &self.pattern[..cut] }),
            self.pattern[cut + 1..].to_owned(),
        )
    }
}
