//! `read_many_files`: several files in one call (loop spec §3.6).

mod bundle;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use canon_exec::{ExecutionEnvironment, FileKind, GlobOptions};
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::patterns::{Patterns, asks_for_hidden, common_ancestor, is_pattern, literal_prefix};
use super::{Access, Tool, ToolContext, ToolOutput, args, define, resolve};
use bundle::Bundle;

/// Reads files by path, directory and pattern, each headed by its path, up to a budget in all.
#[derive(Debug, Clone, Copy)]
pub struct ReadManyFiles;

/// Files that one path or pattern may stand for.
const MOST_OF_ONE: usize = 1000;

#[derive(Deserialize)]
struct Args {
    paths: Vec<String>,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
}

#[async_trait]
impl Tool for ReadManyFiles {
    fn definition(&self) -> ToolDefinition {
        let globs = |description: &str| json!({"type": "array", "items": {"type": "string", "minLength": 1}, "description": description});
        define(
            "read_many_files",
            "Read several files at once. Each comes under a line with its path, without line \
             numbers; images come as images. What cannot be read is named. Files that are named \
             themselves are read even when ignored or hidden; directories and patterns leave such \
             files out. Use read_file for a part of a long file.",
            &[
                (
                    "paths",
                    json!({"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}, "description": "Files, directories and glob patterns such as src/**/*.rs"}),
                    true,
                ),
                (
                    "include",
                    globs(
                        "Of directories and patterns, only files that match one of these, such as *.md",
                    ),
                    false,
                ),
                (
                    "exclude",
                    globs("Of directories and patterns, no files that match one of these"),
                    false,
                ),
            ],
        )
    }

    fn access(&self, arguments: &Map<String, Value>, env: &dyn ExecutionEnvironment) -> Access {
        let paths = arguments.get("paths").and_then(Value::as_array).into_iter().flatten();
        let places = paths
            .filter_map(Value::as_str)
            .map(|path| resolve(env, &literal_prefix(path).to_string_lossy()));
        common_ancestor(places).map_or(Access::Anything, Access::Reads)
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let args: Args = match args::parse(arguments) {
            Ok(args) => args,
            Err(text) => return ToolOutput::error(text),
        };
        let filter = match Filter::new(&args) {
            Ok(filter) => filter,
            Err(text) => return ToolOutput::error(text),
        };
        let work = read_all(&context, &args.paths, &filter);
        match context.cancel.run_until_cancelled(work).await {
            Some(bundle) => bundle.output(),
            None => ToolOutput::error("[ERROR: Reading was cancelled.]"),
        }
    }
}

/// Which of the files of a directory or pattern are wanted.
struct Filter {
    include: Patterns,
    exclude: Patterns,
}

impl Filter {
    fn new(args: &Args) -> Result<Self, String> {
        Ok(Self { include: Patterns::new(&args.include)?, exclude: Patterns::new(&args.exclude)? })
    }

    fn wants(&self, path: &Path) -> bool {
        (self.include.is_empty() || self.include.matches(path))
            && !self.exclude.matches_with_parents(path)
    }
}

/// Reads in the order of `paths`, below each in order of path, no file twice.
async fn read_all(context: &ToolContext, paths: &[String], filter: &Filter) -> Bundle {
    let env = context.env.as_ref();
    let mut bundle = Bundle::default();
    let mut seen = BTreeSet::new();
    for path in paths {
        let found = match files_of(env, path, filter, context).await {
            Ok(found) => found,
            Err(why) => {
                bundle.skip(path, &why);
                continue;
            }
        };
        for file in found {
            if seen.insert(resolve(env, &file.to_string_lossy())) {
                bundle.read(env, &file).await;
            }
        }
    }
    bundle
}

/// The files that one argument stands for, as they are to be shown.
///
/// # Errors
/// In words for the model, without the argument itself.
async fn files_of(
    env: &dyn ExecutionEnvironment,
    path: &str,
    filter: &Filter,
    context: &ToolContext,
) -> Result<Vec<PathBuf>, String> {
    let place = resolve(env, path);
    // Its own name may hold brackets.
    let kind = match env.metadata(&place).await {
        Ok(found) => Some(found.kind),
        Err(_) if is_pattern(path) => None,
        Err(error) => return Err(without_path(&error.to_string(), &place)),
    };
    let (pattern, top) = match kind {
        Some(FileKind::Directory) => ("**", place),
        Some(_) => return Ok(vec![PathBuf::from(path)]),
        None => (path, env.working_directory().to_owned()),
    };
    let options = GlobOptions {
        max_results: MOST_OF_ONE,
        hidden: asks_for_hidden(path),
        cancel: context.cancel.clone(),
    };
    let found = env.glob(pattern, &top, &options).await.map_err(|error| error.to_string())?;
    if found.truncated {
        return Err(format!("stands for more than {MOST_OF_ONE} files; narrow it"));
    }
    let mut files = found.paths;
    files.retain(|file| filter.wants(file));
    files.sort();
    if files.is_empty() {
        return Err("no files found (ignored and hidden ones are left out)".to_owned());
    }
    Ok(files)
}

/// An error of the environment, for a line that names the path already.
fn without_path(message: &str, place: &Path) -> String {
    let prefix = format!("{}: ", place.display());
    message.strip_prefix(&prefix).unwrap_or(message).to_owned()
}
