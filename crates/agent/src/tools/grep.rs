//! `grep`: contents by regular expression (loop spec §3.3, §3.5).

mod listing;

use async_trait::async_trait;
use canon_exec::{ExecutionEnvironment, GrepMode, GrepOptions};
use canon_llm::ToolDefinition;
use ignore::types::TypesBuilder;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::patterns::asks_for_hidden;
use super::{Access, Tool, ToolContext, ToolOutput, args, define, resolve};
use listing::Shape;

/// Searches the contents of files, honouring ignore files; returns lines.
#[derive(Debug, Clone, Copy)]
pub struct Grep;

/// The same search with what `rg` can do: output modes, context, types, patterns over lines.
#[derive(Debug, Clone, Copy)]
pub struct GrepModes;

const DEFAULT_MAX_RESULTS: usize = 100;
const MAX_CONTEXT: usize = 50;

/// The arguments of both, of which a schema offers some.
#[derive(Deserialize)]
struct Args {
    pattern: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default, alias = "glob")]
    glob_filter: Option<String>,
    #[serde(default, alias = "-i")]
    case_insensitive: bool,
    #[serde(default, alias = "head_limit")]
    max_results: Option<usize>,
    #[serde(default)]
    output_mode: OutputMode,
    #[serde(default, rename = "-A")]
    after: Option<usize>,
    #[serde(default, rename = "-B")]
    before: Option<usize>,
    #[serde(default, rename = "-C")]
    around: usize,
    #[serde(default, rename = "-n")]
    numbers: Option<bool>,
    #[serde(default, rename = "type")]
    file_type: Option<String>,
    #[serde(default)]
    multiline: bool,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum OutputMode {
    #[default]
    Content,
    FilesWithMatches,
    Count,
}

#[async_trait]
impl Tool for Grep {
    fn definition(&self) -> ToolDefinition {
        define(
            "grep",
            "Search the contents of files with a regular expression (Rust syntax). Returns \
             path:line:text for each matching line. Ignored and hidden files are left out.",
            &[
                pattern(),
                path(),
                (
                    "glob_filter",
                    json!({"type": "string", "minLength": 1, "description": "Only files that match, such as *.py"}),
                    false,
                ),
                (
                    "case_insensitive",
                    json!({"type": "boolean", "description": "Ignore case (default false)"}),
                    false,
                ),
                (
                    "max_results",
                    json!({"type": "integer", "minimum": 1, "description": "Most matching lines (default 100)"}),
                    false,
                ),
            ],
        )
    }

    fn access(&self, arguments: &Map<String, Value>, env: &dyn ExecutionEnvironment) -> Access {
        access(arguments, env)
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        search(arguments, &context).await
    }
}

#[async_trait]
impl Tool for GrepModes {
    fn definition(&self) -> ToolDefinition {
        let lines = |what: &str| json!({"type": "integer", "minimum": 0, "maximum": MAX_CONTEXT, "description": format!("Lines to show {what} each match, in content mode")});
        define(
            "grep",
            "Search the contents of files with a regular expression (Rust syntax). Ignored and \
             hidden files are left out. output_mode says what comes back: the matching lines \
             (content), the paths of files with a match, or the number of matching lines by file.",
            &[
                pattern(),
                path(),
                (
                    "glob",
                    json!({"type": "string", "minLength": 1, "description": "Only files that match, such as *.{ts,tsx}"}),
                    false,
                ),
                (
                    "type",
                    json!({"type": "string", "minLength": 1, "description": "Only files of a type, such as rust, py or js; instead of glob"}),
                    false,
                ),
                (
                    "output_mode",
                    json!({"type": "string", "enum": ["content", "files_with_matches", "count"], "description": "What to return (default content)"}),
                    false,
                ),
                (
                    "-i",
                    json!({"type": "boolean", "description": "Ignore case (default false)"}),
                    false,
                ),
                (
                    "-n",
                    json!({"type": "boolean", "description": "Line numbers, in content mode (default true)"}),
                    false,
                ),
                ("-A", lines("after"), false),
                ("-B", lines("before"), false),
                ("-C", lines("around"), false),
                (
                    "multiline",
                    json!({"type": "boolean", "description": "Let patterns span lines, and . match line ends (default false)"}),
                    false,
                ),
                (
                    "head_limit",
                    json!({"type": "integer", "minimum": 1, "description": "Most matching lines, or files (default 100)"}),
                    false,
                ),
            ],
        )
    }

    fn access(&self, arguments: &Map<String, Value>, env: &dyn ExecutionEnvironment) -> Access {
        access(arguments, env)
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        search(arguments, &context).await
    }
}

fn pattern() -> (&'static str, Value, bool) {
    let schema = json!({"type": "string", "minLength": 1, "description": "The regular expression"});
    ("pattern", schema, true)
}

fn path() -> (&'static str, Value, bool) {
    let description = "File or directory to search (default: the working directory)";
    ("path", json!({"type": "string", "minLength": 1, "description": description}), false)
}

fn access(arguments: &Map<String, Value>, env: &dyn ExecutionEnvironment) -> Access {
    Access::Reads(resolve(env, args::text(arguments, "path").unwrap_or(".")))
}

async fn search(arguments: Map<String, Value>, context: &ToolContext) -> ToolOutput {
    let args: Args = match args::parse(arguments) {
        Ok(args) => args,
        Err(text) => return ToolOutput::error(text),
    };
    let glob = match file_filter(args.glob_filter, args.file_type.as_deref()) {
        Ok(glob) => glob,
        Err(text) => return ToolOutput::error(text),
    };
    let shape = Shape {
        before: args.before.unwrap_or(args.around),
        after: args.after.unwrap_or(args.around),
        numbers: args.numbers.unwrap_or(true),
    };
    let path = resolve(context.env.as_ref(), args.path.as_deref().unwrap_or("."));
    let options = GrepOptions {
        hidden: glob.as_deref().is_some_and(asks_for_hidden),
        glob,
        case_insensitive: args.case_insensitive,
        max_results: args.max_results.unwrap_or(DEFAULT_MAX_RESULTS),
        context: shape.before.max(shape.after),
        multiline: args.multiline,
        mode: match args.output_mode {
            OutputMode::Content => GrepMode::Content,
            OutputMode::FilesWithMatches => GrepMode::Files,
            OutputMode::Count => GrepMode::Count,
        },
        cancel: context.cancel.clone(),
    };
    match context.env.grep(&args.pattern, &path, &options).await {
        Ok(result) => ToolOutput::ok(listing::render(&result, options.mode, shape)),
        Err(error) => ToolOutput::error(error.to_string()),
    }
}

/// One pattern for files, from a pattern or the name of a type.
fn file_filter(glob: Option<String>, file_type: Option<&str>) -> Result<Option<String>, String> {
    let Some(name) = file_type else { return Ok(glob) };
    if glob.is_some() {
        return Err("give either type or glob, not both".to_owned());
    }
    let mut types = TypesBuilder::new();
    types.add_defaults();
    let known = types.definitions();
    let Some(found) = known.iter().find(|known| known.name() == name) else {
        return Err(format!("there is no type `{name}`; use glob, such as *.{name}"));
    };
    // Patterns of names alone: one with a slash would make the others patterns of paths.
    let names: Vec<&str> =
        found.globs().iter().map(String::as_str).filter(|glob| !glob.contains('/')).collect();
    Ok(Some(format!("{{{}}}", names.join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_pattern_of_names() {
        let rust = file_filter(None, Some("rust")).unwrap().unwrap();
        assert!(rust.contains("*.rs"), "{rust}");
        assert!(file_filter(Some("*.x".into()), Some("rust")).is_err());
        assert!(file_filter(None, Some("klingon")).unwrap_err().contains("*.klingon"));
        assert_eq!(file_filter(Some("*.x".into()), None), Ok(Some("*.x".into())));
        let mut types = TypesBuilder::new();
        for known in types.add_defaults().definitions() {
            let filter = file_filter(None, Some(known.name())).unwrap().unwrap();
            assert!(super::super::patterns::Patterns::new(&[filter]).is_ok(), "{}", known.name());
        }
    }
}
