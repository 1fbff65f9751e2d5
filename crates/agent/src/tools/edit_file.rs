//! `edit_file`: one text in a file for another (loop spec §3.3).

mod matching;

use std::path::Path;

use async_trait::async_trait;
use canon_exec::{ExecutionEnvironment, FileError, FileKind};
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Access, Tool, ToolContext, ToolOutput, args, define, resolve};
use matching::{Edit, EditError};

/// Replaces a text that occurs once, or every occurrence of it; makes a new file from an empty one.
///
/// Where the text is not there exactly, it is looked for with other line ends; then whole lines
/// are: first ignoring white space at their ends, then also taking typographic and plain
/// punctuation for the same and allowing all lines to be indented more, or less, by the same white
/// space. The result says which step found it. Line ends, a byte order mark and a missing line end
/// at the end of the file are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EditFile {
    /// As Claude knows it, and most other models (loop spec §3.3).
    #[default]
    Plain,
    /// As Gemini knows it (loop spec §3.6): it says first what a change is for, and its word for
    /// every occurrence is `allow_multiple`.
    Instructed,
}

const MAX_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Deserialize)]
struct Args {
    file_path: String,
    old_string: String,
    new_string: String,
    #[serde(default, alias = "allow_multiple")]
    replace_all: Option<bool>,
}

impl EditFile {
    pub(crate) const NAME: &str = "edit_file";

    /// The argument that asks for every occurrence.
    fn all(self) -> &'static str {
        match self {
            Self::Plain => "replace_all",
            Self::Instructed => "allow_multiple",
        }
    }
}

#[async_trait]
impl Tool for EditFile {
    fn definition(&self) -> ToolDefinition {
        let instruction = (
            "instruction",
            json!({"type": "string", "description": "What the change is for and what it does, so that it can be understood without the rest"}),
            false,
        );
        let rows = [
            (
                "file_path",
                json!({"type": "string", "minLength": 1, "description": "Path of the file, absolute or relative to the working directory"}),
                true,
            ),
            (
                "old_string",
                json!({"type": "string", "description": "The text to replace; empty for a new file"}),
                true,
            ),
            (
                "new_string",
                json!({"type": "string", "description": "The text to put in its place"}),
                true,
            ),
            (
                self.all(),
                json!({"type": "boolean", "description": "Replace every occurrence (default false)"}),
                false,
            ),
        ];
        let rows: Vec<_> =
            (*self == Self::Instructed).then_some(instruction).into_iter().chain(rows).collect();
        let description = format!(
            "Replace an exact text in a file. old_string must be what the file holds, without the \
             line numbers of read_file, and must occur once: include lines around it to make it \
             unique, or set {}.",
            self.all()
        );
        define(Self::NAME, &description, &rows)
    }

    fn access(&self, arguments: &Map<String, Value>, env: &dyn ExecutionEnvironment) -> Access {
        args::text(arguments, "file_path")
            .map_or(Access::Anything, |path| Access::Writes(vec![resolve(env, path)]))
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let args: Args = match args::parse(arguments) {
            Ok(args) => args,
            Err(text) => return ToolOutput::error(text),
        };
        let path = resolve(context.env.as_ref(), &args.file_path);
        if args.old_string.is_empty() {
            return self.create(context.env.as_ref(), &path, &args).await;
        }
        let text = match context.env.read_text(&path, MAX_BYTES).await {
            Ok(text) => text,
            Err(error) => return ToolOutput::error(error.to_string()),
        };
        let all = args.replace_all.unwrap_or(false);
        let (mark, text) = split_mark(&text);
        let edit = match matching::replace(text, &args.old_string, &args.new_string, all) {
            Ok(edit) => edit,
            Err(error) => return ToolOutput::error(self.explain(&args.file_path, &error)),
        };
        if let Err(error) =
            context.env.write_file(&path, [mark, &edit.text].concat().as_bytes()).await
        {
            return ToolOutput::error(error.to_string());
        }
        ToolOutput::ok(confirm(&args.file_path, &edit))
            .with_details(json!({"path": path.to_string_lossy(), "change": "update"}))
    }
}

/// A byte order mark, which no model sees, and the text after it.
fn split_mark(text: &str) -> (&str, &str) {
    text.split_at(if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 })
}

fn confirm(path: &str, edit: &Edit) -> String {
    let plural = if edit.replacements == 1 { "" } else { "s" };
    let remark = edit.step.left_aside().map(|what| {
        format!(" (from line {}; not there exactly, matched ignoring {what})", edit.line)
    });
    format!(
        "Made {} replacement{plural} in {path}{}.",
        edit.replacements,
        remark.unwrap_or_default()
    )
}

impl EditFile {
    /// An empty old text stands for a file that is not there yet, or holds nothing.
    async fn create(self, env: &dyn ExecutionEnvironment, path: &Path, args: &Args) -> ToolOutput {
        match env.metadata(path).await {
            Err(FileError::NotFound { .. }) => {}
            Ok(found) if found.kind == FileKind::File && found.size == 0 => {}
            Ok(_) => return ToolOutput::error(self.explain(&args.file_path, &EditError::Empty)),
            Err(error) => return ToolOutput::error(error.to_string()),
        }
        match env.write_file(path, args.new_string.as_bytes()).await {
            Ok(outcome) => {
                let change = if outcome.created { "add" } else { "update" };
                let text =
                    format!("Wrote {} bytes to {} (new text).", outcome.bytes, args.file_path);
                ToolOutput::ok(text)
                    .with_details(json!({"path": path.to_string_lossy(), "change": change}))
            }
            Err(error) => ToolOutput::error(error.to_string()),
        }
    }

    fn explain(self, path: &str, error: &EditError) -> String {
        match error {
            EditError::NotFound => format!(
                "{path}: old_string was not found; read the file again and copy the text exactly, \
             without line numbers"
            ),
            EditError::NotUnique(lines) => {
                let places: Vec<String> = lines.iter().take(10).map(usize::to_string).collect();
                format!(
                    "{path}: old_string occurs {} times (at lines {}{}); include more of the text \
                 around it, or set {}",
                    lines.len(),
                    places.join(", "),
                    if lines.len() > 10 { ", …" } else { "" },
                    self.all()
                )
            }
            EditError::Unchanged => {
                format!("{path}: old_string and new_string are the same, nothing to do")
            }
            EditError::Empty => {
                format!(
                    "{path}: old_string is empty, which is for new files, and there is something \
                     at this path; give the text to replace"
                )
            }
        }
    }
}
