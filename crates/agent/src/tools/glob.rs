//! `glob`: files by name (loop spec §3.3).

use async_trait::async_trait;
use canon_exec::{ExecutionEnvironment, GlobOptions, GlobResult};
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Access, Tool, ToolContext, ToolOutput, args, define, resolve};

/// Finds files whose path matches a pattern, the newest first.
#[derive(Debug, Clone, Copy)]
pub struct Glob;

#[derive(Deserialize)]
struct Args {
    pattern: String,
    #[serde(default)]
    path: Option<String>,
}

#[async_trait]
impl Tool for Glob {
    fn definition(&self) -> ToolDefinition {
        define(
            "glob",
            "Find files by a glob pattern such as **/*.ts, the most recently changed first. \
             Ignored and hidden files are left out.",
            &[
                (
                    "pattern",
                    json!({"type": "string", "minLength": 1, "description": "The glob pattern"}),
                    true,
                ),
                (
                    "path",
                    json!({"type": "string", "minLength": 1, "description": "Directory to start from (default: the working directory)"}),
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
        let options = GlobOptions { cancel: context.cancel.clone(), ..GlobOptions::default() };
        match context.env.glob(&args.pattern, &path, &options).await {
            Ok(result) => ToolOutput::ok(listing(&result)),
            Err(error) => ToolOutput::error(error.to_string()),
        }
    }
}

fn listing(result: &GlobResult) -> String {
    if result.paths.is_empty() {
        return "No files found.".to_owned();
    }
    let mut text = String::new();
    for path in &result.paths {
        text.push_str(&format!("{}\n", path.display()));
    }
    if result.truncated {
        text.push_str(&format!(
            "[Only the newest {} files are shown. Narrow the pattern, or set path.]\n",
            result.paths.len()
        ));
    }
    text
}
