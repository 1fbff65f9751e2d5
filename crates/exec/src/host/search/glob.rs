//! Files by name, newest first.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use super::walk::{PathPattern, files_below};
use crate::environment::{GlobOptions, GlobResult, SearchError};
use crate::host::files::Files;

/// A search to run.
pub(in crate::host) struct Glob {
    pattern: String,
    hidden: bool,
    max_results: usize,
}

impl Glob {
    pub(in crate::host) fn new(pattern: &str, options: &GlobOptions) -> Result<Self, SearchError> {
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
        let (path, pattern) = self.place(files, path);
        let pattern = PathPattern::new(&pattern, false)?;
        let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
        files_below(files, &path, self.hidden, stop, |file| {
            if pattern.matches(&file.relative) {
                let modified =
                    file.host.symlink_metadata().and_then(|metadata| metadata.modified());
                found.push((modified.unwrap_or(SystemTime::UNIX_EPOCH), file.shown));
            }
            true
        })?;
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let truncated = found.len() > self.max_results;
        found.truncate(self.max_results);
        Ok(GlobResult { paths: found.into_iter().map(|(_, path)| path).collect(), truncated })
    }

    /// An absolute pattern says itself where to begin: at its part without wildcards.
    fn place(&self, files: &Files, path: &Path) -> (PathBuf, String) {
        if !self.pattern.starts_with('/') {
            return (files.cwd.join(path), self.pattern.clone());
        }
        let wild = self.pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(self.pattern.len());
        let cut = self.pattern[..wild].rfind('/').unwrap_or(0);
        (
            PathBuf::from(if cut == 0 { "/" } else { &self.pattern[..cut] }),
            self.pattern[cut + 1..].to_owned(),
        )
    }
}
