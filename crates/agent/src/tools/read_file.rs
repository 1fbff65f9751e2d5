//! `read_file`: numbered lines of a text, or a picture (loop spec §3.3).

use async_trait::async_trait;
use canon_exec::ExecutionEnvironment;
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::content::Content;
use super::{Access, Tool, ToolContext, ToolImage, ToolOutput, args, define, resolve};

/// Reads a file with line numbers; a PNG, JPEG, GIF or WebP comes as a picture.
#[derive(Debug, Clone, Copy)]
pub struct ReadFile;

/// Larger files are refused, with a hint at the shell.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// What providers take inline.
const MAX_IMAGE_BYTES: usize = 20 * 1024 * 1024;
const DEFAULT_LIMIT: usize = 2000;

#[derive(Deserialize)]
struct Args {
    file_path: String,
    #[serde(default)]
    offset: Option<usize>,
    #[serde(default)]
    limit: Option<usize>,
}

#[async_trait]
impl Tool for ReadFile {
    fn definition(&self) -> ToolDefinition {
        define(
            "read_file",
            "Read a file. Text comes as numbered lines, \"NNN | content\"; the numbers are not \
             part of the file. Images come as images. Use offset and limit for parts of long files.",
            &[
                (
                    "file_path",
                    json!({"type": "string", "minLength": 1, "description": "Path of the file, absolute or relative to the working directory"}),
                    true,
                ),
                (
                    "offset",
                    json!({"type": "integer", "minimum": 0, "description": "First line to read, counted from 1"}),
                    false,
                ),
                (
                    "limit",
                    json!({"type": "integer", "minimum": 1, "description": "Most lines to read (default 2000)"}),
                    false,
                ),
            ],
        )
    }

    fn access(&self, arguments: &Map<String, Value>, env: &dyn ExecutionEnvironment) -> Access {
        args::text(arguments, "file_path")
            .map_or(Access::Anything, |path| Access::Reads(resolve(env, path)))
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let args: Args = match args::parse(arguments) {
            Ok(args) => args,
            Err(text) => return ToolOutput::error(text),
        };
        let path = resolve(context.env.as_ref(), &args.file_path);
        let bytes = match context.env.read_file(&path, MAX_BYTES).await {
            Ok(bytes) => bytes,
            Err(error @ canon_exec::FileError::TooLarge { .. }) => {
                return ToolOutput::error(format!(
                    "{error}; read a part of it with the shell (sed -n, head, tail) or search it \
                     with grep"
                ));
            }
            Err(error @ canon_exec::FileError::IsDirectory { .. }) => {
                return ToolOutput::error(format!("{error}; list it with list_dir or ls"));
            }
            Err(error) => return ToolOutput::error(error.to_string()),
        };
        match Content::of(bytes) {
            Content::Text(text) => numbered(&args.file_path, &text, args.offset, args.limit),
            Content::Image(media_type, data) => image(&args.file_path, data, media_type),
            Content::Other(why) => ToolOutput::error(format!("{}: {why}", args.file_path)),
        }
    }
}

fn image(path: &str, data: Vec<u8>, media_type: &str) -> ToolOutput {
    if data.len() > MAX_IMAGE_BYTES {
        return ToolOutput::error(format!(
            "{path}: is an image of {} bytes, more than the {MAX_IMAGE_BYTES} that can be shown",
            data.len()
        ));
    }
    ToolOutput {
        text: format!("[{media_type} image, {} bytes: {path}]", data.len()),
        images: vec![ToolImage { data, media_type: media_type.to_owned() }],
        ..ToolOutput::default()
    }
}

fn numbered(path: &str, text: &str, offset: Option<usize>, limit: Option<usize>) -> ToolOutput {
    let first = offset.unwrap_or(1).max(1);
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let total = text.lines().count();
    if total == 0 {
        return ToolOutput::ok("[The file is empty.]");
    }
    if first > total {
        return ToolOutput::error(format!(
            "{path}: offset {first} is beyond the end, the file has {total} lines"
        ));
    }
    let mut output = String::with_capacity(text.len().min(1 << 20));
    for (at, line) in text.lines().enumerate().skip(first - 1).take(limit) {
        output.push_str(&format!("{:>3} | {line}\n", at + 1));
    }
    let next = first.saturating_add(limit);
    if next <= total {
        output.push_str(&format!(
            "[{} more lines. Continue with offset {next}.]\n",
            total - next + 1
        ));
    }
    ToolOutput::ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_from_the_offset() {
        let text = "a\nb\nc\nd\n";
        assert_eq!(numbered("f", text, None, None).text, "  1 | a\n  2 | b\n  3 | c\n  4 | d\n");
        assert_eq!(
            numbered("f", text, Some(2), Some(2)).text,
            "  2 | b\n  3 | c\n[1 more lines. Continue with offset 4.]\n"
        );
        assert_eq!(numbered("f", text, Some(4), Some(usize::MAX)).text, "  4 | d\n");
    }

    #[test]
    fn reading_past_the_end_is_an_error_that_says_where_the_end_is() {
        let output = numbered("f", "a\nb", Some(3), None);
        assert!(output.is_error);
        assert_eq!(output.text, "f: offset 3 is beyond the end, the file has 2 lines");
        assert!(!numbered("f", "", None, None).is_error);
    }
}
