//! `read_file`: numbered lines of a text, or a picture (loop spec §3.3).

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use canon_exec::{ExecCommand, ExecutionEnvironment, FileError};
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::content::Content;
use super::{Access, Tool, ToolContext, ToolImage, ToolOutput, args, define, resolve};
use crate::truncate::first_bytes;

/// Reads a file with line numbers; a PNG, JPEG, GIF or WebP comes as a picture.
#[derive(Debug, Clone, Copy)]
pub struct ReadFile;

/// Larger files are read in parts only.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// What providers take inline.
const MAX_IMAGE_BYTES: usize = 20 * 1024 * 1024;
const DEFAULT_LIMIT: usize = 2000;
/// Bytes of one answer.
const MAX_TEXT: usize = 1024 * 1024;
/// How long the part of a large file may be looked for.
const PART_LIMIT: Duration = Duration::from_secs(60);

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
            Err(FileError::TooLarge { .. }) if args.offset.or(args.limit).is_some() => {
                return part(&context, &path, &args).await;
            }
            Err(error @ FileError::TooLarge { .. }) => {
                return ToolOutput::error(format!(
                    "{error}; read a part of it with offset and limit, or search it with grep"
                ));
            }
            Err(error @ FileError::IsDirectory { .. }) => {
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
    let (mut output, next) = lines(text, first, limit);
    if next <= total {
        output.push_str(&format!(
            "[{} more lines. Continue with offset {next}.]\n",
            total - next + 1
        ));
    }
    ToolOutput::ok(output)
}

/// At most `limit` lines of `text` from number `first` on, as far as one answer goes, and the
/// number of the line after them.
fn lines(text: &str, first: usize, limit: usize) -> (String, usize) {
    let mut output = String::with_capacity(text.len().min(MAX_TEXT));
    let mut next = first;
    for line in text.lines().skip(first - 1).take(limit) {
        let shown = first_bytes(line, MAX_TEXT);
        if next > first && output.len() + shown.len() > MAX_TEXT {
            break;
        }
        output.push_str(&format!("{next:>3} | {shown}"));
        if shown.len() < line.len() {
            output.push_str(&format!(" [line cut, it has {} bytes]", line.len()));
        }
        output.push('\n');
        next += 1;
    }
    (output, next)
}

/// A part of a file that is too large to be read as a whole, by a program that passes over what
/// comes before.
async fn part(context: &ToolContext, path: &Path, args: &Args) -> ToolOutput {
    let first = args.offset.unwrap_or(1).max(1);
    let last = first.saturating_add(args.limit.unwrap_or(DEFAULT_LIMIT) - 1);
    let quoted = path.to_string_lossy().replace('\'', "'\\''");
    let command = ExecCommand {
        timeout: Some(PART_LIMIT),
        cancel: context.cancel.clone(),
        ..ExecCommand::new(format!("LC_ALL=C sed -n '{first},{last}p;{last}q' -- '{quoted}'"))
    };
    let refused = |why: String| ToolOutput::error(format!("{}: {why}", args.file_path));
    match context.env.exec_command(command).await {
        Ok(result) if result.truncated_bytes > 0 => {
            refused(format!("lines {first} to {last} are too long for one answer; lower limit"))
        }
        Ok(result) if !result.success() => refused(format!(
            "the part could not be read within {} s: {}",
            PART_LIMIT.as_secs(),
            result.stderr.trim()
        )),
        Ok(result) if result.stdout.contains('\0') => refused("is a binary file".to_owned()),
        Ok(result) if result.stdout.is_empty() => {
            refused(format!("offset {first} is beyond the end"))
        }
        Ok(result) => {
            let mut text = String::with_capacity(result.stdout.len());
            for (number, line) in (first..).zip(result.stdout.lines()) {
                text.push_str(&format!("{number:>3} | {line}\n"));
            }
            ToolOutput::ok(text)
        }
        Err(error) => refused(error.to_string()),
    }
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
    fn line_ends_of_windows_are_not_shown_and_endless_lines_are_cut() {
        assert_eq!(numbered("f", "a\r\nb\r\n", None, None).text, "  1 | a\n  2 | b\n");
        let long = "é".repeat(MAX_TEXT);
        let output = numbered("f", &format!("{long}\nb"), None, None).text;
        assert!(output.contains(" [line cut, it has 2097152 bytes]\n[1 more lines. Continue"), "");
        let many = format!("{}\n", "x".repeat(MAX_TEXT / 3)).repeat(5);
        let output = numbered("f", &many, Some(2), None).text;
        assert!(output.ends_with("[2 more lines. Continue with offset 4.]\n"), "{}", output.len());
    }

    #[test]
    fn reading_past_the_end_is_an_error_that_says_where_the_end_is() {
        let output = numbered("f", "a\nb", Some(3), None);
        assert!(output.is_error);
        assert_eq!(output.text, "f: offset 3 is beyond the end, the file has 2 lines");
        assert!(!numbered("f", "", None, None).is_error);
    }
}
