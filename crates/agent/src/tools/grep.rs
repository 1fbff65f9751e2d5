//! `grep`: lines that match a regular expression (loop spec §3.3).

use async_trait::async_trait;
use canon_exec::{ExecutionEnvironment, GrepOptions, GrepResult};
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Access, Tool, ToolContext, ToolOutput, args, define, resolve};

/// Searches the contents of files, honouring ignore files.
#[derive(Debug, Clone, Copy)]
pub struct Grep;

const DEFAULT_MAX_RESULTS: usize = 100;

#[derive(Deserialize)]
struct Args {
    pattern: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    glob_filter: Option<String>,
    #[serde(default)]
    case_insensitive: Option<bool>,
    #[serde(default)]
    max_results: Option<usize>,
}

#[async_trait]
impl Tool for Grep {
    fn definition(&self) -> ToolDefinition {
        define(
            "grep",
            "Search the contents of files with a regular expression (Rust syntax). Returns \
             path:line:text for each matching line. Ignored and hidden files are left out.",
            &[
                (
                    "pattern",
                    json!({"type": "string", "minLength": 1, "description": "The regular expression"}),
                    true,
                ),
                (
                    "path",
                    json!({"type": "string", "minLength": 1, "description": "File or directory to search (default: the working directory)"}),
                    false,
                ),
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
        Access::Reads(resolve(env, args::text(arguments, "path").unwrap_or(".")))
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let args: Args = match args::parse(arguments) {
            Ok(args) => args,
            Err(text) => return ToolOutput::error(text),
        };
        let path = resolve(context.env.as_ref(), args.path.as_deref().unwrap_or("."));
        let options = GrepOptions {
            glob: args.glob_filter,
            case_insensitive: args.case_insensitive.unwrap_or(false),
            max_results: args.max_results.unwrap_or(DEFAULT_MAX_RESULTS),
            cancel: context.cancel.clone(),
            ..GrepOptions::default()
        };
        match context.env.grep(&args.pattern, &path, &options).await {
            Ok(result) => ToolOutput::ok(listing(&result)),
            Err(error) => ToolOutput::error(error.to_string()),
        }
    }
}

fn listing(result: &GrepResult) -> String {
    if result.lines.is_empty() {
        return "No matches found.".to_owned();
    }
    let mut text = String::new();
    for line in &result.lines {
        text.push_str(&format!("{}:{}:{}\n", line.path.display(), line.line, line.text));
    }
    if result.truncated {
        text.push_str(&format!(
            "[Only the first {} matches are shown. Narrow the search, or raise max_results.]\n",
            result.lines.len()
        ));
    }
    text
}
