//! The files below a place, without hidden, ignored and forbidden ones.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use ignore::WalkBuilder;
use tokio_util::sync::CancellationToken;

use crate::environment::{FileError, SearchError};
use crate::host::files::Files;
use crate::host::resolve::Wanted;
use crate::host::zones::Access;

/// A regular file that a walk came by.
pub(super) struct Found {
    /// where this process opens it
    pub(super) host: PathBuf,
    /// relative to where the walk began
    pub(super) relative: PathBuf,
    /// what the caller is told
    pub(super) shown: PathBuf,
}

/// Calls `each` for files in order of path until it says stop. Links are not followed.
pub(super) fn files_below(
    files: &Files,
    path: &Path,
    hidden: bool,
    stop: &CancellationToken,
    mut each: impl FnMut(Found) -> bool,
) -> Result<(), SearchError> {
    let top = files.resolve(path, Wanted::Read)?;
    if !top.exists {
        return Err(FileError::NotFound { path: path.to_owned() }.into());
    }
    // Ignore files above the working directory belong to somebody else's tree.
    let inside = top.view.starts_with(&files.cwd) && top.view != files.cwd;
    let zones = files.zones.clone();
    let walk = WalkBuilder::new(&top.host)
        .hidden(!hidden)
        .parents(inside)
        .require_git(false)
        .git_global(false)
        .follow_links(false)
        .sort_by_file_name(std::cmp::Ord::cmp)
        .filter_entry(move |entry| {
            let view = zones.to_view(entry.path());
            entry.file_name() != ".git"
                && zones.deciding(&view).access != Access::Hidden
                && zones.to_host(&view) == entry.path()
        })
        .build();
    for entry in walk {
        if stop.is_cancelled() {
            return Err(SearchError::Cancelled);
        }
        // What cannot be read is passed over, as a shell's glob does.
        let Ok(entry) = entry else { continue };
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let host = entry.into_path();
        let relative = match host.strip_prefix(&top.host) {
            Ok(relative) if !relative.as_os_str().is_empty() => relative.to_owned(),
            _ => host.file_name().map(PathBuf::from).unwrap_or_default(),
        };
        let view = files.zones.to_view(&host);
        let shown = view.strip_prefix(&files.cwd).map_or_else(|_| view.clone(), Path::to_owned);
        if !each(Found { host, relative, shown }) {
            return Ok(());
        }
    }
    Ok(())
}

/// A compiled path pattern.
pub(crate) struct PathPattern {
    matcher: GlobMatcher,
    name_only: bool,
}

impl PathPattern {
    /// `*` stays within one directory, `**` does not. With `bare_is_name`, a pattern without a
    /// slash is about the file's name, wherever it lies.
    pub(super) fn new(pattern: &str, bare_is_name: bool) -> Result<Self, SearchError> {
        let invalid = |error: globset::Error| SearchError::InvalidPattern {
            pattern: pattern.into(),
            why: error.kind().to_string(),
        };
        let text = pattern.strip_prefix("./").unwrap_or(pattern);
        let glob = GlobBuilder::new(text)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(invalid)?;
        Ok(Self { matcher: glob.compile_matcher(), name_only: bare_is_name && !text.contains('/') })
    }

    pub(crate) fn matches(&self, relative: &Path) -> bool {
        let subject =
            if self.name_only { relative.file_name().map(Path::new) } else { Some(relative) };
        subject.is_some_and(|subject| self.matcher.is_match(subject))
    }
}
