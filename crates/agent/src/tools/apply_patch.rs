//! `apply_patch`: changes to any number of files, all or none (loop spec §3.4, Appendix A).

mod perform;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use canon_exec::{ExecutionEnvironment, FileError, FileKind};
use canon_llm::ToolDefinition;
use canon_runtime::task::{TaskSpec, spawn};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Access, Tool, ToolContext, ToolOutput, args, define};
use crate::patch::{Change, ChangeKind, Found, Patch, Plan, Problem};

/// Creates, changes, moves and deletes files by one patch in the v4a format.
///
/// The whole patch is tried on the files before the first of them is touched. A step that fails
/// after that is undone, with all before it.
#[derive(Debug, Clone, Copy)]
pub struct ApplyPatch;

/// Bytes of a file that can be patched.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

const DESCRIPTION: &str = "\
Change files by a patch: create, edit, rename and delete any number of them in one call. Either \
all of it is done or nothing is.

The patch is text of this form:

*** Begin Patch
*** Add File: PATH
+each line of the new file
*** Update File: PATH
*** Move to: NEW PATH (only to rename; without hunks the content stays)
@@ a whole line above the change, such as the head of its function
 a line that stays
-a line that goes
+a line that comes
*** Delete File: PATH
*** End Patch

An update has one hunk for each place, from the top of the file to its bottom. A hunk starts with \
@@; what follows @@ may be left out, and several @@ lines lead step by step into nested code. \
Show three lines as they are in the file above and below each change, and use @@ where those are \
not unique. A hunk of + lines alone goes below its @@ line, or to the end of the file. \
`*** End of File` after a hunk says that its lines are the last ones. Paths are relative to the \
working directory.";

#[derive(Deserialize)]
struct Args {
    patch: String,
}

#[async_trait]
impl Tool for ApplyPatch {
    fn definition(&self) -> ToolDefinition {
        define(
            "apply_patch",
            DESCRIPTION,
            &[(
                "patch",
                json!({"type": "string", "minLength": 1, "description": "The patch, from *** Begin Patch to *** End Patch"}),
                true,
            )],
        )
    }

    fn access(&self, arguments: &Map<String, Value>, env: &dyn ExecutionEnvironment) -> Access {
        match args::text(arguments, "patch").map(Patch::parse) {
            Some(Ok(patch)) => Access::Writes(patch.paths(env.working_directory())),
            // It will be refused.
            _ => Access::Independent,
        }
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let args: Args = match args::parse(arguments) {
            Ok(args) => args,
            Err(text) => return ToolOutput::error(text),
        };
        let patch = match Patch::parse(&args.patch) {
            Ok(patch) => patch,
            Err(error) => return refused(&error.to_string(), ""),
        };
        let env = Arc::clone(&context.env);
        let root = env.working_directory().to_owned();
        let mut found = HashMap::new();
        for path in patch.paths(&root) {
            let file = look(env.as_ref(), &path).await;
            found.insert(path, file);
        }
        let plan =
            match patch.plan(&root, &|path| found.get(path).cloned().unwrap_or(Found::Absent)) {
                Ok(plan) => plan,
                Err(problems) => return refused(&listed(&problems), READ_AGAIN),
            };
        drop(found);
        let report = report(&plan);
        let details = details(&plan, &root);
        // A task of its own, since a call that is dropped must not leave half of a patch behind.
        let work = perform::perform(env, plan.steps, context.cancel);
        match spawn(TaskSpec::new("apply patch").signalled(), work).await {
            Ok(Ok(leftovers)) => {
                let leftovers: String =
                    leftovers.iter().map(|left| format!("\nNote: {left}")).collect();
                ToolOutput::ok(format!("{report}{leftovers}")).with_details(details)
            }
            Ok(Err(failure)) => ToolOutput::error(failure),
            Err(error) => ToolOutput::error(format!(
                "The patch broke off in the middle ({error}): look at every file that it names."
            )),
        }
    }
}

const READ_AGAIN: &str =
    " Read the file again where a hunk does not fit, and send the whole patch once more.";

fn refused(why: &str, advice: &str) -> ToolOutput {
    ToolOutput::error(format!("The patch was not applied: {why}\nNothing was changed.{advice}"))
}

fn listed(problems: &[Problem]) -> String {
    match problems {
        [problem] => problem.to_string(),
        _ => problems.iter().map(|problem| format!("\n{problem}")).collect(),
    }
}

async fn look(env: &dyn ExecutionEnvironment, path: &Path) -> Found {
    match env.metadata(path).await {
        Ok(file) => match file.kind {
            FileKind::File if file.size > MAX_BYTES => Found::File(None),
            FileKind::File => match env.read_file(path, MAX_BYTES).await {
                Ok(content) => Found::File(Some(content)),
                Err(error) => Found::Refused(error.to_string()),
            },
            FileKind::Directory => Found::Refused("is a directory".to_owned()),
            FileKind::Symlink | FileKind::Other => {
                Found::Refused("is not a regular file".to_owned())
            }
        },
        Err(FileError::NotFound { .. }) => Found::Absent,
        Err(error) => Found::Refused(error.to_string()),
    }
}

/// What the model is told: `A`, `M`, `D` or `R`, the path, lines that came and went.
fn report(plan: &Plan) -> String {
    let mut text = "Applied the patch:".to_owned();
    for change in &plan.changes {
        text.push_str(&line(change));
    }
    for note in &plan.notes {
        text.push_str(&format!("\nNote: {note}"));
    }
    text
}

fn line(change: &Change) -> String {
    let (letter, to) = match &change.kind {
        ChangeKind::Add => ('A', String::new()),
        ChangeKind::Update => ('M', String::new()),
        ChangeKind::Delete => ('D', String::new()),
        ChangeKind::Move(to) => ('R', format!(" -> {to}")),
    };
    format!("\n{letter} {}{to} (+{} -{})", change.path, change.added, change.removed)
}

fn details(plan: &Plan, root: &Path) -> Value {
    let absolute = |path: &str| -> PathBuf { super::normal(&root.join(path)) };
    let changes = plan.changes.iter().map(|change| {
        let mut value = json!({
            "path": absolute(&change.path).to_string_lossy(),
            "change": match change.kind {
                ChangeKind::Add => "add",
                ChangeKind::Update => "update",
                ChangeKind::Delete => "delete",
                ChangeKind::Move(_) => "move",
            },
            "added": change.added,
            "removed": change.removed,
        });
        if let ChangeKind::Move(to) = &change.kind {
            value["to"] = json!(absolute(to).to_string_lossy());
        }
        value
    });
    json!({"changes": changes.collect::<Vec<_>>()})
}
