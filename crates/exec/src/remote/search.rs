//! Searches elsewhere, with the semantics of searches here: the names come over, then the contents
//! that may match, and both are judged by the same code. A `grep` there would speak another dialect
//! of regular expressions, and know nothing of ignore files.

use std::future::Future;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::files::LISTING_LIMIT;
use super::{Carrier, Remote};
use crate::environment::{
    FileError, GlobOptions, GlobResult, GrepOptions, GrepResult, SearchError,
};
use crate::host::search::{Glob, Grep};
use crate::ignores::{IGNORE_FILES, Ignores};

/// Contents that come over at a time.
const BATCH_BYTES: u64 = 4 * 1024 * 1024;
const BATCH_FILES: usize = 500;
/// A longer file is not searched, and the result says that it may lack something.
const FILE_LIMIT: u64 = 64 * 1024 * 1024;

/// A regular file that is neither ignored nor hidden.
struct Found {
    place: PathBuf,
    relative: PathBuf,
    shown: PathBuf,
    size: u64,
    modified: (u64, u32),
}

impl<C: Carrier> Remote<C> {
    pub(crate) async fn grep(
        &self,
        pattern: &str,
        path: &Path,
        options: &GrepOptions,
    ) -> Result<GrepResult, SearchError> {
        let search = Grep::new(pattern, options)?;
        let work = async {
            let mut files = self.walk(path, search.hidden()).await?;
            files.retain(|file| search.wants(&file.relative));
            self.grep_in(search, files).await
        };
        unless_cancelled(&options.cancel, work).await
    }

    async fn grep_in(&self, search: Grep, files: Vec<Found>) -> Result<GrepResult, SearchError> {
        let mut findings = search.findings();
        let too_long = files.iter().any(|file| file.size > FILE_LIMIT);
        let mut rest: Vec<Found> =
            files.into_iter().filter(|file| file.size <= FILE_LIMIT).rev().collect();
        while !rest.is_empty() {
            let mut batch: Vec<Found> = Vec::new();
            let mut bytes = 0;
            while let Some(file) = rest.pop_if(|file| {
                batch.is_empty() || (bytes + file.size <= BATCH_BYTES && batch.len() < BATCH_FILES)
            }) {
                bytes += file.size;
                batch.push(file);
            }
            let places: Vec<&Path> = batch.iter().map(|file| file.place.as_path()).collect();
            let mut contents = self.fetch(&places).await?.into_iter().peekable();
            for file in batch {
                // What could not be read did not come.
                let Some((_, content)) = contents.next_if(|(place, _)| *place == file.place) else {
                    continue;
                };
                if !search.search(file.shown, content.as_slice(), &mut findings) {
                    return Ok(findings.result);
                }
            }
            tokio::task::yield_now().await;
        }
        findings.result.truncated |= too_long;
        Ok(findings.result)
    }

    pub(crate) async fn glob(
        &self,
        pattern: &str,
        path: &Path,
        options: &GlobOptions,
    ) -> Result<GlobResult, SearchError> {
        let search = Glob::new(pattern, options)?;
        let work = async {
            let (place, pattern) = search.place(&self.cwd, path)?;
            let files = self.walk(&place, search.hidden()).await?;
            let files = files.into_iter().filter(|file| pattern.matches(&file.relative));
            Ok(search.newest_first(files.map(|file| (file.modified, file.shown)).collect()))
        };
        unless_cancelled(&options.cancel, work).await
    }

    /// The files below a place in order of path.
    async fn walk(&self, path: &Path, hidden: bool) -> Result<Vec<Found>, SearchError> {
        let top = self.absolute(path);
        let wanted = if hidden { b"yes".as_slice() } else { b"no" };
        let (kind, facts) = self.facts("walk", path, &[wanted]).await?;
        let shown = |place: &Path| {
            place.strip_prefix(&self.cwd).map_or_else(|_| place.to_owned(), Path::to_owned)
        };
        if kind == "file" {
            let name = top.file_name().map(PathBuf::from).unwrap_or_default();
            let found = facts.into_iter().map(|facts| Found {
                relative: name.clone(),
                shown: shown(&top),
                place: top.clone(),
                size: facts.metadata.size,
                modified: facts.modified,
            });
            return Ok(found.collect());
        }
        let mut found: Vec<Found> = facts
            .into_iter()
            .map(|facts| {
                let relative =
                    facts.name.strip_prefix(".").map(PathBuf::from).unwrap_or(facts.name);
                let place = top.join(&relative);
                let (size, modified) = (facts.metadata.size, facts.modified);
                Found { shown: shown(&place), place, relative, size, modified }
            })
            .collect();
        found.sort_by(|a, b| a.relative.cmp(&b.relative));
        let ignores = self.ignores(&top, &found).await?;
        found.retain(|file| {
            (hidden || !is_hidden(&file.relative)) && !ignores.leave_out(&top, &file.place)
        });
        Ok(found)
    }

    /// The ignore files of a tree, and those above it up to the working directory.
    async fn ignores(&self, top: &Path, found: &[Found]) -> Result<Ignores, FileError> {
        let inside = found.iter().map(|file| file.place.clone());
        let mut places: Vec<PathBuf> = inside
            .filter(|place| IGNORE_FILES[..2].iter().any(|name| place.ends_with(name)))
            .collect();
        let above = top.ancestors().take_while(|place| place.starts_with(&self.cwd));
        for directory in above.skip(1) {
            places.extend(IGNORE_FILES.iter().map(|name| directory.join(name)));
        }
        places.push(top.join(IGNORE_FILES[2]));
        let mut ignores = Ignores::default();
        let places: Vec<&Path> = places.iter().map(PathBuf::as_path).collect();
        for (place, content) in self.fetch(&places).await? {
            ignores.add(&place, &content);
        }
        Ok(ignores)
    }

    /// The contents of regular files that can be read, in the order asked.
    async fn fetch(&self, places: &[&Path]) -> Result<Vec<(PathBuf, Vec<u8>)>, FileError> {
        let mut list = Vec::new();
        for place in places {
            list.extend_from_slice(place.as_os_str().as_bytes());
            list.push(0);
        }
        let never = CancellationToken::new();
        let top = self.cwd.clone();
        let reply =
            self.operation_until("fetch", &top, &[], Some(list), LISTING_LIMIT, &never).await?;
        Ok(split(&reply.stdout, &reply.nonce))
    }
}

/// A search with nobody waiting for it is dropped, and with it what runs there.
async fn unless_cancelled<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, SearchError>>,
) -> Result<T, SearchError> {
    cancel.run_until_cancelled(work).await.unwrap_or(Err(SearchError::Cancelled))
}

fn is_hidden(relative: &Path) -> bool {
    relative.iter().any(|part| part.as_bytes().first() == Some(&b'.'))
}

/// `BORDER F nonce SPACE name BORDER content`, again and again.
fn split(bytes: &[u8], nonce: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mark = [b"\x1eF".as_slice(), nonce.as_bytes(), b" "].concat();
    let mut files = Vec::new();
    let mut rest = bytes;
    let mut next = position(rest, &mark);
    while let Some(at) = next {
        rest = &rest[at + mark.len()..];
        let Some(border) = rest.iter().position(|byte| *byte == 0x1E) else { break };
        let name = PathBuf::from(std::ffi::OsString::from_vec(rest[..border].to_vec()));
        rest = &rest[border + 1..];
        next = position(rest, &mark);
        files.push((name, rest[..next.unwrap_or(rest.len())].to_vec()));
    }
    files
}

fn position(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    // The first byte is rare, so that this is not quadratic for text.
    let first = *mark.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(mark) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}
