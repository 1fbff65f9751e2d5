//! `list_dir`: what lies in a directory and below it (loop spec §3.6).

mod walk;

use async_trait::async_trait;
use canon_exec::{ExecutionEnvironment, FileError, FileKind};
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::patterns::Patterns;
use super::{Access, Tool, ToolContext, ToolOutput, args, define, resolve};
use walk::{Entry, Listing, Plan, Trouble};

/// Lists a directory as an indented tree with kinds and sizes. Ignored files are left out, links
/// are shown and not entered.
#[derive(Debug, Clone, Copy)]
pub struct ListDir;

const DEFAULT_DEPTH: usize = 2;
const MAX_DEPTH: usize = 10;

#[derive(Deserialize)]
struct Args {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    depth: Option<usize>,
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default)]
    include_ignored: bool,
}

#[async_trait]
impl Tool for ListDir {
    fn definition(&self) -> ToolDefinition {
        define(
            "list_dir",
            "List a directory and what lies below it, with the sizes of files. Hidden files are \
             listed, files that ignore files such as .gitignore name are not. Links are not \
             followed.",
            &[
                (
                    "path",
                    json!({"type": "string", "minLength": 1, "description": "The directory (default: the working directory)"}),
                    false,
                ),
                (
                    "depth",
                    json!({"type": "integer", "minimum": 1, "maximum": MAX_DEPTH, "description": "Levels to list; 1 is the directory's own entries (default 2)"}),
                    false,
                ),
                (
                    "ignore",
                    json!({"type": "array", "items": {"type": "string", "minLength": 1}, "description": "Glob patterns of entries to leave out, such as *.log"}),
                    false,
                ),
                (
                    "include_ignored",
                    json!({"type": "boolean", "description": "Also list what ignore files leave out (default false)"}),
                    false,
                ),
            ],
        )
    }

    fn access(&self, arguments: &Map<String, Value>, env: &dyn ExecutionEnvironment) -> Access {
        Access::Reads(resolve(env, args::text(arguments, "path").unwrap_or(".")))
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let args: Args = match args::parse(arguments) {
            Ok(args) => args,
            Err(text) => return ToolOutput::error(text),
        };
        let leave_out = match Patterns::new(&args.ignore) {
            Ok(patterns) => patterns,
            Err(text) => return ToolOutput::error(text),
        };
        let shown = args.path.unwrap_or_else(|| ".".to_owned());
        let plan = Plan {
            top: resolve(context.env.as_ref(), &shown),
            depth: args.depth.unwrap_or(DEFAULT_DEPTH),
            leave_out,
            include_ignored: args.include_ignored,
        };
        let work = walk::list(context.env.as_ref(), &plan);
        match context.cancel.run_until_cancelled(work).await {
            Some(Ok(listing)) => ToolOutput::ok(render(&shown, &listing)),
            Some(Err(error @ FileError::NotADirectory { .. })) => {
                ToolOutput::error(format!("{error}; read a file with read_file"))
            }
            Some(Err(error)) => ToolOutput::error(error.to_string()),
            None => ToolOutput::error("[ERROR: The listing was cancelled.]"),
        }
    }
}

fn render(top: &str, listing: &Listing) -> String {
    let mut text = format!("{}/\n", top.trim_end_matches('/'));
    if listing.entries.is_empty() {
        text.push_str("[Nothing to list.]\n");
    }
    for entry in &listing.entries {
        text.push_str(&line(entry));
    }
    if listing.ignored > 0 {
        text.push_str(&format!(
            "[{} entries that ignore files leave out are not listed; set include_ignored to see them.]\n",
            listing.ignored
        ));
    }
    if listing.cut {
        text.push_str(&format!(
            "[Only the first {} entries are listed, those nearest the top first. List a directory below, or \
             set depth or ignore.]\n",
            listing.entries.len()
        ));
    }
    text
}

fn line(entry: &Entry) -> String {
    let indent = "  ".repeat(entry.path.components().count());
    let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
    // A name cannot pretend to be several entries.
    let name =
        if name.contains(char::is_control) { format!("{name:?}") } else { name.into_owned() };
    let about = match (entry.kind, entry.size) {
        (FileKind::Directory, _) => "/".to_owned(),
        (FileKind::File, Some(size)) => format!(" ({size} bytes)"),
        (FileKind::File, None) => String::new(),
        (FileKind::Symlink, _) => " (link)".to_owned(),
        (FileKind::Other, _) => " (special file)".to_owned(),
    };
    let trouble = match &entry.trouble {
        None => String::new(),
        Some(Trouble::Unreadable(why)) => format!(" [not listed: {why}]"),
        Some(Trouble::More(count)) => format!(" [{count} more entries in it]"),
    };
    format!("{indent}{name}{about}{trouble}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_forge_lines() {
        let entry = Entry {
            path: "a/b\n  secret/".into(),
            kind: FileKind::Symlink,
            size: None,
            trouble: None,
        };
        assert_eq!(line(&entry), "    \"b\\n  secret\" (link)\n");
    }

    #[test]
    fn what_was_left_out_is_said() {
        let listing = Listing { entries: Vec::new(), ignored: 2, cut: true };
        let text = render("src/", &listing);
        assert!(text.starts_with("src/\n[Nothing to list.]\n[2 entries that ignore"), "{text}");
        assert!(text.contains("[Only the first 0 entries"), "{text}");
    }
}
