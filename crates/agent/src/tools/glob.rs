//! `glob`: files by name (loop spec §3.3).

use async_trait::async_trait;
use canon_exec::{ExecutionEnvironment, GlobOptions, GlobResult};
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::patterns::{asks_for_hidden, literal_prefix};
use super::{Access, Tool, ToolContext, ToolOutput, args, define, resolve};

/// Finds files whose path matches a pattern, the newest first.
#[derive(Debug, Clone, Copy)]
pub struct Glob;

/// Paths and bytes of one answer: fewer than the limits on output allow, which would keep the end
/// of the list, where the oldest are.
const MOST: usize = 490;
const MOST_BYTES: usize = 19_000;

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
             Ignored files are left out, and hidden ones unless the pattern names them.",
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
        let pattern = args::text(arguments, "pattern").unwrap_or_default();
        // An absolute pattern says itself where to begin.
        let place = match args::text(arguments, "path") {
            _ if pattern.starts_with('/') => literal_prefix(pattern),
            path => path.unwrap_or(".").into(),
        };
        Access::Reads(resolve(env, &place.to_string_lossy()))
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let args: Args = match args::parse(arguments) {
            Ok(args) => args,
            Err(text) => return ToolOutput::error(text),
        };
        let path = resolve(context.env.as_ref(), args.path.as_deref().unwrap_or("."));
        let options = GlobOptions {
            hidden: asks_for_hidden(&args.pattern),
            cancel: context.cancel.clone(),
            ..GlobOptions::default()
        };
        match context.env.glob(&args.pattern, &path, &options).await {
            Ok(result) => ToolOutput::ok(listing(&result)),
            Err(error) => ToolOutput::error(error.to_string()),
        }
    }
}

fn listing(result: &GlobResult) -> String {
    if result.paths.is_empty() {
        return "No files found. Ignored files are left out, and hidden ones unless the pattern names \
                them, as in .github/**."
            .to_owned();
    }
    let mut text = String::new();
    let mut shown = 0;
    for path in result.paths.iter().take(MOST) {
        let line = format!("{}\n", path.display());
        if shown > 0 && text.len() + line.len() > MOST_BYTES {
            break;
        }
        text.push_str(&line);
        shown += 1;
    }
    if result.truncated || shown < result.paths.len() {
        text.push_str(&format!(
            "[Only the newest {shown} files are shown. Narrow the pattern, or set path.]\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truncate::OutputLimits;

    #[test]
    fn the_newest_survive_the_limits_on_output() {
        for name in ["n", &"long/".repeat(40)] {
            let paths = (0..1000).map(|n| format!("{name}{n}").into()).collect();
            let text = listing(&GlobResult { paths, truncated: false });
            assert!(text.starts_with(&format!("{name}0\n")));
            assert!(text.contains("[Only the newest "), "{text}");
            assert_eq!(OutputLimits::default().apply("glob", &text), text);
        }
    }
}
