//! Contents by regular expression.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkMatch};
use tokio_util::sync::CancellationToken;

use super::walk::{PathPattern, files_below};
use crate::environment::{GrepLine, GrepMode, GrepOptions, GrepResult, SearchError};
use crate::host::files::{Files, open_regular};

/// Characters of a line that are shown.
const LINE_LIMIT: usize = 2000;
/// Bytes that one line may take in memory; a file with a longer one is passed over.
const HEAP_LIMIT: usize = 64 * 1024 * 1024;

/// A search to run.
pub(crate) struct Grep {
    matcher: RegexMatcher,
    glob: Option<PathPattern>,
    searcher: SearcherBuilder,
    mode: GrepMode,
    max_results: usize,
    hidden: bool,
}

impl Grep {
    pub(crate) fn new(pattern: &str, options: &GrepOptions) -> Result<Self, SearchError> {
        let mut regex = RegexMatcherBuilder::new();
        regex.case_insensitive(options.case_insensitive).multi_line(true);
        if options.multiline {
            regex.dot_matches_new_line(true);
        } else {
            regex.line_terminator(Some(b'\n'));
        }
        let invalid = |error: grep_regex::Error| SearchError::InvalidPattern {
            pattern: pattern.to_owned(),
            why: error.to_string(),
        };
        let matcher = regex.build(pattern).map_err(invalid)?;
        let context = if options.mode == GrepMode::Content { options.context } else { 0 };
        let mut searcher = SearcherBuilder::new();
        searcher
            .binary_detection(BinaryDetection::quit(0))
            .line_number(true)
            .multi_line(options.multiline)
            .heap_limit(Some(HEAP_LIMIT))
            .before_context(context)
            .after_context(context);
        let glob = options.glob.as_deref().map(|glob| PathPattern::new(glob, true)).transpose()?;
        Ok(Self {
            matcher,
            glob,
            searcher,
            mode: options.mode,
            max_results: options.max_results,
            hidden: options.hidden,
        })
    }

    pub(in crate::host) fn run(
        &self,
        files: &Files,
        path: &Path,
        stop: &CancellationToken,
    ) -> Result<GrepResult, SearchError> {
        let mut findings = self.findings();
        files_below(files, path, self.hidden, stop, |file| {
            if !self.wants(&file.relative) {
                return true;
            }
            let Ok((opened, _)) = open_regular(&file.host, &file.shown) else { return true };
            self.search(file.shown, Stoppable { file: opened, stop }, &mut findings)
        })?;
        Ok(findings.result)
    }

    /// Nothing found yet.
    pub(crate) fn findings(&self) -> Findings {
        Findings {
            searcher: self.searcher.build(),
            budget: self.max_results,
            result: GrepResult::default(),
        }
    }

    /// Whether a file of this name, relative to where the search began, is to be searched.
    pub(crate) fn wants(&self, relative: &Path) -> bool {
        self.glob.as_ref().is_none_or(|glob| glob.matches(relative))
    }

    /// Whether hidden files are to be searched.
    pub(crate) fn hidden(&self) -> bool {
        self.hidden
    }

    /// Searches one file; false when there is no room for more.
    pub(crate) fn search(&self, shown: PathBuf, content: impl Read, to: &mut Findings) -> bool {
        let mut collector = Collector {
            mode: self.mode,
            path: shown,
            matches: 0,
            budget: &mut to.budget,
            result: &mut to.result,
        };
        // A file that cannot be read to its end has shown what could be read.
        let _unreadable = to.searcher.search_reader(&self.matcher, content, &mut collector);
        collector.close();
        !to.result.truncated
    }
}

/// What a search has come by, and what it may still report.
pub(crate) struct Findings {
    searcher: Searcher,
    budget: usize,
    pub(crate) result: GrepResult,
}

/// Takes down what one file holds.
struct Collector<'a> {
    mode: GrepMode,
    path: PathBuf,
    matches: u64,
    budget: &'a mut usize,
    result: &'a mut GrepResult,
}

impl Collector<'_> {
    fn close(self) {
        if self.mode != GrepMode::Content && self.matches > 0 {
            if *self.budget == 0 {
                self.result.truncated = true;
                return;
            }
            *self.budget -= 1;
            self.result.files.push((self.path, self.matches));
        }
    }

    fn line(&mut self, number: u64, bytes: &[u8], is_match: bool) {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        if let Some((cut, _)) = text.char_indices().nth(LINE_LIMIT) {
            text.truncate(cut);
        }
        self.result.lines.push(GrepLine { path: self.path.clone(), line: number, text, is_match });
    }
}

impl Sink for Collector<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> Result<bool, io::Error> {
        self.matches += found.lines().count() as u64;
        match self.mode {
            GrepMode::Files => return Ok(false),
            GrepMode::Count => return Ok(true),
            GrepMode::Content => {}
        }
        let first = found.line_number().unwrap_or(0);
        for (number, line) in (first..).zip(found.lines()) {
            if *self.budget == 0 {
                self.result.truncated = true;
                return Ok(false);
            }
            *self.budget -= 1;
            self.line(number, line, true);
        }
        Ok(true)
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> Result<bool, io::Error> {
        self.line(context.line_number().unwrap_or(0), context.bytes(), false);
        Ok(true)
    }
}

/// Ends a long file early.
struct Stoppable<'a> {
    file: File,
    stop: &'a CancellationToken,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() { Ok(0) } else { self.file.read(buffer) }
    }
}
