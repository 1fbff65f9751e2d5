//! The prompt: Liquid, strict everywhere (Symphony §5.4, §12; ruling 12).
//!
//! The engine fails on an unknown variable wherever it prints, compares or iterates one, but a bare
//! `{% if unknown %}` passes as false. Two things close that gap: the globals are views that note
//! every key asked for and not there (`view`), and bare conditions on variables that the template
//! makes itself are rewritten to comparisons, which the engine checks (`scan`).

mod scan;
mod view;

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use serde_json::json;

use crate::issue::Issue;
use scan::Scan;
use view::{Misses, StrictObject};

/// Prompt where the workflow has no body (Symphony §5.4).
pub const DEFAULT_PROMPT: &str = "You are working on an issue from the configured tracker.";

/// Largest prompt, in bytes; a template that loops beyond it fails.
pub const MAX_PROMPT_BYTES: usize = 4 * 1024 * 1024;

/// A prompt template that parsed.
pub struct Template {
    source: String,
    first_line: usize,
    scan: Scan,
    template: liquid::Template,
}

/// Why there is no prompt (Symphony §5.5). Fails the attempt, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template itself is wrong: syntax, an unknown tag or filter.
    #[error("template_parse_error: {}{message}", at(.line))]
    Parse {
        /// Line of the workflow file, where known.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// It cannot be filled in for this issue.
    #[error("template_render_error: {}{message}", at(.line))]
    Render {
        /// Line of the workflow file, where known.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
}

fn at(line: &Option<usize>) -> String {
    line.map(|line| format!("line {line}: ")).unwrap_or_default()
}

impl TemplateError {
    /// Stable name of the class.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Parse { .. } => "template_parse_error",
            Self::Render { .. } => "template_render_error",
        }
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Template {
    /// Parses `source`, whose first line is line `first_line` of the workflow file. A blank one is
    /// [`DEFAULT_PROMPT`].
    ///
    /// # Errors
    /// [`TemplateError::Parse`].
    pub fn parse(source: &str, first_line: usize) -> Result<Self, TemplateError> {
        let source = if source.trim().is_empty() { DEFAULT_PROMPT } else { source };
        let scan = Scan::of(source);
        if let Some(tag) =
            scan.tags.iter().find(|tag| matches!(tag.name.as_str(), "include" | "render"))
        {
            return Err(TemplateError::Parse {
                line: Some(first_line + tag.line),
                message: format!("unknown tag `{}`: there are no partial templates here", tag.name),
            });
        }
        let parser = parser()?;
        let template = guarded(|| parser.parse(&scan.strict_source))
            .map_err(|message| TemplateError::Parse { line: None, message })?
            .map_err(|error| parse_error(&error.to_string(), first_line, &scan))?;
        Ok(Self { source: source.to_owned(), first_line, scan, template })
    }

    /// Fills the template in for `issue`; `attempt` is `None` on the first run (Symphony §12.3).
    ///
    /// # Errors
    /// [`TemplateError::Render`], above all for a variable that does not exist.
    pub fn render(&self, issue: &Issue, attempt: Option<u32>) -> Result<String, TemplateError> {
        let fail = |line, message| TemplateError::Render { line, message };
        let issue = serde_json::to_value(issue).map_err(|error| {
            fail(None, format!("the issue cannot be shown to the template: {error}"))
        })?;
        let mut exempt = self.scan.counters.clone();
        if self.scan.has_loop {
            exempt.insert("forloop".to_owned());
        }
        let misses = Misses::new(exempt);
        let globals = StrictObject::root(&json!({ "issue": issue, "attempt": attempt }), &misses)
            .map_err(|message| fail(None, message))?;
        let mut out = Capped { bytes: Vec::with_capacity(self.source.len() * 2) };
        let result = guarded(|| self.template.render_to(&mut out, &globals))
            .map_err(|message| fail(None, message))?;
        if let Some(name) = misses.first() {
            let line = self.scan.line_of(&name).map(|line| self.first_line + line);
            return Err(fail(line, format!("unknown variable `{name}`")));
        }
        result.map_err(|error| self.render_error(&error.to_string()))?;
        String::from_utf8(out.bytes).map_err(|_| fail(None, "the prompt is not UTF-8".to_owned()))
    }

    fn render_error(&self, text: &str) -> TemplateError {
        let message = summary(text);
        let name = context(text, "variable")
            .map(|variable| {
                format!("{variable}.{}", context(text, "requested index").unwrap_or_default())
            })
            .or_else(|| context(text, "requested variable").map(str::to_owned))
            .or_else(|| context(text, "filter").map(str::to_owned));
        let line = name
            .as_deref()
            .and_then(|name| self.scan.line_of(name))
            .map(|line| self.first_line + line);
        match (context(text, "requested variable"), &name) {
            (Some(variable), _) => {
                TemplateError::Render { line, message: format!("unknown variable `{variable}`") }
            }
            (None, Some(name)) if message.starts_with("unknown index") => {
                TemplateError::Render { line, message: format!("unknown variable `{name}`") }
            }
            _ => TemplateError::Render { line, message },
        }
    }
}

/// Prompt of a later turn in the same session: the agent still has the first one, so that it is
/// not repeated (Symphony §12.3). `turn` counts from 1 and is at least 2.
pub fn continuation(issue: &Issue, turn: u32, max_turns: u32) -> String {
    format!(
        "The previous turn ended, and issue {} is still in state \"{}\". This is turn {turn} of at most \
         {max_turns}.\n\nGo on from where the workspace and this conversation stand; do not start over and do not \
         repeat what is done. If everything that the issue asks for is done and verified, move the issue to its next \
         state with the tool that you have for it. If something outside your reach stops you, say precisely what it is \
         and record it on the issue.",
        issue.identifier, issue.state
    )
}

fn parser() -> Result<&'static liquid::Parser, TemplateError> {
    static PARSER: OnceLock<Result<liquid::Parser, String>> = OnceLock::new();
    PARSER
        .get_or_init(|| {
            liquid::ParserBuilder::with_stdlib().build().map_err(|error| error.to_string())
        })
        .as_ref()
        .map_err(|message| TemplateError::Parse { line: None, message: message.clone() })
}

/// The engine's arithmetic can panic on hostile templates; that is an error like any other.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run))
        .map_err(|_| "the template engine gave up on this template".to_owned())
}

fn parse_error(text: &str, first_line: usize, scan: &Scan) -> TemplateError {
    // The engine's parser prints places as ` --> line:column`.
    let place = text.split("--> ").nth(1).and_then(|rest| rest.split(':').next());
    let line: Option<usize> = place.and_then(|line| line.trim().parse().ok());
    let named = context(text, "requested filter").or_else(|| context(text, "requested"));
    let line = line
        .map(|line| line.saturating_sub(1))
        .or_else(|| named.and_then(|name| scan.line_of(name)));
    let message = match (context(text, "requested filter"), summary(text)) {
        (Some(filter), _) => format!("unknown filter `{filter}`"),
        (None, message) if message.starts_with("unknown tag") => {
            let tag = scan.tags.iter().find(|tag| Some(tag.line) == line && !tag.name.is_empty());
            tag.map_or(message, |tag| format!("unknown tag `{}`", tag.name))
        }
        (None, message) => message,
    };
    TemplateError::Parse { line: line.map(|line| first_line + line), message }
}

/// The engine's message on one line, without its prefix, its traces and its picture of the source.
fn summary(text: &str) -> String {
    let text = text.strip_prefix("liquid: ").unwrap_or(text).trim();
    let told = text.lines().rev().find_map(|line| line.trim().strip_prefix("= "));
    let line = told
        .or_else(|| text.lines().find(|line| !line.trim().is_empty()))
        .unwrap_or("unknown error")
        .trim();
    let mut chars = line.chars();
    let first = chars.next().map(|c| c.to_lowercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}", chars.as_str())
}

/// Value of the line `key=value` in the engine's message.
fn context<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))
}

/// A buffer that refuses to grow beyond [`MAX_PROMPT_BYTES`].
struct Capped {
    bytes: Vec<u8>,
}

impl Write for Capped {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + chunk.len() > MAX_PROMPT_BYTES {
            return Err(io::Error::other("the prompt is too long"));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
