//! `write_file`: a file with exactly this content (loop spec §3.3).

use async_trait::async_trait;
use canon_exec::ExecutionEnvironment;
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Access, Tool, ToolContext, ToolOutput, args, define, resolve};

/// Creates or replaces a file, and the directories above it.
#[derive(Debug, Clone, Copy)]
pub struct WriteFile;

#[derive(Deserialize)]
struct Args {
    file_path: String,
    content: String,
}

#[async_trait]
impl Tool for WriteFile {
    fn definition(&self) -> ToolDefinition {
        define(
            "write_file",
            "Write a file, creating it and its parent directories where needed. An existing file \
             is replaced as a whole: where only a part of one changes, edit it instead.",
            &[
                (
                    "file_path",
                    json!({"type": "string", "minLength": 1, "description": "Path of the file, absolute or relative to the working directory"}),
                    true,
                ),
                (
                    "content",
                    json!({"type": "string", "description": "The whole content of the file"}),
                    true,
                ),
            ],
        )
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
        match context.env.write_file(&path, args.content.as_bytes()).await {
            Ok(outcome) => {
                let done = if outcome.created { "created" } else { "replaced" };
                ToolOutput::ok(format!(
                    "Wrote {} bytes to {} ({done}).",
                    outcome.bytes, args.file_path
                ))
                .with_details(json!({
                    "path": path.to_string_lossy(),
                    "change": if outcome.created { "add" } else { "update" },
                }))
            }
            Err(error) => ToolOutput::error(error.to_string()),
        }
    }
}
